"""Reads back what `declare` wrote into the schema: words, scopes, keys. The gate and the planner read the same."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import GraphQLField, GraphQLInputField, GraphQLNamedType
from strawberry.federation.schema_directives import Authenticated, Cost, Key, RequiresScopes
from strawberry.types.arguments import convert_arguments

from planner.words import Argument, Returned, Table, Word


def word_of(field: GraphQLField) -> Word | None:
    """The word of a field; None for one that a resolver answers."""
    definition: Any = field.extensions.get("strawberry-definition")
    return None if definition is None else definition.metadata.get("planner")


def python_name(field: GraphQLField) -> str:
    """The name of a field in Python: the name of its column unless the word gives another."""
    return field.extensions["strawberry-definition"].python_name


def member_word(member: GraphQLInputField) -> Argument | None:
    """The word of a member of an input type."""
    definition: Any = member.extensions.get("strawberry-definition")
    return None if definition is None else definition.metadata.get("planner")


def type_word(type_: GraphQLNamedType) -> Table | Returned | None:
    """Where a type lives, as its own class says: a concrete type never inherits its interface's table."""
    definition: Any = type_.extensions.get("strawberry-definition")
    own: Mapping[str, Any] = getattr(getattr(definition, "origin", None), "__dict__", {})
    return own.get("__planner_table__") or own.get("__planner_returned__")


def required_scopes(element: GraphQLField | GraphQLNamedType) -> tuple[tuple[str, ...], ...]:
    """What `@requiresScopes` says on a field or type: any of these sets, all scopes of it. Empty when it asks none."""
    for directive in _directives(element):
        if isinstance(directive, RequiresScopes):
            return tuple(tuple(every) for every in directive.scopes)
    return ()


def requires_login(element: GraphQLField | GraphQLNamedType) -> bool:
    """Whether `@authenticated` stands on a field or type."""
    return any(isinstance(directive, Authenticated) for directive in _directives(element))


def entity_keys(type_: GraphQLNamedType) -> tuple[str, ...]:
    """The `@key` fields of a type, in the order declared."""
    return tuple(str(directive.fields) for directive in _directives(type_) if isinstance(directive, Key))


def _directives(element: GraphQLField | GraphQLNamedType) -> Sequence[object]:
    definition: Any = element.extensions.get("strawberry-definition")
    return getattr(definition, "directives", None) or ()


def cost_on_objects_only(cls: type) -> None:
    """Composers refuse `@cost` on an interface's field: move it from there to each object type that inherits it."""
    definition: Any = cls.__dict__["__strawberry_definition__"]
    inherited = {id(field): field for interface in definition.interfaces for field in interface.fields}
    for position, field in enumerate(definition.fields):
        word = field.metadata.get("planner")
        if id(field) in inherited and word is not None and word.cost:
            own = copy.copy(field)
            field.directives = [each for each in field.directives if not isinstance(each, Cost)]
            own.directives = [*field.directives, Cost(weight=word.cost)]
            definition.fields[position] = own


def input_of(schema: Any, field: GraphQLField, values: dict[str, Any]) -> Any:
    """The one input object of a verb, as an instance of its Strawberry class."""
    definition: Any = field.extensions["strawberry-definition"]
    registry = schema.schema_converter.scalar_registry
    return convert_arguments(values, definition.arguments, registry, schema.config)["input"]
