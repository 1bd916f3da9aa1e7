"""People in what another system tells: candidates by its ids, whom it credits, and whom it forgot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias
from uuid import UUID

import asyncpg

from api.intake import Applicant, ApplicantChanged, ApplicantErased, ApplicantMerged, ApplicationState, Credit
from models import candidate, delivery, invitation, mail, partner, referral
from models.db import queries
from models.delivery import Known, Mark, System
from models.outbox import Said

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

EPOCH = datetime.fromtimestamp(0, UTC)  # before anything that a system could tell


class TooEarly(Exception):  # noqa: N818  (what the news is)
    """News of an application or candidate that nothing has told of yet: to be tried again."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who tells: a company, through one of its systems; `event_id` is the delivery's or the row's."""

    company_id: UUID
    system: System
    kind: Literal["ATS", "IMPORT"]
    event_id: str | None

    def said(self, at: datetime | None) -> Said:
        """What the company says through this source, true from `at`; now when that was not told."""
        now = datetime.now(UTC)
        return Said(by=self.company_id, source=self.kind, at=min(at or now, now), source_event_id=self.event_id)


async def person(connection: Connection, source: Source, external_id: str) -> UUID | None:
    """Whom the system means by a candidate's id."""
    row = await _known(connection, source, external_id)
    return row["person_id"] if row else None


async def keep(connection: Connection, source: Source, told: ApplicationState, known: Known | None) -> UUID:
    """The person of an application: its own, else by the candidate's id there, else by address, else new."""
    row = await _known(connection, source, told.applicant.external_id)
    person_id = known.person_id if known and known.person_id else row["person_id"] if row else None
    if known and known.erased and person_id:
        return person_id
    fresh = row is None or told.as_of >= row["told_at"]
    return await _keep(connection, source, told.applicant, person_id, told.as_of, fresh=fresh)


async def change(connection: Connection, source: Source, told: ApplicantChanged) -> UUID | None:
    """New personal data of somebody known. Raises TooEarly when nothing told of them yet."""
    if await is_forgotten(connection, source, told.applicant.external_id, told.as_of):
        return None
    row = await _known(connection, source, told.applicant.external_id)
    if row is None:
        raise TooEarly
    fresh = told.as_of >= row["told_at"]
    return await _keep(connection, source, told.applicant, row["person_id"], told.as_of, fresh=fresh)


async def merge(connection: Connection, source: Source, told: ApplicantMerged) -> UUID | None:
    """Two ids there are one person; here too, as far as this company's word reaches."""
    dropped = await person(connection, source, told.external_id)
    kept = await person(connection, source, told.into)
    if dropped is None:
        return kept
    if kept is not None and kept != dropped:
        await candidate.merge(connection, partner_id=source.company_id, keep=kept, drop=dropped)
    await _know(connection, source, told.external_id, kept or dropped, None)
    await _know(connection, source, told.into, kept or dropped, None)
    return kept or dropped


async def forget(connection: Connection, source: Source, told: ApplicantErased, person_id: UUID | None) -> list[UUID]:
    """Erases what this company knows of a person, or some items of it. Returns the mails whose files must go."""
    sql = queries("delivery")
    if told.items:
        if person_id:
            words = {"company_id": source.company_id, "person_id": person_id}
            await queries("candidate").view_as(connection, partner_id=source.company_id)
            await sql.drop_items(connection, items=list(told.items), **words)
            await sql.bare(connection, **words)
        return []
    await sql.forget(
        connection, company_id=source.company_id, system=source.system, external_id=told.external_id, at=told.as_of
    )
    if person_id is None:
        return []
    mail_ids = await mail.of_person(connection, person_id, company_id=source.company_id)
    await candidate.forget(connection, partner_id=source.company_id, person_id=person_id)
    return mail_ids


async def is_forgotten(connection: Connection, source: Source, external_id: str, at: datetime) -> bool:
    """Whether this candidate was deleted or anonymised there at that time or later."""
    return await queries("delivery").forgotten(
        connection, company_id=source.company_id, system=source.system, external_id=external_id, at=at
    )


async def unknow(connection: Connection, source: Source, external_id: str) -> None:
    """A candidate's id there means nobody any more; the person and their applications stay."""
    await queries("delivery").unknow_candidate(
        connection, company_id=source.company_id, system=source.system, external_id=external_id
    )


async def live_applications(connection: Connection, source: Source, person_id: UUID) -> list[str]:
    """The system's ids of a person's applications that it has not deleted."""
    rows = queries("delivery").live_applications(
        connection, company_id=source.company_id, system=source.system, person_id=person_id
    )
    return [row["external_id"] async for row in rows]


async def credit(
    connection: Connection, source: Source, told: ApplicationState, person_id: UUID, job_id: UUID | None
) -> UUID | None:
    """The referral of whom the system credits, an employee of the company, registered when new."""
    if told.credit is None:
        return None
    marks = _marks(told.credit)
    referrer_id = await delivery.referrer(connection, company_id=source.company_id, marks=marks)
    if referrer_id is None:
        referrer_id = await partner.register_referrer(
            connection,
            acting=source.company_id,
            company_id=source.company_id,
            name=told.credit.name or f"社員 {told.credit.employee_id or told.credit.user_id or ''}".strip(),
            affiliation="EMPLOYEE",
            prefecture=await seat(connection, source.company_id),
        )
    await delivery.know_referrer(connection, company_id=source.company_id, referrer_id=referrer_id, marks=marks.items())
    credited = await referral.credit(
        connection,
        referrer_id=referrer_id,
        company_id=source.company_id,
        job_id=job_id,
        person_id=person_id,
        said=source.said(told.received_at),
    )
    return credited.referral_id


async def seat(connection: Connection, company_id: UUID) -> str:
    """The company's own prefecture, for what the system places nowhere."""
    return await queries("delivery").seat(connection, company_id=company_id)


async def _keep(
    connection: Connection, source: Source, told: Applicant, person_id: UUID | None, at: datetime, *, fresh: bool
) -> UUID:
    kept = await candidate.keep(
        connection,
        partner_id=source.company_id,
        email=told.email,
        person_id=person_id,
        items=told.items() if fresh else {},
        at=at,
    )
    await _know(connection, source, told.external_id, kept.person_id, at if fresh else None)
    if fresh and "EMAIL" in told.items():
        said = source.said(None)
        await invitation.address_came(connection, company_id=source.company_id, person_id=kept.person_id, said=said)
    return kept.person_id


async def _known(connection: Connection, source: Source, external_id: str) -> asyncpg.Record | None:
    return await queries("delivery").candidate(
        connection, company_id=source.company_id, system=source.system, external_id=external_id
    )


async def _know(
    connection: Connection, source: Source, external_id: str, person_id: UUID, told_at: datetime | None
) -> None:
    await queries("delivery").know_candidate(
        connection,
        company_id=source.company_id,
        system=source.system,
        external_id=external_id,
        person_id=person_id,
        told_at=told_at or EPOCH,
    )


def _marks(told: Credit) -> dict[Mark, str]:
    marks: dict[Mark, str | None] = {
        "USER": told.user_id,
        "EMPLOYEE": told.employee_id,
        "EMAIL": told.email,
        "NAME": told.name,
    }
    return {kind: value for kind, value in marks.items() if value}
