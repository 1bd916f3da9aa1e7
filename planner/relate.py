"""Relations in the tree: to one, plain lists, payloads; pages and lookups have rooms of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import GraphQLNonNull

from planner import connect, lookup, tree, words
from planner.arguments import Bind, RowValue
from planner.catalog import Home
from planner.codec import inner, json_text, named, plain, type_of
from planner.door import order_of, rows_of, target
from planner.facts import Fact
from planner.spot import Asked, Spot
from planner.text import quoted
from planner.tree import Field, Rows, Sql

if TYPE_CHECKING:
    from planner.select import Selector


def relation(selector: Selector, asked: Asked) -> Field:
    """The tree of a relation, by its word."""
    word = asked.word
    if isinstance(word, words.One):
        return _one(selector, asked, word)
    if isinstance(word, words.Many):
        return connect.many(selector, asked, word)
    if isinstance(word, words.Listed):
        return _listed(selector, asked, word)
    if isinstance(word, words.Lookup):
        return lookup.node(selector, asked, word)
    return returned(selector, asked)


def _one(selector: Selector, asked: Asked, word: words.One) -> Field:
    arguments = selector.arguments(asked)
    type_ = named(type_of(asked.field))
    home, relation, call, name = target(selector, asked, type_, word.source, arguments)
    key = quoted(home.key) if home is not None else ""
    conditions = selector.sql.predicates(arguments, word)
    if word.same is not None and word.owner is not None:
        column, value = word.owner
        conditions += [
            Sql(f'{{row}}.{quoted(word.same)} = (select "same".{quoted(word.same)} from {quoted(name)} "same"'
                f' where "same".{key} = {{parent}}.{quoted(word.column or "")})'),
            selector.sql.sql(f"{{row}}.{quoted(column)} = {value}"),
        ]  # fmt: skip
    elif word.column is not None:
        conditions.append(Sql(f"{{row}}.{key} = {{parent}}.{quoted(word.column)}"))
    elif word.back is not None:
        assert asked.spot.home is not None
        conditions.append(Sql(f"{{row}}.{quoted(word.back)} = {{parent}}.{quoted(asked.spot.home.key)}"))
    if word.where is not None:
        conditions.append(selector.sql.sql(word.where, arguments))
    limit = 1 if word.where is not None or word.source is not None else None
    rows = rows_of(selector, type_, home, call, name, conditions, limit)
    record = selector.record(type_, asked.nodes, Spot(relation.columns, home), asked.depth)
    open_to_all = call is None and len(rows.conditions) == 1
    sure = word.total or (open_to_all and _always_there(asked, word, home))
    if sure and open_to_all and word.column and home is not None and _known_here(record, home):
        # Nobody is kept from the row, it is there, and what is asked of it stands on this side: it needs not be read.
        rows = Rows(call=Sql(f"(select {{parent}}.{quoted(word.column)} as {key})"))
    return tree.Object(**asked.common, record=record, rows=rows, sure=sure)


def _always_there(asked: Asked, word: words.One, home: Home | None) -> bool:
    """Whether the database itself sees to it that the row is there: every value of the column refers to one."""
    column = asked.spot.columns.get(word.column or "")
    return column is not None and home is not None and column.notnull and (home.name, home.key) in column.refers


def _known_here(record: tree.Record, home: Home) -> bool:
    """Whether a record holds nothing but the global id of its row, and names that are the same for every row."""
    if len(record.variants) != 1:
        return False
    for each in record.variants[0].fields:
        named_alike = isinstance(each, tree.TypeName) and each.column is None
        if not named_alike and not (isinstance(each, tree.Leaf) and each.sql == home.global_id):
            return False
    return True


def _listed(selector: Selector, asked: Asked, word: words.Listed) -> Field:
    arguments = selector.arguments(asked)
    type_ = named(type_of(asked.field))
    item_nonnull = isinstance(inner(type_of(asked.field)), GraphQLNonNull)
    if word.json is not None:
        columns = selector.json_columns(type_)
        record = selector.record(type_, asked.nodes, Spot(columns), asked.depth)
        rows = Rows(
            json=selector.sql.sql(word.json, arguments),
            columns=tuple((name, fact.type) for name, fact in columns.items()),
        )
        return tree.Listed(
            **asked.common, record=record, rows=rows, order=(), at_most=word.at_most or 0, item_nonnull=item_nonnull
        )
    home, relation, call, name = target(selector, asked, type_, word.source, arguments)
    conditions = selector.sql.predicates(arguments, word)
    if word.back is not None:
        assert asked.spot.home is not None
        conditions.append(Sql(f"{{row}}.{quoted(word.back)} = {{parent}}.{quoted(asked.spot.home.key)}"))
    if word.where is not None:
        conditions.append(selector.sql.sql(word.where, arguments))
    rows = rows_of(selector, type_, home, call, name, conditions)
    record = selector.record(type_, asked.nodes, Spot(relation.columns, home), asked.depth)
    order = order_of(word.order, home, relation)
    return tree.Listed(
        **asked.common, record=record, rows=rows, order=order, at_most=word.at_most or 0, item_nonnull=item_nonnull,
        sure=True,
    )  # fmt: skip


def returned(selector: Selector, asked: Asked) -> Field:
    """A payload or an event: an object made of the row that Python hands over."""
    type_ = named(type_of(asked.field))
    row = selector.catalogue.returned[type_.name]
    columns = {name: Fact(sql_type, False) for name, sql_type in row.columns.items()}
    values = tuple(
        (name, Bind(RowValue(name), sql_type, json_text if sql_type == "jsonb" else plain))
        for name, sql_type in row.columns.items()
    )
    record = selector.record(type_, asked.nodes, Spot(columns), asked.depth)
    return tree.Object(**asked.common, record=record, rows=Rows(values=values), sure=True)
