"""Who asks the planner: what compiling may look at, and the values that are bound when a request runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

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


@dataclass(frozen=True)
class Asker:
    """One viewer, as the planner sees them. `standing` is part of a plan's name; `values` never are."""

    standing: Standing
    values: Mapping[str, Any]


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
        left, at = self._left.get(caller, (float(self.maximum), 0.0))
        return int(min(self.maximum, left + (monotonic() - at) * self.restore_rate))

    def spend(self, caller: str, cost: int) -> bool:
        """Takes the cost out of the caller's bucket; False, and nothing taken, when it does not hold so much."""
        left = self.available(caller)
        if cost > left:
            return False
        self._left[caller] = (left - cost, monotonic())
        self._left.move_to_end(caller)
        if len(self._left) > CALLERS_KEPT:
            self._left.popitem(last=False)
        return True


def after_spending(who: Asker, viewer: Viewer, budget: Budget) -> Asker:
    """The same asker when its question has been paid for: `throttle` tells what is left then."""
    return Asker(who.standing, {**who.values, "budget_available": budget.available(viewer.caller)})


def asker(viewer: Viewer, issuer: str, budget: Budget) -> Asker:
    """The viewer with everything a statement may ask about them."""
    return Asker(
        viewer.standing,
        {
            "partner": viewer.partner_id,
            "agreement": viewer.agreement_id,
            "login": viewer.login,
            "scopes": sorted(viewer.scopes),
            "expires": viewer.expires_at,
            "issuer": issuer,
            "budget_maximum": budget.maximum,
            "budget_available": budget.available(viewer.caller),
            "budget_restore": budget.restore_rate,
        },
    )
