"""Applications (応募): what a company records of them, each fact with its event.

What follows elsewhere from a decision (invitation, slot, contribution) is said by later words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from models.db import Connection, queries, recordset, uuid7
from models.errors import Refusal, RefusalCode, invalid, not_found, not_yours, too_long, wrong_state
from models.japan import today
from models.outbox import Event, Said, publish_all

STAGES = ("APPLIED", "SCREENING", "TEST", "INTERVIEW", "FINAL_INTERVIEW", "OFFER", "OFFER_ACCEPTED")
ROUTES = (
    "DIRECT",
    "EMPLOYEE_REFERRAL",
    "PERSONAL_REFERRAL",
    "PARTNER_REFERRAL",
    "AGENCY",
    "RELAY",
    "SCHOOL",
    "COMMUNITY",
    "MEDIA",
)
ROUTE_OF_KIND = {"COMPANY": "PARTNER_REFERRAL", "AGENCY": "AGENCY", "SCHOOL": "SCHOOL", "COMMUNITY": "COMMUNITY"}
REJECTION_REASON_CHARACTERS, REVERT_REASON_CHARACTERS = 2_000, 1_000
START_WITHIN_DAYS = 731  # two years, before or after the decision: some hires are told long after they began


@dataclass(frozen=True, slots=True)
class Received:
    """An application that is to be recorded; `record` says what each field means."""

    said: Said
    person_id: UUID | None = None
    route: str = "DIRECT"
    job_id: UUID | None = None
    referral_id: UUID | None = None
    external_id: str | None = None
    stage: str = "APPLIED"


@dataclass(frozen=True, slots=True)
class Step:
    """What is said of an application next: the `stage` it reached, or why it was rejected."""

    application_id: UUID
    said: Said
    stage: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An application; `event_id` is None when it had been recorded before, and nothing changed."""

    application_id: UUID
    event_id: UUID | None


@dataclass(frozen=True, slots=True)
class Hired:
    """A hire, its event, and the handover that it grew from, if from one."""

    hire_id: UUID
    event_id: UUID
    handover_id: UUID | None


@dataclass(frozen=True, slots=True)
class Reverted:
    """A decision taken back: REJECTED or HIRED, then with the hire it undid."""

    event_id: UUID
    decision: str
    hire_id: UUID | None


async def record(
    connection: Connection,
    *,
    said: Said,
    person_id: UUID | None = None,
    route: str = "DIRECT",
    job_id: UUID | None = None,
    referral_id: UUID | None = None,
    external_id: str | None = None,
    stage: str = "APPLIED",
) -> Recorded:
    """Records an application to the company that says it (応募の登録), received at `said.at`.

    With a referral, person and route are the referral's; a second application by the same referral stands without it.
    The same `external_id` again is the same application. Refuses NOT_FOUND for another company's job or referral,
    CONSENT_MISSING for a referral that the candidate has not confirmed, INVALID.
    """
    received = Received(said, person_id, route, job_id, referral_id, external_id, stage)
    [recorded] = await record_all(connection, [received])
    return recorded


async def record_all(connection: Connection, received: Sequence[Received]) -> list[Recorded]:
    """Records applications, as `record` does, in this order; the first by a referral has it, the others stand without.

    Raises as `record` does for any of them; what was done for the others is then the caller's to undo.
    """
    grounds = await _grounds(connection, received)
    taken = set[UUID]()
    rows = [_row(each, grounds.get(place), taken) for place, each in enumerate(received)]
    fresh = {row["id"] async for row in queries("application").record(connection, applications=recordset(rows))}
    recorded, events = list[Recorded](), list[Event]()
    for row, each in zip(rows, received, strict=True):
        if row["id"] not in fresh:
            recorded.append(await _recorded_before(connection, each.said.by, each.external_id))
            continue
        event = Event(
            "APPLICATION_RECEIVED",
            each.said,
            each.said.by,
            [row["referrer_id"]] if row["referrer_id"] else (),
            application_id=row["id"],
            referral_id=row["referral_id"],
        )
        recorded.append(Recorded(row["id"], event.id))
        events.append(event)
    await publish_all(connection, events)
    return recorded


async def stage(connection: Connection, *, said: Said, application_id: UUID, stage: str) -> UUID:
    """Records a stage of selection (選考段階); the furthest is kept, the event is written always. Returns the event.

    A stage reached before the decision may be told after it. Refuses NOT_FOUND, NOT_YOURS, WRONG_STATE, INVALID.
    """
    [event_id] = await stage_all(connection, [Step(application_id, said, stage=stage)])
    return event_id


async def stage_all(connection: Connection, steps: Sequence[Step]) -> list[UUID]:
    """Records stages, each of another application, as `stage` does. Raises as it does for any of them."""
    if any(step.stage not in STAGES for step in steps):
        raise invalid("stage", "選択肢にない選考段階です。", f"Choose one of {', '.join(STAGES)}.")
    found = queries("application").stage(connection, steps=_rows(steps), stages=list(STAGES))
    return await _told_all(connection, "STAGE_CHANGED", steps, {row["id"]: row async for row in found})


async def reject(connection: Connection, *, said: Said, application_id: UUID, reason: str | None = None) -> UUID:
    """Rejects (不採用). `reason` stays with the company. Returns the event. Refuses as `stage` does."""
    [event_id] = await reject_all(connection, [Step(application_id, said, reason=reason)])
    return event_id


async def reject_all(connection: Connection, steps: Sequence[Step]) -> list[UUID]:
    """Rejects, each another application, as `reject` does. Returns the events. Raises as it does for any of them."""
    if any(len(step.reason or "") > REJECTION_REASON_CHARACTERS for step in steps):
        raise too_long("reason", REJECTION_REASON_CHARACTERS)
    return await _close(connection, "REJECTED", steps)


async def withdraw(connection: Connection, *, said: Said, application_id: UUID) -> UUID:
    """The candidate withdrew (辞退), as the company records it. Returns the event. Refuses as `stage` does."""
    [event_id] = await withdraw_all(connection, [Step(application_id, said)])
    return event_id


async def withdraw_all(connection: Connection, steps: Sequence[Step]) -> list[UUID]:
    """Candidates withdrew, each from another application, as `withdraw` has it. Returns the events."""
    return await _close(connection, "WITHDRAWN", steps)


async def hire(
    connection: Connection, *, said: Said, application_id: UUID, starts_on: date, slot_id: UUID | None = None
) -> Hired:
    """Hires (採用); the first working day is a day in Japan. The event names the slot that pays.

    Refuses as `stage` does, INVALID for a day on which work cannot begin.
    """
    if not may_start(starts_on, said.at):
        raise invalid(
            "startsOn", "入社日は決定日の前後2年以内の日です。", "Work begins within two years of the decision."
        )
    hire_id = uuid7()
    row = await queries("application").hire(
        connection,
        id=application_id,
        by=said.by,
        hire_id=hire_id,
        starts_on=starts_on,
        at=said.at,
    )
    handover_id = row and row["origin_id"]
    event_id = await _told(
        connection, "HIRED", said, application_id, row, hire_id=hire_id, slot_id=slot_id, handover_id=handover_id
    )
    return Hired(hire_id, event_id, handover_id)


def may_start(starts_on: date, decided_at: datetime) -> bool:
    """Whether work that was decided on then may begin on that day."""
    return abs((starts_on - today(decided_at)).days) <= START_WITHIN_DAYS


async def revert(connection: Connection, *, said: Said, application_id: UUID, reason: str) -> Reverted:
    """Takes back a rejection or a hire (取消) by a later event; the application is in selection again.

    `reason` stays with the company. Refuses as `stage` does, WRONG_STATE when there is no such decision.
    """
    if not 1 <= len(reason) <= REVERT_REASON_CHARACTERS:
        raise too_long("reason", REVERT_REASON_CHARACTERS)
    row = await queries("application").revert(connection, id=application_id, by=said.by, reason=reason, at=said.at)
    kind = "HIRE_REVERTED" if row and row["status"] == "HIRED" else "REJECTION_REVERTED"
    event_id = await _told(
        connection,
        kind,
        said,
        application_id,
        row,
        hire_id=row and row["hire_id"],
        corrects_id=row and row["corrects_id"],
    )
    return Reverted(event_id, row["status"], row["hire_id"])


async def _close(connection: Connection, status: str, steps: Sequence[Step]) -> list[UUID]:
    found = queries("application").close(connection, steps=_rows(steps), status=status)
    return await _told_all(connection, status, steps, {row["id"]: row async for row in found})


async def _told_all(
    connection: Connection, kind: str, steps: Sequence[Step], rows: Mapping[UUID, asyncpg.Record]
) -> list[UUID]:
    events = list[Event]()
    for step in steps:
        row = rows.get(step.application_id)
        if row is None:
            raise await _why_not(connection, step.application_id, step.said.by)
        events.append(_event(kind, step.said, step.application_id, row, stage=step.stage))
    await publish_all(connection, events)
    return [event.id for event in events]


async def _told(
    connection: Connection,
    kind: str,
    said: Said,
    application_id: UUID,
    row: asyncpg.Record | None,
    **about: UUID | None,
) -> UUID:
    if row is None:
        raise await _why_not(connection, application_id, said.by)
    event = _event(kind, said, application_id, row, **about)
    await publish_all(connection, [event])
    return event.id


def _event(kind: str, said: Said, application_id: UUID, row: asyncpg.Record, **about: Any) -> Event:
    return Event(
        kind,
        said,
        row["company_id"],
        [row["referrer_id"]] if row["referrer_id"] else (),
        application_id=application_id,
        referral_id=row["referral_id"],
        **about,
    )


def _rows(steps: Sequence[Step]) -> str:
    return recordset(
        {"id": step.application_id, "by": step.said.by, "at": step.said.at, "stage": step.stage, "reason": step.reason}
        for step in steps
    )


async def _grounds(connection: Connection, received: Sequence[Received]) -> dict[int, asyncpg.Record]:
    """By place, the job's company and the referral of each that names either."""
    asked = [
        {"place": place, "job_id": each.job_id, "referral_id": each.referral_id}
        for place, each in enumerate(received)
        if each.job_id is not None or each.referral_id is not None
    ]
    if not asked:
        return {}
    found = queries("application").grounds(connection, asked=recordset(asked))
    return {row["place"]: row async for row in found}


def _row(received: Received, grounds: asyncpg.Record | None, taken: set[UUID]) -> dict[str, Any]:
    """What is written of an application; its referral joins those that are taken."""
    if received.route not in ROUTES or received.stage not in STAGES:
        raise invalid("route", "選択肢にない経路か段階です。", "Choose a known route and stage.")
    person_id, job_id, referral_id, route = received.person_id, received.job_id, received.referral_id, received.route
    referrer_id: UUID | None = None
    if grounds is not None and job_id is not None and grounds["job_company_id"] != received.said.by:
        raise not_found("input", "jobId")
    if grounds is not None and referral_id is not None:
        _must_be_confirmed(grounds, received.said.by)
        person_id, referrer_id = grounds["person_id"], grounds["referrer_id"]
        job_id, route = job_id or grounds["job_id"], _route(grounds)
        referral_id = None if grounds["taken"] or referral_id in taken else referral_id
        taken |= {referral_id} if referral_id else set()
    if person_id is None:
        raise invalid(
            "email", "応募者のメールアドレスか紹介が必要です。", "Name the person, or the referral behind it."
        )
    return {
        "id": uuid7(),
        "company_id": received.said.by,
        "job_id": job_id,
        "person_id": person_id,
        "referral_id": referral_id,
        "referrer_id": referrer_id,
        "route": route,
        "stage": received.stage,
        "external_id": received.external_id,
        "at": received.said.at,
    }


async def _why_not(connection: Connection, application_id: UUID, by: UUID) -> Refusal:
    seen = await queries("application").seen(connection, id=application_id)
    if seen is None:
        return not_found("input", "applicationId")
    if seen["company_id"] != by:
        return not_yours()
    return wrong_state(
        f"応募が現在の状態({seen['status']})では、この操作はできません。",
        f"The application is {seen['status']}, which does not allow this.",
    )


async def _recorded_before(connection: Connection, company_id: UUID, external_id: str | None) -> Recorded:
    known = external_id and await queries("application").by_external_id(
        connection, company_id=company_id, external_id=external_id
    )
    if known:
        return Recorded(known, None)
    raise wrong_state(
        "この紹介による応募はすでに登録されています。",
        "An application by this referral has been recorded already.",
        path=("input", "referralId"),
    )


def _must_be_confirmed(grounds: asyncpg.Record, company_id: UUID) -> None:
    if grounds["company_id"] != company_id:
        raise not_found("input", "referralId")
    if grounds["status"] in ("SUBMITTED", "DECLINED", "EXPIRED"):
        raise Refusal(
            RefusalCode.CONSENT_MISSING,
            ja="この紹介はご本人の確認がまだか、確認されませんでした。",
            en="The candidate has not confirmed this referral.",
            path=("input", "referralId"),
        )


def _route(grounds: asyncpg.Record) -> str:
    if grounds["origin_id"] is not None:
        return "RELAY"
    if grounds["referrer_kind"] == "REFERRER":
        return "EMPLOYEE_REFERRAL" if grounds["affiliation"] == "EMPLOYEE" else "PERSONAL_REFERRAL"
    return ROUTE_OF_KIND[grounds["referrer_kind"]]
