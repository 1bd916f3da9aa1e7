"""Outcome events (成果イベント): append-only facts, and the outbox that wakes whoever shares them.

An event is written in the transaction that made it true. NOTIFY only wakes: it carries nothing, since every role
may listen; readers take the rows themselves, in (xid, position) order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from models.db import Connection, queries, recordset, uuid7

CHANNEL = "kyoso_outbox"

Source = Literal["API", "ATS", "IMPORT", "CANDIDATE", "SYSTEM"]

# Under which data category of an agreement an event of each kind is shared.
CATEGORY = {
    "REFERRAL_SUBMITTED": "REFERRALS",
    "REFERRAL_CONFIRMED": "REFERRALS",
    "REFERRAL_DECLINED": "REFERRALS",
    "APPLICATION_RECEIVED": "APPLICATIONS",
    "STAGE_CHANGED": "APPLICATIONS",
    "REJECTED": "OUTCOMES",
    "WITHDRAWN": "OUTCOMES",
    "REJECTION_REVERTED": "OUTCOMES",
    "HIRED": "OUTCOMES",
    "HIRE_REVERTED": "OUTCOMES",
    "RETENTION_CHECKED": "OUTCOMES",
    "PLACED": "HANDOVERS",
    "RELAY_INVITED": "HANDOVERS",
    "RELAY_OPENED": "HANDOVERS",
    "RELAY_REGISTERED": "HANDOVERS",
    "RELAY_ACCEPTED": "HANDOVERS",
    "RELAY_DECLINED": "HANDOVERS",
    "SLOT_EARNED": "HANDOVERS",
    "SLOT_MOVED": "HANDOVERS",
}
CATEGORIES = tuple(dict.fromkeys(CATEGORY.values()))
"""All categories under which an event may be shared."""


@dataclass(frozen=True, slots=True)
class Said:
    """Who said it, by which means, and when it happened (valid time; the record's own time is the database's).

    `source_event_id` is the id in the source system, where there is one.
    """

    by: UUID
    source: Source
    at: datetime
    source_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event that is to be recorded.

    `parties`: partners whose own event it is, besides the company (a referrer, an agency); others see it by
    agreement only.
    """

    kind: str
    said: Said
    company_id: UUID
    parties: Iterable[UUID] = ()
    referral_id: UUID | None = None
    application_id: UUID | None = None
    handover_id: UUID | None = None
    invitation_id: UUID | None = None
    slot_id: UUID | None = None
    hire_id: UUID | None = None
    stage: str | None = None
    corrects_id: UUID | None = None
    id: UUID = field(default_factory=uuid7)


async def publish(
    connection: Connection,
    kind: str,
    said: Said,
    *,
    company_id: UUID,
    parties: Iterable[UUID] = (),
    referral_id: UUID | None = None,
    application_id: UUID | None = None,
    handover_id: UUID | None = None,
    invitation_id: UUID | None = None,
    slot_id: UUID | None = None,
    hire_id: UUID | None = None,
) -> UUID:
    """Records one event and wakes the readers at commit. Returns the event's id. `parties`: as in `Event`."""
    event = Event(
        kind,
        said,
        company_id,
        parties,
        referral_id=referral_id,
        application_id=application_id,
        handover_id=handover_id,
        invitation_id=invitation_id,
        slot_id=slot_id,
        hire_id=hire_id,
    )
    await publish_all(connection, [event])
    return event.id


async def publish_all(connection: Connection, events: Sequence[Event]) -> None:
    """Records events in this order and wakes the readers at commit."""
    if events:
        await queries("outbox").publish(connection, events=recordset(_row(event) for event in events))


def _row(event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "kind": event.kind,
        "category": CATEGORY[event.kind],
        "occurred_at": event.said.at,
        "reported_by": event.said.by,
        "source": event.said.source,
        "source_event_id": event.said.source_event_id,
        "stage": event.stage,
        "company_id": event.company_id,
        "parties": sorted({event.company_id, *event.parties}),
        "referral_id": event.referral_id,
        "application_id": event.application_id,
        "handover_id": event.handover_id,
        "invitation_id": event.invitation_id,
        "slot_id": event.slot_id,
        "hire_id": event.hire_id,
        "corrects_id": event.corrects_id,
    }


async def mark(connection: Connection, now: datetime) -> None:
    """Notes how far the record has come, once an hour: what is recorded between two marks is found by an index.

    In a transaction of its own, since what others recorded meanwhile is to stand before what this one is numbered.
    """
    await queries("outbox").mark(connection, now=now)


async def rebuild_marks(connection: Connection) -> None:
    """A mark for each day of the events there are, as the tables' owner; for a record that was loaded at once."""
    await queries("outbox").rebuild_marks(connection)
