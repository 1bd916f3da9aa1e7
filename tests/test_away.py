"""PostgreSQL restarted or killed under load: said as such, never answered wrongly, and over at once when it is back."""

import asyncio
import hmac
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from api import postgres as embedded
from models import ats, db
from models.db import unit_of_work
from tests import builders
from tests.conftest import PLACE
from tests.served import Served, serving

ASKERS, TELLERS = 10, 4
PATIENCE_SECONDS = 30.0
"""Of the test; that answers come within 5 s of the database's return is printed, since machines differ."""
ASK = "{ viewer { partner { name } } }"
GOOD = {"data": {"viewer": {"partner": {"name": "株式会社青空"}}}}
WRITTEN = {**embedded.FORGETFUL, "synchronous_commit": "on", "full_page_writes": "on"}
"""Commits that a dead process does not lose; the disk, which the machine's crash would ask for, is not waited for."""
SECRET, PING = "a secret of this test, longer than 32 characters", b'{"action": "ping", "payload": {}}'
SIGNED, EVENT = {"Signature": f"sha256 {hmac.digest(SECRET.encode(), PING, 'sha256').hex()}"}, "Greenhouse-Event-ID"
POST_JOB = """mutation ($key: ID!) { postJob(input: {clientMutationId: $key, title: "設計", requirements: "CAD",
  prefecture: TOKYO}) { job { id } } }"""


@dataclass
class House:
    """The application, and a PostgreSQL of its own whose socket keeps its address over restarts."""

    place: Path
    server: embedded.Postgres
    served: Served
    token: str
    hook: str

    def end(self, kind: signal.Signals) -> None:
        """Ends the server: SIGINT as an administrator's restart does, SIGQUIT with no checkpoint, SIGKILL."""
        process = self.server.process
        assert process is not None
        process.send_signal(kind)
        process.wait()

    def start(self) -> None:
        before, self.server = self.server.sockets, embedded.start(self.place / "postgres", WRITTEN)
        shutil.rmtree(before, ignore_errors=True)  # a server that was ended by a signal leaves it
        door = self.place / "door"
        door.unlink(missing_ok=True)
        door.symlink_to(self.server.sockets)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    place = Path(tempfile.mkdtemp(prefix="kyoso-away-", dir=PLACE))
    server = embedded.start(place / "postgres", WRITTEN)
    (place / "door").symlink_to(server.sockets)
    url = f"postgresql://postgres@/postgres?host={place}/door"
    await db.migrate(url)
    # Kept, not drawn: structlog's own picture of each traceback would hold the whole server up for seconds.
    async with AsyncExitStack() as stack:
        stack.enter_context(capture_logs())
        async with serving(url, tmp_path) as served:
            # A connection that idled may be closed just as it is asked again, which is none of the database's doing.
            fresh = httpx.AsyncClient(
                base_url=served.issuer, timeout=60, limits=httpx.Limits(max_keepalive_connections=0)
            )
            served.http = await stack.enter_async_context(fresh)
            async with unit_of_work() as connection:
                company = await builders.company(connection, "株式会社青空")
                hook = await ats.connect(connection, company_id=company, system="GREENHOUSE", secret=SECRET)
            house = House(place, server, served, await served.token(company), f"/ats/greenhouse/{hook}")
            yield house
    house.server.stop()
    shutil.rmtree(place)


async def test_whatever_becomes_of_the_database(house: House) -> None:
    """proof 6.5: restarted, crashed and killed, while ten ask, one writes and an ATS tells; each acknowledged job and
    delivery is there, the deliveries of one commit too."""
    said: Counter[int] = Counter()
    stop = asyncio.Event()
    written: list[str] = []
    stored: list[str] = []

    async def asking() -> None:
        while not stop.is_set():
            answer = await house.served.post(ASK, house.token)
            said[answer.status_code] += 1
            if answer.status_code == 200:
                assert answer.json() == GOOD
            else:
                assert (answer.status_code, answer.headers.get("retry-after")) == (503, "2"), answer.text
                await asyncio.sleep(0.02)

    async def writing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            answer = await house.served.post(POST_JOB, house.token, {"key": str(number)})
            if answer.status_code == 200 and answer.json().get("data"):
                written.append(answer.json()["data"]["postJob"]["job"]["id"].removeprefix("job_"))
            else:
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.02)

    async def telling() -> None:
        while not stop.is_set():
            event_id = str(uuid4())
            answer = await house.served.http.post(house.hook, content=PING, headers={**SIGNED, EVENT: event_id})
            assert answer.status_code in (200, 503), answer.text
            if answer.status_code == 200:
                stored.append(event_id)
            else:
                await asyncio.sleep(0.02)

    busy = [
        asyncio.create_task(work)
        for work in (*(asking() for _ in range(ASKERS)), writing(), *(telling() for _ in range(TELLERS)))
    ]
    try:
        for kind in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            await asyncio.sleep(0.3)
            before = said[503]
            await asyncio.to_thread(house.end, kind)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while said[503] == before:  # noqa: ASYNC110  (nothing tells of it)
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(house.start)
            back = monotonic()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await house.served.post(ASK, house.token)).status_code != 200:  # noqa: ASYNC110  (as above)
                    await asyncio.sleep(0.01)
            print(f"{kind.name}: answers again after {monotonic() - back:.2f} s")
    finally:
        stop.set()
        await asyncio.gather(*busy)
    async with unit_of_work() as connection:
        kept = {str(row["id"]) for row in await connection.fetch("select id from job")}
        told = {row["event_id"] for row in await connection.fetch("select event_id from ats_delivery")}
    assert set(written) <= kept
    assert set(stored) <= told
    assert written
    assert stored
    assert set(said) == {200, 503}


async def test_pages_and_token_endpoints_say_that_the_database_is_away(house: House) -> None:
    """A page for people, OAuth's own error for programs; and all is well again once it is back."""
    http, people = house.served.http, {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    grant = {"grant_type": "client_credentials"}
    await asyncio.to_thread(house.end, signal.SIGINT)
    pages = [
        await http.get("/relay/unknown", headers=people),
        await http.get("/relay/c/aozora", headers=people),
        await http.post("/relay/c/aozora", headers=people, data={"email": "hanako@example.com"}),
        await http.get("/join/unknown", headers=people),
    ]
    for answer in pages:
        assert (answer.status_code, answer.headers["retry-after"], answer.headers["cache-control"]) == (
            503,
            "2",
            "no-store",
        )
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "ただいま使えません" in answer.text
        assert "We are away for a moment" in answer.text
    programs = [
        await http.post("/oauth/token", data=grant, auth=("one", "two")),
        await http.post("/oauth/token", data=grant, auth=("one", "two"), headers={"Accept": "text/html, */*"}),
        await http.post("/oauth/introspect", data={"token": "x"}, auth=("one", "two")),
        await http.get("/relay/unknown"),
    ]
    for answer in programs:
        assert (answer.status_code, answer.headers["retry-after"], answer.headers["cache-control"]) == (
            503,
            "2",
            "no-store",
        )
        assert answer.json()["error"] == "temporarily_unavailable"
    await asyncio.to_thread(house.start)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await http.get("/relay/unknown", headers=people)).status_code != 404:  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.01)
