"""Passkeys (パスキー): key pairs whose private half stays with a person's device or its maker's keychain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from models.db import Connection, queries, uuid7

PASSKEYS_MAX = 10  # of one person
NAME_CHARACTERS_MAX = 60


@dataclass(frozen=True, slots=True)
class Passkey:
    """A registered passkey. `synced`: made to be copied between devices, so no proof of one device."""

    id: UUID
    member_id: UUID
    credential_id: bytes
    public_key: bytes
    name: str
    sign_count: int
    synced: bool
    backed_up: bool
    transports: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None


async def add(
    connection: Connection,
    *,
    member_id: UUID,
    credential_id: bytes,
    public_key: bytes,
    name: str,
    sign_count: int,
    synced: bool,
    backed_up: bool,
    transports: Sequence[str],
) -> UUID | None:
    """Registers a passkey; None when it is registered already, for whomever, or the person has PASSKEYS_MAX."""
    return await queries("passkey").add(
        connection,
        id=uuid7(),
        member_id=member_id,
        credential_id=credential_id,
        public_key=public_key,
        name=name,
        sign_count=sign_count,
        synced=synced,
        backed_up=backed_up,
        transports=list(transports),
        most=PASSKEYS_MAX,
    )


async def of_member(connection: Connection, member_id: UUID) -> list[Passkey]:
    """A person's passkeys, the oldest first."""
    return [_passkey(row) async for row in queries("passkey").of_member(connection, member_id=member_id)]


async def lock(connection: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey, locked until the transaction ends, so that two uses of one count are seen; None when unknown."""
    row = await queries("passkey").lock(connection, credential_id=credential_id)
    return None if row is None else _passkey(row)


async def used(connection: Connection, passkey_id: UUID, *, sign_count: int, backed_up: bool) -> None:
    """Notes a use, with what the authenticator counts and says of its copies."""
    await queries("passkey").used(connection, id=passkey_id, sign_count=sign_count, backed_up=backed_up)


async def remove(connection: Connection, member_id: UUID, passkey_id: UUID) -> bool:
    """Forgets one of a person's passkeys; False, and nothing forgotten, when it is not theirs."""
    return bool(await queries("passkey").remove(connection, member_id=member_id, id=passkey_id))


def _passkey(row: asyncpg.Record) -> Passkey:
    facts: dict[str, Any] = {**row, "transports": tuple(row["transports"])}
    return Passkey(**facts)
