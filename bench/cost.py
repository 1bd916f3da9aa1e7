"""What a server and its database cost: CPU time and memory, as Linux keeps them in /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from models.db import Connection

PROC = Path("/proc")
GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
"""What a process answers that has ended meanwhile, or runs on another machine."""
TICKS = os.sysconf("SC_CLK_TCK")
BACKENDS = """select pid from pg_stat_activity
  where datname = current_database() and backend_type in ('client backend', 'parallel worker')"""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds by process: of a server with its children, and of the backends of its database."""

    app: dict[int, float]
    database: dict[int, float]

    def app_since(self, before: Spent) -> float:
        return _since(self.app, before.app)

    def database_since(self, before: Spent) -> float:
        return _since(self.database, before.database)


async def spent(pid: int, database: Connection) -> Spent:
    """Up to now. Servers are loaded in turns, so what all backends spend meanwhile is the one server's."""
    backends = [row["pid"] for row in await database.fetch(BACKENDS)]
    return Spent({one: _seconds(one) for one in family(pid)}, {one: _seconds(one) for one in backends})


def _since(now: dict[int, float], before: dict[int, float]) -> float:
    """What those spent that are still there: an idle pool may have let some go."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in now.items())


def by_session() -> bool:
    """Whether Linux shares the CPUs out by session, not by process (`autogroup`).

    PostgreSQL mostly has a session of its own: one of its processes beside a busy server then waits ten times as long.
    """
    return _read(PROC / "sys/kernel/sched_autogroup_enabled").strip() == "1"


def memory_mb(pid: int) -> float:
    """Proportional set size of a server with its children, in MB: shared pages count for each sharer's part."""
    return sum(map(_pss_kb, family(pid))) / 1024


def family(pid: int) -> list[int]:
    """A process and everything it started, directly or not."""
    found = [pid]
    for one in found:
        for task in _tasks(one):
            found += map(int, _read(task / "children").split())
    return found


def _seconds(pid: int) -> float:
    told = [_read(task / "schedstat").split() for task in _tasks(pid)]  # in nanoseconds
    if any(told):
        return sum(int(fields[0]) for fields in told if fields) / 1e9
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _pss_kb(pid: int) -> int:
    lines = _read(PROC / str(pid) / "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _tasks(pid: int) -> list[Path]:
    try:
        return [*(PROC / str(pid) / "task").iterdir()]  # a glob would look first and list then, and fail in between
    except GONE:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except GONE:
        return ""
