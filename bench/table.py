"""What a run found, as figures for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

from bench.compare import Results, Taken
from bench.stage import KYOSO, LIMIT, TWO_WORKERS, UNFILTERED

Figure = Callable[[Taken], float]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the rounds' ratios, with the lowest and the highest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def ratio(results: Results, query: str, over: str, figure: Figure, of: str = KYOSO) -> Ratio | None:
    """How a figure of one server relates to another's, in the rounds in which both were measured."""
    mine, others = results.taken[query].get(of, {}), results.taken[query].get(over, {})
    found = sorted(figure(mine[number]) / figure(others[number]) for number in mine if number in others)
    return Ratio(median(found), found[0], found[-1]) if found else None


def per_second(one: Taken) -> float:
    return one.load.per_second


def p99(one: Taken) -> float:
    return one.load.p99_ms


def app(one: Taken) -> float:
    return one.app_ms


def facts(results: Results, sender: str) -> dict[str, Any]:
    """Everything, for `--json`. Times in milliseconds, memory in MB, ratios of answers per second if not said."""
    queries: dict[str, Any] = {}
    for query, kinds in results.taken.items():
        ratios = {kind: ratio(results, query, kind, per_second) for kind in kinds if kind not in (KYOSO, TWO_WORKERS)}
        queries[query] = {
            "bytes": results.bytes[query],
            "ratios": {kind: asdict(one) for kind, one in ratios.items() if one},
            "servers": {kind: _middle(list(rounds.values())) for kind, rounds in kinds.items()},
        }
        for name, figure in (("app_ms_of_limit", app), ("p99_of_limit", p99)):
            one = ratio(results, query, LIMIT, figure)
            queries[query][name] = asdict(one) if one else None
    memory = {kind: {"before": before, "after": after} for kind, (before, after) in results.memory_mb.items()}
    return {"load": sender, "queries": queries, "memory_mb": memory, **_beside(results)}


def _beside(results: Results) -> dict[str, Any]:
    """What compares Kyoso with itself: the rollup with raw rows, policies with none, two workers with one."""
    found: dict[str, Any] = {"rollup_over_raw": None, "authorization": {}, "two_workers": {}}
    if {"Q4a", "Q4b"} <= set(results.taken):
        raw, rollup = results.taken["Q4a"].get(KYOSO, {}), results.taken["Q4b"].get(KYOSO, {})
        each = sorted(per_second(rollup[number]) / per_second(raw[number]) for number in raw if number in rollup)
        found["rollup_over_raw"] = asdict(Ratio(median(each), each[0], each[-1])) if each else None
    for query in results.taken:
        cost = ratio(results, query, KYOSO, per_second, of=UNFILTERED)
        two = ratio(results, query, KYOSO, per_second, of=TWO_WORKERS)
        found["authorization"] |= {query: asdict(cost)} if cost else {}
        found["two_workers"] |= {query: asdict(two)} if two else {}
    return found


def _middle(taken: list[Taken]) -> dict[str, float]:
    return {
        "per_second": median(one.load.per_second for one in taken),
        "p50_ms": median(one.load.p50_ms for one in taken),
        "p99_ms": median(one.load.p99_ms for one in taken),
        "app_ms": median(one.app_ms for one in taken),
        "database_ms": median(one.database_ms for one in taken),
        "rounds": len(taken),
    }


def tables(results: Results) -> list[Table]:
    """Ratios; what a request costs; memory."""
    return [_ratios(results), _costs(results), _memory(results)]


def _ratios(results: Results) -> Table:
    kinds = [kind for kind in _kinds(results) if kind not in (KYOSO, TWO_WORKERS, UNFILTERED)]
    table = Table("query", *(f"of {kind}" if kind == LIMIT else f"× {kind}" for kind in kinds))
    table.add_column("app CPU of L")
    table.add_column("p99 of L")
    table.add_column("unfiltered")
    table.add_column("two workers")
    for query in results.taken:
        cells = [ratio(results, query, kind, per_second) for kind in kinds]
        cells += [ratio(results, query, LIMIT, app), ratio(results, query, LIMIT, p99)]
        cells += [ratio(results, query, KYOSO, per_second, of=one) for one in (UNFILTERED, TWO_WORKERS)]
        table.add_row(query, *(str(cell) if cell else "–" for cell in cells))
    return table


def _costs(results: Results) -> Table:
    table = Table("query", "server", "answers/s", "p50 ms", "p99 ms", "app CPU ms", "database CPU ms", "bytes")
    for query, kinds in results.taken.items():
        for kind in sorted(kinds, key=_kinds(results).index):
            one = _middle(list(kinds[kind].values()))
            size = f"{results.bytes[query]:,}" if kind == KYOSO else ""
            times = (f"{one[name]:.1f}" for name in ("p50_ms", "p99_ms"))
            costs = (f"{one[name]:.2f}" for name in ("app_ms", "database_ms"))
            table.add_row(query, kind, f"{one['per_second']:,.0f}", *times, *costs, size)
    return table


def _memory(results: Results) -> Table:
    table = Table("server", "PSS MB, warm", "PSS MB, after the rounds")
    for kind, (before, after) in results.memory_mb.items():
        table.add_row(kind, f"{before:.0f}", f"{after:.0f}")
    return table


def _kinds(results: Results) -> list[str]:
    return list(dict.fromkeys(kind for kinds in results.taken.values() for kind in kinds))
