"""Who asks the planner: what compiling may look at, and the values that are bound when a request runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

from auth.gate import Standing
from auth.viewer import Viewer

VIEWER_TYPES: Mapping[str, str] = {
    "partner": "uuid",
    "agreement": "uuid",
    "login": "text",
    "scopes": "text[]",
    "expires": "timestamptz",
    "issuer": "text",
    "budget_maximum": "integer",
    "budget_available": "integer",
    "budget_restore": "integer",
}
"""The SQL types of the values that declarations and policies may name as `{viewer.…}`."""

BUDGET_SECONDS = 10
CALLERS_KEPT = 10_000


class Asker(NamedTuple):
    """One viewer, as the planner sees them. `standing` is part of a plan's name; `values` never are."""

    standing: Standing
    values: dict[str, Any]


@dataclass
class Budget:
    """A leaking bucket of cost units for each caller of this worker: it holds ten seconds' worth.

    `restore_rate`: units given back per second.
    """

    restore_rate: int

    def __post_init__(self) -> None:
        self.maximum = self.restore_rate * BUDGET_SECONDS
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def available(self, caller: str) -> int:
        """What the caller may still spend now."""
        return int(self._available(caller, monotonic()))

    def spend(self, caller: str, cost: int) -> int | None:
        """Takes the cost out of the caller's bucket and gives what is left; None, and nothing taken, when it does
        not hold so much."""
        now = monotonic()
        left = self._available(caller, now) - cost
        if left < 0:
            return None
        self._left[caller] = (left, now)
        self._left.move_to_end(caller)
        if len(self._left) > CALLERS_KEPT:
            self._left.popitem(last=False)
        return int(left)

    def _available(self, caller: str, now: float) -> float:
        found = self._left.get(caller)
        if found is None:
            return float(self.maximum)
        return min(float(self.maximum), found[0] + (now - found[1]) * self.restore_rate)


def asker(viewer: Viewer, issuer: str, budget: Budget) -> Asker:
    """The viewer with everything a statement may ask about them. `budget_available` is what is left before they ask;
    whoever spends says anew what is left then."""
    return Asker(
        viewer.standing,
        {
            **viewer.values,
            "issuer": issuer,
            "budget_maximum": budget.maximum,
            "budget_available": budget.available(viewer.caller),
            "budget_restore": budget.restore_rate,
        },
    )
