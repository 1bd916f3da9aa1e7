"""Reads of many viewers on few connections, many of them given up midway: `python -m tests.mixed_reads --reads N`."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import orjson

from api import postgres as embedded
from api.app import make_planner
from api.asker import Budget, asker
from api.perform import Context
from auth.viewer import Viewer
from models import db
from models.db import unit_of_work
from models.lane import Lane
from planner import Planner, Request
from tests import builders

TASKS, CONNECTIONS, VIEWERS = 200, 3, 12
GIVEN_UP = 0.2
"""The share of reads that is cancelled, some before they have a connection, some while the statement runs."""
LONGEST_MS = 30.0
QUESTION = """
query Mixed($mine: ID!, $theirs: ID!) {
  viewer { partner { id } }
  mine: node(id: $mine) { ... on Candidate { personal { email } } }
  theirs: node(id: $theirs) { id }
}
"""


@dataclass(frozen=True)
class _Asking:
    viewer: Viewer
    candidate: UUID
    email: str


@dataclass
class Found:
    """What came of the reads: answers, answers with another's rows, reads given up, failures by their kind."""

    answers: int = 0
    foreign: int = 0
    given_up: int = 0
    failures: list[str] = field(default_factory=list[str])


async def read(reads: int, seed: int) -> Found:
    """Lets TASKS tasks ask for VIEWERS companies in turn on CONNECTIONS connections. The database is connected."""
    viewers = [await _viewer(number) for number in range(VIEWERS)]
    planner, lane, found = await make_planner(), Lane(db.pool(), CONNECTIONS), Found()
    source = random.Random(seed)

    async def work() -> None:
        while found.answers < reads and not found.failures:
            mine, theirs = source.sample(viewers, 2)
            asking = asyncio.create_task(_ask(planner, lane, mine, theirs))
            if source.random() < GIVEN_UP:
                await asyncio.sleep(source.random() * LONGEST_MS / 1000)
                asking.cancel()
            try:
                body = await asking
            except asyncio.CancelledError:
                found.given_up += 1
            except TimeoutError:  # two hundred wait for three: who waits too long is refused
                continue
            except Exception as failure:
                found.failures.append(repr(failure))
            else:
                found.answers += 1
                found.foreign += not _own(body, mine)

    try:
        await asyncio.gather(*(work() for _ in range(TASKS)))
    finally:
        await lane.close()
    return found


async def _viewer(number: int) -> _Asking:
    email = f"person{number}@example.jp"
    async with unit_of_work() as connection:
        company = await builders.company(connection, f"株式会社{number}")
        kept = await builders.kept(connection, company, email)
    viewer = builders.viewer(company, client_id=str(company))
    return _Asking(viewer, kept.candidate_id, email)


async def _ask(planner: Planner, lane: Lane, mine: _Asking, theirs: _Asking) -> bytes:
    variables = {"mine": f"can_{mine.candidate}", "theirs": f"can_{theirs.candidate}"}
    prepared = planner.prepare(Request(QUESTION, None, variables), asker(mine.viewer, "https://kyoso", Budget(1000)))
    return (await planner.run(prepared, lane.acquire, Context(mine.viewer, "en"))).body


def _own(body: bytes, mine: _Asking) -> bool:
    return orjson.loads(body) == {
        "data": {
            "viewer": {"partner": {"id": f"par_{mine.viewer.partner_id}"}},
            "mine": {"personal": {"email": mine.email}},
            "theirs": None,
        }
    }


async def _whole(url: str, reads: int, seed: int) -> Found:
    await db.migrate(url)
    await db.connect(url)
    try:
        return await read(reads, seed)
    finally:
        await db.disconnect()


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=100_000, help="answers to look at")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    directory = Path(tempfile.mkdtemp(prefix="kyoso-reads-", dir="/tmp"))
    given = os.environ.get("KYOSO_TEST_DATABASE_URL")
    server = None if given else embedded.start(directory / "postgres", embedded.FORGETFUL)
    try:
        found = asyncio.run(_whole(given or server.url(), asked.reads, asked.seed))  # type: ignore[union-attr]
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(directory)
    print(f"{found.answers} answers, {found.foreign} with another's rows; {found.given_up} given up")
    print("\n".join(found.failures[:3]))
    sys.exit(1 if found.foreign or found.failures else 0)


if __name__ == "__main__":
    main()
