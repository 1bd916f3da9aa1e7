"""The letters of each kind of mail: whose address, in whose name, with which words and which personal URL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.mail import Letter
from models import mail, seal
from models.candidate import is_address_of, read_items
from models.db import Connection
from models.japan import JAPAN
from models.mail import Mail
from models.rejection_mail import render_rejection_mail

TEMPLATES = {
    "RELAY_LINK": "relay_link",
    "REFERRAL_CONFIRMATION": "referral_confirmation",
    "SURVEY": "survey",
    "COMPANY_CONFIRMATION": "company_confirmation",
    "SLOT_NOTICE": "slot_notice",
    "JOINING": "joining",
    "FACTORS_RESET": "factors_reset",
}
TO_STAFF = {"COMPANY_CONFIRMATION", "SLOT_NOTICE"}
TO_MEMBER = {"JOINING", "FACTORS_RESET"}
NAMELESS = {"JA": "ご応募者", "EN": "applicant"}

_texts = Environment(  # plain text: nothing to escape
    loader=FileSystemLoader(Path(__file__).parent / "templates" / "mail"),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


async def write(connection: Connection, sent: Mail, *, issuer: str) -> Letter | None:
    """The letter; None when nobody can receive it: no address is kept, they asked for no mail, the company has no
    people of its own, or their access ended."""
    facts = await mail.facts(connection, sent.id)
    if sent.kind in TO_STAFF:
        to, name = await mail.staff(connection, sent.company_id), None
    elif sent.kind in TO_MEMBER:
        to, name = [facts["addressee"]] if facts["addressee"] else [], facts["called"]
    else:
        to, name = await _candidate(connection, facts, sent)
    if not to:
        return None
    person_id = None if sent.kind in TO_STAFF else sent.person_id
    own = person_id is not None and await is_address_of(connection, person_id=person_id, email=to[0])
    links = _links(sent, issuer, own=seal.email_index(to[0]) if own else None)
    if sent.kind == "REJECTION":
        subject, text = await _rejection(connection, sent, facts, name, links)
    else:
        subject, text = _from_template(sent, facts, name, issuer, links)
    # Every other letter speaks of the company, to its own people or to somebody of whom it may know nothing yet.
    sender = facts["company"] if sent.kind == "REJECTION" else None
    return Letter(sent.id, tuple(to), sender, subject, text, sent.language)


def day(at: datetime, language: str) -> str:
    """An instant as the day it is in Japan."""
    local = at.astimezone(JAPAN)
    return f"{local.year}年{local.month}月{local.day}日" if language == "JA" else f"{local:%-d %B %Y}"


async def _candidate(connection: Connection, facts: asyncpg.Record, sent: Mail) -> tuple[list[str], str | None]:
    if not facts["may_mail"]:
        return [], None
    found = await read_items(connection, partner_id=facts["keeper_id"], person_id=sent.person_id)
    items = next(iter(found.values()), dict[str, str]())
    return ([items["EMAIL"]] if "EMAIL" in items else []), items.get("NAME")


async def _rejection(
    connection: Connection, sent: Mail, facts: asyncpg.Record, name: str | None, links: Mapping[str, str]
) -> tuple[str, str]:
    subject, body = await mail.rejection_words(connection, company_id=sent.company_id, language=sent.language)
    url = None if facts["no_agency"] else links.get("relay_url")
    names = {
        "candidate_name": name or NAMELESS[sent.language],
        "company_name": facts["company"],
        "job_title": facts["job"] or "",
    }
    return render_rejection_mail(subject, body, language=sent.language, names=names, url=url)


def _links(sent: Mail, issuer: str, *, own: bytes | None) -> dict[str, str]:
    """The personal URLs that the letter may carry. `own`: to which address it goes, if that is the person's own.

    Each opens in the letter's language, whatever the browser prefers; pages that speak both need not be told.
    """
    links: dict[str, str] = {}
    lang = f"?lang={sent.language.lower()}"
    if sent.invitation_id:
        links["relay_url"] = f"{issuer}/relay/{seal.relay_token(sent.invitation_id, own=own)}{lang}"
        links["confirmation_url"] = f"{issuer}/relay/confirm/{seal.confirmation_token(sent.invitation_id)}{lang}"
    if sent.referral_id:
        links["referral_url"] = f"{issuer}/referral/{seal.referral_token(sent.referral_id, own=own)}{lang}"
    if sent.survey_id:
        links["survey_url"] = f"{issuer}/survey/{seal.survey_token(sent.survey_id)}{lang}"
    if sent.joining_id:
        links["joining_url"] = f"{issuer}/join/{seal.joining_token(sent.joining_id)}"
    return links


def _from_template(
    sent: Mail, facts: asyncpg.Record, name: str | None, issuer: str, links: Mapping[str, str]
) -> tuple[str, str]:
    words = {key: _word(value, sent.language) for key, value in facts.items()}
    template = _texts.get_template(f"{TEMPLATES[sent.kind]}.{sent.language.lower()}.txt")
    subject, _, text = template.render(**words, **links, name=_word(name, sent.language), issuer=issuer).partition("\n")
    return subject, text.strip() + "\n"


def _word(value: Any, language: str) -> Any:
    # A name is somebody else's text in a letter of ours: it stays on its line, so that it cannot pose as the letter.
    if isinstance(value, str):
        return " ".join(value.split())
    return day(value, language) if isinstance(value, datetime) else value
