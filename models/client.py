"""Clients as their partner looks after them: listed, changed, given new secrets, ended; and when each was last used."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from models import oauth
from models.db import Connection, queries
from models.oauth import Client

SECRET_OVERLAP_SECONDS = 24 * 3600
"""How long the secret before still opens after a new one was made."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A client as people see it, without anything that opens.

    `secret_made_at` is None without a secret; `previous_ends_at`: until when the secret before still opens.
    """

    client_id: str
    name: str
    auth_method: str
    grant_types: list[str]
    redirect_uris: list[str]
    scope: list[str]
    dpop_bound: bool
    created_at: datetime
    last_used_at: datetime | None
    secret_made_at: datetime | None
    previous_ends_at: datetime | None


async def count(connection: Connection, partner_id: UUID) -> int:
    """How many clients a partner has; nobody adds one until this transaction ends."""
    await queries("client").lock(connection, partner_id=partner_id)
    return await queries("client").count(connection, partner_id=partner_id)


async def listed(connection: Connection, partner_id: UUID | None) -> list[Listed]:
    """The clients of a partner, or the operator's own (None), the newest first."""
    return [Listed(**row) async for row in queries("client").listed(connection, partner_id=partner_id)]


async def registered(connection: Connection, client_id: str, registration_token: str) -> Client | None:
    """The client that this token looks after; None when it is another's, or the client has ended."""
    token_hash = oauth.digest(registration_token)
    found = await queries("client").registered(connection, client_id=client_id, registration_hash=token_hash)
    return await oauth.find_client(connection, found) if found else None


async def change(
    connection: Connection,
    client_id: str,
    *,
    name: str,
    redirect_uris: Iterable[str],
    post_logout_redirect_uris: Iterable[str],
    grant_types: Iterable[str],
    scope: Iterable[str],
    jwks: list[dict[str, Any]] | None,
    dpop_bound: bool,
) -> None:
    """Replaces what a client says of itself; how it authenticates stays."""
    await queries("client").change(
        connection,
        client_id=client_id,
        name=name,
        redirect_uris=list(redirect_uris),
        post_logout_redirect_uris=list(post_logout_redirect_uris),
        grant_types=list(grant_types),
        scope=sorted(scope),
        jwks=orjson.dumps(jwks).decode() if jwks else None,
        dpop_bound=dpop_bound,
    )


async def rotate(connection: Connection, client_id: str) -> str | None:
    """A new secret for a client; the one before still opens for SECRET_OVERLAP_SECONDS, or until it is ended.

    None, and nothing changed, for a client without a secret or with two.
    """
    secret = secrets.token_urlsafe(oauth.CLIENT_SECRET_BYTES)
    done = await queries("client").rotate(
        connection, client_id=client_id, secret_hash=oauth.digest(secret), overlap_seconds=SECRET_OVERLAP_SECONDS
    )
    return secret if done else None


async def end_previous(connection: Connection, client_id: str) -> bool:
    """Ends the secret before at once; False when there was none."""
    return bool(await queries("client").end_previous(connection, client_id=client_id))


async def remove(connection: Connection, client: Client, *, keep_seconds: int) -> None:
    """Ends a client and every token it has. `keep_seconds`: the longest that one of them could still live."""
    await queries("client").remove(connection, client_id=client.client_id)
    await oauth.revoke_subject(connection, client.id, keep_seconds=keep_seconds)


async def note_use(connection: Connection, client: Client) -> None:
    """Notes that a client was given a token, unless that was noted within oauth.USE_NOTED_SECONDS."""
    if not client.used_lately:
        await queries("client").note_use(connection, id=client.id, every_seconds=oauth.USE_NOTED_SECONDS)
