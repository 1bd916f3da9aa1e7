"""Devices that cannot show a login page: what they asked for, and what a person answered elsewhere (RFC 8628).

Of the two codes only digests arrive here. The device's is SHA-256; the person's is short, so its digest is keyed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models.db import Connection, queries, uuid7
from models.oauth import revoke_subject

REMEMBERED_SECONDS = 24 * 3600  # how long a second use of a device code is recognised as one


@dataclass(frozen=True, slots=True)
class Device:
    """A device that asks again. `hurried`: sooner than it was told; `granted` is None until allowed."""

    id: UUID
    member_id: UUID | None
    granted: frozenset[str] | None
    dpop_jkt: str | None
    expired: bool
    answered: bool
    redeemed: bool
    hurried: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a device asks a person for."""

    client_id: str
    scope: frozenset[str]


async def add(
    connection: Connection,
    *,
    device_hash: bytes,
    user_hash: bytes,
    client: UUID,
    scope: Iterable[str],
    dpop_jkt: str | None,
    interval_seconds: int,
    life_seconds: int,
) -> bool:
    """Keeps a request until it is answered; False, and nothing kept, when the person's code is taken."""
    return bool(
        await queries("device").add(
            connection,
            id=uuid7(),
            device_hash=device_hash,
            user_hash=user_hash,
            client=client,
            scope=sorted(scope),
            dpop_jkt=dpop_jkt,
            interval_seconds=interval_seconds,
            life_seconds=life_seconds,
        )
    )


async def poll(connection: Connection, device_hash: bytes, client: UUID, *, slower_seconds: int) -> Device | None:
    """The device's request as it stands; None when it is unknown or another client's.

    A device that asks too soon is to wait `slower_seconds` longer from then on.
    """
    row = await queries("device").poll(
        connection, device_hash=device_hash, client=client, slower_seconds=slower_seconds
    )
    if row is None:
        return None
    facts: dict[str, Any] = dict(row)
    granted: list[str] | None = facts.pop("granted")
    return Device(**facts, granted=None if granted is None else frozenset(granted))


async def waiting(connection: Connection, user_hash: bytes) -> Waiting | None:
    """The request behind the person's code; None when it is unknown, answered or over."""
    row = await queries("device").waiting(connection, user_hash=user_hash)
    return None if row is None else Waiting(row["client_id"], frozenset(row["scope"]))


async def answer(connection: Connection, user_hash: bytes, member_id: UUID, granted: Iterable[str] | None) -> bool:
    """A person's answer: the scopes they allow, or None when they refuse. False when somebody answered before."""
    return bool(
        await queries("device").answer(
            connection, user_hash=user_hash, member_id=member_id, granted=None if granted is None else sorted(granted)
        )
    )


async def redeem(connection: Connection, device: Device, *, dpop_jkt: str | None, life_seconds: int) -> UUID | None:
    """Opens the grant for the one caller who gets it; None for everybody else, whatever runs beside it.

    `dpop_jkt`: the key that its refresh tokens are bound to.
    """
    return await queries("device").redeem(
        connection, id=device.id, grant_id=uuid7(), dpop_jkt=dpop_jkt, life_seconds=life_seconds
    )


async def revoke_grant(connection: Connection, device: Device, because: str, *, keep_seconds: int) -> UUID | None:
    """A device code came a second time: ends what grew from the first; returns that grant, None when nothing lived."""
    grant_id: UUID | None = await queries("device").revoke_grant(connection, device_id=device.id, because=because)
    if grant_id:
        await revoke_subject(connection, grant_id, keep_seconds=keep_seconds)
    return grant_id


async def sweep(connection: Connection) -> None:
    """Deletes requests whose second use would no longer tell anything."""
    await queries("device").sweep(connection, keep_seconds=REMEMBERED_SECONDS)
