"""Variables by their declared types, quickly: what is plainly right is taken at once, all else goes to graphql-core.

graphql-core takes 20 µs and more for a filter, on every request. What is not plainly right here (a missing or unknown
member, a number for an ID, a wrong type, a value that a scalar refuses) is not decided here: graphql-core answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    type_from_ast,  # pyright: ignore[reportUnknownVariableType]
)

from planner.codec import type_of
from planner.sought import Several

Quick = Callable[[Any], Any]
LARGEST_INT = 2**31 - 1


class UnclearError(Exception):
    """Not plainly right: graphql-core decides."""


class Quickly:
    """Coerces the variables of one operation, or raises UnclearError."""

    def __init__(self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]) -> None:
        self._quick: dict[str, Quick] = {}
        self._needed: list[str] = []
        for each in definitions:
            name = each.variable.name.value
            self._quick[name] = quick(type_from_ast(schema, each.type))
            if each.default_value is not None or isinstance(type_from_ast(schema, each.type), GraphQLNonNull):
                self._needed.append(name)

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The coerced values, in the order declared. Raises UnclearError."""
        for name in self._needed:
            if name not in given:
                raise UnclearError
        return {name: each(given[name]) for name, each in self._quick.items() if name in given}


def quick(type_: Any) -> Quick:
    """The coercion of one input type."""
    if isinstance(type_, GraphQLNonNull):
        return _needed(_present(cast("Any", type_).of_type))
    return _optional(_present(type_))


def _needed(inner: Quick) -> Quick:
    def coerce(value: Any) -> Any:
        if value is None:
            raise UnclearError
        return inner(value)

    return coerce


def _optional(inner: Quick) -> Quick:
    return lambda value: None if value is None else inner(value)


def _present(type_: Any) -> Quick:
    if isinstance(type_, GraphQLList):
        within = cast("Any", type_).of_type
        if isinstance(within, GraphQLNonNull) and cast("Any", within).of_type.name == "_Any":
            return _several
        item = quick(within)
        if isinstance(within, GraphQLNonNull) and cast("Any", within).of_type.name == "ID":
            return lambda value: Several(map(item, _exactly(value, list)))
        return lambda value: [item(each) for each in _exactly(value, list)]
    if isinstance(type_, GraphQLEnumType):
        members: dict[str, Any] = {name: type_.coerce_input_value(name) for name in type_.values}
        return lambda value: _member(members, value)
    if isinstance(type_, GraphQLInputObjectType):
        return _object(type_)
    if type_.name == "Int":
        return _int
    if type_.name in ("String", "ID"):
        return lambda value: _exactly(value, str)
    if type_.name == "Boolean":
        return lambda value: _exactly(value, bool)
    return _scalar(type_)


def _exactly(value: Any, type_: type) -> Any:
    if type(value) is not type_:
        raise UnclearError
    return value


def _several(value: Any) -> Several:
    """Representations may hold anything; only null has no place among them."""
    if None in _exactly(value, list):
        raise UnclearError
    return Several(value)


def _int(value: Any) -> int:
    if type(value) is not int or not -LARGEST_INT - 1 <= value <= LARGEST_INT:
        raise UnclearError
    return value


def _member(members: Mapping[str, Any], value: Any) -> Any:
    if type(value) is not str or value not in members:
        raise UnclearError
    return members[value]


def _scalar(type_: GraphQLScalarType) -> Quick:
    def coerce(value: Any) -> Any:
        try:
            return type_.parse_value(value)
        except Exception as error:  # whatever a scalar raises, graphql-core words the refusal
            raise UnclearError from error

    return coerce


def _object(type_: GraphQLInputObjectType) -> Quick:
    members: dict[str, Quick] = {}
    needed: list[str] = []

    def coerce(value: Any) -> dict[str, Any]:
        if not members:  # input types may hold themselves: their members are looked up at the first use
            for name, member in type_.fields.items():
                members[name] = quick(type_of(member))
                if member.default_value is not Undefined or isinstance(type_of(member), GraphQLNonNull):
                    needed.append(name)
        given: dict[str, Any] = _exactly(value, dict)
        for name in needed:
            if name not in given:
                raise UnclearError
        if not given.keys() <= members.keys():
            raise UnclearError
        return {name: each(given[name]) for name, each in members.items() if name in given}

    return coerce
