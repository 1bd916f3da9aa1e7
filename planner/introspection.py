"""What the schema tells of itself: `__schema`, `__type`, and the `_service` of a federation.

graphql-core answers, value by value and in Python: lists stand in lists, and each alias has all of it once more. So its
values are counted beforehand, on the very schema that they tell of; they are asked for in a thread, since the whole
schema takes 50 ms, and kept, since it stays as it is. All viewers are told the same: scopes are asked of data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    SelectionSetNode,
    VariableNode,
    execute_sync,  # pyright: ignore[reportUnknownVariableType]
    introspection_types,
    is_input_object_type,
)
from graphql.execution.values import VariableValues, get_argument_values

from planner.arguments import Shape
from planner.cache import Cache
from planner.codec import is_plural, named, type_of
from planner.collect import Collector, selection_sets
from planner.document import Document, Question
from planner.limits import Limits

INTROSPECTED = ("__schema", "__type", "_service")
"""The root fields by which a schema tells of itself."""
SDL_COST = 10_000
"""Printing the whole schema takes as long as some nine thousand values."""
BYTES_PER_TOLD = 2_000

Nodes = tuple[FieldNode, ...]
Variables = Mapping[str, Any]
Held = Sequence[tuple[Any, int]]
"""Elements of the schema, each with how many times it stands at one place of the answer."""


@dataclass(frozen=True)
class Told:
    """What an operation is told of the schema with one set of values. `key` names it among the operation's plans.

    `cost`: one for each key and each item of the answer. Other questions pay one for an object, with all its values:
    PostgreSQL makes a row of them in the 3 µs that each value takes here, in Python. So the whole schema costs a tool
    16,000, less than a client's budget gets back in a second and a sixth of what one operation may cost.
    """

    key: Hashable
    cost: int
    part: Part | None = None
    weight: int = BYTES_PER_TOLD
    """About how many bytes it keeps in memory."""


class Part(NamedTuple):
    """Some root fields of an answer, by response key, and what went wrong with them."""

    data: Mapping[str, Any] | None
    errors: tuple[GraphQLError, ...] = ()


class Introspection:
    """Counts and answers what operations ask of the schema, once for each set of values that can change it."""

    def __init__(self, schema: GraphQLSchema, cache: Cache, limits: Limits) -> None:
        self.schema, self.cache, self.limits = schema, cache, limits
        # Strawberry has it fail on whatever is no named type of its own.
        described = cast("GraphQLObjectType", introspection_types["__Type"])
        described.fields["isOneOf"] = GraphQLField(GraphQLBoolean, resolve=_is_one_of)
        self._turn = asyncio.Lock()

    def told(self, document: Document, question: Question, nodes: Nodes, shape: Shape, variables: Variables) -> Told:
        """What these root fields are told. Its cost is just some number above the limit where it is above.

        Raises GraphQLError for an argument that is refused, RequestError when another limit is passed.
        """
        # Only truth values, which stand in the shape, and names of types change it: callers mint no keys.
        names = [_name(each, variables) for each in nodes if each.name.value == "__type"]
        key = ("told", tuple(shape.items()), tuple(each if each in self.schema.type_map else None for each in names))
        found = question.plans.get(key)
        if found is None:
            counting = _Counting(self.schema, question.fragments, shape, variables, self.limits)
            root = [SelectionSetNode(selections=nodes)]
            found = Told(key, counting.below(self.schema.query_type, root, [(None, 1)]))
            self.cache.keep(document, question, key, found)
        return found

    async def part(self, told: Told, document: Document, question: Question, nodes: Nodes, given: Variables) -> Part:
        """The answer of these root fields. One is made at a time: threads take turns with the event loop."""
        if told.part is None:
            async with self._turn:
                told = question.plans.get(told.key, told)  # whoever had the turn before may have asked the same
                if told.part is None:
                    told = await asyncio.to_thread(self._answered, told, question.alone(nodes), given)
                    if told.part and not told.part.errors and told.weight <= self.limits.told_bytes:
                        self.cache.keep(document, question, told.key, told)
        assert told.part is not None
        return told.part

    def _answered(self, told: Told, document: DocumentNode, given: Variables) -> Told:
        result = execute_sync(self.schema, document, variable_values=dict(given))
        texts = {key: orjson.dumps(value) for key, value in (result.data or {}).items()}
        data = None if result.data is None else {key: orjson.Fragment(text) for key, text in texts.items()}
        weight = told.weight + sum(map(len, texts.values()))
        return replace(told, part=Part(data, tuple(result.errors or ())), weight=weight)


def _is_one_of(element: Any, _info: Any) -> bool | None:
    return element.is_one_of if is_input_object_type(element) else None


def _name(node: FieldNode, variables: Variables) -> Any:
    value: Any = next(iter(node.arguments or ())).value
    return variables.get(value.name.value) if isinstance(value, VariableNode) else value.value


class _Counting:
    """Counts the values of an answer without making it: what stands at one place is looked at once, however often."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        shape: Shape,
        variables: Variables,
        limits: Limits,
    ) -> None:
        self._schema = schema
        self._collector = Collector(schema, fragments, shape, limits)
        self._variables = VariableValues({}, dict(variables))
        self._most = limits.cost

    def below(self, type_: Any, sets: list[SelectionSetNode], held: Held) -> int:
        """The values that these selections bring of what is held, all of one type."""
        count, total = sum(times for _, times in held), 0
        if not count:
            return 0
        for nodes in self._collector.collect(type_, sets).values():
            name = nodes[0].name.value
            total += count * (SDL_COST if (type_.name, name) == ("_Service", "sdl") else 1)
            field = self._schema.get_field(type_, name)
            assert field is not None
            total += self._inside(field, nodes, held)
            if total > self._most:
                break
        return total

    def _inside(self, field: GraphQLField, nodes: Sequence[FieldNode], held: Held) -> int:
        plural = is_plural(type_of(field))
        sets = selection_sets(nodes)
        if not plural and not sets:
            return 0
        base = named(type_of(field))
        # `_service` is none of graphql-core's own, and is there once.
        found = self._found(field, nodes[0], held, plural) if base.name in introspection_types else held
        items = sum(times for _, times in found) if plural else 0
        return items + (self.below(base, sets, found) if sets else 0)

    def _found(self, field: Any, node: FieldNode, held: Held, plural: bool) -> Held:
        arguments = get_argument_values(field, node, self._variables)
        info = SimpleNamespace(schema=self._schema)
        found: dict[int, tuple[Any, int]] = {}
        for element, times in held:
            value = field.resolve(element, info, **arguments)
            for each in value or () if plural else (value,):
                if each is not None:
                    found[id(each)] = (each, times + found.get(id(each), (each, 0))[1])
        return list(found.values())
