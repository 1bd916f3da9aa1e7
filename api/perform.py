"""How a verb runs: in one transaction with the reading of its payload; once per key; and a refusal changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import asyncpg
from graphql import GraphQLError

from auth.viewer import Viewer
from models import idempotency
from models.db import Acquire, retried, unit_of_work
from models.errors import Refusal
from planner import Answer, Read
from planner.words import Verb
from schema.act import Act, invalid

MUTATION_ID_CHARACTERS = 200
CONFLICT = "This clientMutationId was used with another input. Use a new one for a new call."


@dataclass
class Context:
    """One request's verbs: who acts, in which language refusals speak (`ja` or `en`), and what gives a connection for
    their units of work: the pool, where nothing does."""

    viewer: Viewer
    language: str
    acquire: Acquire | None = None


class _TakenError(Exception):
    """The key was taken before, or by a call at the same time: what this one did is undone."""


async def perform(verb: Verb, context: Context, given: Any, read: Read) -> Answer:
    """What `read` gives of the verb's row, before its transaction ends; of the first call's, where this is a retry.

    The verb is run again where PostgreSQL undid it for another's sake, so it changes nothing but the database.
    Raises GraphQLError(IDEMPOTENCY_CONFLICT) when the key came with another input, BAD_REQUEST when it is no text.
    """
    name = getattr(verb, "__name__", "")
    mutation_id = str(given.client_mutation_id)
    if "\0" in mutation_id:  # it could not even be sent back
        raise GraphQLError("A clientMutationId cannot contain NUL.", extensions={"code": "BAD_REQUEST"})
    told = cast("dict[str, Any]", vars(given))
    spelled = idempotency.spelled(told)
    key = idempotency.Key(context.viewer.caller, mutation_id, name, idempotency.fingerprint(spelled))

    async def act() -> Answer:
        async with unit_of_work(context.acquire) as connection:
            row = await verb(Act(context.viewer, connection), given)
            answer = await read(_payload(mutation_id, row), connection, idempotency.claim(key, row))
            if answer is None:
                raise _TakenError
            return answer

    try:
        _check(mutation_id, b"\\u0000" in spelled and _has_nul(dataclasses.asdict(given)))
        return await retried(act)
    except (Refusal, _TakenError, asyncpg.IntegrityConstraintViolationError) as stopped:
        # What stops a retry may be what the first call did.
        return await _first(key, context, read, stopped)


async def _first(key: idempotency.Key, context: Context, read: Read, stopped: Exception) -> Answer:
    async with unit_of_work(context.acquire) as connection:
        try:
            row = await idempotency.find(connection, key)
        except idempotency.ConflictError:
            raise GraphQLError(CONFLICT, extensions={"code": "IDEMPOTENCY_CONFLICT"}) from None
        if row is None and not isinstance(stopped, Refusal):
            raise stopped  # of a taken key: it was swept in between, its caller waited for KEPT_DAYS
        errors = [_said(stopped, context.language)] if row is None and isinstance(stopped, Refusal) else []
        answer = await read(_payload(key.client_mutation_id, row or {}, errors), connection)
        assert answer is not None
        return answer


def _payload(mutation_id: str, row: Mapping[str, Any], errors: Sequence[Any] = ()) -> dict[str, Any]:
    return {"client_mutation_id": mutation_id, "user_errors": list(errors), **row}


def _check(mutation_id: str, nul: bool) -> None:
    if not 1 <= len(mutation_id) <= MUTATION_ID_CHARACTERS:
        raise invalid(
            "clientMutationId",
            ja=f"clientMutationId は1〜{MUTATION_ID_CHARACTERS}文字です。",
            en=f"A clientMutationId has 1 to {MUTATION_ID_CHARACTERS} characters.",
        )
    if nul:
        raise invalid(ja="文字列にNUL文字は使えません。", en="A text cannot contain the character NUL.")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(each) for each in cast("Mapping[str, Any]", value).values())
    return isinstance(value, list) and any(_has_nul(each) for each in cast("list[Any]", value))


def _said(refusal: Refusal, language: str) -> dict[str, Any]:
    return {
        "code": refusal.code.value,
        "message": refusal.ja if language == "ja" else refusal.en,
        "path": list(refusal.path) if refusal.path else None,
    }
