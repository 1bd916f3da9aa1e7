"""Reads on a real streaming replica that is late on purpose: what was answered is seen, whatever the replica does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from api.app import rehearse
from api.settings import Settings
from models.db import UnfitError, pool, queries, unit_of_work
from models.replica import Replica
from tests import builders
from tests.builders import MASTER_KEY
from tests.served import Served, serving
from tests.standby import Standby, standby, value

JOBS = "query ($of: ID!) { partner(id: $of) { ... on Company { jobs(first: 1) { totalCount } } } }"
POST_JOB = """mutation ($key: ID!) { postJob(input: {clientMutationId: $key, title: "設計", requirements: "CAD",
  prefecture: TOKYO}) { job { id } } }"""
PERSONAL = "query ($id: ID!) { node(id: $id) { ... on Candidate { personal { name } } } }"
LATE = "150ms"


@pytest.fixture(scope="module")
def servers() -> Iterator[Standby]:
    with standby() as made:
        yield made


@dataclass
class House:
    """The application over both servers, and one company that asks."""

    served: Served
    servers: Standby
    company: UUID
    token: str
    candidate: UUID
    posted: int = field(default=0)

    @property
    def replica(self) -> Replica:
        return self.served.app.state.endpoint.replicas._all[0]

    async def ready(self, serves: bool = True) -> None:
        """Returns when the replica serves, or no longer does."""
        async with asyncio.timeout(30):
            while self.replica.serves is not serves:  # noqa: ASYNC110  (nothing tells of it)
                await asyncio.sleep(0.02)

    async def ask(self, text: str, **variables: Any) -> dict[str, Any]:
        self.served.statements.clear()
        answer = (await self.served.post(text, self.token, variables)).json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def post_job(self) -> None:
        self.posted += 1
        await self.ask(POST_JOB, key=str(self.posted))

    async def jobs(self) -> int:
        found = await self.ask(JOBS, of=f"par_{self.company}")
        return found["partner"]["jobs"]["totalCount"]

    async def jobs_on_the_replica(self) -> int:
        """Asks until the replica answers: where cores are short, a lease may lapse between a look and the question."""
        async with asyncio.timeout(30):
            while True:
                await self.ready()
                count = await self.jobs()
                if not self.primary_was_asked:
                    return count

    async def others_read(self) -> list[str]:
        """The replicas that are under lease, but for our own."""
        async with pool().acquire() as connection:
            leased = [row["replica"] async for row in queries("replica").leased(connection)]
        return [name for name in leased if name != self.replica.name]

    @property
    def primary_was_asked(self) -> bool:
        """Whether the last question ran on the primary."""
        return bool(self.served.statements)


@pytest.fixture
async def house(servers: Standby, tmp_path: Path) -> AsyncIterator[House]:
    await servers.lag("0")
    async with serving(servers.url, tmp_path, replica_urls=(servers.replica_url,)) as served:
        async with unit_of_work() as connection:
            company = await builders.company(connection)
            kept = await builders.kept(connection, company, f"{company}@example.jp")
        house = House(served, servers, company, await served.token(company), kept.candidate_id)
        await house.ready()
        yield house


async def test_questions_go_to_the_replica_and_nothing_else_does(house: House) -> None:
    assert await house.jobs_on_the_replica() == 0
    assert (await house.ask(PERSONAL, id=f"can_{house.candidate}"))["node"]["personal"]["name"] == "山田 太郎"
    assert house.primary_was_asked


async def test_whoever_wrote_reads_it_on_a_replica_that_is_late(house: House) -> None:
    """The answer leaves when the replica has it: in another worker, and for any other caller, it is seen as well."""
    await house.servers.lag(LATE)
    for number in range(1, 11):
        await house.post_job()
        if house.replica.serves:
            of = f"select count(*) from job where company_id = '{house.company}'"
            assert await house.servers.on_the_replica(of) == number
        assert await house.jobs() == number
    assert await house.jobs_on_the_replica() == 10


async def test_a_replica_that_only_others_read_is_waited_for_as_long_as_they_may(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the end of their lease, also where the answer about it was long in coming."""

    @asynccontextmanager
    async def late() -> AsyncIterator[Any]:
        await asyncio.sleep(0.3)
        async with pool().acquire() as connection:
            yield connection

    monkeypatch.setattr("models.replica.pool", lambda: SimpleNamespace(acquire=late))
    async with unit_of_work() as connection:
        await queries("replica").lease(connection, replica="elsewhere:5432/kyoso", seconds=5)
        began = monotonic()
        await connection.execute("update replica_lease set ends_at = clock_timestamp() + interval '600 ms'")
    assert monotonic() - began >= 0.5
    assert await house.others_read() == []


async def test_a_replica_that_stands_still_is_left_and_comes_back(house: House) -> None:
    await house.servers.on_the_replica("select pg_wal_replay_pause()")
    await house.ready()
    await house.post_job()
    assert not house.replica.serves  # it waited for the end of the lease, not for the replica
    assert await house.jobs() == 1
    assert house.primary_was_asked
    await house.servers.on_the_replica("select pg_wal_replay_resume()")
    assert await house.jobs_on_the_replica() == 1


async def test_a_replica_that_dies_is_missed_by_nobody(house: House) -> None:
    """Killed while forty ask without pause: no error, no wrong answer; started again it serves again."""
    stop = asyncio.Event()

    async def asking() -> int:
        count = 0
        while not stop.is_set():
            assert await house.jobs() == 0
            count += 1
        return count

    askers = [asyncio.create_task(asking()) for _ in range(40)]
    await asyncio.sleep(0.3)
    process = house.servers.replica.process
    assert process is not None
    process.kill()
    await asyncio.to_thread(process.wait)
    await house.ready(False)
    stop.set()
    assert min(await asyncio.gather(*askers)) >= 1
    await house.post_job()
    assert await house.jobs() == 1
    assert house.primary_was_asked
    await asyncio.to_thread(house.servers.start_replica)
    assert await house.jobs_on_the_replica() == 1


async def test_a_connection_that_is_ended_between_two_steps_is_missed_by_nobody(house: House) -> None:
    def primary() -> Any:
        raise NotImplementedError

    async def read(acquire: Any) -> str:
        if acquire is not primary:
            raise AttributeError("'NoneType' object has no attribute 'bind_execute'")  # as asyncpg says it
        return "the primary's"

    await house.ready()
    assert await house.served.app.state.endpoint.replicas.ask(read, primary) == "the primary's"


async def test_a_primary_that_answers_before_it_writes_is_refused(servers: Standby, tmp_path: Path) -> None:
    """No position of the log would cover what was answered."""
    told = Settings(
        servers.url, servers.url, "http://127.0.0.1", MASTER_KEY, tmp_path, replica_urls=(servers.replica_url,)
    )
    await value(servers.primary.url(), "alter role kyoso set synchronous_commit = off")
    try:
        with pytest.raises(UnfitError, match="alter system set synchronous_commit = on"):
            await rehearse(told)
    finally:
        await value(servers.primary.url(), "alter role kyoso reset synchronous_commit")
