"""Pages in the tree: the parts of a connection, its edges, order, size and cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLEnumType, GraphQLNonNull, GraphQLObjectType, ValueNode

from planner import tree, words
from planner.arguments import Bind, Constant, Piece, Variable, order_name, page_rows
from planner.codec import named, type_of
from planner.collect import selection_sets
from planner.declare import word_of
from planner.door import found_by, order_of, permitted_edge, rows_of, settled, target
from planner.errors import DeclarationError
from planner.facts import Relation
from planner.fragments import Named
from planner.limits import PAGE_BUCKETS
from planner.spot import Asked, Spot
from planner.text import quoted
from planner.tree import Field, Record, Rows, Size, Sql, Variant
from planner.words import order_columns, relation_name

if TYPE_CHECKING:
    from planner.select import Selector


def many(selector: Selector, asked: Asked, word: words.Many) -> Field:
    """The tree of a connection."""
    arguments = selector.arguments(asked)
    connection = named(type_of(asked.field))
    node_type = named(type_of(_part(_edge_type(connection), "node")))
    home, relation, call, name = target(selector, asked, node_type, word.source, arguments)
    if home is None:
        raise DeclarationError(f"{asked.place}: the nodes of a page need a table")
    conditions = selector.sql.predicates(arguments, word)
    edge, facts = _edge(selector, asked, word, arguments)
    if word.back is not None and edge is None:
        assert asked.spot.home is not None
        conditions.append(Sql(f"{{row}}.{quoted(word.back)} = {{parent}}.{quoted(asked.spot.home.key)}"))
    if word.where is not None:
        conditions.append(selector.sql.sql(word.where, arguments))
    rows = rows_of(selector, node_type, home, call, name, conditions)
    arms: tuple[Rows, ...] = ()
    if word.back is not None and edge is None and call is None and asked.spot.home is not None:
        arms = settled(selector, rows, word.back, asked.spot.home.key)
    else:
        arms = tuple(found_by(selector, rows, *way) for way in selector.sql.ways(arguments, word))
    entries, label = _ordering(selector, asked, word)
    order = order_of(entries, home, relation, facts, word.to)
    spot = Spot(relation.columns, home)
    at_edge = Spot(facts.columns, home, "{edge}") if facts is not None else spot
    return tree.Page(
        **asked.common, fields=_parts(selector, connection, asked, spot, at_edge), rows=rows,
        table_key=home.key, edge=edge, to=word.to, order=order, order_name=label, size=_size(selector, arguments),
        after=_after(arguments["after"], label, len(order)), arms=arms,
    )  # fmt: skip


def _edge(
    selector: Selector, asked: Asked, word: words.Many, arguments: Mapping[str, Named]
) -> tuple[Rows | None, Relation | None]:
    if word.through is None:
        return None, None
    facts = selector.catalogue.relation_of(word.through)
    name = relation_name(word.through)
    conditions = permitted_edge(selector, name)
    if word.back is not None:
        assert asked.spot.home is not None
        conditions.append(Sql(f"{{edge}}.{quoted(word.back)} = {{parent}}.{quoted(asked.spot.home.key)}"))
    if name == word.through:
        return Rows(table=name, conditions=tuple(conditions)), facts
    return Rows(call=selector.sql.sql(word.through, arguments), conditions=tuple(conditions)), facts


def _parts(
    selector: Selector, connection: GraphQLObjectType, asked: Asked, spot: Spot, at_edge: Spot
) -> tuple[Field, ...]:
    sets = selection_sets(asked.nodes)
    made: list[Field] = []
    for key, nodes in selector.collector.collect(connection, sets).items():
        name = nodes[0].name.value
        if name == "__typename":
            made.append(tree.TypeName(key=key, nonnull=True, node=nodes[0], names={"": connection.name}))
            continue
        word = word_of(connection.fields[name])
        assert isinstance(word, words.Part)
        common: dict[str, Any] = {"key": key, "nonnull": True, "node": nodes[0], "cost": word.cost}
        if word.name == "edges":
            edge_type = named(type_of(connection.fields[name]))
            made.append(tree.Edges(**common, record=_edges(selector, edge_type, nodes, spot, at_edge, asked.depth + 1)))
        elif word.name == "pageInfo":
            info = named(type_of(connection.fields[name]))
            made.append(tree.Info(**common, fields=_positions(selector, info, nodes)))
        else:
            made.append(tree.Total(**common))
    return tuple(made)


def _edges(
    selector: Selector, type_: GraphQLObjectType, nodes: Sequence[FieldNode], spot: Spot, at_edge: Spot, depth: int
) -> Record:
    sets = selection_sets(nodes)
    made: list[Field] = []
    for key, inner in selector.collector.collect(type_, sets).items():
        name = inner[0].name.value
        if name == "__typename":
            made.append(tree.TypeName(key=key, nonnull=True, node=inner[0], names={"": type_.name}))
            continue
        field = type_.fields[name]
        word = word_of(field)
        if not isinstance(word, words.Part):
            made.append(selector.field(type_, key, inner, at_edge, depth + 1))
            continue
        common: dict[str, Any] = {
            "key": key, "nonnull": isinstance(type_of(field), GraphQLNonNull), "node": inner[0], "cost": word.cost
        }  # fmt: skip
        if word.name == "cursor":
            made.append(tree.Cursor(**common))
        else:
            made.append(tree.Here(**common, record=selector.record(named(type_of(field)), inner, spot, depth + 1)))
    return Record((Variant((), tuple(made)),))


def _positions(selector: Selector, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> tuple[Field, ...]:
    sets = selection_sets(nodes)
    made: list[Field] = []
    for key, inner in selector.collector.collect(type_, sets).items():
        name = inner[0].name.value
        if name == "__typename":
            made.append(tree.TypeName(key=key, nonnull=True, node=inner[0], names={"": type_.name}))
        else:
            made.append(tree.Position(key=key, node=inner[0], name=name))
    return tuple(made)


def _ordering(selector: Selector, asked: Asked, word: words.Many) -> tuple[Sequence[str], str]:
    if not word.sortable:
        return word.order, word.order_name
    nodes: dict[str, ValueNode] = {each.name.value: each.value for each in asked.nodes[0].arguments or ()}
    argument = asked.field.args["orderBy"]
    label = order_name(nodes.get("orderBy"), argument, selector.shape)
    enum_type = named(type_of(argument))
    assert isinstance(enum_type, GraphQLEnumType)
    return order_columns(enum_type.values[label].value), label


def _size(selector: Selector, arguments: Mapping[str, Named]) -> Size:
    first = arguments["first"].given
    if isinstance(first, Variable):
        rows = selector.shape.get(first.path[0])
        return Size(rows if isinstance(rows, int) else PAGE_BUCKETS[-1], Bind(first, "integer", page_rows))
    assert isinstance(first, Constant)
    return Size(page_rows(first.value))


def _after(after: Named, label: str, columns: int) -> tuple[Bind, ...]:
    if after.given is None:
        return ()
    assert isinstance(after.given, (Constant, Variable))
    return tuple(Bind(after.given, "text", Piece(label, place, columns)) for place in range(columns))


def _edge_type(connection: GraphQLObjectType) -> GraphQLObjectType:
    return named(type_of(_part(connection, "edges")))


def _part(type_: GraphQLObjectType, name: str) -> Any:
    for field in type_.fields.values():
        word = word_of(field)
        if isinstance(word, words.Part) and word.name == name:
            return field
    raise DeclarationError(f"{type_.name} has no part({name!r})")
