"""OAuth's rows: codes, grants with their refresh tokens, revocations.

Only SHA-256 digests of secrets arrive here and are stored. What a row means for a request is decided in `auth`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg

from models.db import Connection, queries, uuid7

REVOCATION_CHANNEL = "kyoso_revocation"
CODE_REMEMBERED_SECONDS = 24 * 3600  # how long a second use of a code is recognised as one
GRANT_REMEMBERED_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code as it is stored; `client` is the client's row."""

    id: UUID
    client: UUID
    member_id: UUID
    redirect_uri: str
    scope: frozenset[str]
    code_challenge: str
    dpop_jkt: str | None
    expired: bool
    consumed: bool


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token with its grant, locked. `within_grace`: used so recently that its answer may have been lost."""

    id: UUID
    grant_id: UUID
    client: UUID
    member_id: UUID
    scope: frozenset[str]
    dpop_jkt: str | None
    expired: bool
    revoked: bool
    used: bool
    within_grace: bool


def digest(secret: str) -> bytes:
    """SHA-256, enough for secrets of 128 random bits and more."""
    return sha256(secret.encode()).digest()


async def save_code(
    connection: Connection,
    *,
    code_hash: bytes,
    client: UUID,
    member_id: UUID,
    redirect_uri: str,
    scope: Iterable[str],
    code_challenge: str,
    dpop_jkt: str | None,
    life_seconds: int,
    nonce: str | None = None,
    session: str | None = None,
) -> None:
    """Keeps a code until it is redeemed.

    `session`: the secret id of the login session that it ends with; None when the app does not ask for the login.
    """
    await queries("oauth").save_code(
        connection,
        id=uuid7(),
        code_hash=code_hash,
        client=client,
        member_id=member_id,
        redirect_uri=redirect_uri,
        scope=sorted(scope),
        code_challenge=code_challenge,
        dpop_jkt=dpop_jkt,
        life_seconds=life_seconds,
        nonce=nonce,
        session_hash=digest(session) if session else None,
    )


async def find_code(connection: Connection, code_hash: bytes) -> Code | None:
    """The code as it stands, used and expired ones too."""
    row = await queries("oauth").find_code(connection, code_hash=code_hash)
    return None if row is None else Code(**_facts(row))


async def redeem_code(connection: Connection, code: Code, *, dpop_jkt: str | None, life_seconds: int) -> UUID | None:
    """Opens the grant of a code for the one caller who gets it; None for everybody else, whatever runs beside it.

    `dpop_jkt`: the key that its refresh tokens are bound to.
    """
    if await queries("oauth").claim_code(connection, id=code.id) is None:
        return None
    grant_id = uuid7()
    await queries("oauth").open_grant(
        connection,
        id=grant_id,
        client=code.client,
        member_id=code.member_id,
        code_id=code.id,
        scope=sorted(code.scope),
        dpop_jkt=dpop_jkt,
        life_seconds=life_seconds,
    )
    return grant_id


async def revoke_grant_of_code(connection: Connection, code: Code, because: str, *, keep_seconds: int) -> UUID | None:
    """A code came a second time: ends what grew from the first; returns that grant, None when nothing lived."""
    grant_id = await queries("oauth").revoke_grant_of_code(connection, code_id=code.id, because=because)
    if grant_id:
        await revoke_subject(connection, grant_id, keep_seconds=keep_seconds)
    return grant_id


async def revoke_grant(connection: Connection, grant_id: UUID, because: str, *, keep_seconds: int) -> None:
    """Ends a grant with all its tokens; a second call changes nothing."""
    if await queries("oauth").revoke_grant(connection, id=grant_id, because=because):
        await revoke_subject(connection, grant_id, keep_seconds=keep_seconds)


async def revoke_grants_of_member(connection: Connection, member_id: UUID, because: str, *, keep_seconds: int) -> None:
    """Ends all that a person ever granted, with every token of theirs. `keep_seconds` as in `revoke_subject`."""
    await queries("oauth").revoke_grants_of_member(connection, member_id=member_id, because=because)
    await revoke_subject(connection, member_id, keep_seconds=keep_seconds)


async def lock_refresh_token(connection: Connection, token_hash: bytes, *, grace_seconds: int) -> RefreshToken | None:
    """The token, with its family locked until the transaction ends."""
    row = await queries("oauth").lock_refresh_token(connection, token_hash=token_hash, grace_seconds=grace_seconds)
    return None if row is None else RefreshToken(**_facts(row))


async def add_refresh_token(
    connection: Connection,
    *,
    token_id: UUID,
    token_hash: bytes,
    grant_id: UUID,
    parent_id: UUID | None,
    life_seconds: int,
) -> None:
    """The first token of a grant (`parent_id` None), or the one child of another, which is used up by that."""
    if parent_id:
        await queries("oauth").use_refresh_token(connection, id=parent_id)
    await queries("oauth").add_refresh_token(
        connection,
        id=token_id,
        token_hash=token_hash,
        grant_id=grant_id,
        parent_id=parent_id,
        life_seconds=life_seconds,
    )


async def unused_child(connection: Connection, token_id: UUID) -> UUID | None:
    """The token that replaced this one, as long as nobody has used it."""
    row = await queries("oauth").child_refresh_token(connection, parent_id=token_id)
    return None if row is None or row["used"] else row["id"]


async def refresh_token_facts(connection: Connection, token_hash: bytes) -> dict[str, Any] | None:
    """What introspection and revocation may know about a refresh token."""
    row = await queries("oauth").refresh_token_facts(connection, token_hash=token_hash)
    return None if row is None else dict(row)


async def revoke_subject(connection: Connection, subject: UUID, *, keep_seconds: int) -> None:
    """Kills a token, all of a grant, or what was issued until now for a client or member.

    `keep_seconds`: the longest that such a token could still live.
    """
    await queries("oauth").revoke_subject(connection, subject=subject, keep_seconds=keep_seconds)


async def revocations(connection: Connection) -> dict[UUID, float]:
    """Dead subjects and since when (seconds since 1970)."""
    rows = [row async for row in queries("oauth").revocations(connection)]
    return {row["subject"]: row["revoked_at"].timestamp() for row in rows}


async def standing(
    connection: Connection,
    *,
    client_id: str,
    member_id: UUID | None,
    grant_id: UUID | None,
    token_id: UUID,
    issued_at: int,
) -> asyncpg.Record | None:
    """Client, login name and partner behind a token; None when it or one of the things it names has ended.

    `issued_at`: seconds since 1970.
    """
    return await queries("oauth").standing(
        connection,
        client_id=client_id,
        member_id=member_id,
        grant_id=grant_id,
        token_id=token_id,
        issued_at=issued_at,
    )


async def sweep(connection: Connection) -> None:
    """Deletes what no longer tells anything: old codes, grants and revocations."""
    await queries("oauth").sweep_codes(connection, keep_seconds=CODE_REMEMBERED_SECONDS)
    await queries("oauth").sweep_grants(connection, keep_seconds=GRANT_REMEMBERED_SECONDS)
    await queries("oauth").sweep_revocations(connection)


def _facts(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, "scope": frozenset(row["scope"])}
