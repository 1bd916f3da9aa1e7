"""What the database says, joined with what the schema says. Every declaration is checked here, at start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from graphql import GraphQLInterfaceType, GraphQLNamedType, GraphQLObjectType, GraphQLSchema

from planner import facts
from planner.declare import entity_keys, type_word, word_of
from planner.errors import DeclarationError
from planner.facts import Relation
from planner.rules import check
from planner.text import quoted
from planner.tree import Sql
from planner.words import Returned, Table, Word, relation_name


@dataclass(frozen=True)
class Home:
    """Where the rows of a type live: its declared tables (several types, one table) and the database's facts."""

    name: str
    relation: Relation
    prefix: str | None
    key: str
    source: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    discriminator: str | None = None

    @property
    def key_type(self) -> str:
        """The SQL type of the key."""
        return self.relation.columns[self.key].type

    @property
    def global_id(self) -> Sql:
        """The global id of a row; its table has a prefix."""
        return Sql(f"'{self.prefix}_' || {{row}}.{quoted(self.key)}::text")


@dataclass(frozen=True)
class Catalogue:
    """The declarations of one schema, checked against one database. Made by `Catalogue.load`."""

    schema: GraphQLSchema
    viewer: Mapping[str, str]
    scalars: Mapping[str, str]
    relations: Mapping[str, Relation]
    homes: Mapping[str, Home]
    returned: Mapping[str, Returned]
    by_prefix: Mapping[str, Home]
    by_table: Mapping[str, Home]
    keys: Mapping[str, tuple[str, ...]]

    @classmethod
    async def load(
        cls,
        connection: asyncpg.Connection[Any],
        schema: Any,
        *,
        viewer: Mapping[str, str],
        scalars: Mapping[str, str] | None = None,
    ) -> Catalogue:
        """Read the database's catalogue for this Strawberry (or graphql-core) schema.

        `viewer` gives the SQL type of each viewer value, `scalars` that of custom scalars that are not text.
        Raises DeclarationError, naming type, field, table and cure, where the two disagree.
        """
        core: GraphQLSchema = getattr(schema, "_schema", schema)
        words = {name: type_word(type_) for name, type_ in core.type_map.items()}
        tables = {name: word for name, word in words.items() if isinstance(word, Table)}
        wanted = _relations(core, tables)
        relations = await facts.read(connection, wanted)
        for name, where in wanted.items():
            if name not in relations:
                raise DeclarationError(f"{where}: there is no table or function {name!r}; migrate, or correct the name")
        homes = _homes(core, tables, relations)
        made = cls(
            core,
            dict(viewer),
            dict(scalars or {}),
            relations,
            homes,
            {name: word for name, word in words.items() if isinstance(word, Returned)},
            {home.prefix: home for home in homes.values() if home.prefix},
            {home.name: home for home in homes.values()},
            {name: entity_keys(type_) for name, type_ in core.type_map.items() if entity_keys(type_)},
        )
        check(made)
        return made

    def word(self, type_: GraphQLNamedType, name: str) -> Word | None:
        """The word of a field."""
        assert isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType))
        return word_of(type_.fields[name])

    def home(self, type_: GraphQLNamedType) -> Home | None:
        """Where a type lives; for an interface, where all its types live. None when that is not one table."""
        return self.homes.get(type_.name)

    def possible(self, type_: GraphQLNamedType) -> list[GraphQLObjectType]:
        """The object types that a value of this type can have."""
        if isinstance(type_, GraphQLObjectType):
            return [type_]
        return list(self.schema.get_possible_types(type_))  # pyright: ignore[reportArgumentType]

    def relation_of(self, call_or_table: str) -> Relation:
        """The facts of a table, or of the function that a call names."""
        return self.relations[relation_name(call_or_table)]


def _relations(schema: GraphQLSchema, tables: Mapping[str, Table]) -> dict[str, str]:
    """Every table and function the schema names, with the place that names it first."""
    found: dict[str, str] = {}
    for name, table in tables.items():
        found.setdefault(relation_name(table.source or table.name), f"type {name}")
    for name, type_ in schema.type_map.items():
        if not isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType)):
            continue
        for field_name, each in type_.fields.items():
            word = word_of(each)
            for attribute in ("through", "source"):
                text = getattr(word, attribute, None)
                if text:
                    found.setdefault(relation_name(text), f"{name}.{field_name}")
    return found


def _homes(schema: GraphQLSchema, tables: Mapping[str, Table], relations: Mapping[str, Relation]) -> dict[str, Home]:
    homes: dict[str, Home] = {}
    for name, table in tables.items():
        same = {other: each for other, each in tables.items() if each.name == table.name}
        relation = relations[relation_name(table.source or table.name)]
        if len({(each.prefix, each.key, each.source) for each in same.values()}) > 1:
            raise DeclarationError(f"type {name}: types of table {table.name!r} differ in prefix, key or source")
        if table.key not in relation.columns:
            raise DeclarationError(f"type {name}: {relation.name!r} has no key column {table.key!r}; give `key=`")
        kinds = {other: each.kind[1] for other, each in same.items() if each.kind}
        columns = {each.kind[0] for each in same.values() if each.kind}
        if len(same) > 1 and (len(kinds) < len(same) or len(set(kinds.values())) < len(same) or len(columns) != 1):
            raise DeclarationError(f"type {name}: types of table {table.name!r} need one `kind` column, a value each")
        discriminator = next(iter(columns), None)
        if discriminator is not None and discriminator not in relation.columns:
            raise DeclarationError(f"type {name}: table {table.name!r} has no kind column {discriminator!r}")
        homes[name] = Home(table.name, relation, table.prefix, table.key, table.source, kinds, discriminator)
    _distinct_prefixes(homes)
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLInterfaceType):
            below = [homes.get(each.name) for each in schema.get_possible_types(type_)]
            first = below[0] if below else None
            if first is not None and all(each is not None and each.name == first.name for each in below):
                homes[name] = first
    return homes


def _distinct_prefixes(homes: Mapping[str, Home]) -> None:
    owners: dict[str, str] = {}
    for name, home in homes.items():
        if home.prefix is None:
            continue
        if not re.fullmatch(r"[a-z][a-z0-9]*", home.prefix):
            raise DeclarationError(f"type {name}: prefix {home.prefix!r} must be lower-case letters and digits")
        if owners.setdefault(home.prefix, home.name) != home.name:
            raise DeclarationError(f"type {name}: prefix {home.prefix!r} belongs to table {owners[home.prefix]!r}")
