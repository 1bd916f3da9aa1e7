"""Idempotency keys (冪等キー): a verb takes effect once per client and clientMutationId; a retry gets that result.

A key is taken with the result, at the end of the verb's transaction: of two calls at once both run, and the one that
finds the key taken is undone. Only ids are kept; the retry's selection is read anew. A refusal keeps nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from models.db import Connection, queries
from models.named import unended

KEPT_DAYS = 30


class ConflictError(Exception):
    """The same key came with another input or for another verb: nothing is changed."""


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


def claim(key: Key, answer: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement that takes a key with the verb's result, and its values, to be run in the verb's own transaction.

    It gives no row when the key was taken before; a call at the same time is waited for.
    """
    kept = orjson.dumps(answer, default=str).decode()
    # In the order in which the statement names them.
    values = [key.client_id, key.client_mutation_id, key.verb, key.fingerprint, kept]
    return unended(queries("idempotency").claim), values


async def find(connection: Connection, key: Key) -> Mapping[str, Any] | None:
    """The result that a key was taken with; None for one that is free. Raises ConflictError."""
    found = await queries("idempotency").find(
        connection, client_id=key.client_id, client_mutation_id=key.client_mutation_id
    )
    if found is None:
        return None
    if found["verb"] != key.verb or found["input_hash"] != key.fingerprint:
        raise ConflictError
    return orjson.loads(found["answer"])


async def sweep(connection: Connection, now: datetime) -> None:
    """Forgets keys that no client retries any more."""
    await queries("idempotency").sweep(connection, before=now - timedelta(days=KEPT_DAYS))
