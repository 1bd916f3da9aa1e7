"""Running plans: bind, one fetch, send the bytes. The rest is for the few answers that need more."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import asyncpg
import orjson
from graphql import GraphQLError

from planner.arguments import Run
from planner.errors import BAD_VALUE, INTERNAL, TIMEOUT, RequestError
from planner.finish import Completion
from planner.marks import ARM, MARK
from planner.plan import Plan, Step, Steps
from planner.words import Verb

Acquire = Callable[[], AbstractAsyncContextManager[Any]]
"""Gives an asyncpg connection for a while."""
Claim = tuple[str, Sequence[Any]]
"""A statement with its values, to be written within a reading: where it gives no row, nothing is read."""

_PARAMETER = re.compile(r"\$(\d+)")
_LATER = re.compile(f',"(?:{ARM}|{MARK})":[0-9]+'.encode())
_FIRST = re.compile(f'{{"(?:{ARM}|{MARK})":[0-9]+'.encode())
"""Marks that Python did not take off. Each pattern begins with plain bytes, which `re` finds seventy times faster."""

QUERY_CANCELED = "57014"
DATA_EXCEPTIONS = "22"
CLAIMED_KEPT = 256
"""Texts of statements with their claims; a product knows few mutations."""


class Viewer(Protocol):
    """Who asks. `standing` is all that compiling may look at; `values` are bound when a statement runs."""

    @property
    def standing(self) -> Any:
        """Hashable: scopes, role."""
        ...

    @property
    def values(self) -> Mapping[str, Any]:
        """Named values, such as the partner's id."""
        ...


class Answer(NamedTuple):
    """What to send. `errors` are in the body already; `failures` are the exceptions behind them, for the log."""

    body: bytes
    errors: tuple[GraphQLError, ...] = ()
    failures: tuple[Exception, ...] = ()
    statements: int = 0


class Read(Protocol):
    """Reads a payload by its row, on the connection of its verb; None where the claim gives no row."""

    async def __call__(self, row: Mapping[str, Any], connection: Any, claim: Claim | None = None) -> Answer | None:
        """See above."""
        ...


Perform = Callable[[Verb, Any, Any, Read], Awaitable[Answer]]
"""Runs a verb with (context, input) in a unit of work, reads its payload before that ends, and gives the answer."""


class Runner:
    """Runs plans. `session` names the settings of a personal plan, each with the viewer's value it takes."""

    def __init__(self, session: Mapping[str, str]) -> None:
        pairs = list(session.items())
        calls = ", ".join(f"set_config(${2 * place + 1}, ${2 * place + 2}, true)" for place in range(len(pairs)))
        self._set = f"select {calls}" if pairs else ""
        self._session = pairs

    async def read(self, plan: Plan, connection: asyncpg.Connection[Any], run: Run, claim: Claim | None = None) -> Any:
        """The answer of a plan's statement, as bytes. Raises RequestError where the request's values are at fault."""
        sql, values = plan.sql, plan.values(run)
        if claim:
            sql = _claimed(sql, claim[0], len(values))
            values += claim[1]
        try:
            return await connection.fetchval(sql, *values)
        except asyncpg.PostgresError as error:
            if isinstance(error, asyncpg.DataError) or (error.sqlstate or "").startswith(DATA_EXCEPTIONS):
                raise RequestError(BAD_VALUE, "A value of this request cannot be what the field needs.") from error
            if error.sqlstate == QUERY_CANCELED:
                raise RequestError(TIMEOUT, "This operation took too long; ask for less at once.") from error
            raise
        except UnicodeEncodeError as error:
            raise RequestError(BAD_VALUE, "A text of this request is not Unicode.") from error

    async def query(self, plan: Plan, acquire: Acquire, run: Run, context: Any) -> Answer:
        """The answer of a query or of one event."""
        if not plan.sql:
            return Answer(b'{"data":{}}')
        async with acquire() as connection:
            if not plan.personal:
                body = await self.read(plan, connection, run)
                if not plan.finishing:
                    return self.checked(plan, body)
                return await self._finished(plan, body, context, 1)
            async with connection.transaction():
                await self.identify(connection, run)
                body = await self.read(plan, connection, run)
                return await self._finished(plan, body, context, 2)

    async def identify(self, connection: asyncpg.Connection[Any], run: Run) -> None:
        """Tell the transaction whose data may be seen."""
        values = [part for name, value in self._session for part in (name, str(run.viewer[value]))]
        await connection.fetchval(self._set, *values)

    def checked(self, plan: Plan, body: bytes) -> Answer:
        """The answer out of a statement's bytes where Python finishes nothing: promises kept, marks taken off."""
        if not any(missing in body for missing in plan.promises):
            return Answer(_FIRST.sub(b"{", _LATER.sub(b"", body)) if plan.marked else body, statements=1)
        completion = Completion()
        data = completion.checked(plan.fields, orjson.loads(body)["data"], ())
        return _answer(data, completion, 1)

    async def _finished(self, plan: Plan, body: bytes, context: Any, statements: int) -> Answer:
        completion = Completion()
        data = await completion.complete(plan.fields, orjson.loads(body)["data"], context)
        return _answer(data, completion, statements)

    async def mutation(
        self, plan: Steps, inputs: Mapping[str, Any], perform: Perform, run: Run, context: Any
    ) -> Answer:
        """Each verb in turn, its payload read before its unit of work ends; one that fails leaves the others be."""
        data: dict[str, Any] | None = {}
        completion = Completion()
        statements = 0
        for step in plan.steps:
            if step.payload is None:
                data[step.key] = "Mutation"
                continue
            try:
                answer = await self._step(step, step.payload, inputs[step.key], perform, run, context)
            except Exception as failure:
                completion.errors.append(_located(failure, step, completion))
                if step.nonnull:
                    data = None
                    break
                data[step.key] = None
                continue
            said = orjson.loads(answer.body)["data"]
            data[step.key] = None if said is None else said[step.key]
            completion.errors += answer.errors
            completion.failures += answer.failures
            statements += 1
        return _answer(data, completion, statements)

    async def _step(self, step: Step, plan: Plan, given: Any, perform: Perform, run: Run, context: Any) -> Answer:
        assert step.verb is not None

        async def read(row: Mapping[str, Any], connection: Any, claim: Claim | None = None) -> Answer | None:
            if plan.personal:
                await self.identify(connection, run)
            body = await self.read(plan, connection, run._replace(row=row), claim)
            if body is None:
                return None
            return await self._finished(plan, body, context, 1) if plan.finishing else self.checked(plan, body)

        return await perform(step.verb, context, given, read)


@lru_cache(CLAIMED_KEPT)
def _claimed(sql: str, claim: str, taken: int) -> str:
    later = _PARAMETER.sub(lambda found: f"${int(found[1]) + taken}", claim)
    return f"with claimed as ({later}) select ({sql}) from claimed"


def _located(failure: Exception, step: Step, completion: Completion) -> GraphQLError:
    if isinstance(failure, GraphQLError):
        return GraphQLError(failure.message, [step.node], path=[step.key], extensions=failure.extensions)
    completion.failures.append(failure)
    return GraphQLError("This failed on our side; nothing was changed.", [step.node], path=[step.key],
                        extensions={"code": INTERNAL})  # fmt: skip


def _answer(data: Any, completion: Completion, statements: int) -> Answer:
    body: dict[str, Any] = {"data": data}
    if completion.errors:
        body["errors"] = [error.formatted for error in completion.errors]
    return Answer(orjson.dumps(body), tuple(completion.errors), tuple(completion.failures), statements)
