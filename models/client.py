"""Clients that partners register by themselves, and the registration token that looks after each."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson

from models import oauth
from models.audit import Connection
from models.db import queries
from models.oauth import Client


async def count(connection: Connection, partner_id: UUID) -> int:
    """How many clients a partner has; nobody adds one until this transaction ends."""
    await queries("client").lock(connection, partner_id=partner_id)
    return await queries("client").count(connection, partner_id=partner_id)


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
        grant_types=list(grant_types),
        scope=sorted(scope),
        jwks=orjson.dumps(jwks).decode() if jwks else None,
        dpop_bound=dpop_bound,
    )


async def remove(connection: Connection, client: Client, *, keep_seconds: int) -> None:
    """Ends a client and every token it has. `keep_seconds`: the longest that one of them could still live."""
    await queries("client").remove(connection, client_id=client.client_id)
    await oauth.revoke_subject(connection, client.id, keep_seconds=keep_seconds)
