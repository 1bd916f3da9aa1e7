"""Readers that never read: what they may keep, how they are let go, and that nobody else feels it."""

import asyncio
import json
from contextlib import closing
from datetime import UTC, datetime
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any
from uuid import UUID

import pytest

from api import wire
from api.outlet import WAITING_BYTES
from bench.hard import RESUME, WINDOW_BYTES
from bench.listeners import Listeners
from bench.order import written_and_read
from bench.subscribers import QUERY
from models import outbox
from models.db import unit_of_work
from models.outbox import Said
from tests.conversation import conversation
from tests.served import Served, running
from tests.test_live import Pair, ids, listeners, pair

__all__ = ["pair", "running"]

SUBSCRIBERS, SILENT, EVENTS = 30, 3, 400


async def happen(company: UUID, number: int) -> list[str]:
    """So many events in one commit; gives their ids."""
    async with unit_of_work() as connection:
        told = Said(company, "API", datetime.now(UTC))
        return [f"evt_{await outbox.publish(connection, 'HIRED', told, company_id=company)}" for _ in range(number)]


async def test_who_never_reads_keeps_little_and_slows_nobody(served: Served, pair: Pair) -> None:
    """proof 6.2, and 6.7 for one of them: closed with a cursor, from which nothing is lost."""
    token = await served.token(pair.company)
    with closing(Listeners()) as fast, closing(Listeners()) as slow:
        await never_read(served, pair, token, fast, slow)


async def never_read(served: Served, pair: Pair, token: str, fast: Listeners, slow: Listeners) -> None:
    await asyncio.to_thread(fast.begin, served.issuer, SUBSCRIBERS - SILENT, {"query": QUERY}, [token])
    await asyncio.to_thread(slow.begin, served.issuer, SILENT, {"query": QUERY}, [token], window=WINDOW_BYTES)
    await listeners(served, SUBSCRIBERS)
    wires: list[Any] = [each.outlet.wire for each in served.app.state.endpoint.live.subscribers]
    expected = await happen(pair.company, EVENTS)
    await asyncio.to_thread(fast.hear, EVENTS)
    await listeners(served, SUBSCRIBERS - SILENT)
    waiting = sorted(each.transport.get_write_buffer_size() for each in wires)
    assert waiting[: SUBSCRIBERS - SILENT] == [0] * (SUBSCRIBERS - SILENT)
    last_word = 1024
    assert WAITING_BYTES / 2 < waiting[-SILENT] <= waiting[-1] <= WAITING_BYTES + last_word
    kept = {each.transport.get_extra_info("socket").getsockopt(SOL_SOCKET, SO_SNDBUF) for each in wires}
    assert max(kept) + WAITING_BYTES + last_word <= 100 * 1024

    ends = [json.loads(said) for said in await asyncio.to_thread(slow.hear_out)]
    for end, each in zip(ends, slow.all.values(), strict=True):
        assert (end["type"], end["payload"][0]["extensions"]["code"]) == ("error", "TOO_SLOW")
        assert 0 < each.messages < EVENTS
        last = json.loads(each.last)["payload"]["data"]["outcomeEvents"]
        assert last["event"]["id"] == expected[each.messages - 1]
        assert last["cursor"] == end["payload"][0]["extensions"]["cursor"]
    had = next(iter(slow.all.values())).messages
    async with conversation(served, token) as talk:
        await talk.subscribe(RESUME, after=ends[0]["payload"][0]["extensions"]["cursor"])
        assert ids([await talk.next() for _ in range(EVENTS - had)]) == expected[had:]


async def test_a_reader_that_answers_no_ping_is_given_up(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With answers still waiting for it, a connection that is only closed would stay for ever."""
    monkeypatch.setattr(wire, "CLOSE_SECONDS", 0.0)
    token = await served.token(pair.company)
    with closing(Listeners()) as slow:
        await asyncio.to_thread(slow.begin, served.issuer, 1, {"query": QUERY}, [token], window=WINDOW_BYTES)
        await listeners(served, 1)
        (line,) = [each.outlet.wire for each in served.app.state.endpoint.live.subscribers]
        await happen(pair.company, EVENTS)
        await listeners(served, 0)
        assert line.transport.get_write_buffer_size() > 0
        line.keepalive_timeout()
        async with asyncio.timeout(15):
            while not line.disconnected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_writers_that_overlap_and_give_up_lose_nothing(served: Served, pair: Pair) -> None:
    """proof 4.8, small (`./kyoso bench subscribers order` writes 100,000 events): each once, in order, over breaks."""
    found = await written_and_read(
        served.issuer, await served.token(pair.company), pair.company, EVENTS, lambda _: None
    )
    assert found.events >= EVENTS
    assert found.rolled_back > 0
    assert found.connections > 3
    assert (found.lost, found.twice, found.out_of_order) == (0, 0, 0)
