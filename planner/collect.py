"""Selection merging: which fields a selection asks of one concrete type, in the document's order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)

from planner.arguments import Shape
from planner.errors import TOO_LARGE, RequestError
from planner.limits import Limits


def selection_sets(nodes: Iterable[FieldNode]) -> list[SelectionSetNode]:
    """What is selected below a field, as each of its nodes has it."""
    return [each.selection_set for each in nodes if each.selection_set is not None]


class Collector:
    """Merges selections of one document. `visits` counts fragments entered: once per name and group."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], shape: Shape, limits: Limits
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.shape = shape
        self.limits = limits
        self.visits = 0
        self.fields = 0

    def collect(self, type_: GraphQLObjectType, sets: Iterable[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """Response key -> its field nodes, for one concrete type."""
        groups: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for each in sets:
            self._collect(type_, each, groups, seen)
        self.fields += len(groups)
        if len(groups) > self.limits.fields_per_set:
            raise RequestError(TOO_LARGE, f"A selection set may ask {self.limits.fields_per_set} fields at most.")
        if self.fields > self.limits.fields:
            raise RequestError(TOO_LARGE, f"The operation may ask {self.limits.fields} fields at most, all told.")
        return groups

    def _collect(
        self, type_: GraphQLObjectType, selections: SelectionSetNode, groups: dict[str, list[FieldNode]], seen: set[str]
    ) -> None:
        for selection in selections.selections:
            if not self._included(selection.directives):
                continue
            if isinstance(selection, FieldNode):
                key = (selection.alias or selection.name).value
                groups.setdefault(key, []).append(selection)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                if condition is None or self._applies(condition.name.value, type_):
                    self._collect(type_, selection.selection_set, groups, seen)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in seen:
                seen.add(selection.name.value)
                self.visits += 1
                fragment = self.fragments[selection.name.value]
                if self._applies(fragment.type_condition.name.value, type_):
                    self._collect(type_, fragment.selection_set, groups, seen)

    def _applies(self, condition: str, type_: GraphQLObjectType) -> bool:
        other = self.schema.type_map[condition]
        if other is type_:
            return True
        return is_abstract_type(other) and self.schema.is_sub_type(_abstract(other), type_)

    def _included(self, directives: Iterable[DirectiveNode] | None) -> bool:
        for directive in directives or ():
            name = directive.name.value
            if name in ("skip", "include"):
                value: Any = next(iter(directive.arguments or ())).value
                held = self.shape.get(value.name.value) if isinstance(value, VariableNode) else value.value
                if bool(held) is (name == "skip"):
                    return False
        return True


def _abstract(type_: object) -> GraphQLAbstractType:
    return type_  # pyright: ignore[reportReturnType]
