"""Declared SQL with its values named: turns the braces of a declaration into binds of the plan being made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLField, GraphQLInputObjectType, Undefined, ValueNode

from planner.arguments import NULL, Among, Bind, Fields, Given, KeyOf, Shape, ViewerValue, given
from planner.catalog import Catalogue
from planner.codec import is_plural, named, plain, sql_type, type_of
from planner.directives import member_word
from planner.errors import DeclarationError
from planner.tree import Sql
from planner.words import Argument, Many, Predicate, Word, holes

ROWS = frozenset({"row", "parent", "edge", "each"})
"""Names that stay open until the statement is written."""


@dataclass(frozen=True)
class Named:
    """A given argument, its type, the table its ids belong to, and the bounds of its numbers."""

    given: Given | None
    type: Any
    of: str | None = None
    among: Among | None = None


Arguments = Mapping[str, Named]


class Fragments:
    """Makes `Sql` of declarations."""

    def __init__(self, catalogue: Catalogue, shape: Shape) -> None:
        self.catalogue = catalogue
        self.shape = shape

    def arguments(self, word: Word, field: GraphQLField, nodes: Mapping[str, ValueNode]) -> dict[str, Named]:
        """What a field node gives for each argument of its field."""
        found: dict[str, Named] = {}
        for name, argument in field.args.items():
            default: Any = argument.default_value
            value = given(nodes.get(name), type_of(argument), default, self.shape)
            declared = word.arguments.get(name)
            among = Among(name, *declared.among) if declared and declared.among else None
            found[name] = Named(value, type_of(argument), declared.of if declared else None, among)
        return found

    def sql(
        self, text: str, arguments: Arguments | None = None, value: Named | None = None, key: Bind | None = None
    ) -> Sql:
        """The declaration with every value bound; rows stay open."""
        binds: dict[str, Bind] = {}
        for hole in holes(text):
            name, _, rest = hole.partition(".")
            if name in ROWS or (name == "key" and key is None):
                continue
            if name == "viewer":
                binds[hole] = self._viewer(rest, text)
            elif name == "key" and key is not None:
                binds[hole] = key
            elif name == "value" and value is not None:
                binds[hole] = self.bind(_member(value, rest), text)
            elif arguments is not None and name in arguments:
                binds[hole] = self.bind(_member(arguments[name], rest), text)
            else:
                raise DeclarationError(f"{{{hole}}} is no argument, row or viewer value in: {text}")
        return Sql(text, binds)

    def bind(self, each: Named, text: str) -> Bind:
        """The bind of one argument, with the SQL type of its GraphQL type."""
        if isinstance(each.given, Fields) or isinstance(named(each.type), GraphQLInputObjectType):
            raise DeclarationError(f"name a member of the input, such as {{filter.name}}, in: {text}")
        encode: Callable[[Any], Any] = each.among or plain
        type_ = sql_type(each.type, self.catalogue.scalars)
        if each.of is not None:
            home = self.catalogue.by_table[each.of]
            encode = KeyOf(home.prefix, home.key_type)
            type_ = home.key_type + ("[]" if is_plural(each.type) else "")
        ref = each.given if each.given is not None else NULL
        return Bind(ref, type_, encode)

    def predicates(self, arguments: Arguments, word: Word) -> list[Sql]:
        """The predicates that the given arguments and filter members stand for."""
        found: list[Sql] = []
        for declared, value in _given(arguments, word):
            if declared.where is not None:
                found += self._predicate(declared.where, value, arguments)
        return found

    def ways(self, arguments: Arguments, word: Many) -> list[tuple[Sql, Sql | None]]:
        """How indexes find the rows of a list: each way's condition, and what its `each` selects. They are those of the
        filter member that is given and has ways, the first one declared; else of the list itself."""
        ways, value = word.ways, None
        if ways:
            ways, value = next(((own.ways, asked) for own, asked in _given(arguments, word) if own.ways), (ways, None))
        conditions = [self.sql(way.condition, arguments, value) for way in ways]
        each = [None if way.each is None else self.sql(way.each, arguments, value) for way in ways]
        return list(zip(conditions, each, strict=True))

    def _predicate(self, predicate: Predicate, value: Named, arguments: Arguments) -> list[Sql]:
        if isinstance(predicate, str):
            return [self.sql(predicate, arguments, value)]
        parts = [(text, _member(value, name)) for name, text in predicate.items()]
        return [self.sql(text, arguments, inner) for text, inner in parts if inner.given is not None]

    def _viewer(self, name: str, text: str) -> Bind:
        if name not in self.catalogue.viewer:
            raise DeclarationError(f"{{viewer.{name}}} is not among the viewer's values, in: {text}")
        return Bind(ViewerValue(name), self.catalogue.viewer[name])


def _given(arguments: Arguments, word: Word) -> Iterator[tuple[Argument, Named]]:
    """What is declared of each argument and filter member that is given, in the order declared, with its value."""
    for name, each in arguments.items():
        declared = word.arguments.get(name)
        if each.given is not None and declared is not None and declared.where is not None:
            yield declared, each
        elif isinstance(each.given, Fields):
            base: Any = named(each.type)
            for member, field in base.fields.items():
                own = member_word(field)
                if own is not None and member in each.given.members:
                    yield own, _member(each, member)


def _member(each: Named, path: str) -> Named:
    for name in filter(None, path.split(".")):
        base: Any = named(each.type)
        if not isinstance(base, GraphQLInputObjectType) or name not in base.fields:
            raise DeclarationError(f"{base.name} has no member {name!r}")
        member = base.fields[name]
        own = member_word(member)
        inner = each.given.members.get(name) if isinstance(each.given, Fields) else None
        default: Any = member.default_value
        if inner is None and isinstance(each.given, Fields) and default is not Undefined:
            inner = given(None, type_of(member), default, {})
        each = Named(inner, type_of(member), own.of if own else None)
    return each
