"""The whole schema, compiled and prepared once: a wrong name, a missing cast or a missing policy is found at start."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    OperationType,
    is_leaf_type,
    parse,
)

from planner import document as documents
from planner import words
from planner.catalog import Catalogue
from planner.codec import is_plural, named, type_of
from planner.directives import word_of
from planner.errors import DeclarationError
from planner.limits import Limits
from planner.plan import Compiler, Plan, Steps
from planner.sought import represented
from planner.spot import Policy

UNBOUNDED = Limits(depth=100, fields=100_000, fields_per_set=10_000, aliases=10_000, tokens=100_000)


@dataclass(frozen=True)
class Way:
    """A way from a root to a type: the text around a selection, and its variables with their types and shapes."""

    operation: OperationType
    before: str = ""
    after: str = ""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    shapes: Mapping[str, Hashable] = field(default_factory=dict[str, Hashable])

    def text(self, selection: str) -> str:
        """A document with this selection at the end of the way."""
        declared = ", ".join(f"${name}: {type_}" for name, type_ in self.variables.items())
        head = f"({declared})" if declared else ""
        return f"{self.operation.value} Check{head} {{ {self.before}{selection}{self.after} }}"

    def step(self, before: str, after: str) -> Way:
        """The way one selection deeper."""
        return replace(self, before=f"{self.before}{before}", after=f"{after}{self.after}")


async def check(connection: asyncpg.Connection[Any], catalogue: Catalogue, policy: Policy) -> int:
    """Compile and prepare every field of the schema, its arguments all given. Gives the number of statements.

    Raises DeclarationError naming type and field for the first that cannot be planned.
    """
    prepared = 0
    compiler = Compiler(catalogue, policy, UNBOUNDED)
    for type_, way in _ways(catalogue):
        single = type_ is catalogue.schema.subscription_type
        parts = list(_fields(catalogue, type_, way))
        for group in [[each] for each in parts] if single else [parts]:
            try:
                prepared += await _prepare(connection, compiler, group)
            except (DeclarationError, asyncpg.PostgresError):
                for name, text, part in group:
                    try:
                        await _prepare(connection, compiler, [(name, text, part)])
                    except (DeclarationError, asyncpg.PostgresError) as error:
                        raise DeclarationError(f"{type_.name}.{name}: {error} (asked as: {part.text(text)})") from error
                raise
    return prepared


Part = tuple[str, str, Way]


async def _prepare(connection: asyncpg.Connection[Any], compiler: Compiler, parts: list[Part]) -> int:
    if not parts:
        return 0
    way = parts[0][2]
    way = replace(
        way,
        variables={name: type_ for _, _, each in parts for name, type_ in each.variables.items()},
        shapes={name: shape for _, _, each in parts for name, shape in each.shapes.items()},
    )
    catalogue = compiler.catalogue
    text = way.text(" ".join(text for _, text, _ in parts))
    document = documents.document(catalogue, text, parse(text))
    plan = compiler.compile(document.question("Check"), way.shapes)
    plans = [plan] if isinstance(plan, Plan) else [each.payload for each in plan.steps if each.payload is not None]
    assert isinstance(plan, (Plan, Steps))
    for each in plans:
        if each.sql:
            await connection.prepare(each.sql)
    return len(plans)


def _fields(catalogue: Catalogue, type_: GraphQLObjectType, way: Way) -> Iterator[Part]:
    for name, each in type_.fields.items():
        if word_of(each) is not None or name == "_entities":
            call, extended = _call(catalogue, way, type_, name, each, None)
            selection = "" if is_leaf_type(named(type_of(each))) else " { __typename }"
            yield name, f"f_{name}: {call}{selection}", extended


def _ways(catalogue: Catalogue) -> Iterator[tuple[GraphQLObjectType, Way]]:
    schema = catalogue.schema
    roots = {
        OperationType.QUERY: schema.query_type,
        OperationType.MUTATION: schema.mutation_type,
        OperationType.SUBSCRIPTION: schema.subscription_type,
    }
    waiting = [(root, Way(operation)) for operation, root in roots.items() if root is not None]
    seen = {root.name for root, _ in waiting}
    while waiting:
        type_, way = waiting.pop(0)
        yield type_, way
        for name, each in type_.fields.items():
            word = word_of(each)
            target = named(type_of(each))
            if word is None or is_leaf_type(target) or isinstance(word, words.Finished):
                continue
            for concrete in catalogue.possible(target):
                if concrete.name in seen:
                    continue
                if isinstance(word, words.Lookup) and not _found_by_id(catalogue, concrete):
                    continue
                seen.add(concrete.name)
                call, extended = _call(catalogue, way, type_, name, each, concrete)
                inner = f"... on {concrete.name} {{ " if isinstance(target, GraphQLInterfaceType) else ""
                close = " }" if inner else ""
                waiting.append((concrete, extended.step(f"{call} {{ {inner}", f"{close} }}")))


def _found_by_id(catalogue: Catalogue, type_: GraphQLObjectType) -> bool:
    home = catalogue.homes.get(type_.name)
    return home is not None and home.prefix is not None


def _call(
    catalogue: Catalogue, way: Way, parent: GraphQLObjectType, name: str, each: GraphQLField, concrete: Any
) -> tuple[str, Way]:
    if not each.args:
        return name, way
    variables, shapes, parts = dict(way.variables), dict(way.shapes), list[str]()
    for argument_name, argument in each.args.items():
        variable = f"{parent.name}_{name}_{argument_name}"
        variables[variable] = str(type_of(argument))
        shapes[variable] = _shape(catalogue, type_of(argument), concrete)
        parts.append(f"{argument_name}: ${variable}")
    return f"{name}({', '.join(parts)})", replace(way, variables=variables, shapes=shapes)


def _shape(catalogue: Catalogue, type_: Any, concrete: Any) -> Hashable:
    base = named(type_)
    if base.name == "_Any":
        return tuple(sorted(represented(_represented(catalogue), catalogue.keys)))
    if base.name == "ID":
        home = catalogue.homes.get(concrete.name) if concrete is not None else None
        prefixes = (home.prefix,) if home is not None and home.prefix else tuple(sorted(catalogue.by_prefix))
        return prefixes if is_plural(type_) else prefixes[0]
    if isinstance(base, GraphQLInputObjectType) and not is_plural(type_):
        return tuple((name, _shape(catalogue, type_of(each), concrete)) for name, each in base.fields.items())
    if isinstance(base, GraphQLEnumType):
        return next(iter(base.values))
    return 10 if base.name == "Int" else True


def _represented(catalogue: Catalogue) -> list[dict[str, str]]:
    return [{"__typename": name, key: "?"} for name, keys in catalogue.keys.items() for key in keys]
