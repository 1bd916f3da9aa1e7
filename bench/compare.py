"""Kyoso's share of the limit: the same reads of both, first shown to be equal, then measured in turns.

Machines are noisy: each round measures both one after the other, and what counts is the median of the rounds' ratios
with their spread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, cast
from uuid import UUID

import asyncpg
import httpx

from bench import servers
from bench.limit import sql
from bench.load import Measured, Request, load
from models import db, oauth
from models.db import unit_of_work

QUERIES = ("Q1", "Q2", "Q3", "Q4", "Q5")
SCOPES = ("network:read", "referrals:read", "applications:read", "outcomes:read", "relay:read")
MONTHS = 24
TRIES, TRY_SECONDS = 20, 0.5


class Different(Exception):  # noqa: N818  (what the bench found)
    """Two servers answer the same question differently: there is nothing to be measured."""


@dataclass(frozen=True, slots=True)
class Row:
    """One read: the share of the limit (Kyoso's answers per second through the limit's) with its lowest and highest."""

    query: str
    ratio: float
    low: float
    high: float
    kyoso: Measured
    limit: Measured
    bytes: int

    def facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Question:
    query: str
    kyoso: Request
    limit: Request


async def compare(
    url: str, master_key: bytes, rounds: int, seconds: float, progress: Callable[[str], None]
) -> list[Row]:
    """Measures every read in `rounds` rounds of that many seconds for each server.

    Raises Different when answers differ, LookupError when the database holds no network to be read.
    """
    viewer, last = await _subject(url)
    async with AsyncExitStack() as running:
        kyoso = await running.enter_async_context(servers.kyoso(url, master_key))
        limit = await running.enter_async_context(servers.limit(url, viewer))
        client = await _client(url, viewer)
        sizes = {one.query: await _same(one) for one in await _questions(kyoso, limit, viewer, last, client)}
        measured: dict[str, list[tuple[Measured, Measured]]] = {query: [] for query in QUERIES}
        for number in range(rounds + 1):
            for one in await _questions(kyoso, limit, viewer, last, client):  # each round with a fresh token
                progress(f"{one.query}, " + (f"round {number} of {rounds}" if number else "warming up"))
                pair = (await load(one.kyoso, seconds), await load(one.limit, seconds))
                if number:
                    measured[one.query].append(pair)
    return [_row(query, measured[query], sizes[query]) for query in QUERIES]


def _row(query: str, pairs: list[tuple[Measured, Measured]], size: int) -> Row:
    ratios = sorted(kyoso.per_second / limit.per_second for kyoso, limit in pairs)
    kyoso, limit = (_middle([pair[side] for pair in pairs]) for side in (0, 1))
    return Row(query, median(ratios), ratios[0], ratios[-1], kyoso, limit, size)


def _middle(found: list[Measured]) -> Measured:
    return Measured(*(median(getattr(one, name) for one in found) for name in ("per_second", "p50_ms", "p99_ms")))


async def _subject(url: str) -> tuple[UUID, date]:
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        found = await sql().busiest(connection)
    finally:
        await connection.close()
    if found is None or found["last_month"] is None:
        raise LookupError("there is no network in this database: write one with ./kyoso simulate")
    return found["id"], found["last_month"]


async def _client(url: str, viewer: UUID) -> oauth.Credentials:
    await db.connect(url, pool_max=2)
    try:
        async with unit_of_work() as connection:
            return await oauth.create_client(connection, name="bench", scope=SCOPES, partner_id=viewer)
    finally:
        await db.disconnect()


async def _questions(kyoso: str, limit: str, viewer: UUID, last: date, client: oauth.Credentials) -> list[_Question]:
    async with httpx.AsyncClient(base_url=kyoso) as http:
        answer = await http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "scope": " ".join(SCOPES)},
            auth=(client.client_id, client.client_secret or ""),
        )
        token = answer.raise_for_status().json()["access_token"]
    month = last.year * 12 + last.month - 1 - (MONTHS - 1)
    first = date(month // 12, month % 12 + 1, 1)
    headers = (("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"))
    questions: list[_Question] = []
    for query in QUERIES:
        document = (Path(__file__).parent / "queries" / f"{query}.graphql").read_text(encoding="utf-8")
        variables, asked = {"of": f"par_{viewer}"}, f"of={viewer}"
        if query == "Q4":
            variables |= {"from": f"{first:%Y-%m}", "to": f"{last:%Y-%m}"}
            asked += f"&first={first}&last={last}"
        body = json.dumps({"query": document, "variables": variables}, ensure_ascii=False).encode()
        questions.append(
            _Question(
                query,
                Request(f"{kyoso}/graphql", "POST", headers, body),
                Request(f"{limit}/{query.lower()}?{asked}"),
            )
        )
    return questions


async def _same(one: _Question) -> int:
    """The size of the answer, in bytes, once both servers give the same.

    Asked again for a while: Kyoso's clock expires and accepts what is due, and may do so between the two.
    """
    async with httpx.AsyncClient() as http:
        where = ""
        for _ in range(TRIES):
            answers = [
                await http.request(asked.method, asked.url, headers=dict(asked.headers), content=asked.body)
                for asked in (one.kyoso, one.limit)
            ]
            ours, theirs = (answer.raise_for_status().json() for answer in answers)
            if json.dumps(ours) == json.dumps(theirs):
                return len(answers[0].content)
            where = _where(ours, theirs)
            await asyncio.sleep(TRY_SECONDS)
    raise Different(f"{one.query}: {where}")


def _where(ours: Any, theirs: Any, path: str = "") -> str:
    """The first place at which two answers differ."""
    found: list[str] = []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        mine, other = cast("dict[str, Any]", ours), cast("dict[str, Any]", theirs)
        if list(mine) == list(other):
            found = [_where(mine[name], other[name], f"{path}.{name}") for name in mine]
            return next(filter(None, found), "")
    if isinstance(ours, list) and isinstance(theirs, list):
        rows, others = cast("list[Any]", ours), cast("list[Any]", theirs)
        if len(rows) == len(others):
            found = [_where(rows[place], others[place], f"{path}[{place}]") for place in range(len(rows))]
            return next(filter(None, found), "")
    return "" if ours == theirs else f"at {path} Kyoso answers {str(ours)[:200]} and the limit {str(theirs)[:200]}"  # pyright: ignore[reportUnknownArgumentType]
