"""Writers that overlap, dawdle and give up, and a reader that comes and goes: it hears all, once, in order."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import websockets

from api.place import START, Place, read_place
from bench.hard import RESUME
from bench.subscribers import house
from models import outbox
from models.db import unit_of_work
from models.outbox import Said

WRITERS = 8
EVENTS_A_COMMIT = 20
DELAY_SECONDS = 0.02
ROLLED_BACK = 0.2
LEAVES_AFTER = 0.2
"""The reader leaves after about this share of the events, again and again."""
SILENCE_SECONDS = 30.0


class GivenUp(Exception):  # noqa: N818  (it is meant)
    """A writer changes its mind."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was written and what one reader made of it."""

    events: int
    rolled_back: int
    connections: int
    lost: int
    twice: int
    out_of_order: int

    def facts(self) -> dict[str, Any]:
        return asdict(self)


async def order(url: str, master_key: bytes, events: int, progress: Callable[[str], None]) -> Order:
    """The same on a server of its own."""
    async with house(url, master_key, 1) as kyoso:
        (token,) = await kyoso.tokens()
        return await written_and_read(kyoso.server.address, token, kyoso.partners[0], events, progress)


async def written_and_read(
    address: str, token: str, company: UUID, events: int, progress: Callable[[str], None]
) -> Order:
    """Lets WRITERS write so many events for a company, while a reader with this token hears them."""
    chance = random.Random(5)
    written: list[str] = []
    given_up = 0

    async def write() -> None:
        nonlocal given_up
        while len(written) < events:
            ids: list[UUID] = []
            try:
                async with unit_of_work() as connection:
                    for _ in range(chance.randint(1, EVENTS_A_COMMIT)):
                        said = Said(company, "API", datetime.now(UTC))
                        ids.append(await outbox.publish(connection, "HIRED", said, company_id=company))
                    await asyncio.sleep(chance.random() * DELAY_SECONDS)
                    if chance.random() < ROLLED_BACK:
                        raise GivenUp
            except GivenUp:
                given_up += len(ids)
            else:
                written.extend(f"evt_{each}" for each in ids)
                progress(f"{len(written)} of {events} events")

    writing = asyncio.gather(*(write() for _ in range(WRITERS)))
    heard: list[tuple[Place, str]] = []
    connections = 0
    while not writing.done() or len(heard) < len(written):
        connections += 1
        await _hear(address, token, heard, max(1, int(events * LEAVES_AFTER * chance.random())), writing, written)
    await writing
    places, ids = [place[:2] for place, _ in heard], [event_id for _, event_id in heard]
    return Order(
        events=len(written),
        rolled_back=given_up,
        connections=connections,
        lost=len(set(written) - set(ids)),
        twice=len(ids) - len(set(ids)),
        out_of_order=sum(later <= earlier for earlier, later in pairwise(places)),
    )


async def _hear(
    address: str,
    token: str,
    heard: list[tuple[Place, str]],
    most: int,
    writing: asyncio.Future[Any],
    written: list[str],
) -> None:
    """One connection: from where the last one ended, for at most so many events."""
    after = heard[-1][0].cursor if heard else START.cursor
    url = address.replace("http://", "ws://") + "/graphql"
    subscription = {"query": RESUME, "variables": {"after": after}}
    protocol = websockets.Subprotocol("graphql-transport-ws")
    # No bound on what waits here: a full queue stops reading, and the close it waits for stands behind it.
    async with websockets.connect(url, subprotocols=[protocol], compression=None, max_queue=None) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        await socket.recv()
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": subscription}))
        for _ in range(most):
            if writing.done() and len(heard) >= len(written):
                return
            said = json.loads(await asyncio.wait_for(socket.recv(), SILENCE_SECONDS))
            if said["type"] != "next":
                raise RuntimeError(f"the server said {said}")
            delivery = said["payload"]["data"]["outcomeEvents"]
            place = read_place(delivery["cursor"])
            assert place is not None
            if delivery["event"]:
                heard.append((place, delivery["event"]["id"]))
