"""When things happen: the seasons of recruiting in Japan, months and first working days."""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

from bench.network.rows import DAY, JAPAN, japan_day, midnight

EPOCH = date(2000, 1, 1)

# How many look for work, January to December: people who change jobs (中途), and graduates-to-be (新卒), whose season
# opens in March.
CHANGERS = (1.2, 1.1, 1.2, 0.9, 0.9, 1.0, 1.0, 0.8, 1.15, 1.15, 0.95, 0.65)
GRADUATES = (0.4, 0.7, 2.6, 1.8, 1.5, 1.4, 0.9, 0.6, 0.7, 0.6, 0.4, 0.4)
GRADUATES_SHARE = 0.35
SETTLED_DAYS = 150  # by then most of what follows an arrival has been decided
MATURITY_STEPS = 400


@dataclass(frozen=True, slots=True)
class Season:
    """One month of the network's life, the part of the people who arrive in it, and how many of them are graduates."""

    begins: int
    ends: int
    graduates: float


class Arrivals:
    """When the people come: the nth of them, by the seasons."""

    def __init__(self, since: int, until: int) -> None:
        self.until = until
        self.seasons: list[Season] = []
        weights: list[float] = []
        begins = since
        while begins < until:
            today = EPOCH + timedelta(days=japan_day(begins))
            ends = min(until, midnight((date(today.year, today.month, 1) - EPOCH).days + _length(today)))
            graduates = GRADUATES_SHARE * GRADUATES[today.month - 1]
            changers = (1 - GRADUATES_SHARE) * CHANGERS[today.month - 1]
            self.seasons.append(Season(begins, ends, graduates / (graduates + changers)))
            weights.append((ends - begins) / DAY * (graduates + changers))
            begins = ends
        self._upto = [0.0, *accumulate(weights)]
        steps = [self.maturity(self.at((step + 0.5) / MATURITY_STEPS)[0]) for step in range(MATURITY_STEPS)]
        self.mean_maturity = sum(steps) / len(steps)

    def at(self, quantile: float) -> tuple[int, Season]:
        """The instant by which this part of the people has come, and its season."""
        reached = quantile * self._upto[-1]
        place = min(bisect_right(self._upto, reached), len(self.seasons)) - 1
        season = self.seasons[place]
        part = (reached - self._upto[place]) / (self._upto[place + 1] - self._upto[place])
        return season.begins + int(part * (season.ends - season.begins)), season

    def maturity(self, arrived: int) -> float:
        """How far the story of someone who came then can have unfolded by the end, from 0 to 1."""
        return min(1.0, (self.until - arrived) / (SETTLED_DAYS * DAY))


def first_day(decided: int, *, graduate: bool) -> int:
    """The first working day after an offer was accepted: graduates begin in April, others on a first of the month."""
    today = EPOCH + timedelta(days=japan_day(decided))
    if graduate:
        return (date(today.year + (today.month >= 3), 4, 1) - EPOCH).days
    later = today + timedelta(days=35)
    return (date(later.year, later.month, 1) - EPOCH).days + (_length(later) if later.day > 15 else 0)


def months_later(at: int, months: int) -> int:
    """The same time of day in Japan, so many calendar months later; the last day where a month is too short."""
    local = at + JAPAN
    today = EPOCH + timedelta(days=local // DAY)
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    day = min(today.day, monthrange(year, month + 1)[1])
    return (date(year, month + 1, day) - EPOCH).days * DAY + local % DAY - JAPAN


def _length(day: date) -> int:
    return monthrange(day.year, day.month)[1]
