"""Documents that select everything: each field of a type, with arguments where one is demanded."""

from collections.abc import Iterator, Mapping
from functools import cache

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from planner.declare import word_of
from schema.build import schema

PERIOD = '{from: "2025-01", to: "2026-12"}'
GIVEN = {
    "first": "2",
    "names": "[REFERRAL_SUCCESS_RATE, RELAY_REUSE_RATE, HIRE_RATE, PARTNER_CONTRIBUTION]",
    "period": PERIOD,
    "filter": f"{{names: [RELAY_REUSE_RATE, HIRE_RATE], period: {PERIOD}}}",
}
"""What is given for an argument that must be given."""


@cache
def graph() -> GraphQLSchema:
    """The schema as graphql-core knows it."""
    return schema()._schema


def tables() -> dict[str, tuple[str, tuple[str, str] | None, str]]:
    """Of each stored type: its table, its kind there, and the prefix of its global ids."""
    found: dict[str, tuple[str, tuple[str, str] | None, str]] = {}
    for name, type_ in graph().type_map.items():
        definition = (type_.extensions or {}).get("strawberry-definition")
        word = getattr(definition, "origin", None) and vars(definition.origin).get("__planner_table__")
        if word and isinstance(type_, GraphQLObjectType):
            found[name] = (word.name, word.kind, word.prefix)
    return found


def selection(type_: GraphQLObjectType | GraphQLInterfaceType, depth: int, *, without: frozenset[str]) -> str:
    """Every field of a type; objects below `depth` are told by their leaves alone. `without` names `Type.field`s."""
    parts = ["__typename"]
    for name, field in type_.fields.items():
        if f"{type_.name}.{name}" in without:
            continue
        base = get_named_type(field.type)
        if is_leaf_type(base):
            parts.append(f"{name}{arguments(field)}")
        elif depth > 0 or base.name.endswith("Edge") or word_of(field) is None or base.name == "PageInfo":
            assert isinstance(base, GraphQLObjectType | GraphQLInterfaceType)
            parts.append(f"{name}{arguments(field)} {{ {selection(base, depth - 1, without=without)} }}")
    return " ".join(parts)


def arguments(field: GraphQLField, given: Mapping[str, str] = GIVEN) -> str:
    """The arguments that a field demands."""
    found = [f"{name}: {given[name]}" for name, each in field.args.items() if is_required_argument(each)]
    return f"({', '.join(found)})" if found else ""


def fields() -> Iterator[tuple[str, GraphQLField]]:
    """Every field of every object type, as `Type.field`."""
    for name, type_ in graph().type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("_"):
            for field_name, field in type_.fields.items():
                yield f"{name}.{field_name}", field
