"""The rules a declaration must keep, checked at start. Each error names type, field, table and the cure."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from graphql import GraphQLEnumType, GraphQLField, GraphQLInterfaceType, GraphQLObjectType

from planner import words
from planner.codec import fits, named, type_of
from planner.directives import member_word, python_name, word_of
from planner.errors import DeclarationError
from planner.facts import Relation
from planner.words import Word, order_columns

if TYPE_CHECKING:
    from planner.catalog import Catalogue, Home

Fields = Iterator[tuple[str, Any, GraphQLField, Word]]


def check(catalogue: Catalogue) -> None:
    """Raises DeclarationError for the first declaration that the database contradicts."""
    for place, type_, field, word in _fields(catalogue):
        home = catalogue.homes.get(type_.name)
        _known_ids(catalogue, place, field, word)
        if home is not None and isinstance(word, words.Column):
            _column(catalogue, place, home, field, word)
        if isinstance(word, words.One):
            _one(catalogue, place, home, field, word)
        if isinstance(word, (words.Many, words.Listed)):
            _back(catalogue, place, field, word)
        if isinstance(word, words.Many):
            _orders(catalogue, place, field, word)
    for name, keys in catalogue.keys.items():
        for key in keys:
            _entity(catalogue, name, key)


def _fields(catalogue: Catalogue) -> Fields:
    for name, type_ in catalogue.schema.type_map.items():
        if isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType)):
            for field_name, field in type_.fields.items():
                word = word_of(field)
                if word is not None:
                    yield f"{name}.{field_name}", type_, field, word


def _column(catalogue: Catalogue, place: str, home: Home, field: GraphQLField, word: words.Column) -> None:
    name = word.name or python_name(field)
    fact = home.relation.columns.get(name)
    if fact is None:
        raise DeclarationError(f'{place}: {home.relation.name!r} has no column {name!r}; name it: column(…, "name")')
    if not fits(type_of(field), fact.type, catalogue.scalars):
        raise DeclarationError(
            f"{place}: column {home.relation.name}.{name} is {fact.type}, which {type_of(field)} cannot show;"
            " change the annotation or use computed()"
        )
    base = named(type_of(field))
    if isinstance(base, GraphQLEnumType):
        for spelled, value in base.values.items():
            stored = value.value.value if isinstance(value.value, enum.Enum) else value.value
            if stored != spelled:
                raise DeclarationError(f"{place}: {base.name}.{spelled} is stored as {stored!r}; store enums by name")


def _one(catalogue: Catalogue, place: str, home: Home | None, field: GraphQLField, word: words.One) -> None:
    said = [word.column is not None, word.back is not None, word.where is not None, word.source is not None]
    if sum(said) != 1:
        raise DeclarationError(f"{place}: one() takes exactly one of a column, back=, where= and source=")
    target = catalogue.homes.get(named(type_of(field)).name)
    if target is None:
        if word.source is None:
            raise DeclarationError(f"{place}: {named(type_of(field)).name} does not live in one table; give source=")
        return
    if word.column is not None and home is not None and word.column not in home.relation.columns:
        raise DeclarationError(f"{place}: {home.relation.name!r} has no column {word.column!r}")
    if word.back is not None and frozenset({word.back}) not in target.relation.unique:
        raise DeclarationError(
            f"{place}: back={word.back!r} needs a unique index on {target.relation.name}.{word.back}:"
            " two rows there would double this object"
        )
    if word.same is not None and word.owner is not None:
        pair = frozenset({word.same, word.owner[0]})
        if pair not in target.relation.unique:
            raise DeclarationError(f"{place}: {target.relation.name} needs a unique index on {sorted(pair)}")


def _back(catalogue: Catalogue, place: str, field: GraphQLField, word: words.Many | words.Listed) -> None:
    relation = _held(catalogue, place, field, word)
    if isinstance(word, words.Many) and word.through is not None and (word.to or "") not in relation.columns:
        raise DeclarationError(f"{place}: {relation.name!r} has no column {word.to!r}; give to=")
    if word.back is None or not relation.is_table:
        return
    if word.back not in relation.columns:
        raise DeclarationError(f"{place}: {relation.name!r} has no column {word.back!r}")
    if word.back not in relation.leading:
        raise DeclarationError(f"{place}: no index of {relation.name!r} begins with {word.back!r}; add one")
    if isinstance(word, words.Many) and word.through is not None:
        pair = frozenset({word.back, word.to or ""})
        if pair not in relation.unique:
            raise DeclarationError(f"{place}: {relation.name!r} needs a unique index on {sorted(pair)}")


def _held(catalogue: Catalogue, place: str, field: GraphQLField, word: words.Many | words.Listed) -> Relation:
    if isinstance(word, words.Many) and word.through is not None:
        return catalogue.relation_of(word.through)
    if word.source is not None:
        return catalogue.relation_of(word.source)
    target = catalogue.homes.get(_item(field).name)
    if target is not None:
        return target.relation
    if isinstance(word, words.Listed) and word.json is not None:
        return Relation(place, {}, is_table=False)
    raise DeclarationError(f"{place}: {_item(field).name} does not live in one table; give source=")


def _item(field: GraphQLField) -> Any:
    base = named(type_of(field))
    edges = getattr(base, "fields", {}).get("edges")
    return named(named(type_of(edges)).fields["node"].type) if edges is not None else base


def _orders(catalogue: Catalogue, place: str, field: GraphQLField, word: words.Many) -> None:
    home = catalogue.homes.get(_item(field).name)
    source = catalogue.relation_of(word.source) if word.source is not None else None
    relation = source or (home.relation if home is not None else None)
    edge = catalogue.relation_of(word.through) if word.through is not None else None
    orders = [word.order]
    if word.sortable:
        enum_type = named(type_of(field.args["orderBy"]))
        orders = [order_columns(each.value) for each in enum_type.values.values()]
    filters: Any = getattr(named(type_of(field.args["filter"])), "fields", {}) if "filter" in field.args else {}
    narrowed = [own.ways for own in map(member_word, filters.values()) if own is not None] if word.ways else []
    in_turn = any(way.each is not None for ways in (word.ways, *narrowed) for way in ways)
    if in_turn and any(len({entry.startswith("-") for entry in order}) > 1 for order in orders):
        raise DeclarationError(f"{place}: where a way has `each`, an order goes up in all columns, or down in all")
    for entry in (entry for order in orders for entry in order):
        body = entry.removeprefix("-")
        if "{" in body:
            if "::" not in body:
                raise DeclarationError(f"{place}: end the order {body!r} with its type, such as ::date")
            continue
        side = edge if body.startswith("edge.") else relation
        fact = side.columns.get(body.removeprefix("edge.")) if side is not None else None
        if side is None or fact is None:
            raise DeclarationError(f"{place}: there is no column {body!r} to order by")
        if side.is_table and not fact.notnull:
            raise DeclarationError(
                f"{place}: {side.name}.{body} may be null, and a page ordered by it would lose rows;"
                " make it NOT NULL or order by an expression"
            )


def _known_ids(catalogue: Catalogue, place: str, field: GraphQLField, word: Word) -> None:
    if isinstance(word, (words.Lookup, words.Act)):
        return
    for name, argument in field.args.items():
        declared = word.arguments.get(name)
        members = getattr(named(type_of(argument)), "fields", {})
        asked = [(name, type_of(argument), declared.of if declared is not None else None)]
        for member, each in members.items():
            own = member_word(each)
            asked.append((f"{name}.{member}", type_of(each), own.of if own is not None else None))
        for path, type_, of in asked:
            if named(type_).name == "ID" and of is None:
                raise DeclarationError(f"{place}: the ID {path} needs of=, the table whose global id it is")
            if of is not None and of not in catalogue.by_table:
                raise DeclarationError(f"{place}: of={of!r} for {path} is no table of the schema")


def _entity(catalogue: Catalogue, name: str, key: str) -> None:
    home = catalogue.homes.get(name)
    if home is None:
        raise DeclarationError(f"type {name}: @key needs a table")
    if key == "id":
        return
    type_: Any = catalogue.schema.type_map[name]
    field: Any = type_.fields.get(key)
    word = word_of(field) if field is not None else None
    if not isinstance(word, words.Column):
        raise DeclarationError(f"type {name}: @key(fields: {key!r}) must be one column()")
    column = word.name or python_name(type_.fields[key])
    if frozenset({column}) not in home.relation.unique:
        raise DeclarationError(f"type {name}: @key {key!r} needs a unique index on {home.relation.name}.{column}")
