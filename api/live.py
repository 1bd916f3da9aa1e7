"""Shared outcomes as they happen: one reader a worker, and as many subscribers as there are.

NOTIFY wakes, the table tells: the reader takes committed rows in (xid, position) order, so nothing slips in behind a
cursor. For every event it asks the policy again which partners may see it, has the planner answer once per group of
equal (plan, values), and lays the bytes into each subscriber's bounded queue. A subscriber that does not keep up is
closed with its resume cursor and slows nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import structlog
from graphql import GraphQLError

from api.asker import Asker
from auth.policy import seers
from auth.viewer import Viewer
from models.db import pool, queries
from models.news import follow
from models.outbox import CHANNEL
from planner import InvalidRequestError, Planner, Stream
from planner.codec import cursor, read_cursor
from planner.errors import BAD_CURSOR, RequestError
from schema.act import read_id

POLL_SECONDS = 1.0
EVENTS_A_BATCH = 100
QUEUE_EVENTS = 1_000
"""Undelivered answers of one subscriber before it is closed."""
BOOKMARK_SECONDS = (5, 300)
ORDER = "RECORDED_ASC"
NOBODY = UUID(int=0)

log = structlog.get_logger()


class Place(NamedTuple):
    """A place in the outbox: everything up to it is known."""

    xid: int
    position: int
    event_id: UUID

    @property
    def cursor(self) -> str:
        """The same cursor that `outcomes` gives for this event."""
        return cursor(ORDER, str(self.xid), str(self.position), str(self.event_id))

    def reaches(self, other: Place) -> bool:
        """Whether whoever stands here knows of the event there. Ids do not count: a forged cursor may hold any."""
        return self[:2] >= other[:2]


START = Place(0, 0, NOBODY)


class Overflow(Exception):  # noqa: N818  (an end, not an error: the client resumes)
    """The subscription ended early: too slow, or the server had to let go. Nothing after `cursor` was delivered."""

    def __init__(self, cursor: str) -> None:
        super().__init__("The subscription ended early; subscribe again after the last cursor.")
        self.cursor = cursor


@dataclass(eq=False)
class Subscriber:
    """One live subscription: its plan, whom it speaks for, what it wants to hear, and its queue."""

    stream: Stream
    who: Asker
    partner_id: UUID
    kinds: frozenset[str] | None
    agreement_id: UUID | None
    queue: asyncio.Queue[tuple[Place, bytes] | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_EVENTS))
    ended: bool = False

    def offer(self, place: Place, body: bytes) -> None:
        """Lays one answer into the queue, or ends the subscription when the queue is full."""
        if self.ended:
            return
        if self.queue.qsize() >= QUEUE_EVENTS - 1:
            self.end()
        else:
            self.queue.put_nowait((place, body))

    def end(self) -> None:
        """Ends the subscription after what it was already given."""
        if not self.ended:
            self.ended = True
            self.queue.put_nowait(None)


class Live:
    """The reader of one worker and its subscribers."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self.taken = START
        """The last event taken: whoever joins now is handed what lies behind it."""
        self.handed = START
        """The last event handed out: a bookmark says that nothing before it was missed."""
        self.subscribers: set[Subscriber] = set()

    @asynccontextmanager
    async def running(self, database_url: str) -> AsyncGenerator[None]:
        """Reads for as long as the block lasts."""
        async with pool().acquire() as connection:
            head = await queries("outbox").head(connection)
        if head:
            self.taken = self.handed = Place(int(head["xid"]), head["position"], head["id"])
        reading = asyncio.create_task(follow(database_url, CHANNEL, self._read, poll_seconds=POLL_SECONDS))
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def subscribe(self, stream: Stream, who: Asker, viewer: Viewer) -> AsyncGenerator[bytes]:
        """Answers, as bytes, for ever: first what was missed after the cursor, then what happens, then bookmarks.

        Raises InvalidRequestError for a cursor that cannot be read; later Overflow, when too slow.
        """
        given = stream.arguments
        subscriber = Subscriber(
            stream, who, viewer.partner_id, _kinds(given.get("kinds")), _agreement(given.get("agreement"))
        )
        silence = min(max(int(given.get("bookmarkSeconds", 30)), BOOKMARK_SECONDS[0]), BOOKMARK_SECONDS[1])
        return self._deliver(subscriber, _place(given.get("after")), silence)

    async def _deliver(self, subscriber: Subscriber, place: Place | None, silence: int) -> AsyncGenerator[bytes]:
        if place is not None:
            async for reached, body in self._replay(subscriber, place, None):
                place = reached
                yield body
        self.subscribers.add(subscriber)
        # From here on the reader delivers what lies behind its place; the gap up to that place is read once more.
        joined = self.taken
        try:
            if place is not None:
                async for reached, body in self._replay(subscriber, place, joined):
                    place = reached
                    yield body
            async for body in self._follow(subscriber, place or joined, silence):
                yield body
        finally:
            self.subscribers.discard(subscriber)

    async def _follow(self, subscriber: Subscriber, place: Place, silence: int) -> AsyncGenerator[bytes]:
        while True:
            try:
                item = await asyncio.wait_for(subscriber.queue.get(), silence)
            except TimeoutError:
                # What waits in the queue was handed out already: a bookmark must not run ahead of it.
                if subscriber.queue.empty():
                    place = place if place.reaches(self.handed) else self.handed
                    yield await self._encode(subscriber, _delivery(place, None, live=True))
                continue
            if item is None:
                raise Overflow(place.cursor)
            # A cursor may come from a faster worker: what it knows of is not told again.
            if not place.reaches(item[0]):
                place, body = item
                yield body

    async def _replay(
        self, subscriber: Subscriber, place: Place, end: Place | None
    ) -> AsyncGenerator[tuple[Place, bytes]]:
        while True:
            async with pool().acquire() as connection:
                rows = [
                    row
                    async for row in queries("outbox").after(
                        connection, xid=str(place.xid), position=place.position, rows=EVENTS_A_BATCH
                    )
                ]
                events = [row for row in rows if end is None or _place_of(row)[:2] <= end[:2]]
                wanted = await _wanted(connection, events, [subscriber])
            for row in events:
                place = _place_of(row)
                if (subscriber, row["id"]) in wanted:
                    yield place, await self._encode(subscriber, _delivery(place, row["id"], live=False))
            if len(events) < EVENTS_A_BATCH:
                return

    async def _encode(self, subscriber: Subscriber, row: dict[str, Any]) -> bytes:
        bound = self.planner.bind(subscriber.stream, row, subscriber.who)
        return (await self.planner.encode(bound, pool().acquire)).body

    async def _read(self) -> None:
        while await self._take():
            pass

    async def _take(self) -> bool:
        """Takes one batch and hands it out. True while there may be more."""
        async with pool().acquire() as connection:
            rows = [
                row
                async for row in queries("outbox").after(
                    connection, xid=str(self.taken.xid), position=self.taken.position, rows=EVENTS_A_BATCH
                )
            ]
        if not rows:
            return False
        # In one step, without waiting in between: whoever joins later replays up to here and hears what follows.
        subscribers, self.taken = tuple(self.subscribers), _place_of(rows[-1])
        try:
            async with pool().acquire() as connection:
                wanted = await _wanted(connection, rows, subscribers)
            for row in rows:
                listeners = [each for each in subscribers if (each, row["id"]) in wanted]
                await self._hand_out(_place_of(row), row["id"], listeners)
        except BaseException:
            # Taken and not handed out: these subscribers resume by their cursors instead of missing an event.
            for each in subscribers:
                each.end()
            raise
        self.handed = self.taken
        return len(rows) == EVENTS_A_BATCH

    async def _hand_out(self, place: Place, event_id: UUID, listeners: Iterable[Subscriber]) -> None:
        row = _delivery(place, event_id, live=True)
        groups: dict[Any, tuple[Any, list[Subscriber]]] = {}
        for each in listeners:
            bound = self.planner.bind(each.stream, row, each.who)
            groups.setdefault(bound.group, (bound, []))[1].append(each)
        for bound, members in groups.values():
            body = (await self.planner.encode(bound, pool().acquire)).body
            for each in members:
                each.offer(place, body)


async def _wanted(
    connection: asyncpg.Connection[asyncpg.Record], events: Sequence[Any], subscribers: Sequence[Subscriber]
) -> set[tuple[Subscriber, UUID]]:
    """Which events go to whom: wanted by kind and agreement, and visible now by the policy of a read."""
    if not events or not subscribers:
        return set()
    partners = list({each.partner_id for each in subscribers})
    visible = await seers(connection, [event["id"] for event in events], partners)
    agreements = list({each.agreement_id for each in subscribers if each.agreement_id})
    shares = (
        [row async for row in queries("outbox").shares_of(connection, agreement_ids=agreements)] if agreements else []
    )
    flows = {(row["agreement_id"], row["giver_id"], row["receiver_id"], row["category"]) for row in shares}
    return {
        (each, event["id"])
        for event in events
        for each in subscribers
        if (each.partner_id, event["id"]) in visible
        and (each.kinds is None or event["kind"] in each.kinds)
        and (each.agreement_id is None or _flows(each, event, flows))
    }


def _flows(subscriber: Subscriber, event: Any, flows: set[tuple[UUID, UUID, UUID, str]]) -> bool:
    company, own = event["company_id"], subscriber.partner_id
    return any(
        agreement == subscriber.agreement_id
        and giver == company
        and category == event["category"]
        and own in (giver, receiver)
        for agreement, giver, receiver, category in flows
    )


def _delivery(place: Place, event_id: UUID | None, *, live: bool) -> dict[str, Any]:
    return {"cursor": place.cursor, "event_id": event_id, "live": live, "sent_at": datetime.now(UTC)}


def _place_of(row: Any) -> Place:
    return Place(int(row["xid"]), row["position"], row["id"])


def _place(after: str | None) -> Place | None:
    if after is None:
        return None
    try:
        xid, position, event_id = read_cursor(after, ORDER, 3)
        return Place(int(xid), int(position), UUID(event_id))
    except (GraphQLError, ValueError) as error:
        known = error if isinstance(error, GraphQLError) else RequestError(BAD_CURSOR, "This cursor is damaged.")
        raise InvalidRequestError([known]) from None


def _kinds(names: Sequence[Any] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(getattr(name, "name", name) for name in names)


def _agreement(text: str | None) -> UUID | None:
    # An id of anything else names no agreement, under which nothing is shared: as for one that is not the viewer's.
    return None if text is None else read_id("agr", text) or NOBODY
