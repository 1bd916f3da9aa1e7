"""How PostgreSQL walks to each answer: the plans that ran, those inside functions too, and how long they took.

PostgreSQL tells them itself (`auto_explain`), on the values and settings of a real request; so a plan that the
application would never get is not shown. What reads a large table from end to end grows with the network.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from planner import Planner, Request

QUERIES = ("Q1", "Q2", "Q3", "Q4b", "Q5", "Q6")
SCOPES = frozenset(("network:read", "referrals:read", "applications:read", "outcomes:read", "relay:read"))
LARGE_ROWS = 100_000
TIMES = 30
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
    nodes = [node for plan in plans for node in _nodes(plan["Plan"]) if "Relation Name" in node or "Index Name" in node]
    ways = {f"{node['Node Type']} {node.get('Index Name') or node['Relation Name']}" for node in nodes}
    scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    times: list[float] = []
    async with db.pool().acquire() as connection:
        rows = await connection.fetch("select relname from pg_class where reltuples >= $1", LARGE_ROWS)
        large = {row["relname"] for row in rows}
        for _ in range(TIMES):
            began = perf_counter()
            await planner.run(prepared, lambda: _held(connection))
            times.append((perf_counter() - began) * 1000)
    pages = max(sum(plan["Plan"][name] for name in PAGES) for plan in plans)  # the outermost has those of all
    own = sorted(way for way in ways if " pg_" not in way)  # the driver looks up types, once a connection
    return Walk(query, median(times), pages, tuple(own), tuple(sorted(scanned & large)))


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


def _nodes(plan: dict[str, Any]) -> Generator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _asker(subject: Subject) -> Asker:
    ends = datetime.now(UTC) + timedelta(hours=1)
    viewer = Viewer(subject.id, "COMPANY", "bench", "bench", SCOPES, ends, None, "bench")
    return asker(viewer, "http://127.0.0.1", Budget(1_000_000))
