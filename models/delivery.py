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
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a delivery that was tried. `erased`: it told of an erasure, and its own text goes too."""

    delivery: Delivery
    applied: bool
    person_id: UUID | None
    erased: bool


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


@dataclass(frozen=True, slots=True)
class Asked:
    """News of an application, as far as what is known of it is looked for; all but the first may be unknown."""

    external_id: str
    applicant_id: str | None = None
    as_of: datetime | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of an application, its applicant and its job.

    `forgotten`: the applicant was deleted or anonymised there at that time or later. `person_id`: whom the applicant's
    id means, with what was true at `told_at`.
    """

    forgotten: bool
    known: Known | None
    person_id: UUID | None
    told_at: datetime | None
    job_id: UUID | None


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest state that an ATS told of an application; `application_id` None: unknown here, or as it was."""

    external_id: str
    application_id: UUID | None
    status: str
    as_of: datetime


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
    return [_held(dict(row)) async for row in queries("delivery").claim(connection, most=most)]


def _held(row: dict[str, Any]) -> Delivery:
    sealed = row.pop("sealed")
    return Delivery(**row, body=seal.unseal(sealed, context=row["id"].bytes) if sealed else None)


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


async def look(connection: Connection, *, company_id: UUID, system: System, asked: Sequence[Asked]) -> dict[str, Seen]:
    """What is known of applications by their ATS's ids, also of those that came by another way. Holds those told of."""
    sql, whose = queries("delivery"), {"company_id": company_id, "system": system}
    await sql.hold(connection, **whose, external_ids=[each.external_id for each in asked])
    found = sql.look(
        connection,
        **whose,
        external_ids=[each.external_id for each in asked],
        applicant_ids=[each.applicant_id for each in asked],
        as_of=[each.as_of for each in asked],
        job_ids=[each.job_id for each in asked],
    )
    return {row["external_id"]: _seen(row) async for row in found}


def _seen(row: asyncpg.Record) -> Seen:
    known = Known(
        application_id=row["application_id"],
        told=row["told"],
        as_of=row["as_of"],
        status=row["status"],
        stage=row["stage"],
        decided_at=row["decided_at"],
        person_id=row["person_id"],
        erased=row["erased"],
    )
    there = known.told is not None or known.application_id is not None
    return Seen(row["forgotten"], known if there else None, row["applicant"], row["told_at"], row["job_id"])


async def known(connection: Connection, *, company_id: UUID, system: System, external_id: str) -> Known | None:
    """What is known of one application, as `look` finds it."""
    seen = await look(connection, company_id=company_id, system=system, asked=[Asked(external_id)])
    return seen[external_id].known


async def remember(connection: Connection, *, company_id: UUID, system: System, newest: Sequence[Newest]) -> None:
    """The newest states told, each of another application."""
    await queries("delivery").remember(
        connection,
        company_id=company_id,
        system=system,
        external_ids=[each.external_id for each in newest],
        application_ids=[each.application_id for each in newest],
        statuses=[each.status for each in newest],
        as_of=[each.as_of for each in newest],
    )


async def know_candidates(
    connection: Connection, *, company_id: UUID, system: System, told: Mapping[str, tuple[UUID, datetime | None]]
) -> None:
    """An ATS's candidate ids mean these persons from now on; with each, when what it told was true, if it told."""
    await queries("delivery").know_candidates(
        connection,
        company_id=company_id,
        system=system,
        external_ids=list(told),
        person_ids=[person_id for person_id, _ in told.values()],
        told_at=[told_at for _, told_at in told.values()],
    )


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
