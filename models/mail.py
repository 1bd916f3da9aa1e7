"""Mail to be sent (送信メール): lent to one sender at a time, tried again later and later, given up in the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from models.db import Connection, queries
from models.rejection_mail import DEFAULTS

Kind = Literal[
    "REJECTION",
    "RELAY_LINK",
    "REFERRAL_CONFIRMATION",
    "SURVEY",
    "COMPANY_CONFIRMATION",
    "SLOT_NOTICE",
    "JOINING",
    "FACTORS_RESET",
]

TO_ONE_A_DAY = 10  # letters to one person, whoever has them written
LEASE_SECONDS = 120  # longer than it may take to write a letter and send it, so that no two send the same mail
RETRY_SECONDS = (60, 300, 900, 3600, 7200, 14400, 28800, 43200)  # about a day and a half, as mail servers do


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is lent to be sent."""

    id: UUID
    kind: Kind
    company_id: UUID
    person_id: UUID | None
    invitation_id: UUID | None
    referral_id: UUID | None
    survey_id: UUID | None
    slot_id: UUID | None
    joining_id: UUID | None
    language: Literal["JA", "EN"]
    attempts: int


async def claim(connection: Connection) -> Mail | None:
    """Lends the mail that is due longest for LEASE_SECONDS; None when none is due."""
    row = await queries("mail").claim(connection, lease_seconds=LEASE_SECONDS)
    return Mail(**row) if row else None


async def too_many(connection: Connection, mail: Mail) -> bool:
    """Whether the person was written to often enough for a day; then the mail waits for the next one.

    A company could else have somebody rejected, and written to, a thousand times.
    """
    return (
        await queries("mail").wait_a_day(connection, id=mail.id, person_id=mail.person_id, most=TO_ONE_A_DAY)
        is not None
    )


async def stands(connection: Connection, mail: Mail) -> bool:
    """Whether a mail that was lent is still to be sent, by whom it was lent to."""
    return bool(await queries("mail").stands(connection, id=mail.id, attempts=mail.attempts))


async def facts(connection: Connection, mail_id: UUID) -> asyncpg.Record:
    """What the letter says besides the addressee's own data."""
    return await queries("mail").facts(connection, id=mail_id)


async def rejection_words(connection: Connection, *, company_id: UUID, language: str) -> tuple[str, str]:
    """Subject and body of the company's rejection mail: its own words, else the default ones."""
    row = await queries("mail").rejection_words(connection, company_id=company_id, language=language)
    return (row["subject"], row["body"]) if row else DEFAULTS["JA" if language == "JA" else "EN"]


async def staff(connection: Connection, company_id: UUID) -> list[str]:
    """Addresses of the company's own people who work with candidates."""
    return [row["email"] async for row in queries("mail").staff(connection, company_id=company_id)]


async def sent(connection: Connection, mail: Mail) -> bool:
    """Marks a mail sent; False when it was cancelled meanwhile."""
    return bool(await queries("mail").sent(connection, id=mail.id))


async def failed(connection: Connection, mail: Mail, *, failure: str, now: datetime, for_good: bool) -> bool:
    """Notes why a mail was not sent, in a code and never in an address. Returns whether it is given up."""
    given_up = for_good or mail.attempts > len(RETRY_SECONDS)
    wait = timedelta(seconds=0 if given_up else RETRY_SECONDS[mail.attempts - 1])
    status = "FAILED" if given_up else "QUEUED"
    await queries("mail").failed(connection, id=mail.id, status=status, failure=failure, due_at=now + wait)
    return given_up


async def of_person(connection: Connection, person_id: UUID, *, company_id: UUID | None = None) -> list[UUID]:
    """Every mail written to a person, in one company's name or in anyone's."""
    rows = queries("mail").of_person(connection, person_id=person_id, company_id=company_id)
    return [row["id"] async for row in rows]
