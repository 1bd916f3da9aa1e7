"""Readers who leave: their statement ends with them, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import httpx
import pytest

from models import lane
from models.db import unit_of_work
from tests import builders
from tests.served import Served, running

__all__ = ["running"]

QUESTION = "{ viewer { partner { name } } }"
POST_JOB = """
mutation { postJob(input: { clientMutationId: "1", title: "設計", prefecture: TOKYO, requirements: "CAD" }) {
  job { id } userErrors { code } } }
"""
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 10
"""Long for a busy machine, and less than a statement may take: without its reader gone it would still be there."""


@asynccontextmanager
async def held_up(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Whoever reads partners waits while the block lasts."""
    owner = await asyncpg.connect(database)
    try:
        async with owner.transaction():
            await owner.execute("lock table partner in access exclusive mode")
            yield owner
    finally:
        await owner.close()


class Narrow(lane.Lane):
    """A lane as it is: the tests' own, which counts statements, goes around it."""

    def acquire(self) -> lane.Turn:
        return lane.Turn(self)


async def _waiting(owner: asyncpg.Connection, expected: int) -> bool:
    asked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await owner.fetchval(asked) != expected:  # noqa: ASYNC110  (a lock tells nobody)
                await asyncio.sleep(POLL_SECONDS)
            return True
    return False


async def test_a_question_ends_with_its_reader(served: Served) -> None:
    """proof 6.10: the client has gone, and its statement is cancelled; the next reader is served."""
    async with unit_of_work() as connection:
        company = await builders.company(connection)
    token = await served.token(company)
    await served.ask(company, QUESTION)
    async with held_up(served.database) as owner:
        async with httpx.AsyncClient(base_url=served.issuer, timeout=60) as leaving:
            asking = asyncio.create_task(
                leaving.post("/graphql", json={"query": QUESTION}, headers={"Authorization": f"Bearer {token}"})
            )
            assert await _waiting(owner, 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        assert await _waiting(owner, 0)
    assert (await served.ask(company, QUESTION))["viewer"]["partner"]["name"] == "株式会社さくら製作所"


async def test_no_connection_is_waited_for_without_end(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """proof 6.6: reads hold every connection they may have; the next is told to come back, and health answers."""
    async with unit_of_work() as connection:
        company = await builders.company(connection)
    token = await served.token(company)
    monkeypatch.setattr(served.app.state.endpoint, "lane", reads := Narrow(served.app.state.endpoint.lane.pool, 1))
    async with reads.acquire():
        monkeypatch.setattr(lane, "WAIT_SECONDS", 0.2)
        refused = await served.post(QUESTION, token)
        healthy = await served.http.get("/healthz"), await served.http.get("/readyz")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert refused.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert [each.status_code for each in healthy] == [200, 200]
    assert (await served.post(QUESTION, token)).status_code == 200
    await reads.close()


async def test_verbs_have_turns_of_their_own(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """proof 6.6, for verbs: too many at once are told to come back, nothing was changed, and reads go on."""
    async with unit_of_work() as connection:
        company = await builders.company(connection)
    token, verbs = await served.token(company), served.app.state.endpoint._verbs
    monkeypatch.setattr(lane, "WAIT_SECONDS", 0.05)
    for _ in range(lane.VERBS_AT_ONCE):
        await verbs.acquire()
    refused = await served.post(POST_JOB, token)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert (await served.post(QUESTION, token)).status_code == 200
    async with unit_of_work() as connection:
        assert await connection.fetchval("select count(*) from job") == 0
    verbs.release()
    assert "data" in (await served.post(POST_JOB, token)).json()
