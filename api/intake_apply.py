"""Facts into verbs: what an ATS or a file tells becomes jobs, candidates, applications, outcomes and erasures.

Facts come in any order and more than once. An application that nobody announced is made from whatever mentions it
first; news older than what is known changes nothing but the record; what is forgotten there is forgotten here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson

from api import intake_people as people
from api.ats import Adapter
from api.intake import (
    JAPAN,
    ApplicantChanged,
    ApplicantErased,
    ApplicantMerged,
    ApplicationDeleted,
    ApplicationState,
    Fact,
    JobDeleted,
    JobState,
    OfferState,
    Told,
    overrides,
)
from api.intake_people import EPOCH, Source, TooEarly
from models import application, delivery, job, outcome
from models.application import STAGES
from models.db import queries
from models.delivery import Delivery, Known

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DECISIONS = (Told.REJECTED, Told.HIRED, Told.WITHDRAWN)


@dataclass(slots=True)
class Applied:
    """What came of it: the person it was about, whether anybody was erased, and whose mail files must go."""

    person_id: UUID | None = None
    erased: bool = False
    mail_ids: list[UUID] = field(default_factory=list[UUID])
    changed: bool = False


async def deliver(connection: Connection, adapter: Adapter, held: Delivery) -> Applied:
    """Applies one stored delivery whole, in the caller's transaction. Raises TooEarly, or what a verb refuses."""
    source = Source(held.company_id, held.system, "ATS", held.event_id)
    document = orjson.loads(held.body) if held.body else None
    facts = adapter.read(document, held.received_at) if document else []
    applied = Applied()
    for fact in facts:
        await apply(connection, source, fact, applied)
    await delivery.settle(connection, held, applied=bool(facts), person_id=applied.person_id, erased=applied.erased)
    if applied.changed and isinstance(facts[0], ApplicationState):
        subjects = (f"application:{facts[0].external_id}", f"candidate:{facts[0].applicant.external_id}")
        await delivery.hasten(connection, held, subjects)
    return applied


async def apply(connection: Connection, source: Source, fact: Fact, applied: Applied) -> None:
    """Applies one fact."""
    match fact:
        case ApplicationState():
            await _application(connection, source, fact, applied)
        case JobState():
            await post(connection, source, fact)
        case JobDeleted():
            await _close_job(connection, source, fact)
        case OfferState():
            await _offer(connection, source, fact, applied)
        case ApplicationDeleted():
            await _delete(connection, source, fact.external_id, fact.as_of)
        case ApplicantChanged():
            applied.person_id = await people.change(connection, source, fact)
        case ApplicantMerged():
            applied.person_id = await people.merge(connection, source, fact)
        case ApplicantErased():
            await _erase(connection, source, fact, applied)


async def _application(connection: Connection, source: Source, told: ApplicationState, applied: Applied) -> None:
    if await people.is_forgotten(connection, source, told.applicant.external_id, told.as_of):
        return
    known = await delivery.known(
        connection, company_id=source.company_id, system=source.system, external_id=told.external_id
    )
    if known and known.told == Told.DELETED:
        return
    person_id = await people.keep(connection, source, told, known)
    applied.person_id = person_id
    if known is None or known.application_id is None:
        known = await _record(connection, source, told, person_id)
        applied.changed = True
    if told.status in DECISIONS:
        await _stage(connection, source, told, known, reopened=False)
    news = await _decide(connection, source, told, known)
    if told.status not in DECISIONS:
        await _stage(connection, source, told, known, reopened=news)
    if news:
        await _remember(connection, source, told.external_id, known.application_id, told.status, told.as_of)


async def _record(connection: Connection, source: Source, told: ApplicationState, person_id: UUID) -> Known:
    job_id = await post(connection, source, told.job) if told.job else None
    said = source.said(told.received_at)
    referral_id = await people.credit(connection, source, told, person_id, job_id) if told.credit else None
    recorded = await application.record(
        connection,
        job_id=job_id,
        person_id=person_id,
        referral_id=referral_id,
        route=told.route,
        external_id=told.external_id,
        said=said,
    )
    await _remember(connection, source, told.external_id, recorded.application_id, Told.ACTIVE, told.received_at)
    return Known(
        application_id=recorded.application_id,
        told=Told.ACTIVE,
        as_of=told.received_at,
        status="ACTIVE",
        stage="APPLIED",
        decided_at=None,
        person_id=person_id,
        erased=False,
    )


async def _stage(
    connection: Connection, source: Source, told: ApplicationState, known: Known, *, reopened: bool
) -> None:
    """News of a stage is an event, also when it comes late; a mere mention is one only if it is further than known."""
    if told.stage is None or known.application_id is None or known.stage is None:
        return
    if known.status in DECISIONS and not reopened and known.decided_at and told.as_of > known.decided_at:
        return  # after a hire stages are of no concern
    if _further(told.stage, known.stage) or (told.stage_moved and told.stage != known.stage):
        said = source.said(min(told.as_of, told.decided_at or told.as_of))
        await application.stage(connection, application_id=known.application_id, stage=told.stage, said=said)


async def _decide(connection: Connection, source: Source, told: ApplicationState, known: Known) -> bool:
    """Brings the application to the state told, if that is news. Returns whether it was."""
    if known.status == Told.WITHDRAWN:
        return False  # the candidate's own word: whoever applies again, applies anew
    before, since = Told(known.told or known.status or Told.ACTIVE), known.as_of or known.decided_at or told.as_of
    if not overrides(told.status, told.as_of, before, since):
        if before is Told.REINSTATED and told.status in DECISIONS:
            await _record_late(connection, source, told, known, since)
        return False
    decided = known.status in DECISIONS
    if told.status in DECISIONS:
        same = known.status == told.status and (known.decided_at == told.decided_at or told.status is not Told.REJECTED)
        if not same:
            if decided:
                await _revert(connection, source, known, told.as_of)
            await _say(connection, source, told, known)
    elif decided:
        await _revert(connection, source, known, told.as_of)
    return True


async def _record_late(
    connection: Connection, source: Source, told: ApplicationState, known: Known, undone_at: datetime
) -> None:
    """A decision that was already taken back when it reached us: on record, and taken back again at once."""
    at = told.decided_at or told.as_of
    on_record = await queries("delivery").decision_known(
        connection, application_id=known.application_id, kind=told.status.value, at=at
    )
    if not on_record and known.status == "ACTIVE":
        await _say(connection, source, told, known)
        await _revert(connection, source, known, undone_at)


async def _say(connection: Connection, source: Source, told: ApplicationState, known: Known) -> None:
    said = source.said(told.decided_at or told.as_of)
    application_id = _id_of(known)
    words: dict[str, Any] = {"application_id": application_id, "acting": source.company_id, "said": said}
    if told.status is Told.REJECTED:
        await outcome.reject(connection, **words, reason=told.reason)
    elif told.status is Told.WITHDRAWN:
        await application.withdraw(connection, application_id=application_id, said=said)
    else:
        starts_on = told.starts_on or said.at.astimezone(JAPAN).date()
        await outcome.hire(connection, **words, starts_on=starts_on, slot_id=None)


async def _revert(connection: Connection, source: Source, known: Known, at: datetime) -> None:
    await outcome.revert(
        connection,
        application_id=_id_of(known),
        acting=source.company_id,
        reason="ATS",
        said=source.said(at),
    )


async def post(connection: Connection, source: Source, told: JobState) -> UUID | None:
    """The job by its id there: made when new, brought up to date when known. None when it was deleted there."""
    sql = queries("delivery")
    job_id = await sql.job_of(connection, company_id=source.company_id, external_id=told.external_id)
    if job_id and told.mention:
        return job_id
    if await people.is_forgotten(connection, source, _job_mark(told.external_id), EPOCH):
        return job_id
    return await job.post_job(
        connection,
        title=told.title,
        requirements=told.requirements,
        openings=told.openings,
        prefecture=told.prefecture or await people.seat(connection, source.company_id),
        external_id=told.external_id,
        status=told.status,
        said=source.said(told.opened_at),
    )


async def _close_job(connection: Connection, source: Source, told: JobDeleted) -> None:
    words = {"company_id": source.company_id}
    sql = queries("delivery")
    await sql.forget(connection, **words, system=source.system, external_id=_job_mark(told.external_id), at=told.as_of)
    job_id = await sql.job_of(connection, **words, external_id=told.external_id)
    if job_id:
        await job.update_job(connection, job_id=job_id, status="CLOSED", said=source.said(told.as_of))


def _job_mark(external_id: str) -> str:
    return f"job {external_id}"


async def _offer(connection: Connection, source: Source, told: OfferState, applied: Applied) -> None:
    known = await delivery.known(
        connection, company_id=source.company_id, system=source.system, external_id=told.application_id
    )
    if known is None:
        raise TooEarly
    applied.person_id = known.person_id
    if known.application_id and known.told != Told.DELETED and known.stage and _further(told.stage, known.stage):
        # An offer carries no time of its own; told after a decision, it was made before it.
        at = min(told.as_of, known.decided_at) if known.decided_at else told.as_of
        said = source.said(at)
        await application.stage(connection, application_id=known.application_id, stage=told.stage, said=said)


async def _delete(connection: Connection, source: Source, external_id: str, at: datetime) -> None:
    """Deleted there: nothing told of it later counts. Still open, it ends here without a decision."""
    known = await delivery.known(
        connection, company_id=source.company_id, system=source.system, external_id=external_id
    )
    if known and known.application_id and known.status == "ACTIVE":
        await application.withdraw(connection, application_id=known.application_id, said=source.said(at))
    await _remember(connection, source, external_id, known.application_id if known else None, Told.DELETED, at)


async def _erase(connection: Connection, source: Source, told: ApplicantErased, applied: Applied) -> None:
    person_id = await people.person(connection, source, told.external_id)
    applied.erased = True
    live = await people.live_applications(connection, source, person_id) if person_id else []
    if told.application_ids == () and live:
        await people.unknow(connection, source, told.external_id)  # merged into another record, whose news will come
        return
    for external_id in {*(told.application_ids or ()), *(live if told.application_ids is not None else ())}:
        await _delete(connection, source, external_id, told.as_of)
    applied.mail_ids = await people.forget(connection, source, told, person_id)


async def _remember(
    connection: Connection, source: Source, external_id: str, application_id: UUID | None, status: Told, as_of: datetime
) -> None:
    await queries("delivery").remember(
        connection,
        company_id=source.company_id,
        system=source.system,
        external_id=external_id,
        application_id=application_id,
        status=status.value,
        as_of=as_of,
    )


def _id_of(known: Known) -> UUID:
    assert known.application_id is not None, "what was deleted before it was known has no decisions"
    return known.application_id


def _further(stage: str, than: str) -> bool:
    return STAGES.index(stage) > STAGES.index(than)
