"""Deliveries of applicant-tracking systems (ATS連携): stored as they came, applied once, reduced after 30 days.

Also what an ATS calls things: its ids of candidates and applications, and the marks by which it names a referrer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

import asyncpg

from models import seal
from models.db import queries, uuid7
from models.errors import Refusal, RefusalCode

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
System = Literal["GREENHOUSE", "CSV"]
Mark = Literal["USER", "EMPLOYEE", "EMAIL", "NAME"]

SECRET_CHARACTERS_MIN, SECRET_CHARACTERS_MAX = 32, 200
KEPT_DAYS = 30
REDUCED_AT_ONCE = 500
RETRY_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200)  # about a day, then an operator looks


@dataclass(frozen=True, slots=True)
class Integration:
    """One company's connection with one system."""

    id: UUID
    company_id: UUID
    system: System
    secret_sealed: bytes = field(repr=False)


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
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """An application that an ATS told of before: what was told last, and how it stands here.

    `application_id` None: deleted there before it was known here. `erased`: its person is.
    """

    application_id: UUID | None
    told: str | None
    as_of: datetime | None
    status: str | None
    stage: str | None
    decided_at: datetime | None
    person_id: UUID | None
    erased: bool


async def connect(connection: Connection, *, company_id: UUID, system: System, secret: str) -> UUID:
    """Connects a company's ATS; again, it replaces the secret and keeps the address. Returns the integration's id.

    Raises INVALID when the secret has fewer than 32 characters or more than 200.
    """
    if not SECRET_CHARACTERS_MIN <= len(secret) <= SECRET_CHARACTERS_MAX:
        raise Refusal(
            RefusalCode.INVALID,
            ja=f"シークレットは{SECRET_CHARACTERS_MIN}〜{SECRET_CHARACTERS_MAX}文字にしてください。",
            en=f"Give a secret of {SECRET_CHARACTERS_MIN} to {SECRET_CHARACTERS_MAX} characters.",
            path=("input", "secret"),
        )
    sql = queries("delivery")
    integration_id: UUID = await sql.connect_integration(
        connection, id=uuid7(), company_id=company_id, system=system, secret_sealed=b""
    )
    sealed = seal.seal(secret.encode(), context=integration_id.bytes)
    await sql.set_secret(connection, id=integration_id, secret_sealed=sealed)
    return integration_id


async def integrations(
    connection: Connection, integration_ids: Iterable[UUID | None]
) -> dict[tuple[UUID | None, str], Integration]:
    """The integrations at these addresses, by id and system; without those that are none."""
    rows = queries("delivery").integrations(connection, ids=list({each for each in integration_ids if each}))
    return {(row["id"], row["system"]): Integration(**row) async for row in rows}


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


async def take(
    connection: Connection, *, integration_id: UUID, event_id: str, action: str, subject: str, body: bytes
) -> UUID | None:
    """Keeps what the caller applies in the same transaction, such as a row of a file; None when it is kept already."""
    delivery_id = uuid7()
    return await queries("delivery").take(
        connection,
        id=delivery_id,
        integration_id=integration_id,
        event_id=event_id,
        action=action,
        subject=subject,
        sealed=seal.seal(body, context=delivery_id.bytes),
    )


async def is_of(connection: Connection, delivery_id: UUID, person_id: UUID | None) -> None:
    """Says whom a kept row is about, so that erasure reaches it."""
    await queries("delivery").is_of(connection, id=delivery_id, person_id=person_id)


async def claim(connection: Connection) -> Delivery | None:
    """Holds the delivery that is due longest, and its integration; None when nothing is due and free."""
    row = await queries("delivery").claim(connection)
    if row is None:
        return None
    found = dict(row)
    sealed = found.pop("sealed")
    return Delivery(**found, body=seal.unseal(sealed, context=found["id"].bytes) if sealed else None)


async def settle(
    connection: Connection, delivery: Delivery, *, applied: bool, person_id: UUID | None, erased: bool
) -> None:
    """Marks a delivery applied, or of no concern here. `erased`: it told of an erasure, and its own text goes too."""
    sql = queries("delivery")
    state = "APPLIED" if applied else "IGNORED"
    await sql.settle(connection, id=delivery.id, state=state, person_id=person_id, erased=erased)
    await sql.received(connection, id=delivery.integration_id, received_at=delivery.received_at)


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


async def hasten(connection: Connection, delivery: Delivery, subjects: Iterable[str]) -> None:
    """Makes what came too early, and waited for these applications or candidates, due now."""
    await queries("delivery").hasten(
        connection, integration_id=delivery.integration_id, subjects=list(subjects), except_id=delivery.id
    )


async def replay(connection: Connection, *, company_id: UUID, event_id: str | None) -> list[str]:
    """Makes a company's failed deliveries due again, or the one named, whatever became of it. Returns event ids."""
    rows = queries("delivery").replay(connection, company_id=company_id, event_id=event_id)
    return [row["event_id"] async for row in rows]


async def failures(connection: Connection, company_id: UUID) -> list[dict[str, Any]]:
    """A company's deliveries that wait for an operator, oldest first; nothing personal."""
    return [dict(row) async for row in queries("delivery").failures(connection, company_id=company_id)]


async def reduce(connection: Connection, now: datetime) -> int:
    """Takes the personal part out of deliveries older than 30 days, some at a time. Returns how many."""
    before = now - timedelta(days=KEPT_DAYS)
    rows = queries("delivery").reduce(connection, before=before, most=REDUCED_AT_ONCE)
    return len([row async for row in rows])


async def known(connection: Connection, *, company_id: UUID, system: System, external_id: str) -> Known | None:
    """What is known of an application by its ATS's id, held; also one that came in by another way."""
    sql = queries("delivery")
    row = await sql.told(connection, company_id=company_id, system=system, external_id=external_id)
    if row:
        return Known(**row)
    row = await sql.application_here(connection, company_id=company_id, external_id=external_id)
    return Known(**row, told=None, as_of=None) if row else None


async def referrer(connection: Connection, *, company_id: UUID, marks: Mapping[Mark, str]) -> UUID | None:
    """Who is known by these marks of an ATS: by user id, employee number or address before the name.

    A name alone is enough only where one side has nothing better, since two colleagues may share it.
    """
    keys = {_key(kind, value): kind for kind, value in marks.items()}
    rows = [row async for row in queries("delivery").referrer_of(connection, company_id=company_id, keys=list(keys))]
    for wanted in ("USER", "EMPLOYEE", "EMAIL"):
        for row in rows:
            if row["kind"] == wanted:
                return row["referrer_id"]
    name_alone = list(marks) == ["NAME"]
    named = [row["referrer_id"] for row in rows if row["kind"] == "NAME" and (name_alone or not row["identified"])]
    return named[0] if named else None


async def know_referrer(
    connection: Connection, *, company_id: UUID, referrer_id: UUID, marks: Iterable[tuple[Mark, str]]
) -> None:
    """Remembers by which marks an ATS names a referrer, as keyed hashes."""
    pairs = [(_key(kind, value), kind) for kind, value in marks]
    await queries("delivery").know_referrer(
        connection,
        company_id=company_id,
        referrer_id=referrer_id,
        keys=[key for key, _ in pairs],
        kinds=[kind for _, kind in pairs],
    )


def _key(kind: Mark, value: str) -> bytes:
    return seal.blind_index(f"referrer/{kind.lower()}", seal.fold_email(value))
