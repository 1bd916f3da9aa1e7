"""The planner as others see it: prepare a request, run it; stream events; check everything at start."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import asyncpg
import graphql
import orjson
from graphql import GraphQLError, OperationType, ValidationRule
from graphql.execution.values import VariableValues, get_argument_values

from planner import document as documents
from planner import fallback
from planner.arguments import Run, Shape
from planner.batch import batched, read_all
from planner.cache import Cache
from planner.catalog import Catalogue
from planner.check import check
from planner.directives import input_of
from planner.document import Document, Question
from planner.errors import BAD_REQUEST, TOO_COSTLY, InvalidRequestError, RequestError
from planner.introspection import Introspection, Told
from planner.limits import Limits
from planner.plan import Compiler, Plan, Steps
from planner.run import Acquire, Answer, Perform, Runner, Viewer

Policies = Callable[[str, Any], str | None]
Gate = Callable[[Any], type[ValidationRule] | None]


class Request(NamedTuple):
    """A GraphQL request."""

    document: str
    operation_name: str | None = None
    variables: Mapping[str, Any] | None = None


class Prepared(NamedTuple):
    """A request that may run. `cost` is its estimate with the sizes it asks; see `planner.cost`."""

    plan: Plan | Steps
    question: Question
    document: Document
    variables: Mapping[str, Any]
    given: Mapping[str, Any]
    viewer: Viewer
    cost: int
    told: Told | None = None

    @property
    def operation(self) -> OperationType:
        """Query, mutation or subscription."""
        return self.question.node.operation

    @property
    def personal(self) -> bool:
        """Whether it runs in a transaction that is told whose data may be seen."""
        return isinstance(self.plan, Plan) and self.plan.personal


@dataclass(frozen=True)
class Stream:
    """A subscription that may run: `field` is the root field asked, `arguments` its arguments by GraphQL name."""

    prepared: Prepared
    field: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Bound:
    """One event for one subscriber. Subscribers whose `group` is equal get the same bytes: encode once for all."""

    plan: Plan
    run: Run
    group: Hashable


class Planner:
    """Plans and runs the operations of one schema against one database.

    `policy(table, standing)` is the condition under which rows may be read, `None` when nobody has decided.
    `gate(standing)` is the validation rule that asks scopes. `session` names the settings of a personal plan, each
    with the viewer's value it takes.
    """

    def __init__(
        self,
        schema: Any,
        catalogue: Catalogue,
        *,
        policy: Policies,
        gate: Gate,
        session: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.schema = schema
        self.catalogue = catalogue
        self.policy = policy
        self.gate = gate
        self.limits = limits or Limits()
        self.cache = Cache(self.limits)
        self.introspection = Introspection(catalogue.schema, self.cache, self.limits)
        self.runner = Runner(session or {})
        self.compiled = 0

    async def check(self, connection: asyncpg.Connection[Any], standings: Iterable[Any]) -> int:
        """Compile and prepare the whole schema for each standing; gives the number of statements.

        Raises DeclarationError naming the first field that cannot be planned.
        """
        count = 0
        for standing in standings:
            count += await check(connection, self.catalogue, lambda table, who=standing: self.policy(table, who))
        return count

    def prepare(self, request: Request, viewer: Viewer) -> Prepared:
        """Everything before the database. Raises InvalidRequestError with the request's errors."""
        try:
            document = self._document(request.document, viewer.standing)
            question = document.question(request.operation_name)
            variables = documents.coerced(self.catalogue.schema, question, request.variables or {})
            shape = documents.shape(question, variables)
            plan = self._plan(document, question, shape, viewer)
            told = None
            if isinstance(plan, Plan) and plan.introspected:
                told = self.introspection.told(document, question, plan.introspected, shape, variables)
            cost = plan.cost.of(Run(variables, viewer.values, {})) + (told.cost if told else 0)
            if cost > self.limits.cost:
                raise RequestError(TOO_COSTLY, f"This operation may cost {cost}; {self.limits.cost} is the most.")
        except GraphQLError as error:
            raise InvalidRequestError([error]) from error
        return Prepared(plan, question, document, variables, request.variables or {}, viewer, cost, told)

    async def run(
        self, prepared: Prepared, acquire: Acquire, context: Any = None, perform: Perform | None = None
    ) -> Answer:
        """The answer. Raises InvalidRequestError when a value of the request is refused while it runs."""
        run = Run(prepared.variables, prepared.viewer.values, {})
        plan = prepared.plan
        try:
            if isinstance(plan, Steps):
                if perform is None:
                    raise RequestError(BAD_REQUEST, "A mutation cannot run here.")
                return await self.runner.mutation(plan, self._inputs(prepared, plan), perform, run, context)
            if plan.fallback or plan.introspected:
                return await fallback.answer(self, prepared, plan, acquire, run, context)
            return await self.runner.query(plan, acquire, run, context)
        except GraphQLError as error:
            raise InvalidRequestError([error]) from error

    def stream(self, request: Request, viewer: Viewer) -> Stream:
        """A subscription, ready for its events. Raises InvalidRequestError."""
        prepared = self.prepare(request, viewer)
        root = self.catalogue.schema.subscription_type
        if prepared.operation is not OperationType.SUBSCRIPTION or root is None:
            raise InvalidRequestError([RequestError(BAD_REQUEST, "This is not a subscription.")])
        assert isinstance(prepared.plan, Plan)
        node = prepared.plan.fields[0].node
        assert node is not None
        arguments = self._arguments(prepared, root.fields[node.name.value], node)
        return Stream(prepared, node.name.value, arguments)

    def bind(self, stream: Stream, row: Mapping[str, Any], viewer: Viewer) -> Bound:
        """One event for one subscriber, its policy as the viewer stands now. Raises InvalidRequestError when the
        gate no longer lets this viewer ask."""
        prepared = stream.prepared
        plan = prepared.plan
        if viewer.standing != prepared.viewer.standing:
            document = self._document(prepared.document.text, viewer.standing)
            question = document.question(self._name(prepared))
            plan = self._plan(document, question, documents.shape(question, prepared.variables), viewer)
        assert isinstance(plan, Plan)
        run = Run(prepared.variables, viewer.values, row)
        own = tuple(sorted((name, repr(value)) for name, value in viewer.values.items())) if plan.finishing else ()
        return Bound(plan, run, (plan.sql, repr(plan.values(run)), own))

    async def encode(self, bound: Bound, acquire: Acquire, context: Any = None) -> Answer:
        """The bytes of one event for a whole group."""
        return await self.runner.query(bound.plan, acquire, bound.run, context)

    async def encode_all(self, bound: Bound, rows: Sequence[Mapping[str, Any]], acquire: Acquire) -> list[bytes]:
        """The bytes of many events for one group, in order: one statement, unless Python finishes their values.

        `bound` was bound with any row.
        """
        plan, runs = bound.plan, [bound.run._replace(row=row) for row in rows]
        statement = batched(plan) if len(runs) > 1 and not plan.finishing and not plan.personal else None
        if statement is None:
            return [(await self.encode(replace(bound, run=run), acquire)).body for run in runs]
        async with acquire() as connection:
            return [self.runner.checked(plan, body).body for body in await read_all(plan, statement, connection, runs)]

    def _document(self, text: str, standing: Any) -> Document:
        found = self.cache.get(text)
        if found is not None and standing in found.admitted:
            return found
        ast = found.ast if found is not None else documents.read(text, self.limits)
        errors = documents.checked(self.catalogue.schema, ast, self.gate(standing), found is not None)
        if errors:
            raise InvalidRequestError(errors)
        if found is None:
            found = documents.document(self.catalogue, text, ast)
            self.cache.put(found)
        found.admitted.add(standing)
        return found

    def _plan(self, document: Document, question: Question, shape: Shape, viewer: Viewer) -> Plan | Steps:
        key = (viewer.standing, tuple(shape.items()))
        plan = question.plans.get(key)
        if plan is None:
            standing = viewer.standing
            compiler = Compiler(self.catalogue, lambda table: self.policy(table, standing), self.limits)
            plan = compiler.compile(question, shape)
            self.compiled += 1
            self.cache.keep(document, question, key, plan)
        return plan

    def _inputs(self, prepared: Prepared, plan: Steps) -> dict[str, Any]:
        return {
            step.key: input_of(step.field, self._arguments(prepared, step.field, step.node))
            for step in plan.steps
            if step.payload is not None
        }

    def _arguments(self, prepared: Prepared, field: graphql.GraphQLField, node: graphql.FieldNode) -> dict[str, Any]:
        return get_argument_values(field, node, VariableValues({}, dict(prepared.variables)))

    def _name(self, prepared: Prepared) -> str | None:
        name = prepared.question.node.name
        return name.value if name is not None else None


def body(errors: InvalidRequestError) -> bytes:
    """The answer to a request that is refused: errors, no data."""
    return orjson.dumps({"errors": [error.formatted for error in errors.errors]})
