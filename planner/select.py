"""From a selection to the tree: every field by the word it was declared with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    OperationDefinitionNode,
    SelectionSetNode,
    is_leaf_type,
)

from planner import lookup, relate, tree, words
from planner.arguments import Shape
from planner.catalog import Catalogue
from planner.codec import AS_TEXT, inner, is_plural, named, sql_type, type_of
from planner.collect import Collector, selection_sets
from planner.declare import word_of
from planner.directives import python_name
from planner.errors import TOO_LARGE, DeclarationError, RequestError
from planner.facts import Fact
from planner.fragments import Fragments
from planner.introspection import INTROSPECTED
from planner.limits import Limits
from planner.spot import Asked, Policy, Spot
from planner.text import quoted
from planner.tree import Field, Record, Sql, TypeName, Variant
from planner.words import Word

_MEMBER = re.compile(r"\{(?:row|parent)\}\.([a-z_][a-z0-9_]*)")


class Selector:
    """Makes the tree of one operation for one shape of its variables and one standing (in `policy`)."""

    def __init__(
        self,
        catalogue: Catalogue,
        policy: Policy,
        fragments: Mapping[str, FragmentDefinitionNode],
        shape: Shape,
        limits: Limits,
    ) -> None:
        self.catalogue = catalogue
        self.policy = policy
        self.limits = limits
        self.shape = shape
        self.collector = Collector(catalogue.schema, fragments, shape, limits)
        self.sql = Fragments(catalogue, shape)

    def operation(self, root: GraphQLObjectType, node: OperationDefinitionNode) -> tree.Operation:
        """The tree of a query."""
        fields: list[Field] = []
        fallback: list[FieldNode] = []
        introspected: list[FieldNode] = []
        for key, nodes in self.roots(root, node).items():
            name = nodes[0].name.value
            if name == "__typename":
                fields.append(TypeName(key=key, nonnull=True, node=nodes[0], names={"": root.name}))
            elif name == "_entities" or (name in root.fields and word_of(root.fields[name]) is not None):
                fields.append(self.field(root, key, nodes, Spot({}), 1))
            elif name in INTROSPECTED:
                introspected += nodes
            else:
                fallback += nodes
        return tree.Operation(tuple(fields), tuple(fallback), tuple(introspected))

    def roots(self, root: GraphQLObjectType, node: OperationDefinitionNode) -> dict[str, list[FieldNode]]:
        """The root fields asked, by response key."""
        return self.collector.collect(root, [node.selection_set])

    def record(self, type_: Any, nodes: Sequence[FieldNode], spot: Spot, depth: int) -> Record:
        """The object that a selection makes; types that ask the same of the row share a variant."""
        if depth >= self.limits.depth:
            raise RequestError(TOO_LARGE, f"Fields may stand {self.limits.depth} deep at most.", nodes[0])
        sets = selection_sets(nodes)
        kinds: Mapping[str, str] = spot.home.kinds if spot.home is not None else {}
        variants: list[Variant] = []
        for concrete in self._at_home(type_, spot):
            fields = tuple(self._fields(concrete, type_, sets, spot, depth + 1))
            kind = (kinds[concrete.name],) if concrete.name in kinds else ()
            same = next((place for place, each in enumerate(variants) if each.fields == fields), None)
            if same is None:
                variants.append(Variant(kind, fields))
            else:
                variants[same] = Variant(variants[same].kinds + kind, fields)
        discriminator = spot.home.discriminator if spot.home is not None and len(variants) > 1 else None
        return Record(tuple(variants), discriminator)

    def _at_home(self, type_: Any, spot: Spot) -> list[GraphQLObjectType]:
        possible = self.catalogue.possible(type_)
        if spot.home is None or len(possible) == 1:
            return possible
        homes = self.catalogue.homes
        return [each for each in possible if each.name in homes and homes[each.name].name == spot.home.name]

    def _fields(
        self, concrete: GraphQLObjectType, asked: Any, sets: list[SelectionSetNode], spot: Spot, depth: int
    ) -> list[Field]:
        made: list[Field] = []
        for key, nodes in self.collector.collect(concrete, sets).items():
            if nodes[0].name.value == "__typename":
                made.append(self._type_name(key, nodes[0], concrete, asked, spot))
            else:
                made.append(self.field(concrete, key, nodes, spot, depth))
        return made

    def _type_name(self, key: str, node: FieldNode, concrete: GraphQLObjectType, asked: Any, spot: Spot) -> TypeName:
        if isinstance(asked, GraphQLInterfaceType) and spot.home is not None and spot.home.discriminator:
            names = {kind: name for name, kind in spot.home.kinds.items()}
            return TypeName(key=key, nonnull=True, node=node, names=names, column=spot.home.discriminator)
        return TypeName(key=key, nonnull=True, node=node, names={"": concrete.name})

    def field(self, parent: GraphQLObjectType, key: str, nodes: Sequence[FieldNode], spot: Spot, depth: int) -> Field:
        """The tree of one field, by its word."""
        node = nodes[0]
        field = parent.fields[node.name.value]
        word = word_of(field)
        common: dict[str, Any] = {
            "key": key, "node": node, "nonnull": isinstance(type_of(field), GraphQLNonNull),
            "cost": word.cost if word else 0,
        }  # fmt: skip
        if word is None:
            if node.name.value == "_entities":
                return lookup.entities(self, nodes, common, depth)
            raise DeclarationError(f"{parent.name}.{node.name.value} has neither a word nor a place at the root")
        asked = Asked(parent, field, nodes, word, common, spot, depth)
        if isinstance(word, (words.Key, words.Column, words.Computed)):
            return self._leaf(asked)
        if isinstance(word, words.Finished):
            return self._finish(asked)
        if isinstance(word, words.Embedded):
            return self._embedded(asked)
        return relate.relation(self, asked)

    def arguments(self, asked: Asked) -> dict[str, Any]:
        """What the field's node gives for its arguments."""
        nodes = {each.name.value: each.value for each in asked.nodes[0].arguments or ()}
        return self.sql.arguments(asked.word, asked.field, nodes)

    def _leaf(self, asked: Asked) -> Field:
        word, spot = asked.word, asked.spot
        leaf = named(type_of(asked.field))
        items = isinstance(inner(type_of(asked.field)), GraphQLNonNull)
        if isinstance(word, words.Key):
            if spot.home is None or spot.home.prefix is None:
                raise DeclarationError(f"{asked.place}: key() needs a table with a prefix")
            return tree.Leaf(**asked.common, sql=spot.home.global_id, sure=True)
        if isinstance(word, words.Computed):
            sql, sure = self.sql.sql(word.sql, self.arguments(asked)), word.total
            source = ""
        else:
            assert isinstance(word, words.Column)
            name = word.name or python_name(asked.field)
            if name not in spot.columns:
                raise DeclarationError(f"{asked.place}: there is no column {name!r} here; give column(name=…)")
            sql, sure = Sql(f"{spot.own}.{quoted(name)}"), word.total or spot.columns[name].notnull
            source = spot.columns[name].type
        cast = _cast(leaf.name, source, type_of(asked.field))
        return tree.Leaf(**asked.common, sql=sql, sure=sure, items=items and not word.total, cast=cast)

    def _finish(self, asked: Asked) -> Field:
        word = asked.word
        assert isinstance(word, words.Finished)
        target = named(type_of(asked.field))
        record = None
        if not is_leaf_type(target):
            record = self._members(target, asked.nodes, asked.depth)
        return tree.Finish(
            **asked.common, name=asked.nodes[0].name.value, sql=self.sql.sql(word.sql, self.arguments(asked)),
            finisher=word.finisher, personal=word.personal, record=record,
        )  # fmt: skip

    def _members(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], depth: int) -> Record:
        if depth >= self.limits.depth:
            raise RequestError(TOO_LARGE, f"Fields may stand {self.limits.depth} deep at most.", nodes[0])
        sets = selection_sets(nodes)
        fields: list[Field] = []
        for key, same in self.collector.collect(type_, sets).items():
            name = same[0].name.value
            if name == "__typename":
                fields.append(TypeName(key=key, nonnull=True, node=same[0], names={"": type_.name}))
                continue
            nonnull = isinstance(type_of(type_.fields[name]), GraphQLNonNull)
            fields.append(tree.Member(key=key, nonnull=nonnull, node=same[0], name=name))
        return Record((Variant((), tuple(fields)),))

    def _embedded(self, asked: Asked) -> Field:
        word, spot = asked.word, asked.spot
        assert isinstance(word, words.Embedded)
        arguments = self.arguments(asked)
        target = named(type_of(asked.field))
        present = self.sql.sql(word.present, arguments) if word.present else None
        if word.json is None:
            record = self.record(target, asked.nodes, spot, asked.depth)
            return tree.Object(**asked.common, record=record, present=present, sure=present is None)
        columns = self.json_columns(target)
        record = self.record(target, asked.nodes, Spot(columns), asked.depth)
        value = self.sql.sql(word.json, arguments)
        rows = tree.Rows(json=value, columns=tuple((name, fact.type) for name, fact in columns.items()))
        return tree.Object(**asked.common, record=record, rows=rows, present=present)

    def json_columns(self, type_: Any) -> dict[str, Fact]:
        """The members of a jsonb object that the fields of this type read, with the SQL type of each."""
        found: dict[str, Fact] = {}
        for field in type_.fields.values():
            word = word_of(field)
            if isinstance(word, words.Column):
                name = word.name or python_name(field)
                found[name] = Fact(sql_type(type_of(field), self.catalogue.scalars), False)
        for field in type_.fields.values():
            for name in _row_members(word_of(field)):
                found.setdefault(name, Fact("jsonb", False))
        return found


def _cast(scalar: str, column: str, type_: Any) -> str:
    if scalar not in AS_TEXT or column in ("text", "text[]"):
        return ""
    return "::text[]" if is_plural(type_) else "::text"


def _row_members(word: Word | None) -> list[str]:
    texts = [getattr(word, name, None) for name in ("sql", "json", "present", "where", "source")]
    return [name for text in texts if text for name in _MEMBER.findall(text)]
