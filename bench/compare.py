"""The same questions to every server: shown to be answered alike, then measured in turns.

Machines are noisy: each round measures the servers one after the other, and what counts is the median of the rounds'
ratios with their spread. The peers take part in every third round, since theirs is no close race.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from bench import subject, written
from bench.cost import memory_mb, spent
from bench.load import CONNECTIONS, Measured, Request, load, numbered
from bench.peers.shape import bare, settled, shaped
from bench.question import QUERIES, RAW, WRITING, answers, request
from bench.raw import stage
from bench.same import Different, difference, plain
from bench.stage import KYOSO, LIMIT, OURS, PGBOUNCER, TWO_WORKERS, UNFILTERED, Stage
from bench.subject import Subject
from bench.unseen import FirstUse, first_use
from models import db
from models.client import Credentials, create_client
from models.db import unit_of_work

SCOPES = ("network:read", "referrals:write", "applications:read", "outcomes:read", "relay:read")
EVERY_ROUND = (KYOSO, LIMIT)
PEERS_EVERY = 3
WARMING_SECONDS = 1
SETTLING = 0.25
"""How long, as a part of each load, its server is asked before it is measured: until then the caches are another's."""
LOADS = 5
"""A server that refuses is loaded again, so many times in all: it was cold, or the machine stood still for a moment."""
FILTERED = ("Q1", "Q2", "Q3", "Q5", "Q6")
"""The reads that policies filter: figures ask within a function, which both plans call."""
FEW = {"N": 2, "S": 4}
"""Connections for those whom so many keep busy, and who over sixteen give no answer for seconds."""
TWO_WORKERS_ASK = "Q2"
TRIES, TRY_SECONDS = 20, 0.5
TOKEN_SECONDS = 180
"""After which another is asked for: it is good for five minutes, and a load may take one of them."""
OURS_HOLD, PEERS_HOLD = db.POOL_MAX + 2, 16
"""Connections of a worker at most: its pool, and those that listen."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One server under load for one round: what the load saw, and the CPU milliseconds that a request took."""

    load: Measured
    app_ms: float
    database_ms: float


@dataclass
class Results:
    """Everything that was measured: by query and server, round by round; and sizes of answers and of servers."""

    taken: dict[str, dict[str, dict[int, Taken]]]
    bytes: dict[str, int]
    memory_mb: dict[str, tuple[float, float]]
    """Before the rounds, when everything was warm, and after them."""
    first_use: dict[str, FirstUse]
    repeated: Counter[tuple[str, str]]
    """Loads that a server refused, and that were made again."""


@dataclass
class Bench:
    """One run. `kinds`: the servers beside Kyoso. Without rounds, answers are compared and nothing is measured."""

    url: str
    master_key: bytes
    kinds: Sequence[str]
    queries: Sequence[str] = QUERIES
    rounds: int = 7
    seconds: float = 2
    progress: Callable[[str], None] = lambda _: None
    pooled_url: str | None = None

    async def run(self) -> Results:
        """Raises Different when answers differ, LookupError when the database holds no network to be read."""
        asked = await subject.find(self.url)
        taken: dict[str, dict[str, dict[int, Taken]]] = {query: defaultdict(dict) for query in self.queries}
        async with AsyncExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kyoso-bench-")))
            await stack.enter_async_context(stage(self.url))
            watching = await asyncpg.connect(**db.credentials(self.url))
            stack.push_async_callback(watching.close)
            self._watching, self._subject = watching, asked
            self._tokens: dict[str, tuple[str, float]] = {}
            self._repeated: Counter[tuple[str, str]] = Counter()
            await self._must_have_connections()
            self._stage = Stage(self.url, self.master_key, asked, directory, stack, self.pooled_url)
            self._client = await _client(self.url, asked)
            stack.push_async_callback(written.remove_client, watching, self._client.client_id)
            sizes = {query: await self._same(query) for query in self.queries}
            if self.rounds:
                await self._round(0, min(self.seconds, WARMING_SECONDS))
            first = {query: await self._first_use(query) for query in self.queries if query not in (RAW, WRITING)}
            before = {kind: memory_mb(server.pid) for kind, server in self._stage.servers.items()}
            for number in range(1, self.rounds + 1):
                for query, kind, one in await self._round(number, self.seconds):
                    taken[query][kind][number] = one
            memory = {kind: (before[kind], memory_mb(server.pid)) for kind, server in self._stage.servers.items()}
        return Results(taken, sizes, memory, first, self._repeated)

    async def _must_have_connections(self) -> None:
        raw = self._asked(RAW) if RAW in self.queries else []
        workers = [KYOSO, *self.kinds, *raw, *(each for each in self.kinds if each == TWO_WORKERS)]
        needed = sum(OURS_HOLD if each in OURS else PEERS_HOLD for each in workers)
        there = int(await self._watching.fetchval("select current_setting('max_connections')"))
        if there < needed:
            raise LookupError(
                f"these servers may open {needed} connections and PostgreSQL takes {there}: start it with "
                f"max_connections = {needed}, or ask fewer servers (--server) or questions (--only)"
            )

    async def _round(self, number: int, seconds: float) -> list[tuple[str, str, Taken]]:
        found: list[tuple[str, str, Taken]] = []
        for query in self.queries:
            # There and back: whoever is first finds the caches full of another question's pages.
            for kind in self._asked(query)[:: 1 if number % 2 else -1]:
                if number == 0 or kind in EVERY_ROUND or number % PEERS_EVERY == 1:
                    said = f"round {number} of {self.rounds}" if number else "warming up"
                    self.progress(f"{query}, {kind}, {said}")
                    found.append((query, kind, await self._load(query, kind, seconds)))
        return found

    def _asked(self, query: str) -> list[str]:
        """Who is asked this, Kyoso first."""
        return [KYOSO, *(kind for kind in self.kinds if answers(kind, query) and _makes_sense(kind, query))]

    async def _load(self, query: str, kind: str, seconds: float, attempts: int = LOADS) -> Taken:
        """Under load for so long. Raises RuntimeError when the server refuses again and again."""
        server = await self._stage.server(kind, from_rows=query == RAW)
        asked = await self._request(query, kind)
        began = await written.now(self._watching)
        try:
            await load(asked, seconds * SETTLING, FEW.get(kind, CONNECTIONS))
            before = await spent(server.pid, self._watching)
            measured = await load(asked, seconds, FEW.get(kind, CONNECTIONS))
            after = await spent(server.pid, self._watching)
        except RuntimeError as error:
            if attempts > 1:
                self.progress(f"{query}, {kind}, refused and loaded again")
                self._repeated[query, kind] += 1
                return await self._load(query, kind, seconds, attempts - 1)
            raise RuntimeError(f"{query}, {kind}: {error}") from error
        finally:
            rows = await written.remove(self._watching, self._subject, began) if query == WRITING else {}
        if query == WRITING and rows["referral"] < measured.answers:
            raise Different(f"{query}, {kind}: {measured.answers} answers, but {rows['referral']} referrals")
        app_ms, database_ms = after.app_since(before) * 1000, after.database_since(before) * 1000
        return Taken(measured, app_ms / measured.answers, database_ms / measured.answers)

    async def _request(self, query: str, kind: str) -> Request:
        server = await self._stage.server(kind, from_rows=query == RAW)
        ours = kind in OURS
        token, since = self._tokens.get(server.address, ("", -TOKEN_SECONDS))
        if ours and time.monotonic() - since >= TOKEN_SECONDS:
            token = await _token(server.address, self._client)
            self._tokens[server.address] = token, time.monotonic()
        return request(KYOSO if ours else kind, query, server.address, self._subject, token)

    async def _first_use(self, query: str) -> FirstUse:
        server = await self._stage.server(KYOSO)
        return await first_use(await self._request(query, KYOSO), server.pid, self._watching)

    async def _same(self, query: str) -> int:
        """The size of Kyoso's answer, in bytes, once every server gives the same.

        Asked again for a while: Kyoso's clock expires and accepts what is due, and may do so between the two.
        """
        self.progress(f"{query}, comparing answers")
        for kind in self._asked(query)[1:]:
            if kind == UNFILTERED:  # sees more, by its nature
                continue
            for left in reversed(range(TRIES)):
                ours, _ = await self._answer(query, KYOSO, kind)
                theirs, _ = await self._answer(query, kind, kind)
                where = difference(ours, theirs)
                if not where:
                    break
                if not left:
                    raise Different(f"{query}, {kind}: {where}")
                await asyncio.sleep(TRY_SECONDS)
        return (await self._answer(query, KYOSO, KYOSO))[1]

    async def _answer(self, query: str, kind: str, beside: str) -> tuple[Any, int]:
        asked = numbered(await self._request(query, kind))
        writing = query == WRITING
        began = await written.now(self._watching)
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.request(asked.method, asked.url, headers=dict(asked.headers), content=asked.body)
        said = json.loads(answer.raise_for_status().content)
        if writing:
            said["rows"] = await written.remove(self._watching, self._subject, began)
        if beside == "P":
            said = shaped(query, said) if kind == "P" else bare(said)
            said = settled(said) if query == "Q5" else said
        found = plain(said, peer=beside not in (LIMIT, *OURS), fresh=writing)
        return found, len(answer.content)


def _makes_sense(kind: str, query: str) -> bool:
    if kind == UNFILTERED:
        return query in FILTERED
    if kind == PGBOUNCER:
        return query != RAW
    return kind != TWO_WORKERS or query == TWO_WORKERS_ASK


async def _client(url: str, asked: Subject) -> Credentials:
    await db.connect(url, pool_max=2)
    try:
        async with unit_of_work() as connection:
            return await create_client(connection, name="bench", scope=SCOPES, partner_id=asked.id)
    finally:
        await db.disconnect()


async def _token(address: str, client: Credentials) -> str:
    async with httpx.AsyncClient(base_url=address) as http:
        answer = await http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "scope": " ".join(SCOPES)},
            auth=(client.client_id, client.client_secret or ""),
        )
    return answer.raise_for_status().json()["access_token"]
