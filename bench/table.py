"""What a run found, as figures for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

from bench.compare import Results, Taken
from bench.cost import by_session
from bench.stage import KYOSO, LIMIT, OURS, PGBOUNCER, TWO_WORKERS, UNFILTERED

Figure = Callable[[Taken], float]
Sheet = tuple[list[str], list[list[str]]]
"""A head and its rows."""


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
        ratios = {kind: ratio(results, query, kind, per_second) for kind in kinds if kind not in OURS}
        queries[query] = {
            "bytes": results.bytes[query],
            "ratios": {kind: asdict(one) for kind, one in ratios.items() if one},
            "servers": {kind: _middle(list(rounds.values())) for kind, rounds in kinds.items()},
        }
        for name, figure in (("app_ms_of_limit", app), ("p99_of_limit", p99)):
            one = ratio(results, query, LIMIT, figure)
            queries[query][name] = asdict(one) if one else None
    memory = {kind: {"before": before, "after": after} for kind, (before, after) in results.memory_mb.items()}
    first = {query: asdict(one) for query, one in results.first_use.items()}
    said = {"load": sender, "remarks": remarks(results, sender)}
    return {**said, "queries": queries, "memory_mb": memory, "first_use": first, **_beside(results)}


def remarks(results: Results, sender: str) -> list[str]:
    """What to know when reading the figures: how the load came, and what the machine did with it."""
    found: list[str] = []
    if sender != "wrk":
        found.append("The load came from a client of our own: install wrk, which takes less of the machine itself.")
    if by_session():
        found.append(
            "Linux shares the CPUs out by session here, so that PostgreSQL waits for long beside a busy server, and the"
            " slowest answers tell of that: measure with kernel.sched_autogroup_enabled = 0."
        )
    for (query, kind), times in results.repeated.items():
        found.append(f"{query}, {kind}: refused a load, which was made again ({times}).")
    return found


def _beside(results: Results) -> dict[str, Any]:
    """Kyoso beside itself: policies and none, two workers and one, with and without pgbouncer, rollup and raw rows."""
    raw = rollup(results)
    found: dict[str, Any] = {"rollup_over_raw": asdict(raw) if raw else None}
    for name, kind in (("unfiltered", UNFILTERED), ("two_workers", TWO_WORKERS), ("pgbouncer", PGBOUNCER)):
        ratios = {query: ratio(results, query, KYOSO, per_second, of=kind) for query in results.taken}
        found[name] = {query: asdict(one) for query, one in ratios.items() if one}
    return found


def rollup(results: Results) -> Ratio | None:
    """How much faster figures come from the rollup than from raw rows."""
    raw, kept = (results.taken.get(query, {}).get(KYOSO, {}) for query in ("Q4a", "Q4b"))
    each = sorted(per_second(kept[number]) / per_second(raw[number]) for number in raw if number in kept)
    return Ratio(median(each), each[0], each[-1]) if each else None


def _middle(taken: list[Taken]) -> dict[str, float]:
    return {
        "per_second": median(one.load.per_second for one in taken),
        "p50_ms": median(one.load.p50_ms for one in taken),
        "p99_ms": median(one.load.p99_ms for one in taken),
        "app_ms": median(one.app_ms for one in taken),
        "database_ms": median(one.database_ms for one in taken),
        "rounds": len(taken),
    }


def sheets(results: Results) -> list[Sheet]:
    """Ratios; Kyoso beside itself; what a request costs; memory."""
    return [_ratios(results), _itself(results), _costs(results), _memory(results)]


def rich(results: Results) -> list[Table]:
    """For a terminal."""
    found: list[Table] = []
    for head, rows in sheets(results):
        table = Table(*head)
        for row in rows:
            table.add_row(*row)
        found.append(table)
    return found


def markdown(results: Results, sender: str) -> str:
    """For the docs."""
    parts = [
        "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
        for head, rows in sheets(results)
    ]
    return "\n\n".join([*parts, *remarks(results, sender)]) + "\n"


def _ratios(results: Results) -> Sheet:
    kinds = [kind for kind in _kinds(results) if kind not in OURS]
    head = ["query", *(f"of {kind}" if kind == LIMIT else f"× {kind}" for kind in kinds), "app CPU of L", "p99 of L"]
    rows: list[list[str]] = []
    for query in results.taken:
        cells = [ratio(results, query, kind, per_second) for kind in kinds]
        cells += [ratio(results, query, LIMIT, app), ratio(results, query, LIMIT, p99)]
        rows.append([query, *map(_said, cells)])
    return head, rows


def _itself(results: Results) -> Sheet:
    rows: list[list[str]] = []
    for query in results.taken:
        cells = [ratio(results, query, KYOSO, per_second, of=one) for one in (UNFILTERED, TWO_WORKERS, PGBOUNCER)]
        cells.append(rollup(results) if query == "Q4b" else None)
        first = results.first_use.get(query)
        rows.append([query, *map(_said, cells), f"{first.app_ms:.1f} + {first.database_ms:.1f}" if first else "–"])
    return [
        "query",
        "unfiltered",
        "two workers",
        "behind pgbouncer",
        "rollup × raw",
        "first use ms: app + database",
    ], rows


def _costs(results: Results) -> Sheet:
    rows: list[list[str]] = []
    for query, kinds in results.taken.items():
        for kind in sorted(kinds, key=_kinds(results).index):
            one = _middle(list(kinds[kind].values()))
            times = [f"{one[name]:.1f}" for name in ("p50_ms", "p99_ms")]
            costs = [f"{one[name]:.2f}" for name in ("app_ms", "database_ms")]
            size = f"{results.bytes[query]:,}" if kind == KYOSO else ""
            rows.append([query, kind, f"{one['per_second']:,.0f}", *times, *costs, size])
    return ["query", "server", "answers/s", "p50 ms", "p99 ms", "app CPU ms", "database CPU ms", "bytes"], rows


def _memory(results: Results) -> Sheet:
    rows = [[kind, f"{before:.0f}", f"{after:.0f}"] for kind, (before, after) in results.memory_mb.items()]
    return ["server", "PSS MB, warm", "PSS MB, after the rounds"], rows


def _said(one: Ratio | None) -> str:
    return str(one) if one else "–"


def _kinds(results: Results) -> list[str]:
    return list(dict.fromkeys(kind for kinds in results.taken.values() for kind in kinds))
