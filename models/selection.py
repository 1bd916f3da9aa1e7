"""Selection (選考): the stages that an application reaches and the decisions that end it, each fact with its event.

What follows elsewhere from a decision (invitation, slot, contribution) is said by later words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from models.application import STAGES
from models.db import Connection, queries, recordset, uuid7
from models.errors import Refusal, invalid, not_found, not_yours, too_long, wrong_state
from models.japan import today
from models.outbox import Event, Said, publish_all

REJECTION_REASON_CHARACTERS, REVERT_REASON_CHARACTERS = 2_000, 1_000
START_WITHIN_DAYS = 731  # two years, before or after the decision: some hires are told long after they began


@dataclass(frozen=True, slots=True)
class Step:
    """What is said of an application next: the `stage` it reached, or why it was rejected."""

    application_id: UUID
    said: Said
    stage: str | None = None
    reason: str | None = None


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
    found = queries("selection").stage(connection, steps=_rows(steps), stages=list(STAGES))
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
    row = await queries("selection").hire(
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
    row = await queries("selection").revert(connection, id=application_id, by=said.by, reason=reason, at=said.at)
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
    found = queries("selection").close(connection, steps=_rows(steps), status=status)
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


async def _why_not(connection: Connection, application_id: UUID, by: UUID) -> Refusal:
    seen = await queries("selection").seen(connection, id=application_id)
    if seen is None:
        return not_found("input", "applicationId")
    if seen["company_id"] != by:
        return not_yours()
    return wrong_state(
        f"応募が現在の状態({seen['status']})では、この操作はできません。",
        f"The application is {seen['status']}, which does not allow this.",
    )
