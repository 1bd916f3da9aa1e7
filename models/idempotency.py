"""Idempotency keys (冪等キー): a verb runs once per client and clientMutationId, and a retry gets its first result.

Only ids are kept; the retry's selection is read anew. A refusal changes nothing and keeps nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from models.db import queries

KEPT_DAYS = 30


class ConflictError(Exception):
    """The same key came with another input or for another verb: nothing was run."""


@dataclass(frozen=True, slots=True)
class Key:
    """One call of a verb. `fingerprint` is a hash of its whole input."""

    client_id: str
    client_mutation_id: str
    verb: str
    fingerprint: bytes


def spelled(value: object) -> bytes:
    """An input as JSON: equal for equal inputs, whatever order their members came in."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)


def fingerprint(spelled: bytes) -> bytes:
    """A hash of an input that is spelled."""
    return hashlib.sha256(spelled).digest()


async def claim(connection: asyncpg.Connection[asyncpg.Record], key: Key) -> Mapping[str, Any] | None:
    """Claims the key for this transaction; the first result where it was used before.

    A concurrent call with the same key waits here until this transaction ends. Raises ConflictError.
    """
    sql = queries("idempotency")
    claimed = await sql.claim(
        connection,
        client_id=key.client_id,
        client_mutation_id=key.client_mutation_id,
        verb=key.verb,
        input_hash=key.fingerprint,
    )
    if claimed:
        return None
    found = await sql.find(connection, client_id=key.client_id, client_mutation_id=key.client_mutation_id)
    if found is None or found["verb"] != key.verb or found["input_hash"] != key.fingerprint:
        raise ConflictError
    return orjson.loads(found["answer"])


async def keep(connection: asyncpg.Connection[asyncpg.Record], key: Key, answer: Mapping[str, Any]) -> None:
    """Keeps the verb's result under its claimed key, in the verb's own transaction."""
    await queries("idempotency").keep(
        connection,
        client_id=key.client_id,
        client_mutation_id=key.client_mutation_id,
        answer=orjson.dumps(answer, default=str).decode(),
    )


async def sweep(connection: asyncpg.Connection[asyncpg.Record], now: datetime) -> None:
    """Forgets keys that no client retries any more."""
    await queries("idempotency").sweep(connection, before=now - timedelta(days=KEPT_DAYS))
