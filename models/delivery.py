"""Deliveries of applicant-tracking systems (ATS連携): stored as they came, applied once, reduced after 30 days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from models import seal
from models.ats import System
from models.db import Connection, queries, uuid7

KEPT_DAYS = 30
REDUCED_AT_ONCE = 500
RETRY_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200)  # about a day, then an operator looks


@dataclass(frozen=True, slots=True)
class Arrived:
    """One delivery that is to be stored, encrypted. `secret_sealed`: its integration's, as it was verified by."""

    id: UUID
    integration_id: UUID
    secret_sealed: bytes = field(repr=False)
    event_id: str
    action: str
    subject: str | None
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """What is applied by whoever brings it, as it came."""

    event_id: str
    subject: str
    body: bytes = field(repr=False)
    id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One stored delivery while it is held to be applied."""

    id: UUID
    integration_id: UUID
    company_id: UUID
    system: System
    event_id: str
    action: str
    subject: str | None
    received_at: datetime
    attempts: int
    sealed: bytes | None = field(repr=False)

    def body(self) -> bytes | None:
        """What came; None once it was reduced. Raises seal.Unreadable when it does not open."""
        return seal.unseal(self.sealed, context=self.id.bytes) if self.sealed else None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a delivery that was tried. `erased`: it told of an erasure, and its own text goes too."""

    delivery: Delivery
    applied: bool
    person_id: UUID | None
    erased: bool


def arrived(
    integration_id: UUID, secret_sealed: bytes, *, event_id: str, action: str, subject: str | None, body: bytes
) -> Arrived:
    """A delivery, encrypted for the row that it will be."""
    delivery_id = uuid7()
    sealed = seal.seal(body, context=delivery_id.bytes)
    return Arrived(delivery_id, integration_id, secret_sealed, event_id, action, subject, sealed)


async def store(connection: Connection, arrived: Sequence[Arrived]) -> set[UUID]:
    """Keeps deliveries until they are applied. Returns the ids of those that it kept: without those that are known
    already, and those whose secret does not stand any more.
    """
    rows = queries("delivery").store(
        connection,
        ids=[each.id for each in arrived],
        integration_ids=[each.integration_id for each in arrived],
        secrets=[each.secret_sealed for each in arrived],
        event_ids=[each.event_id for each in arrived],
        actions=[each.action for each in arrived],
        subjects=[each.subject for each in arrived],
        sealed=[each.sealed for each in arrived],
    )
    return {row["id"] async for row in rows}


async def take(connection: Connection, *, integration_id: UUID, action: str, told: Sequence[Taken]) -> set[UUID]:
    """Keeps what the caller applies in the same transaction, such as rows of a file.

    Returns the ids of those that were not known already; of two with one event id, one.
    """
    rows = queries("delivery").take(
        connection,
        integration_id=integration_id,
        action=action,
        ids=[each.id for each in told],
        event_ids=[each.event_id for each in told],
        subjects=[each.subject for each in told],
        sealed=[seal.seal(each.body, context=each.id.bytes) for each in told],
    )
    return {row["id"] async for row in rows}


async def are_of(connection: Connection, person_ids: Mapping[UUID, UUID | None]) -> None:
    """Says whom kept rows are about, by their ids, so that erasure reaches them."""
    ids, whose = list(person_ids), list(person_ids.values())
    await queries("delivery").are_of(connection, ids=ids, person_ids=whose)


async def claim(connection: Connection, most: int) -> list[Delivery]:
    """Holds the deliveries that are due longest, of one integration, and it; none when nothing is due and free."""
    return [Delivery(**row) async for row in queries("delivery").claim(connection, most=most)]


async def settle(connection: Connection, settled: Sequence[Settled]) -> None:
    """Marks deliveries of one integration applied, or of no concern here; it has heard from its system then."""
    await queries("delivery").settle(
        connection,
        integration_id=settled[0].delivery.integration_id,
        received_at=max(each.delivery.received_at for each in settled),
        ids=[each.delivery.id for each in settled],
        states=["APPLIED" if each.applied else "IGNORED" for each in settled],
        person_ids=[each.person_id for each in settled],
        erased=[each.erased for each in settled],
    )


async def postpone(
    connection: Connection, delivery: Delivery, *, failure: str, now: datetime, give_up: Literal["FAILED", "IGNORED"]
) -> None:
    """Notes a failed attempt: the next is due later and later; after the last one, `give_up` is what becomes of it."""
    last = delivery.attempts >= len(RETRY_SECONDS)
    seconds = RETRY_SECONDS[-1] if last else RETRY_SECONDS[delivery.attempts]
    await queries("delivery").postpone(
        connection,
        id=delivery.id,
        failure=failure,
        state=give_up if last else "PENDING",
        due_at=now + timedelta(seconds=seconds),
    )


async def hasten(connection: Connection, held: Sequence[Delivery], subjects: Sequence[str]) -> None:
    """Makes what came too early, and waited for these applications or candidates, due now; but for those in hand."""
    await queries("delivery").hasten(
        connection,
        integration_id=held[0].integration_id,
        subjects=list(subjects),
        except_ids=[each.id for each in held],
    )


async def replay(
    connection: Connection, *, company_id: UUID, event_id: str | None, systems: Iterable[str]
) -> list[str]:
    """Makes a company's failed deliveries due again, or the one named, whatever became of it. Returns event ids.

    `systems`: whose deliveries are applied here; a row of a file is not, and comes by its file again.
    """
    rows = queries("delivery").replay(connection, company_id=company_id, event_id=event_id, systems=list(systems))
    return [row["event_id"] async for row in rows]


async def failures(connection: Connection, company_id: UUID) -> list[dict[str, Any]]:
    """A company's deliveries that wait for an operator, oldest first; nothing personal."""
    return [dict(row) async for row in queries("delivery").failures(connection, company_id=company_id)]


async def reduce(connection: Connection, now: datetime) -> int:
    """Takes the personal part out of deliveries older than 30 days, some at a time. Returns how many."""
    before = now - timedelta(days=KEPT_DAYS)
    rows = queries("delivery").reduce(connection, before=before, most=REDUCED_AT_ONCE)
    return len([row async for row in rows])
