"""Facts into verbs: what an ATS or a file tells becomes jobs, candidates, applications, outcomes and erasures.

Facts come in any order and more than once. An application that nobody announced is made from whatever mentions it
first; news older than what is known changes nothing but the record; what is forgotten there is forgotten here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg
import orjson

from api import intake_applications, intake_jobs
from api import intake_people as people
from api.ats import Adapter
from api.intake import (
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
)
from api.intake_applications import further
from api.intake_people import News, Source, TooEarly
from models import application, delivery
from models.delivery import Delivery, Newest

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


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
            news = News(source, fact)
            await intake_applications.take_in(connection, [news])
            applied.person_id, applied.changed = news.person_id, news.recorded
        case JobState():
            await intake_jobs.post(connection, source, fact)
        case JobDeleted():
            await intake_jobs.close(connection, source, fact)
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


async def _offer(connection: Connection, source: Source, told: OfferState, applied: Applied) -> None:
    known = await delivery.known(
        connection, company_id=source.company_id, system=source.system, external_id=told.application_id
    )
    if known is None:
        raise TooEarly
    applied.person_id = known.person_id
    if known.application_id and known.told != Told.DELETED and known.stage and further(told.stage, known.stage):
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
    newest = Newest(external_id, known.application_id if known else None, Told.DELETED, at)
    await delivery.remember(connection, company_id=source.company_id, system=source.system, newest=[newest])


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
