"""Reads back what `declare` wrote into the schema: words, scopes, keys. The gate and the planner read the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from functools import cache
from typing import Any, TypeAlias, cast

from graphql import GraphQLField, GraphQLInputField, GraphQLNamedType
from strawberry.federation.schema_directives import Authenticated, Cost, Key, RequiresScopes
from strawberry.schema.name_converter import NameConverter
from strawberry.types.base import StrawberryList, StrawberryOptional, has_object_definition
from strawberry.types.lazy_type import LazyType

from planner.words import Argument, Returned, Table, Word

NAMES = NameConverter()
Read: TypeAlias = Callable[[Any], Any]


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


def input_of(field: GraphQLField, values: Mapping[str, Any]) -> Any:
    """The one input object of a verb, as an instance of its Strawberry class."""
    return _read_input(field.extensions["strawberry-definition"])(values["input"])


@cache
def _read_input(verb: Any) -> Read:
    (argument,) = verb.arguments
    return _reader(argument.type)


def _reader(type_: Any) -> Read:
    """How coerced values of a type become Python's. Settled once: Strawberry asks the types anew for every value."""
    if isinstance(type_, LazyType):
        return _reader(cast("Any", type_).resolve_type())
    if isinstance(type_, StrawberryOptional):
        inner = _reader(type_.of_type)
        return lambda value: None if value is None else inner(value)
    if isinstance(type_, StrawberryList):
        item = _reader(type_.of_type)
        return lambda value: [item(each) for each in value]
    return _object_reader(type_) if has_object_definition(type_) else lambda value: value


def _object_reader(class_: Any) -> Read:
    definition = class_.__strawberry_definition__
    members = [
        (NAMES.from_field(each), each.python_name, _reader(each.resolve_type(type_definition=definition)))
        for each in definition.fields
    ]
    absent = {
        each.python_name: None
        for each in definition.fields
        if each.default_value is MISSING and each.default_factory is MISSING
    }

    def read(value: Mapping[str, Any]) -> Any:
        given = {python: inner(value[name]) for name, python, inner in members if name in value}
        return class_(**{**absent, **given})

    return read
