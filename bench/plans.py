"""How PostgreSQL walks to each answer: the plans that ran, those inside functions too, and how long they took.

PostgreSQL tells them itself (`auto_explain`), on the values and settings of a real request; so a plan that the
application would never get is not shown. What reads a large table from end to end grows with the network. Statements by
name, which verbs, pages and the clock ask, are planned as the application has them planned: once for all values.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import asyncpg

from api.app import make_planner
from api.asker import Asker, Budget, asker
from auth.viewer import Viewer
from bench.question import request
from bench.subject import Subject
from models import db
from models.named import unended
from planner import Planner, Request

QUERIES = ("Q1", "Q2", "Q3", "Q4b", "Q5", "Q6")
SCOPES = frozenset(("network:read", "referrals:read", "applications:read", "outcomes:read", "relay:read"))
LARGE_ROWS = 100_000
TIMES = 30
SQL = Path(db.__file__).with_name("sql")
COUNT_ALL = frozenset({"kpi.differences", "kpi.rebuild", "outbox.rebuild_marks"})
"""Statements by name that are to read everything: the operator's."""
PAGES = ("Shared Hit Blocks", "Shared Read Blocks", "Temp Read Blocks")

TELL_PLANS = """load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;
  set auto_explain.log_analyze = on; set auto_explain.log_buffers = on; set auto_explain.log_timing = off;
  set auto_explain.log_format = json; set client_min_messages = log; set role {role}"""


@dataclass(frozen=True, slots=True)
class Walk:
    """How one question was answered. `ways`: each table or index that was read, with how; `p50_ms`: of its statement.

    `pages`: of 8 KiB that were looked at, in memory or not, which no load of the machine changes.
    `scanned`: large tables that were read from end to end.
    """

    query: str
    p50_ms: float
    pages: int
    ways: tuple[str, ...]
    scanned: tuple[str, ...]


async def walks(url: str, subject: Subject, progress: Callable[[str], None]) -> list[Walk]:
    """How each question is answered. `url`: of a superuser, whom alone PostgreSQL lets load `auto_explain`."""
    await db.connect(url)
    try:
        planner, who = await make_planner(), _asker(subject)
        found: list[Walk] = []
        for query in QUERIES:
            progress(query)
            found.append(await _walk(planner, who, url, query, subject))
        return found
    finally:
        await db.disconnect()


async def _walk(planner: Planner, who: Asker, url: str, query: str, subject: Subject) -> Walk:
    asked = json.loads(request("Kyoso", query, "", subject).body)
    prepared = planner.prepare(Request(asked["query"], None, asked["variables"]), who)
    async with _explained(url) as (connection, plans):
        await planner.run(prepared, lambda: _held(connection))
        plans.clear()  # the first run also reads the catalogue
        await planner.run(prepared, lambda: _held(connection))
    read = [node for plan in plans for node in nodes(plan["Plan"]) if "Relation Name" in node or "Index Name" in node]
    ways = {f"{node['Node Type']} {node.get('Index Name') or node['Relation Name']}" for node in read}
    scanned = {node["Relation Name"] for node in read if node["Node Type"] == "Seq Scan"}
    times: list[float] = []
    async with db.pool().acquire() as connection:
        large = await _large_tables(connection)
        for _ in range(TIMES):
            began = perf_counter()
            await planner.run(prepared, lambda: _held(connection))
            times.append((perf_counter() - began) * 1000)
    pages = max(sum(plan["Plan"][name] for name in PAGES) for plan in plans)  # the outermost has those of all
    own = sorted(way for way in ways if " pg_" not in way)  # the driver looks up types, once a connection
    return Walk(query, median(times), pages, tuple(own), tuple(sorted(scanned & large)))


async def scans(url: str) -> list[str]:
    """Statements by name that read a large table from end to end, each with the table."""
    settings = {**db.SESSION, "role": db.APP_ROLE}
    connection: Any = await asyncpg.connect(**db.credentials(url), server_settings=settings)
    try:
        large = await _large_tables(connection)
        partial = await partial_indexes(connection)
        found = {name: read_whole(await planned(connection, text), partial) for name, text in named()}
    finally:
        await connection.close()
    return sorted(f"{name} {table}" for name, tables in found.items() for table in tables & large)


def named() -> Iterator[tuple[str, str]]:
    """Every statement by name, as `word.name`, with its text."""
    for path in sorted(SQL.glob("*.sql")):
        statements = db.queries(path.stem)
        for name in statements.available_queries:
            if not name.endswith("_cursor") and f"{path.stem}.{name}" not in COUNT_ALL:
                yield f"{path.stem}.{name}", unended(getattr(statements, name))


async def planned(connection: Any, statement: str) -> dict[str, Any]:
    """The plan of a statement for whatever values."""
    await connection.execute(f"prepare asked as {statement}")
    number = await connection.fetchval(
        "select cardinality(parameter_types) from pg_prepared_statements where name = 'asked'"
    )
    nothing = f"({', '.join(['null'] * number)})" if number else ""
    told = await connection.fetchval(f"explain (format json) execute asked{nothing}")
    await connection.execute("deallocate asked")
    return json.loads(told)[0]["Plan"]


async def partial_indexes(connection: Any) -> set[str]:
    """Indexes of some rows alone: what waits, what is open. Reading one whole is no scan."""
    rows = await connection.fetch("select indexrelid::regclass::text as name from pg_index where indpred is not null")
    return {row["name"] for row in rows}


def read_whole(plan: dict[str, Any], partial: Collection[str] = ()) -> set[str]:
    """The tables that a plan reads otherwise than along an index from a key, or along a partial one."""
    return {
        each["Relation Name"]
        for each in nodes(plan)
        if "Relation Name" in each
        and each["Node Type"] != "ModifyTable"
        and not (each.get("Index Cond") or each.get("Recheck Cond") or each.get("Index Name") in partial)
    }


async def _large_tables(connection: Any) -> set[str]:
    rows = await connection.fetch("select relname from pg_class where reltuples >= $1", LARGE_ROWS)
    return {row["relname"] for row in rows}


@asynccontextmanager
async def _explained(url: str) -> AsyncGenerator[tuple[Any, list[dict[str, Any]]]]:
    """A connection as the application has it, and the plans that it will have run."""
    plans: list[dict[str, Any]] = []

    def note(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
        before, found, plan = (message.message or "").partition("plan:\n")
        if found and before.startswith("duration:"):
            plans.append(json.loads(plan))

    connection: Any = await asyncpg.connect(**db.credentials(url), server_settings=db.SESSION)
    try:
        await connection.execute(TELL_PLANS.format(role=db.APP_ROLE))
        connection.add_log_listener(note)
        yield connection, plans
    finally:
        connection.terminate()


@asynccontextmanager
async def _held(connection: Any) -> AsyncGenerator[Any]:
    yield connection


def nodes(plan: dict[str, Any]) -> Generator[dict[str, Any]]:
    """A plan's node and all that are within."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def _asker(subject: Subject) -> Asker:
    ends = datetime.now(UTC) + timedelta(hours=1)
    viewer = Viewer(subject.id, "COMPANY", "bench", "bench", SCOPES, ends, None, "bench")
    return asker(viewer, "http://127.0.0.1", Budget(1_000_000))
