"""Signing keys (署名鍵): the pairs with which tokens are signed, their private halves sealed."""

from datetime import datetime
from typing import Any

import asyncpg
import orjson

from models.db import Connection, queries


async def lock(connection: Connection) -> None:
    """Others who make keys wait until this transaction ends."""
    await queries("signing_key").lock(connection)


async def found(connection: Connection) -> list[asyncpg.Record]:
    """kid, public_jwk, sealed and signs_from of every key, the newest last."""
    return [row async for row in queries("signing_key").found(connection)]


async def add(
    connection: Connection, *, kid: str, public_jwk: dict[str, Any], sealed: bytes, signs_from: datetime
) -> None:
    """Stores a key pair whose private half is sealed."""
    await queries("signing_key").add(
        connection, kid=kid, public_jwk=orjson.dumps(public_jwk).decode(), sealed=sealed, signs_from=signs_from
    )
