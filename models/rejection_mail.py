"""Rejection mails (お祈りメール): each company's own words, with the relay URL inserted exactly once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from models.db import Connection, queries, uuid7
from models.errors import invalid

Language = Literal["JA", "EN"]

SUBJECT_CHARACTERS = 200
BODY_CHARACTERS = 20_000

DEFAULTS: dict[Language, tuple[str, str]] = {
    "JA": (
        "選考結果のご連絡【{{company_name}}】",
        """\
{{candidate_name}} 様

このたびは弊社の求人にご応募いただき、誠にありがとうございました。
お時間を割いて選考に臨んでくださいましたことに、心よりお礼申し上げます。

慎重に検討を重ねました結果、誠に残念ながら、今回はご希望に沿いかねることとなりました。
何卒ご了承くださいますようお願い申し上げます。

次の一歩のために、弊社が提携する人材紹介会社などへのご登録をご案内しております。ご利用は任意かつ無料で、
どこに何をお伝えするかは、すべてご自身でお選びいただけます。ご登録の有無が、弊社の選考に影響することはありません。
ご関心がおありでしたら、90日以内に次のページをご覧ください。
{{relay_url}}

末筆ながら、{{candidate_name}} 様の今後ますますのご活躍を心よりお祈り申し上げます。

{{company_name}} 採用担当
""",
    ),
    "EN": (
        "About your application to {{company_name}}",
        """\
Dear {{candidate_name}},

Thank you for applying to {{company_name}}, and for the time and thought you gave to our selection process.

After careful consideration we are sorry to tell you that we will not be moving forward with your application
this time.

For your next step, we can introduce you to recruitment agencies and partner companies that we work with. It is free
and entirely up to you: you choose who receives which of your details. Whether you use it or not has no influence on
our selection. If you are interested, please open this page within 90 days:
{{relay_url}}

We wish you every success.

The recruiting team of {{company_name}}
""",
    ),
}
ADDED: dict[Language, str] = {
    "JA": "次の一歩のご案内（ご利用は任意・無料です。90日以内にご覧ください）\n{{relay_url}}",
    "EN": "An introduction for your next step (free, and entirely up to you; open within 90 days):\n{{relay_url}}",
}
_MARK = "{{relay_url}}"
_PLACE = re.compile(r"\{\{(\w+)\}\}")


async def default_rejection_mails(connection: Connection, *, company_id: UUID, at: datetime) -> None:
    """Gives a company its first rejection mails, in Japanese and English; those it has already stay."""
    for language, (subject, body) in DEFAULTS.items():
        await queries("rejection_mail").add_default(
            connection, id=uuid7(), company_id=company_id, language=language, subject=subject, body=body, at=at
        )


async def save_rejection_mail(
    connection: Connection, *, company_id: UUID, language: Language, subject: str, body: str, at: datetime
) -> UUID:
    """Saves a company's rejection mail in one language. Returns its id.

    Raises INVALID for an empty or overlong text, a line break in the subject, or the URL marked more than once.
    """
    if not 1 <= len(subject.strip()) <= SUBJECT_CHARACTERS or len(subject.splitlines()) != 1:
        raise invalid(
            "subject", f"件名は1〜{SUBJECT_CHARACTERS}文字の1行で。", f"One line, 1 to {SUBJECT_CHARACTERS} characters."
        )
    if not 1 <= len(body.strip()) <= BODY_CHARACTERS:
        raise invalid("body", f"本文は1〜{BODY_CHARACTERS}文字で。", f"A body has 1 to {BODY_CHARACTERS} characters.")
    if body.count(_MARK) > 1 or _MARK in subject:
        raise invalid("body", f"{_MARK} は本文に1か所だけ置いてください。", f"Put {_MARK} into the body, once at most.")
    return await queries("rejection_mail").save(
        connection, id=uuid7(), company_id=company_id, language=language, subject=subject, body=body, at=at
    )


def render_rejection_mail(
    subject: str, body: str, *, language: Language, names: Mapping[str, str], url: str | None
) -> tuple[str, str]:
    """The subject and the body as they are sent.

    `names` fills `{{candidate_name}}`, `{{company_name}}` and `{{job_title}}`; an unknown name becomes nothing. `url`
    stands exactly once: at its mark, or at the end when there is none. Without a URL the paragraph around the mark
    is left out. What a name contains is never read as a mark.
    """
    if url is None:
        body = "\n\n".join(part for part in body.split("\n\n") if _MARK not in part)
    elif _MARK not in body:
        body = f"{body.rstrip()}\n\n{ADDED[language]}\n"
    first, mark, rest = body.partition(_MARK)
    body = first + mark + rest.replace(_MARK, "")
    known = {**names, "relay_url": url or ""}

    def fill(text: str) -> str:
        return _PLACE.sub(lambda place: known.get(place[1], ""), text)

    return " ".join(fill(subject.replace(_MARK, "")).split()), fill(body)
