"""What an operation costs at most: one for each object it can bring, more where a field is declared dearer.

A page multiplies what it holds by its size. The estimate is never below the objects in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner import tree
from planner.arguments import Bind, Run
from planner.tree import Field, Record

MUTATION_COST = 10
"""The base cost of one verb: it writes."""


@dataclass(frozen=True)
class Cost:
    """A polynomial: `own`, plus `times` (a number, or a bind known when running) all of `every` and the dearest of
    `either`."""

    own: int = 0
    every: tuple[Cost, ...] = ()
    either: tuple[Cost, ...] = ()
    times: int = 1
    bind: Bind | None = None

    def of(self, run: Run) -> int:
        """The cost with the sizes that this request asks. Raises RequestError for a size that is refused."""
        times: int = self.times if self.bind is None else self.bind.read(run)
        inner = 0
        for each in self.every:
            inner += each.of(run)
        if self.either:
            inner += max(each.of(run) for each in self.either)
        return self.own + times * inner

    def folded(self) -> Cost:
        """The same cost with everything added up that no variable changes."""
        if self.fixed:
            return Cost(self.of(Run({}, {}, {})))
        either = tuple(each.folded() for each in self.either)
        parts = [each.folded() for each in self.every] + (list(either) if len(either) == 1 else [])
        known = Cost(sum(each.own for each in parts if each.fixed))
        open_ = tuple(each for each in parts if not each.fixed)
        every = (*open_, known) if known.own else open_
        return Cost(self.own, every, either if len(either) > 1 else (), self.times, self.bind)

    @property
    def fixed(self) -> bool:
        """Whether no variable changes it."""
        return self.bind is None and all(each.fixed for each in self.every + self.either)


def cost(fields: Sequence[Field]) -> Cost:
    """The cost of sibling fields."""
    parts = [_cost(each) for each in fields]
    plain = sum(each.own for each in parts if not each.every and not each.either)
    return Cost(plain, tuple(each for each in parts if each.every or each.either))


def _cost(field: Field) -> Cost:
    if isinstance(field, (tree.Object, tree.Here)):
        return Cost(1 + field.cost, either=_variants(field.record))
    if isinstance(field, tree.Listed):
        return Cost(field.cost, (Cost(1, either=_variants(field.record)),), times=field.at_most)
    if isinstance(field, tree.Lookup):
        arms = tuple(Cost(1, either=_variants(arm.record)) for arm in field.arms)
        return Cost(field.cost, either=arms, bind=field.length)
    if isinstance(field, tree.Page):
        edges = tuple(_record(each) for each in field.fields if isinstance(each, tree.Edges))
        own = field.cost + sum(each.cost for each in field.fields)
        return Cost(own, edges, times=field.size.rows, bind=field.size.bind)
    return Cost(field.cost + (1 if isinstance(field, tree.Finish) and field.record is not None else 0))


def _record(edges: tree.Edges) -> Cost:
    # A row is read and sent even where nothing but its cursor is asked.
    inner = Cost(either=_variants(edges.record))
    return Cost(1) if inner.fixed and not inner.of(Run({}, {}, {})) else inner


def _variants(record: Record) -> tuple[Cost, ...]:
    return tuple(cost(variant.fields) for variant in record.variants)
