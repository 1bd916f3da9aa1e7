"""Where a selection stands while the tree is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType

from planner.catalog import Home
from planner.facts import Fact
from planner.words import Word

Policy = Callable[[str], str | None]
"""The condition under which rows of a table, or of a function, may be read; None when nobody has decided."""


@dataclass(frozen=True)
class Spot:
    """The columns of the row around a selection, where that row lives, and under which name SQL knows it."""

    columns: Mapping[str, Fact]
    home: Home | None = None
    own: str = "{row}"


@dataclass(frozen=True)
class Asked:
    """A field as it is asked: its definition, its nodes, and where they stand."""

    parent: GraphQLObjectType
    field: GraphQLField
    nodes: Sequence[FieldNode]
    word: Word
    common: dict[str, Any]
    spot: Spot
    depth: int

    @property
    def place(self) -> str:
        """Type and field, for messages."""
        return f"{self.parent.name}.{self.nodes[0].name.value}"
