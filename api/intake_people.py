"""People in what another system tells: candidates by its ids, whom it credits, and whom it forgot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import asyncpg

from api.intake import Applicant, ApplicantChanged, ApplicantErased, ApplicantMerged, ApplicationState, Credit
from models import ats, candidate, invitation, mail, partner
from models.ats import Known, Mark, Seen, System
from models.candidate import Wanted
from models.credit import Credited, credit_all
from models.db import Connection, queries
from models.outbox import Said

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


@dataclass(slots=True)
class News:
    """One application as a system tells of it, on its way in: what was seen of it before, and what became of it.

    `known`: how the application stands, once it is recorded; `recorded`: now. `news`: what was told is newer than what
    was known.
    """

    source: Source
    told: ApplicationState
    seen: Seen | None = None
    known: Known | None = None
    person_id: UUID | None = None
    recorded: bool = False
    news: bool = False


async def person(connection: Connection, source: Source, external_id: str) -> UUID | None:
    """Whom the system means by a candidate's id."""
    row = await _known(connection, source, external_id)
    return row["person_id"] if row else None


async def keep(connection: Connection, news: Sequence[News]) -> None:
    """The persons of applications: each its own, else by the candidate's id there, else by address, else new."""
    told, of = list[_Told](), list[News]()
    for each in news:
        seen, known = each.seen, each.known
        assert seen is not None, "news is looked up before it is kept"
        each.person_id = known.person_id if known and known.person_id else seen.person_id
        if known and known.erased and each.person_id:
            continue
        fresh = seen.told_at is None or each.told.as_of >= seen.told_at
        told.append(_Told(each.told.applicant, each.person_id, each.told.as_of, fresh))
        of.append(each)
    if told:
        for each, person_id in zip(of, await _keep(connection, of[0].source, told), strict=True):
            each.person_id = person_id


async def change(connection: Connection, source: Source, told: ApplicantChanged) -> UUID | None:
    """New personal data of somebody known. Raises TooEarly when nothing told of them yet."""
    if await is_forgotten(connection, source, told.applicant.external_id, told.as_of):
        return None
    row = await _known(connection, source, told.applicant.external_id)
    if row is None:
        raise TooEarly
    fresh = told.as_of >= row["told_at"]
    [person_id] = await _keep(connection, source, [_Told(told.applicant, row["person_id"], told.as_of, fresh)])
    return person_id


async def merge(connection: Connection, source: Source, told: ApplicantMerged) -> UUID | None:
    """Two ids there are one person; here too, as far as this company's word reaches."""
    dropped = await person(connection, source, told.external_id)
    kept = await person(connection, source, told.into)
    if dropped is None:
        return kept
    if kept is not None and kept != dropped:
        await candidate.merge(connection, partner_id=source.company_id, keep=kept, drop=dropped)
    told_of = dict.fromkeys((told.external_id, told.into), (kept or dropped, None))
    await ats.know_candidates(connection, company_id=source.company_id, system=source.system, told=told_of)
    return kept or dropped


async def forget(connection: Connection, source: Source, told: ApplicantErased, person_id: UUID | None) -> list[UUID]:
    """Erases what this company knows of a person, or some items of it. Returns the mails whose files must go."""
    if told.items:
        if person_id:
            words = {"company_id": source.company_id, "person_id": person_id}
            await queries("candidate").view_as(connection, partner_id=source.company_id)
            await queries("candidate").drop_items(connection, items=list(told.items), **words)
            await queries("delivery").bare(connection, **words)
        return []
    await queries("ats").forget(
        connection, company_id=source.company_id, system=source.system, external_id=told.external_id, at=told.as_of
    )
    if person_id is None:
        return []
    mail_ids = await mail.of_person(connection, person_id, company_id=source.company_id)
    await candidate.forget(connection, partner_id=source.company_id, person_id=person_id)
    return mail_ids


async def is_forgotten(connection: Connection, source: Source, external_id: str, at: datetime) -> bool:
    """Whether this candidate was deleted or anonymised there at that time or later."""
    return await queries("ats").forgotten(
        connection, company_id=source.company_id, system=source.system, external_id=external_id, at=at
    )


async def unknow(connection: Connection, source: Source, external_id: str) -> None:
    """A candidate's id there means nobody any more; the person and their applications stay."""
    await queries("ats").unknow_candidate(
        connection, company_id=source.company_id, system=source.system, external_id=external_id
    )


async def live_applications(connection: Connection, source: Source, person_id: UUID) -> list[str]:
    """The system's ids of a person's applications that it has not deleted."""
    rows = queries("ats").live_applications(
        connection, company_id=source.company_id, system=source.system, person_id=person_id
    )
    return [row["external_id"] async for row in rows]


async def credit(connection: Connection, credits: Sequence[tuple[News, Credit, UUID | None]]) -> list[UUID]:
    """The referrals of whom the system credits with these applications, each for a job: employees of the company,
    registered when new."""
    if not credits:
        return []
    source = credits[0][0].source
    referrers = {told: await _referrer(connection, source, told) for told in dict.fromkeys(each[1] for each in credits)}
    credited = list[Credited]()
    for each, told, job_id in credits:
        assert each.person_id is not None, "nobody is credited before the person is known"
        said = each.source.said(each.told.received_at)
        credited.append(Credited(said, referrers[told], source.company_id, each.person_id, job_id))
    return [referred.referral_id for referred in await credit_all(connection, credited)]


async def _referrer(connection: Connection, source: Source, told: Credit) -> UUID:
    marks = _marks(told)
    referrer_id = await ats.referrer(connection, company_id=source.company_id, marks=marks)
    if referrer_id is None:
        referrer_id = await partner.register_referrer(
            connection,
            acting=source.company_id,
            company_id=source.company_id,
            name=told.name or f"社員 {told.employee_id or told.user_id or ''}".strip(),
            affiliation="EMPLOYEE",
            prefecture=await seat(connection, source.company_id),
        )
    await ats.know_referrer(connection, company_id=source.company_id, referrer_id=referrer_id, marks=marks.items())
    return referrer_id


async def seat(connection: Connection, company_id: UUID) -> str:
    """The company's own prefecture, for what the system places nowhere."""
    return await queries("partner").seat(connection, company_id=company_id)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of an applicant at a time; `fresh`: nothing newer is known of them."""

    applicant: Applicant
    person_id: UUID | None
    at: datetime
    fresh: bool


async def _keep(connection: Connection, source: Source, told: Sequence[_Told]) -> list[UUID]:
    company_id, system = source.company_id, source.system
    wanted = [
        Wanted(company_id, each.applicant.email, each.person_id, each.applicant.items(), each.at)
        if each.fresh
        else Wanted(company_id, person_id=each.person_id, at=each.at)
        for each in told
    ]
    kept = [each.person_id for each in await candidate.keep_all(connection, wanted)]
    ids = {
        each.applicant.external_id: (person_id, each.at if each.fresh else None)
        for each, person_id in zip(told, kept, strict=True)
    }
    await ats.know_candidates(connection, company_id=company_id, system=system, told=ids)
    news = [(each.applicant, person_id) for each, person_id in zip(told, kept, strict=True) if each.fresh]
    asked = {person_id: them.may_mail for them, person_id in news if them.may_mail is not None}
    if asked:
        await invitation.allow(connection, company_id=company_id, may_mail=asked)
    came = [person_id for them, person_id in news if them.may_mail or "EMAIL" in them.items()]
    if came:
        said = source.said(None)
        await invitation.address_came(connection, company_id=company_id, person_ids=came, said=said)
    return kept


async def _known(connection: Connection, source: Source, external_id: str) -> asyncpg.Record | None:
    return await queries("ats").candidate(
        connection, company_id=source.company_id, system=source.system, external_id=external_id
    )


def _marks(told: Credit) -> dict[Mark, str]:
    marks: dict[Mark, str | None] = {
        "USER": told.user_id,
        "EMPLOYEE": told.employee_id,
        "EMAIL": told.email,
        "NAME": told.name,
    }
    return {kind: value for kind, value in marks.items() if value}
