"""Applicant-tracking systems (ATS連携): a company's integration with one, and what the system calls things: its ids of
candidates, applications and jobs, and the marks by which it names a referrer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

from models import seal
from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode

System = Literal["GREENHOUSE", "CSV"]
Mark = Literal["USER", "EMPLOYEE", "EMAIL", "NAME"]

SECRET_CHARACTERS_MIN, SECRET_CHARACTERS_MAX = 32, 200


@dataclass(frozen=True, slots=True)
class Integration:
    """One company's connection with one system."""

    id: UUID
    company_id: UUID
    system: System
    secret_sealed: bytes = field(repr=False)


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
    sql = queries("ats")
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
    rows = queries("ats").integrations(connection, ids=list({each for each in integration_ids if each}))
    return {(row["id"], row["system"]): Integration(**row) async for row in rows}


async def look(connection: Connection, *, company_id: UUID, system: System, asked: Sequence[Asked]) -> dict[str, Seen]:
    """What is known of applications by their ATS's ids, also of those that came by another way. Holds those told of."""
    sql, whose = queries("ats"), {"company_id": company_id, "system": system}
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
    await queries("ats").remember(
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
    await queries("ats").know_candidates(
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
    rows = [row async for row in queries("ats").referrer_of(connection, company_id=company_id, keys=list(keys))]
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
    await queries("ats").know_referrer(
        connection,
        company_id=company_id,
        referrer_id=referrer_id,
        keys=[key for key, _ in pairs],
        kinds=[kind for _, kind in pairs],
    )


def _key(kind: Mark, value: str) -> bytes:
    return seal.blind_index(f"referrer/{kind.lower()}", seal.fold_email(value))
