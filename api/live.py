"""Shared outcomes as they happen: one reader a worker, and as many subscribers as there are.

NOTIFY wakes, the table tells: the reader takes committed rows in (xid, position) order, so nothing slips in behind a
cursor. It listens from the first subscriber on; where none is left it takes none, and whoever comes next has it begin
at what is newest then. For every event it asks the policy again which partners may see it, has the planner answer once
per group of those who see the same, and writes the bytes to each member in turn. A subscriber that does not keep up is
closed with its resume cursor and slows nobody; so is a group that PostgreSQL does not answer, or not in time. What a
subscriber missed is what `outcomes` answers after its cursor, found along indexes of what its partner may see: the past
costs by what is told of it, not by what everybody did.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import orjson
import structlog

from api.asker import Asker
from api.audience import concerns, shared, wanted_of
from api.outlet import AGREEMENT_ENDED, INTERRUPTED, Ended, Outlet
from api.place import START, Place, place_of, read_place
from api.subscriber import Group, Subscriber, Wish
from auth.viewer import Viewer
from models.db import Connection, pool, queries
from models.news import follow
from models.outbox import CHANNEL
from planner import Acquire, InvalidRequestError, Planner, Request, Stream

POLL_SECONDS = 1.0
EVENTS_A_BATCH = 100
TOLD_AT_ONCE = 100
"""Messages that are written before anybody else has a turn."""
STALE_SECONDS = 0.1
"""How long an answer may wait for its reader before it is asked anew who may see it."""
ENCODED_AT_ONCE = 4
"""Groups for which PostgreSQL answers at the same time."""
PARTNER_AT_ONCE = 2
"""How many of them may be one partner's, so that its slow ones leave others room."""
ENCODED_SECONDS = 5.0
"""How long PostgreSQL may take over a group's answers to one batch."""
LATE_SECONDS = 0.25
"""How long the reader waits for groups to be answered before it takes more events."""
BATCHES_DUE = 100
"""How far a group may be behind the reader."""
BOOKMARK_SECONDS = (5, 300)
PAST = f"""query ($after: String!, $kinds: [OutcomeKind!], $agreement: ID) {{
  outcomes(first: {EVENTS_A_BATCH}, after: $after, filter: {{ kinds: $kinds, agreementId: $agreement }}) {{
    edges {{ cursor }}
  }}
}}"""
NOBODY: dict[str, None] = {"cursor": None, "event_id": None, "live": None, "sent_at": None}
"""A delivery of nothing: with it, plans of equal documents differ only by who asks and what was asked."""

log = structlog.get_logger()


class Live:
    """The reader of one worker and its subscribers."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self.taken = START
        """The last event taken: whoever joins now is handed what lies behind it."""
        self.handed = START
        """The last event handed out: a bookmark says that nothing before it was missed."""
        self.groups: dict[object, Group] = {}
        self._subscribed = asyncio.Event()
        self._room = asyncio.Semaphore(ENCODED_AT_ONCE)
        self._turns: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        self._working: set[asyncio.Task[None]] = set()

    @property
    def subscribers(self) -> list[Subscriber]:
        """Everybody who hears of events."""
        return [each for group in self.groups.values() for each in group.members]

    @asynccontextmanager
    async def running(self, database_url: str) -> AsyncGenerator[None]:
        """Reads for as long as the block lasts, from the first subscriber on."""
        working = [
            asyncio.create_task(self._follow(database_url)),
            asyncio.create_task(self._keep_marking()),
        ]
        try:
            yield
        finally:
            working += self._working
            for each in working:
                each.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    def deliver(self, stream: Stream, who: Asker, viewer: Viewer, outlet: Outlet) -> Awaitable[None]:
        """Answers, as bytes, for ever: what was missed after the cursor, then what happens, and bookmarks in silence.

        Where nothing was missed a bookmark comes first: from then on what happens is told, or can be resumed.

        Raises InvalidRequestError at once for a cursor that cannot be read, and, awaited, for a past that may not be
        asked for; Ended, awaited, when the server ends it, also by a failure.
        """
        given = stream.arguments
        place = read_place(given.get("after"))
        wish = Wish.of(given)
        bound = self.planner.bind(stream, NOBODY, who)
        key = (bound.group, viewer.partner_id, viewer.standing, wish)
        group = self.groups.get(key) or Group(key, bound, viewer.partner_id, wish)
        silence = min(max(int(given.get("bookmarkSeconds", 30)), BOOKMARK_SECONDS[0]), BOOKMARK_SECONDS[1])
        return self._attend(Subscriber(group, outlet, place or START, silence), who, resumes=place is not None)

    async def _attend(self, subscriber: Subscriber, who: Asker, *, resumes: bool) -> None:
        try:
            await self._hear(subscriber, who, resumes=resumes)
        except (Ended, InvalidRequestError):
            raise
        except Exception as failure:  # the reader resumes where it stood; the log says what it was
            log.error("operation_failed", code=type(failure).__name__, reason=getattr(failure, "sqlstate", None))
            knows = resumes or subscriber.place is not START
            raise Ended(INTERRUPTED, subscriber.place.cursor if knows else None) from None

    async def _hear(self, subscriber: Subscriber, who: Asker, *, resumes: bool) -> None:
        if resumes:
            await self._replay(subscriber, who, None)
        if not self.groups:
            await self._begin()
        group = subscriber.group = self.groups.setdefault(subscriber.group.key, subscriber.group)
        group.members.add(subscriber)
        # From here on the reader knows of it; what was taken before is read once more, and then what comes meanwhile.
        joined = self.taken
        if resumes:
            subscriber.missed = joined
        else:
            subscriber.place = joined
        try:
            if group.wish.agreement_id:
                await self._ask_agreements([group])
            while subscriber.missed:
                end, subscriber.missed = subscriber.missed, None
                await self._replay(subscriber, who, end)
            if not subscriber.place.reaches(joined):
                subscriber.place = joined
            subscriber.live = True
            # With the first message it knows that it hears, and from where to resume.
            await self._mark(group, [subscriber])
            raise Ended(await subscriber.ending, subscriber.place.cursor)
        finally:
            group.members.discard(subscriber)
            if not group.members:
                self.groups.pop(group.key, None)

    async def _follow(self, database_url: str) -> None:
        await self._subscribed.wait()  # who listens is woken by every event, whichever worker wrote it
        await follow(database_url, CHANNEL, self._read, poll_seconds=POLL_SECONDS)

    async def _begin(self) -> None:
        async with pool().acquire() as connection:
            head = await queries("outbox").head(connection)
        if head and not self.groups:
            self.taken = self.handed = place_of(head)
        self._subscribed.set()

    async def _replay(self, subscriber: Subscriber, who: Asker, end: Place | None) -> None:
        clock = asyncio.get_running_loop().time
        more = True
        while more:
            await subscriber.outlet.ready()
            found, more = await self._past(subscriber, who, end)
            read_at = clock()
            for number, each in enumerate(found):
                await subscriber.outlet.ready()
                # The first has not waited; the others may have, and are asked for again.
                if number and clock() - read_at > STALE_SECONDS:
                    more = True
                    break
                subscriber.tell_past(*each, clock())

    async def _past(
        self, subscriber: Subscriber, who: Asker, end: Place | None
    ) -> tuple[list[tuple[Place, bytes]], bool]:
        """What comes next for a subscriber, up to `end`, and whether there may be more."""
        kinds, agreement_id = subscriber.group.wish
        asked: dict[str, Any] = {"after": subscriber.place.cursor}
        if kinds is not None:
            asked["kinds"] = sorted(kinds)
        if agreement_id is not None:
            asked["agreement"] = f"agr_{agreement_id}"
        page = self.planner.prepare(Request(PAST, None, asked), who)
        async with pool().acquire() as connection:
            held = partial(nullcontext, connection)
            answer = orjson.loads((await self.planner.run(page, held)).body)
            places = [read_place(edge["cursor"]) for edge in answer["data"]["outcomes"]["edges"]]
            heard = [place for place in places if place and (end is None or end.reaches(place))]
            found = await self._encode(subscriber.group, heard, held, live=False)
        return found, len(heard) == EVENTS_A_BATCH

    async def _encode(
        self, group: Group, places: Sequence[Place], acquire: Acquire, *, live: bool
    ) -> list[tuple[Place, bytes]]:
        rows = [_delivery(place, place.event_id, live=live) for place in places]
        return list(zip(places, await self.planner.encode_all(group.bound, rows, acquire), strict=True))

    async def _read(self) -> None:
        await self._ask_agreements(group for group in self.groups.values() if group.wish.agreement_id)
        while await self._take():
            pass

    async def _take(self) -> bool:
        """Takes one batch and hands it out. True while there may be more."""
        if not self.groups:
            return False
        async with pool().acquire() as connection:
            rows = await _after(connection, self.taken)
        if not rows:
            return False
        # In one step, without waiting in between: whoever joins later replays up to here and hears what follows.
        groups, self.taken = {group: tuple(group.members) for group in self.groups.values()}, place_of(rows[-1])
        try:
            async with pool().acquire() as connection:
                wanted = await wanted_of(connection, rows, list(groups))
        except BaseException:
            for members in groups.values():
                _interrupt(members)
            raise
        heard = {group: [place_of(row) for row in rows if (group, row["id"]) in wanted] for group in groups}
        serving = [self._owe(group, places, groups[group]) for group, places in heard.items() if places]
        if serving:
            await asyncio.wait(serving, timeout=LATE_SECONDS)
        self.handed = self.taken
        return len(rows) == EVENTS_A_BATCH

    def _owe(self, group: Group, places: Sequence[Place], members: Sequence[Subscriber]) -> asyncio.Task[None]:
        """Has a group told of what it wants of a batch, after what is due to it already."""
        if len(group.due) < BATCHES_DUE:
            group.due.append((places, members))
        else:
            _interrupt(members)
        if group.serving is None:
            group.serving = self._begun(self._serve(group))
        return group.serving

    def _begun(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Work for one group, which goes on by itself and ends with the reader."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    async def _serve(self, group: Group) -> None:
        """Tells one group what is due to it, in order. What becomes of its answers is no other group's matter."""
        while group.due:
            places, members = group.due[0]
            hearing = [each for each in members if each in group.members and not each.ending.done()]
            try:
                if hearing:
                    async with self._place(group), asyncio.timeout(ENCODED_SECONDS):
                        answers = await self._encode(group, places, pool().acquire, live=True)
                    await _hand_out(answers, hearing)
            except Exception as failure:
                log.warning(
                    "events_interrupted", code=type(failure).__name__, reason=getattr(failure, "sqlstate", None)
                )
                _interrupt(hearing)
            group.due.popleft()
        group.serving = None

    @asynccontextmanager
    async def _place(self, group: Group) -> AsyncGenerator[None]:
        """One of the places at which PostgreSQL answers, of which each partner has its share at most."""
        turn = self._turns.setdefault(group.partner_id, asyncio.Semaphore(PARTNER_AT_ONCE))
        async with turn, self._room:
            yield

    async def _ask_agreements(self, groups: Iterable[Group]) -> None:
        """Ends the subscriptions to an agreement that has stopped giving their partner anything."""
        asked = list(groups)
        if not asked:
            return
        async with pool().acquire() as connection:
            shares = await shared(connection, asked)
        for group in asked:
            flows = concerns(group, shares)
            if group.flows and not flows:
                for each in group.members:
                    each.end(AGREEMENT_ENDED)
            group.flows = flows

    async def _keep_marking(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            for group in self.groups.values():
                if group.marking is None:  # nor does anybody's bookmark wait for one that takes long
                    group.marking = self._begun(self._mark_in_time(group))

    async def _mark_in_time(self, group: Group) -> None:
        try:
            async with self._place(group), asyncio.timeout(ENCODED_SECONDS):
                await self._mark(group, group.members)
        except Exception as error:  # whatever the connection said when it broke, the next round tries again
            log.warning("bookmarks_delayed", code=type(error).__name__)
        finally:
            group.marking = None

    async def _mark(self, group: Group, members: Iterable[Subscriber]) -> None:
        """Tells those of a group who have heard nothing yet, or nothing for a while, that they missed nothing."""
        clock = asyncio.get_running_loop().time
        now, handed = clock(), self.handed
        by_place: dict[Place, list[Subscriber]] = {}
        for each in members:
            if each.silent(now):
                # Where more is due to the group, no more is known to be handed out than what each was told of.
                by_place.setdefault(each.place if group.due or each.place.reaches(handed) else handed, []).append(each)
        for place, silent in by_place.items():
            row = _delivery(place, None, live=True)
            (body,) = await self.planner.encode_all(group.bound, [row], pool().acquire)
            for each in silent:
                # Who has heard something meanwhile is past this bookmark.
                if each.silent(now):
                    each.mark(place, body, now)


def _interrupt(members: Iterable[Subscriber]) -> None:
    """What was taken is not handed out to these: they resume by their cursors instead of missing an event."""
    for each in members:
        each.end(INTERRUPTED)


async def _hand_out(answers: Sequence[tuple[Place, bytes]], members: Sequence[Subscriber]) -> None:
    told = 0
    for each in members:
        now = asyncio.get_running_loop().time()
        for place, body in answers:
            each.tell(place, body, now)
        told += len(answers)
        if told >= TOLD_AT_ONCE:
            told = 0
            await asyncio.sleep(0)


async def _after(connection: Connection, place: Place) -> list[Any]:
    after = queries("outbox").after(connection, xid=str(place.xid), position=place.position, rows=EVENTS_A_BATCH)
    return [row async for row in after]


def _delivery(place: Place, event_id: UUID | None, *, live: bool) -> dict[str, Any]:
    return {"cursor": place.cursor, "event_id": event_id, "live": live, "sent_at": datetime.now(UTC)}
