"""The outbox: events in the order in which they became visible, whatever their numbers look like as text."""

from __future__ import annotations

import asyncpg

from models import db
from models.db import queries, uuid7

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
