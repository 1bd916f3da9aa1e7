"""Authorization requests that a client sent ahead (RFC 9126), stored under the SHA-256 of their reference."""

from collections.abc import Mapping
from uuid import UUID

import orjson

from models.db import Connection, queries
from models.oauth import digest


async def add(
    connection: Connection, reference: str, client: UUID, parameters: Mapping[str, str], *, life_seconds: int
) -> None:
    """Keeps the parameters of a client's request under a reference that nobody can guess."""
    await queries("pushed").add(
        connection,
        request_hash=digest(reference),
        client=client,
        parameters=orjson.dumps(parameters).decode(),
        life_seconds=life_seconds,
    )


async def find(connection: Connection, reference: str, client_id: str) -> dict[str, str] | None:
    """The parameters; None when unknown, used, expired or another client's."""
    found = await queries("pushed").find(connection, request_hash=digest(reference), client_id=client_id)
    return None if found is None else orjson.loads(found)


async def claim(connection: Connection, reference: str) -> bool:
    """Uses the request up, for the one caller who gets it; False for everybody else."""
    return bool(await queries("pushed").claim(connection, request_hash=digest(reference)))


async def sweep(connection: Connection) -> None:
    """Deletes requests whose time has passed."""
    await queries("pushed").sweep(connection)
