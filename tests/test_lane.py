"""The lane: few connections for many reads, handed on whole, never without end waited for."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from models import db, lane
from models.lane import Lane
from tests.mixed_reads import read

READS = 1_000


async def test_no_read_sees_what_another_viewer_may(connected: str) -> None:
    """proof 3.3: the suite's share of the reads; `python -m tests.mixed_reads` reads 100,000."""
    found = await read(READS, seed=1)
    assert (found.foreign, found.failures) == (0, [])
    assert found.answers >= READS
    assert found.given_up > 0


async def test_one_connection_serves_read_after_read(connected: str) -> None:
    reads, pids = Lane(db.pool(), 4), set[int]()
    for _ in range(20):
        async with reads.acquire() as connection:
            pids.add(await connection.fetchval("select pg_backend_pid()"))
    assert len(pids) == 1
    await reads.close()


async def test_who_waits_is_served_in_turn_or_refused(connected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """proof 6.6: a read that gets no connection is refused within a second, and the next one is served."""
    monkeypatch.setattr(lane, "WAIT_SECONDS", 30.0)
    reads = Lane(db.pool(), 2)
    async with AsyncExitStack() as held:
        one = await held.enter_async_context(reads.acquire())
        await held.enter_async_context(reads.acquire())
        monkeypatch.setattr(lane, "WAIT_SECONDS", 0.05)
        with pytest.raises(TimeoutError):
            async with reads.acquire():
                pass
        monkeypatch.setattr(lane, "WAIT_SECONDS", 30.0)
        order: list[int] = []

        async def wait(number: int) -> Any:
            async with reads.acquire() as connection:
                order.append(number)
                return connection

        waiting = [asyncio.create_task(wait(number)) for number in range(3)]
        await asyncio.sleep(0)
        reads.give(one)
        assert [await each for each in waiting] == [one, one, one]
        assert order == [0, 1, 2]
        await reads.take()  # the stack gives `one` back: it was handed on here
    await reads.close()


async def test_what_ended_badly_goes_back_to_the_pool(connected: str) -> None:
    reads = Lane(db.pool(), 1)

    async def fail() -> None:
        async with reads.acquire() as connection:
            await connection.execute("begin; select set_config('kyoso.partner_id', 'theirs', true)")
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await fail()
    async with reads.acquire() as connection:
        assert await connection.fetchval("select coalesce(current_setting('kyoso.partner_id', true), '')") == ""
    await reads.close()


async def test_a_broken_connection_is_replaced(connected: str) -> None:
    reads = Lane(db.pool(), 1)
    async with reads.acquire() as connection:
        broken = await connection.fetchval("select pg_backend_pid()")
    owner = await asyncpg.connect(connected)
    await owner.execute("select pg_terminate_backend($1)", broken)
    await owner.close()
    async with asyncio.timeout(30):
        while lane._stands(connection):  # noqa: ASYNC110  (the driver tells nobody)
            await asyncio.sleep(0.01)
    async with reads.acquire() as connection:
        assert await connection.fetchval("select pg_backend_pid()") != broken
    await reads.close()


async def test_a_reader_who_leaves_while_waiting_takes_nothing_along(connected: str) -> None:
    reads = Lane(db.pool(), 1)
    async with reads.acquire():
        leaving = asyncio.create_task(reads.take())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    async with asyncio.timeout(30), reads.acquire() as connection:
        assert await connection.fetchval("select 1") == 1
    await reads.close()
