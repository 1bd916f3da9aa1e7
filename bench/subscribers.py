"""Live events: how fast one event reaches many subscribers, and what they cost while nothing happens.

Kyoso's events are committed to a PostgreSQL of the bench's own and asked for by scope, policy and agreement; the peer
(`bench/plain.py`) only hands out what it holds in memory. Both are measured in turns.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import randrange
from statistics import median
from typing import Any
from uuid import UUID

import httpx

from bench import servers
from bench.listeners import Listeners, listening
from bench.network.partners import corporate_number
from models import agreement, db, outbox, partner
from models.client import Credentials, create_client
from models.db import unit_of_work
from models.japan import today
from models.outbox import Said
from models.terms import PARTIES_MAX, Sharing, Terms, version_hash

QUERY = "subscription { outcomeEvents { cursor live sentAt event { id kind occurredAt company { id name } } } }"
SCOPES = ("events:subscribe", "outcomes:read", "network:read")
EVENTS_A_ROUND = 5
BURST = 10
"""Events that are committed at once when the rate is measured."""
SETTLE_SECONDS = 1.0

Happen = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Round:
    """One server in one round. `last_ms`: from just before the commit of one event to the last subscriber's message.

    `burst_per_second`: messages per second of BURST events committed together. `cpu_us`: what the server spent on each
    of those, in microseconds, which a busy machine changes less.
    """

    first_ms: float
    last_ms: float
    burst_per_second: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: medians of the rounds."""

    subscribers: int
    groups: int
    per_second: float
    burst_per_second: float
    first_ms: float
    last_ms: float
    cpu_us: float
    peer_per_second: float
    peer_last_ms: float
    peer_cpu_us: float
    times_peer: float
    low: float
    high: float

    def facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Idle:
    """What subscribers keep while nothing happens. `before_mb`: the server without them; PSS in MB."""

    subscribers: int
    before_mb: float
    after_mb: float

    @property
    def each_kb(self) -> float:
        return (self.after_mb - self.before_mb) * 1024 / self.subscribers

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "each_kb": self.each_kb}


@dataclass(frozen=True, slots=True)
class House:
    """Kyoso, running on a database of the bench's own: a company, and companies with which it shares its outcomes."""

    server: servers.Server
    partners: list[UUID]
    clients: list[Credentials]

    async def tokens(self) -> list[str]:
        """A fresh token for each partner: they live five minutes."""
        async with httpx.AsyncClient(base_url=self.server.address) as http:
            return [await _token(http, client) for client in self.clients]

    async def happen(self, number: int) -> None:
        """So many events, in one commit."""
        async with unit_of_work() as connection:
            for _ in range(number):
                said = Said(self.partners[0], "API", datetime.now(UTC))
                await outbox.publish(connection, "HIRED", said, company_id=self.partners[0])


async def compare(
    url: str, master_key: bytes, subscribers: int, groups: int, rounds: int, progress: Callable[[str], None]
) -> Figures:
    """Measures Kyoso and the peer in turns, each round with conversations of its own."""
    ours: list[Round] = []
    theirs: list[Round] = []
    async with AsyncExitStack() as running:
        kyoso = await running.enter_async_context(house(url, master_key, groups))
        plain = await running.enter_async_context(servers.plain())

        async def happen(number: int) -> None:
            async with httpx.AsyncClient() as http:
                (await http.post(f"{plain.address}/happen/{number}")).raise_for_status()

        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            with listening(kyoso.server.address, subscribers, QUERY, await kyoso.tokens()) as listeners:
                ours.append(await _round(listeners, kyoso.happen, kyoso.server.pid))
            with listening(plain.address, subscribers, QUERY, [""]) as listeners:
                theirs.append(await _round(listeners, happen, plain.pid))
    return _figures(subscribers, groups, ours, theirs)


async def _round(listeners: Listeners, happen: Happen, pid: int) -> Round:
    await asyncio.sleep(SETTLE_SECONDS)
    await happen(1)
    listeners.hear(1)  # warms up, and shows that everybody is there
    firsts: list[float] = []
    lasts: list[float] = []
    for _ in range(EVENTS_A_ROUND):
        began = time.perf_counter()
        await happen(1)
        heard = listeners.hear(1)
        firsts.append((heard[0] - began) * 1000)
        lasts.append((heard[-1] - began) * 1000)
    spent, began = _cpu_seconds(pid), time.perf_counter()
    await happen(BURST)
    took = listeners.hear(BURST)[-1] - began
    spent, messages = _cpu_seconds(pid) - spent, len(listeners.all) * BURST
    return Round(median(firsts), median(lasts), messages / took, spent / messages * 1_000_000)


def _figures(subscribers: int, groups: int, ours: list[Round], theirs: list[Round]) -> Figures:
    ratios = sorted(other.last_ms / own.last_ms for own, other in zip(ours, theirs, strict=True))
    last, peer_last = (median(each.last_ms for each in rounds) for rounds in (ours, theirs))
    return Figures(
        subscribers,
        groups,
        subscribers / last * 1000,
        median(each.burst_per_second for each in ours),
        median(each.first_ms for each in ours),
        last,
        median(each.cpu_us for each in ours),
        subscribers / peer_last * 1000,
        peer_last,
        median(each.cpu_us for each in theirs),
        median(ratios),
        ratios[0],
        ratios[-1],
    )


async def idle(url: str, master_key: bytes, subscribers: int, progress: Callable[[str], None]) -> Idle:
    """What so many subscribers keep while nothing happens; each must hear the event that ends the silence."""
    async with house(url, master_key, 1) as kyoso:
        before = pss_mb(kyoso.server.pid)
        progress(f"{subscribers} subscribers")
        with listening(kyoso.server.address, subscribers, QUERY, await kyoso.tokens()) as listeners:
            await asyncio.sleep(SETTLE_SECONDS)
            after = pss_mb(kyoso.server.pid)
            await kyoso.happen(1)
            listeners.hear(1)
    return Idle(subscribers, before, after)


def _cpu_seconds(pid: int) -> float:
    """What the process has spent on a processor until now."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_mb(pid: int) -> float:
    """The process's share of memory (proportional set size)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@asynccontextmanager
async def house(url: str, master_key: bytes, groups: int) -> AsyncGenerator[House]:
    """Kyoso over an empty database, with so many partners that may all see the same events."""
    await db.migrate(url)
    await db.connect(url)
    try:
        async with unit_of_work() as connection:
            partners = [
                await partner.register_company(
                    connection, name="製作所", corporate_number=corporate_number(randrange(10**10)), prefecture="TOKYO"
                )
                for _ in range(groups)
            ]
            clients = [
                await create_client(connection, name="bench", scope=SCOPES, partner_id=each) for each in partners
            ]
            for at in range(1, groups, PARTIES_MAX - 1):
                await _share(connection, partners[0], partners[at : at + PARTIES_MAX - 1])
        async with servers.worker(url, master_key) as server:
            yield House(server, partners, clients)
    finally:
        await db.disconnect()


async def _share(connection: db.Connection, company_id: UUID, others: list[UUID]) -> None:
    """An agreement in force, by which these see the company's outcomes."""
    now = datetime.now(UTC)
    terms = Terms(sharing=[Sharing("OUTCOMES", "FIELDS")], starts_on=today())
    said = Said(company_id, "API", now)
    words = {"kind": "ALLIANCE", "party_ids": others, "purpose": "bench", "terms": terms}
    agreement_id = await agreement.offer(connection, said=said, **words)
    digest = version_hash("ALLIANCE", "bench", sorted({company_id, *others}), terms)
    for each in others:
        said = Said(each, "API", now)
        await agreement.accept(connection, said=said, agreement_id=agreement_id, version_hash_read=digest)


async def _token(http: httpx.AsyncClient, client: Credentials) -> str:
    answer = await http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", "scope": " ".join(SCOPES)},
        auth=(client.client_id, client.client_secret or ""),
    )
    return answer.raise_for_status().json()["access_token"]
