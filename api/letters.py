"""The letters of each kind of mail: whose address, in whose name, with which words and which personal URL."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.intake import JAPAN
from api.mail import Letter
from models import mail, seal
from models.candidate import read_items
from models.mail import Connection, Mail
from models.rejection_mail import render_rejection_mail

TEMPLATES = {
    "RELAY_LINK": "relay_link",
    "REFERRAL_CONFIRMATION": "referral_confirmation",
    "SURVEY": "survey",
    "COMPANY_CONFIRMATION": "company_confirmation",
    "SLOT_NOTICE": "slot_notice",
}
TO_STAFF = {"COMPANY_CONFIRMATION", "SLOT_NOTICE"}
NAMELESS = {"JA": "ご応募者", "EN": "applicant"}

_texts = Environment(  # plain text: nothing to escape
    loader=FileSystemLoader(Path(__file__).parent / "templates" / "mail"),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


async def write(connection: Connection, sent: Mail, *, issuer: str) -> Letter | None:
    """The letter; None when nobody can receive it: no address is kept, or the company has no people of its own."""
    facts = await mail.facts(connection, sent.id)
    if sent.kind in TO_STAFF:
        to, name = await mail.staff(connection, sent.company_id), None
    else:
        to, name = await _candidate(connection, facts, sent)
    if not to:
        return None
    if sent.kind == "REJECTION":
        subject, text = await _rejection(connection, sent, facts, name, issuer)
    else:
        subject, text = _from_template(sent, facts, name, issuer)
    return Letter(sent.id, tuple(to), facts["company"], subject, text, sent.language)


def day(at: datetime, language: str) -> str:
    """An instant as the day it is in Japan."""
    local = at.astimezone(JAPAN)
    return f"{local.year}年{local.month}月{local.day}日" if language == "JA" else f"{local:%-d %B %Y}"


async def _candidate(connection: Connection, facts: asyncpg.Record, sent: Mail) -> tuple[list[str], str | None]:
    found = await read_items(connection, partner_id=facts["keeper_id"], person_id=sent.person_id)
    items = next(iter(found.values()), dict[str, str]())
    return ([items["EMAIL"]] if "EMAIL" in items else []), items.get("NAME")


async def _rejection(
    connection: Connection, sent: Mail, facts: asyncpg.Record, name: str | None, issuer: str
) -> tuple[str, str]:
    subject, body = await mail.rejection_words(connection, company_id=sent.company_id, language=sent.language)
    url = None
    if sent.invitation_id and not facts["no_agency"]:
        url = f"{issuer}/relay/{seal.relay_token(sent.invitation_id)}"
    names = {
        "candidate_name": name or NAMELESS[sent.language],
        "company_name": facts["company"],
        "job_title": facts["job"] or "",
    }
    return render_rejection_mail(subject, body, language=sent.language, names=names, url=url)


def _from_template(sent: Mail, facts: asyncpg.Record, name: str | None, issuer: str) -> tuple[str, str]:
    words: dict[str, Any] = {
        key: day(value, sent.language) if isinstance(value, datetime) else value for key, value in facts.items()
    }
    if sent.invitation_id:
        words["relay_url"] = f"{issuer}/relay/{seal.relay_token(sent.invitation_id)}"
        words["confirmation_url"] = f"{issuer}/relay/confirm/{seal.confirmation_token(sent.invitation_id)}"
    if sent.referral_id:
        words["referral_url"] = f"{issuer}/referral/{seal.referral_token(sent.referral_id)}"
    if sent.survey_id:
        words["survey_url"] = f"{issuer}/survey/{seal.survey_token(sent.survey_id)}"
    template = _texts.get_template(f"{TEMPLATES[sent.kind]}.{sent.language.lower()}.txt")
    subject, _, text = template.render(**words, name=name, issuer=issuer).partition("\n")
    return subject, text.strip() + "\n"
