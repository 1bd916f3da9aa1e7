"""Facts into verbs: what an ATS or a file tells becomes jobs, candidates, applications, outcomes and erasures.

Facts come in any order and more than once. An application that nobody announced is made from whatever mentions it
first; news older than what is known changes nothing but the record; what is forgotten there is forgotten here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from uuid import UUID

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
from models import ats, delivery, selection
from models.ats import Newest
from models.db import Connection
from models.delivery import Delivery, Settled


@dataclass(slots=True)
class Applied:
    """What came of a delivery: whom it was about, whether anybody was erased, and whose mail files must go."""

    person_id: UUID | None = None
    erased: bool = False
    mail_ids: list[UUID] = field(default_factory=list[UUID])


async def deliver(connection: Connection, adapter: Adapter, held: Sequence[Delivery]) -> list[Applied]:
    """Applies stored deliveries of one integration whole, in this order, in the caller's transaction.

    Those that follow each other and tell of applications alone are taken in together. Raises TooEarly, or what a verb
    refuses, for any of them.
    """
    applied = list[Applied]()
    for alike, each in groupby(((each, _facts(adapter, each)) for each in held), key=_of_applications):
        told = list(each)
        for together in [told] if alike else [[one] for one in told]:
            applied += await _deliver(connection, together)
    return applied


def _facts(adapter: Adapter, held: Delivery) -> list[Fact]:
    body = held.body()
    document = orjson.loads(body) if body else None
    return adapter.read(document, held.received_at) if document else []


def _of_applications(told: tuple[Delivery, list[Fact]]) -> bool:
    return all(isinstance(fact, ApplicationState) for fact in told[1])


async def _deliver(connection: Connection, told: Sequence[tuple[Delivery, list[Fact]]]) -> list[Applied]:
    """Applies deliveries that tell of applications, or one of anything."""
    applied = [Applied() for _ in told]
    news = list[tuple[News, Applied]]()
    for (held, facts), result in zip(told, applied, strict=True):
        source = Source(held.company_id, held.system, "ATS", held.event_id)
        for fact in facts:
            if isinstance(fact, ApplicationState):
                news.append((News(source, fact), result))
            else:
                await _apply(connection, source, fact, result)
    await intake_applications.take_in(connection, [each for each, _ in news])
    subjects = list[str]()
    for each, result in news:
        result.person_id = each.person_id or result.person_id
        if each.recorded:
            subjects += [f"application:{each.told.external_id}", f"candidate:{each.told.applicant.external_id}"]
    settled = [
        Settled(held, bool(facts), result.person_id, result.erased)
        for (held, facts), result in zip(told, applied, strict=True)
    ]
    await delivery.settle(connection, settled)
    if subjects:
        await delivery.hasten(connection, [held for held, _ in told], subjects)
    return applied


async def _apply(connection: Connection, source: Source, fact: Fact, applied: Applied) -> None:
    """Applies one fact of anything but an application."""
    match fact:
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
        case ApplicationState():
            raise TypeError("news of applications is taken in together")


async def _offer(connection: Connection, source: Source, told: OfferState, applied: Applied) -> None:
    known = await ats.known(
        connection, company_id=source.company_id, system=source.system, external_id=told.application_id
    )
    if known is None:
        raise TooEarly
    applied.person_id = known.person_id
    if known.application_id and known.told != Told.DELETED and known.stage and further(told.stage, known.stage):
        # An offer carries no time of its own; told after a decision, it was made before it.
        at = min(told.as_of, known.decided_at) if known.decided_at else told.as_of
        said = source.said(at)
        await selection.stage(connection, application_id=known.application_id, stage=told.stage, said=said)


async def _delete(connection: Connection, source: Source, external_id: str, at: datetime) -> None:
    """Deleted there: nothing told of it later counts. Still open, it ends here without a decision."""
    known = await ats.known(connection, company_id=source.company_id, system=source.system, external_id=external_id)
    if known and known.application_id and known.status == "ACTIVE":
        await selection.withdraw(connection, application_id=known.application_id, said=source.said(at))
    newest = Newest(external_id, known.application_id if known else None, Told.DELETED, at)
    await ats.remember(connection, company_id=source.company_id, system=source.system, newest=[newest])


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
