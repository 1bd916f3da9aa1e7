"""Lookups in the tree: `node`, `nodes` and `_entities`, by global id and by natural key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from graphql import FieldNode, GraphQLInterfaceType, GraphQLObjectType, Undefined

from planner import tree, words
from planner.arguments import Bind, Constant, KeyOf, Length, Ref, Together, Variable, given
from planner.catalog import Home
from planner.codec import named, read_global_id, type_of
from planner.declare import word_of
from planner.directives import python_name
from planner.door import rows_of
from planner.errors import BAD_VALUE, RequestError
from planner.sought import Group, KeysOf, Places, Sought, represented
from planner.spot import Asked, Spot
from planner.text import quoted
from planner.tree import Arm, Field, Sql

if TYPE_CHECKING:
    from planner.select import Selector


def node(selector: Selector, asked: Asked, word: words.Lookup) -> Field:
    """`node(id:)` or `nodes(ids:)`."""
    if word.many:
        return _nodes(selector, asked)
    ref = selector.arguments(asked)["id"].given
    assert isinstance(ref, (Constant, Variable))
    home = selector.catalogue.by_prefix.get(next(iter(_prefixes(selector, ref)), ""))
    if home is None:
        return tree.Nothing(**asked.common)
    key = Bind(ref, home.key_type, KeyOf(home.prefix, home.key_type))
    type_ = named(type_of(asked.field))
    call = selector.sql.sql(home.source, key=key) if home.source else None
    conditions = [] if home.source else [Sql(f"{{row}}.{quoted(home.key)} = {{key}}", {"key": key})]
    rows = rows_of(selector, type_, home, call, home.name, conditions)
    record = selector.record(type_, asked.nodes, Spot(home.relation.columns, home), asked.depth)
    return tree.Object(**asked.common, record=record, rows=rows)


def _nodes(selector: Selector, asked: Asked) -> Field:
    ref = selector.arguments(asked)["ids"].given
    assert isinstance(ref, (Constant, Variable, Together))
    type_ = named(type_of(asked.field))
    arms: list[Arm] = []
    for prefix in sorted(_prefixes(selector, ref)):
        home = selector.catalogue.by_prefix.get(prefix)
        if home is not None:
            arms.append(_arm(selector, home, type_, asked.nodes, asked.depth, ref, Sought((prefix, ""))))
    return tree.Lookup(**asked.common, arms=tuple(arms), length=_length(selector, ref))


def entities(selector: Selector, nodes: Sequence[FieldNode], common: Mapping[str, Any], depth: int) -> Field:
    """`_entities(representations:)`."""
    field = selector.catalogue.schema.query_type.fields["_entities"]  # pyright: ignore[reportOptionalMemberAccess]
    values = {each.name.value: each.value for each in nodes[0].arguments or ()}
    ref = given(values["representations"], type_of(field.args["representations"]), Undefined, selector.shape)
    if not isinstance(ref, (Constant, Variable)) or (isinstance(ref, Constant) and not isinstance(ref.value, list)):
        raise RequestError(BAD_VALUE, "Send `representations` as a variable.", nodes[0])
    arms: list[Arm] = []
    keys = selector.catalogue.keys
    held = selector.shape[ref.path[0]] if isinstance(ref, Variable) else sorted(represented(ref.value, keys))  # pyright: ignore
    for type_name, key in cast("Sequence[Group]", held):
        type_ = selector.catalogue.schema.type_map[type_name]
        home = selector.catalogue.homes[type_name]
        assert isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType))
        arms.append(_arm(selector, home, type_, nodes, depth, ref, Sought((type_name, key), keys)))
    return tree.Lookup(**common, arms=tuple(arms), length=_length(selector, ref))


def _arm(
    selector: Selector, home: Home, type_: Any, nodes: Sequence[FieldNode], depth: int, ref: Ref, sought: Sought
) -> Arm:  # fmt: skip
    key = sought.group[1]
    column = home.key if key in ("", "id") else _column(type_, key)
    keys, places = KeysOf(sought, home.prefix, home.relation.columns[column].type), Places(sought)
    return Arm(
        rows=rows_of(selector, type_, home, selector.sql.sql(home.source) if home.source else None, home.name, []),
        record=selector.record(type_, nodes, Spot(home.relation.columns, home), depth),
        keys=Bind(ref, keys.type, keys),
        places=Bind(ref, places.type, places),
        column=column,
    )


def _column(type_: Any, key: str) -> str:
    word = word_of(type_.fields[key])
    assert isinstance(word, words.Column)
    return word.name or python_name(type_.fields[key])


def _prefixes(selector: Selector, ref: Ref) -> set[str]:
    if isinstance(ref, Together):
        return {prefix for part in ref.parts for prefix in _prefixes(selector, part)}
    if isinstance(ref, Variable):
        held = selector.shape[ref.path[0]]
        return set(cast("tuple[str, ...]", held)) if isinstance(held, tuple) else {str(held)}
    assert isinstance(ref, Constant)
    values = _several(ref.value)
    return {parts[0] for each in values if isinstance(each, str) and (parts := read_global_id(each))}


def _length(selector: Selector, ref: Ref) -> Bind:
    return Bind(ref, "integer", Length(selector.limits.entities))


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
