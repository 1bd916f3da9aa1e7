"""Live events when somebody behaves badly: readers that never read, and a reader that asks for all of the past."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
import httpx

from api.place import START
from bench.listeners import listening
from bench.subscribers import QUERY, SETTLE_SECONDS, House, house, pss_mb
from models import db

RESUME = QUERY.replace("subscription {", "subscription ($after: String) {").replace(
    "outcomeEvents {", "outcomeEvents(after: $after) {"
)
"""The same, from a place in the past."""
NEVER_READ = 10
"""One subscriber in so many."""
WINDOW_BYTES = 4096
"""What the kernel takes for them: with its usual megabytes a thousand events would not fill it."""
SLOW_EVENTS, BURST = 1_000, 50
OTHERS = 100
"""Subscribers and questions beside a long replay."""
PAUSE_SECONDS = 0.05
MISSED_EVENTS = 5
PAST = """
insert into outcome_event (id, kind, category, occurred_at, recorded_at, reported_by, source, company_id, parties)
select gen_random_uuid(), 'HIRED', 'OUTCOMES', now(), now(), $1, 'SYSTEM', $1, array[$1::uuid]
from generate_series(1, $2)
"""


@dataclass(frozen=True, slots=True)
class Slow:
    """What readers that never read cost: memory (PSS, MB) before and after the events, and the others' last message."""

    subscribers: int
    never_read: int
    events: int
    before_mb: float
    after_mb: float
    others_last_ms: float
    closed_with_a_cursor: int
    lost: int

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "each_kib": (self.after_mb - self.before_mb) * 1024 / self.never_read}


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay of the whole past, and what others waited meanwhile: for an event, and for the answer to a question."""

    events: int
    seconds: float
    samples: int
    event_p50_ms: float
    event_p99_ms: float
    question_p50_ms: float
    question_p99_ms: float

    def facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Storm:
    """Subscribers that come back at once; `seconds` until the last of them has heard all it missed and what is new."""

    subscribers: int
    missed: int
    seconds: float
    lost: int

    def facts(self) -> dict[str, Any]:
        return asdict(self)


async def slow(url: str, master_key: bytes, subscribers: int, progress: Callable[[str], None]) -> Slow:
    """One subscriber in ten never reads: the others hear on, it is closed with a cursor and resumes without a gap."""
    silent = subscribers // NEVER_READ
    async with house(url, master_key, 1) as kyoso:
        address, tokens = kyoso.server.address, await kyoso.tokens()
        with (
            listening(address, subscribers - silent, QUERY, tokens) as fast,
            listening(address, silent, QUERY, tokens, window=WINDOW_BYTES) as slow,
        ):
            await asyncio.sleep(SETTLE_SECONDS)
            await kyoso.happen(1)
            fast.hear(1)
            before, lasts = pss_mb(kyoso.server.pid), list[float]()
            for number in range(0, SLOW_EVENTS, BURST):
                progress(f"{number} of {SLOW_EVENTS} events")
                began = time.perf_counter()
                await kyoso.happen(BURST)
                lasts.append((fast.hear(BURST)[-1] - began) * 1000)
            after = pss_mb(kyoso.server.pid)
            ends = [json.loads(said) for said in slow.hear_out()]
            had = [each.messages for each in slow.all.values()]
        cursors = [each["payload"][0]["extensions"]["cursor"] for each in ends if _too_slow(each)]
        lost = 0
        for cursor, count in list(zip(cursors, had, strict=False))[:3]:
            missing = SLOW_EVENTS + 1 - count
            with listening(address, 1, RESUME, tokens, after=cursor) as resumed:
                resumed.hear(missing)
                lost += missing - next(iter(resumed.all.values())).messages
    lasts.sort()
    return Slow(subscribers, silent, SLOW_EVENTS, before, after, lasts[len(lasts) // 2], len(cursors), lost)


async def replay(url: str, master_key: bytes, events: int, progress: Callable[[str], None]) -> Replay:
    """One subscriber asks for all events ever, while others go on as before."""
    async with house(url, master_key, 1) as kyoso:
        address, tokens = kyoso.server.address, await kyoso.tokens()
        await _past(url, kyoso, events)
        await asyncio.sleep(SETTLE_SECONDS)
        waited: list[float] = []
        asked: list[float] = []
        with (
            listening(address, OTHERS, QUERY, tokens) as others,
            listening(address, 1, RESUME, tokens, after=START.cursor) as historian,
        ):
            async with httpx.AsyncClient(base_url=address) as http:
                began = time.perf_counter()
                reading = asyncio.create_task(asyncio.to_thread(historian.hear, events, seconds=600))
                while not reading.done():
                    progress(f"{next(iter(historian.all.values())).messages} of {events} events")
                    start = time.perf_counter()
                    await kyoso.happen(1)
                    waited.append((others.hear(1)[-1] - start) * 1000)
                    start = time.perf_counter()
                    headers = {"Authorization": f"Bearer {tokens[0]}"}
                    answer = await http.post("/graphql", json={"query": "{ viewer { login } }"}, headers=headers)
                    answer.raise_for_status()
                    asked.append((time.perf_counter() - start) * 1000)
                    await asyncio.sleep(PAUSE_SECONDS)
                seconds = (await reading)[-1] - began
    return Replay(events, seconds, len(waited), *_percentiles(waited), *_percentiles(asked))


async def storm(url: str, master_key: bytes, subscribers: int, progress: Callable[[str], None]) -> Storm:
    """Everybody loses the connection, misses events, and comes back at once with the cursor it had."""
    async with house(url, master_key, 1) as kyoso:
        address, tokens = kyoso.server.address, await kyoso.tokens()
        with listening(address, subscribers, QUERY, tokens) as before:
            await asyncio.sleep(SETTLE_SECONDS)
            await kyoso.happen(1)
            before.hear(1)
            cursor = _cursor(next(iter(before.all.values())).last)
        await kyoso.happen(MISSED_EVENTS)
        progress(f"{subscribers} come back")
        began = time.perf_counter()
        with listening(address, subscribers, RESUME, tokens, after=cursor) as again:
            await kyoso.happen(1)
            expected = MISSED_EVENTS + 1
            seconds = again.hear(expected)[-1] - began
            lost = sum(expected - each.messages for each in again.all.values())
    return Storm(subscribers, MISSED_EVENTS, seconds, lost)


async def _past(url: str, kyoso: House, events: int) -> None:
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        await connection.execute(PAST, kyoso.partners[0], events)
    finally:
        await connection.close()


def _cursor(said: bytes) -> str:
    return json.loads(said)["payload"]["data"]["outcomeEvents"]["cursor"]


def _too_slow(said: dict[str, Any]) -> bool:
    return said["type"] == "error" and said["payload"][0]["extensions"]["code"] == "TOO_SLOW"


def _percentiles(found: list[float]) -> tuple[float, float]:
    found.sort()
    return found[len(found) // 2], found[int(len(found) * 0.99)]
