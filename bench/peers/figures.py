"""Figures by month in Python: Wilson's interval, and whether a month has been followed to its end."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

JAPAN = timezone(timedelta(hours=9))
FOLLOW_UP_DAYS = {"HIRE_RATE": 0, "REFERRAL_SUCCESS_RATE": 180}
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one month."""

    name: str
    month: date
    mature: bool
    numerator: float
    denominator: float
    low: float
    high: float

    @property
    def value(self) -> float | None:
        return self.numerator / self.denominator if self.denominator else None


def figures(rows: Iterable[Any], names: list[str], first: date, last: date) -> list[Figure]:
    """Every name and month in between, those without rows too, in the order of names and months."""
    counted = {(row.measure, row.month): (float(row.numerator), float(row.denominator)) for row in rows}
    found: list[Figure] = []
    for name in sorted(names):
        month = first
        while month <= last:
            after = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
            followed = datetime(after.year, after.month, 1, tzinfo=JAPAN) + timedelta(days=FOLLOW_UP_DAYS[name])
            numerator, denominator = counted.get((name, month), (0.0, 0.0))
            low, high = wilson(numerator, denominator)
            found.append(Figure(name, month, datetime.now(UTC) >= followed, numerator, denominator, low, high))
            month = after
    return found


def wilson(k: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; everything, where nothing was counted."""
    if not n:
        return 0.0, 1.0
    p = k / n
    scale = 1 + Z * Z / n
    center = (p + Z * Z / (2 * n)) / scale
    margin = Z * math.sqrt((p * (1 - p) + Z * Z / (4 * n)) / n) / scale
    return max(0.0, center - margin) if k else 0.0, min(1.0, center + margin) if k != n else 1.0
