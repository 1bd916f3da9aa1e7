"""The outbox: events in the order in which they became visible, whatever their numbers look like; and its marks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import asyncpg
import pytest

from api.app import make_planner
from api.asker import Budget, asker
from models import db, outbox
from models.db import queries, unit_of_work, uuid7
from planner import Request
from tests import builders
from tests.relay_world import World

INSERT = """
insert into outcome_event (id, xid, kind, category, occurred_at, recorded_at, reported_by, source, company_id, parties)
values ($1, $2::text::xid8, 'HIRED', 'OUTCOMES', now(), now(), $1, 'SYSTEM', $1, array[$1::uuid])
"""


async def test_events_stand_in_order_of_their_numbers(connected: str) -> None:
    """A reader resumes behind the newest event and misses none when transaction numbers gain a digit."""
    owner = await asyncpg.connect(**db.credentials(connected))
    try:
        await owner.execute("set session_replication_role = replica")
        for xid in ("99", "100", "98"):
            await owner.execute(INSERT, uuid7(), xid)
    finally:
        await owner.close()
    async with db.pool().acquire() as connection:
        head = await queries("outbox").head(connection)
        assert head["xid"] == "100"
        after = [row["xid"] async for row in queries("outbox").after(connection, xid="97", position=0, rows=10)]
        assert after == ["98", "99", "100"]
        last = [row["xid"] async for row in queries("outbox").after(connection, xid="99", position=99, rows=10)]
        assert last == ["100"]
        plan = await connection.fetch(
            "explain select e.id from outcome_event e where (e.xid, e.position) > ('1'::xid8, 0) "
            "order by e.xid, e.position limit 10"
        )
        assert "outcome_event_in_order" in str(plan)


MISPLACED = """select count(*) from outcome_event e join outcome_mark m on
  e.recorded_at >= m.at and (e.xid, e.position) < (m.low_xid, m.low_position)
  or e.recorded_at < m.at and (e.xid, e.position) >= (m.high_xid, m.high_position)"""
"""Events that a reader who follows a mark would pass over."""
MARKS = "select count(*) from outcome_mark where isfinite(at)"
TOMORROW = datetime.now(UTC) + timedelta(days=1)
"""A mark is due at any time."""


@pytest.fixture
async def owner(connected: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(**db.credentials(connected))
    yield connection
    await connection.close()


async def tell(connection: asyncpg.Connection[asyncpg.Record], company: UUID, number: int = 1) -> None:
    """Records events."""
    for _ in range(number):
        await outbox.publish(connection, "HIRED", builders.said(company), company_id=company)


async def mark() -> None:
    """Takes a mark, as the clock does."""
    async with unit_of_work() as connection:
        await outbox.mark(connection, TOMORROW)


async def test_a_mark_holds_for_whoever_is_still_writing(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    company = await World(owner).partner("COMPANY")
    async with db.pool().acquire() as slow, slow.transaction():
        await tell(slow, company)
        async with unit_of_work() as connection:
            await tell(connection, company)
        await mark()
        await tell(slow, company)
    async with unit_of_work() as connection:
        await tell(connection, company)
    sides = "select count(*) from outcome_event, outcome_mark where isfinite(at) and recorded_at {} at"
    assert [await owner.fetchval(sides.format(side)) for side in ("<", ">=")] == [2, 2]
    assert await owner.fetchval(MISPLACED) == 0


async def test_marks_hold_while_many_write(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    company, chance = await World(owner).partner("COMPANY"), Random(3)

    async def write() -> None:
        for _ in range(5):
            async with unit_of_work() as connection:
                await asyncio.sleep(chance.random() / 50)
                await tell(connection, company)
                await asyncio.sleep(chance.random() / 50)
                await tell(connection, company, 2)

    async def watch() -> None:
        for _ in range(20):
            await mark()
            await asyncio.sleep(chance.random() / 50)

    await asyncio.gather(watch(), *(write() for _ in range(6)))
    assert await owner.fetchval(MARKS) == 20
    assert await owner.fetchval("select count(*) from outcome_event") == 90
    assert await owner.fetchval(MISPLACED) == 0


async def test_an_hour_has_one_mark_from_a_transaction_of_its_own(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    for _ in range(2):
        async with unit_of_work() as connection:
            await outbox.mark(connection, datetime.now(UTC))
    assert await owner.fetchval(MARKS) == 1
    async with unit_of_work() as connection:
        await connection.execute("select pg_current_xact_id()")
        await outbox.mark(connection, TOMORROW)
    assert await owner.fetchval(MARKS) == 1


async def test_marks_made_anew_hold_for_whoever_began_before(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    company = await World(owner).partner("COMPANY")
    async with db.pool().acquire() as slow, slow.transaction():
        await slow.execute("select pg_current_xact_id()")
        for _ in range(3):
            async with unit_of_work() as connection:
                await tell(connection, company)
        await outbox.rebuild_marks(owner)
        await tell(slow, company)
    assert await owner.fetchval(MARKS) == 1
    assert await owner.fetchval(MISPLACED) == 0


def test_every_statement_that_records_is_numbered_before_it_reads_the_clock() -> None:
    """Whatever else it writes first: a mark made in between would have readers pass over its event."""
    texts = [path.read_text(encoding="utf-8") for path in Path(db.__file__).parent.glob("sql/*.sql")]
    recording = [
        match[0]
        for text in texts
        for match in re.finditer(r"insert into outcome_event\b.*?\breturning\b", text, re.DOTALL)
    ]
    assert len(recording) == 2
    for statement in recording:
        assert "clock_timestamp()" in statement
        assert "where pg_current_xact_id() is not null" in statement


@pytest.mark.parametrize(
    ("marked_last", "clock"), [(True, "+ interval '50 minutes'"), (False, "- interval '50 minutes'")]
)
async def test_a_clock_may_go_back_a_little(
    owner: asyncpg.Connection[asyncpg.Record], marked_last: bool, clock: str
) -> None:
    """As that of a standby that takes over: what was recorded seems to be on the other side of a mark, and is found."""
    company = await World(owner).partner("COMPANY")
    for marked in (not marked_last, marked_last):
        async with unit_of_work() as connection:
            await (outbox.mark(connection, TOMORROW) if marked else tell(connection, company))
    recorded = await owner.fetchval(f"update outcome_event set recorded_at = recorded_at {clock} returning recorded_at")
    assert await owner.fetchval(MISPLACED) == 1
    viewer = builders.viewer(company)
    planner = await make_planner()
    text = "query ($in: DateTimeRange) { outcomes(first: 5, filter: { recorded: $in }) { totalCount } }"
    for since, until in ((-1, 1), (-9000, 1), (-1, 9000)):
        asked = {name: (recorded + timedelta(seconds=at)).isoformat() for name, at in (("from", since), ("to", until))}
        prepared = planner.prepare(Request(text, None, {"in": asked}), asker(viewer, "https://kyoso", Budget(1000)))
        assert b'"totalCount":1' in (await planner.run(prepared, db.pool().acquire)).body
