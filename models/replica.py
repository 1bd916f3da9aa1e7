"""Streaming replicas (複製): reads that may lag go there, and yet nobody meets the past.

Access lies in rows (agreements, consents), so a replica that lags would still show what was just ended. Two rules keep
that from happening, in every worker and for every caller, by the positions of PostgreSQL's log (LSN):

1. A worker reads a replica only under a *lease*: it writes into the primary that it will, for half a second; then asks
   how far the primary has written, and begins when the replica has replayed as far.
2. Who commits asks which replicas are under lease, and answers when each has replayed the commit; at the latest when
   the leases that it saw have ended. A lease that begins later covers the commit by rule 1.

A replica that lags, stalls or dies loses its lease within half a second, and then neither serves nor slows anybody.
docs/decisions/0012-answers-wait-for-replicas.md tells what else was thought of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import count
from time import monotonic
from typing import Any, Self, TypeVar, cast

import asyncpg
import structlog

from models.db import (
    APP_ROLE,
    LOST,
    POOL_MAX,
    POOL_MIN,
    Connection,
    Pool,
    UnfitError,
    after_commit,
    credentials,
    options,
    pool,
    queries,
)
from models.lane import Lane, Turn

LEASE_SECONDS = 0.5
"""What a replica that stalls costs whoever writes meanwhile, at most."""
RENEW_SECONDS = 0.15
CONNECT_SECONDS = 5.0
SILENT_SECONDS = 5.0
"""Without a word a replica is taken for gone, and what is being read there is read on the primary."""
PAUSE_SECONDS = (0.001, 0.032)
"""Between two looks at a replica that has not replayed far enough: at first, and at most."""

UNANSWERED = (*LOST, asyncpg.PostgresError, AttributeError)
"""How a replica fails to answer. A mistake of ours is not hidden by it, since the primary is asked the same."""

Acquire = Callable[[], AbstractAsyncContextManager[Any]]
Answer = TypeVar("Answer")

log = structlog.get_logger()


class Replica:
    """One replica as one worker knows it: its pool, how far it has replayed, until when it may be read."""

    def __init__(self, url: str) -> None:
        self.url = url
        told = credentials(url)
        self.name = f"{told['host']}:{told['port']}/{told['database']}"
        """The same in every worker; holds no secret."""
        self.position = 0
        self._leased_until = self._heard_at = 0.0
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._lane: Lane | None = None
        self._watch: Connection | None = None
        self._looking = asyncio.Lock()
        self._told = ""

    @property
    def serves(self) -> bool:
        """Whether it may be read now."""
        return monotonic() < self._leased_until

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        """A connection for a while."""
        if self._lane is None:
            raise asyncpg.InterfaceError("it is away")
        return Turn(self._lane)

    async def keep(self, primary_url: str) -> None:
        """Holds a lease for as long as the replica keeps up; for ever."""
        while True:
            with suppress(*UNANSWERED):
                async with self._primary(primary_url) as primary:
                    while True:
                        await self._renew(primary)
                        await asyncio.sleep(RENEW_SECONDS)
            self._lapse()
            await asyncio.sleep(RENEW_SECONDS)

    @asynccontextmanager
    async def _primary(self, url: str) -> AsyncGenerator[Connection]:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await asyncpg.connect(**credentials(url), **options(APP_ROLE))
        # A primary that restarts forgets its leases: whoever held one knows of it first.
        connection.add_termination_listener(lambda _: self._lapse())
        try:
            yield connection
        finally:
            connection.terminate()

    async def _renew(self, primary: Connection) -> None:
        try:
            await self._connect()
        except UNANSWERED as error:
            return self._leave(type(error).__name__)
        began = monotonic()
        async with asyncio.timeout(LEASE_SECONDS):
            await queries("replica").lease(primary, replica=self.name, seconds=LEASE_SECONDS)
            # After the lease is known, never before: a commit in between would neither be waited for nor be seen.
            written = await queries("replica").written(primary)
        try:
            async with asyncio.timeout(LEASE_SECONDS):
                await self.reaches(written)
        except TimeoutError:
            if monotonic() - self._heard_at > SILENT_SECONDS:
                return self._leave("Silent")
            self._tell("replica_lags")
        except UNANSWERED as error:
            self._leave(type(error).__name__)
        else:
            self._leased_until = began + LEASE_SECONDS
            self._tell("replica_serves")
        return None

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            if self._watch is None:
                self._watch = await asyncpg.connect(**credentials(self.url), **options(APP_ROLE))
                self._heard_at = monotonic()
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    **credentials(self.url), **options(APP_ROLE), min_size=POOL_MIN, max_size=POOL_MAX
                )
                self._lane = Lane(cast("Pool", self._pool), POOL_MAX)

    async def reaches(self, position: int) -> None:
        """Returns when the replica has replayed the primary's log as far as this."""
        pause = PAUSE_SECONDS[0]
        while self.position < position:
            async with self._looking:
                if self.position < position:  # else another look has told meanwhile
                    await self._look()
            if self.position < position:
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE_SECONDS[1])

    async def _look(self) -> None:
        replayed = None if self._watch is None else await queries("replica").replayed(self._watch)
        if replayed is None:
            raise asyncpg.InterfaceError("it is away, or no replica")
        self.position, self._heard_at = replayed, monotonic()

    def _lapse(self) -> None:
        self._leased_until = 0.0

    def _leave(self, code: str) -> None:
        self.close()
        self._tell("replica_lost", code=code)

    def close(self) -> None:
        """Ends its connections. Whatever is being read there breaks off, to be read on the primary."""
        for each in (self._watch, self._pool):
            if each is not None:
                each.terminate()
        self._watch, self._pool, self._lane, self.position = None, None, None, 0
        self._lapse()

    def _tell(self, event: str, **more: str) -> None:
        if event != self._told:
            self._told = event
            log.info(event, replica=self.name, **more)


async def refuse_early_answers() -> None:
    """Raises UnfitError where commits are answered before they are written: no position would cover them."""
    async with pool().acquire() as connection:
        if not await queries("replica").commits_are_written(connection):
            raise UnfitError(
                "KYOSO_REPLICA_URLS needs commits that are written: alter system set synchronous_commit = on"
            )


class Replicas:
    """The replicas of one worker. Every worker is told the same ones."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._all = [Replica(url) for url in urls]
        self._turns = count()

    @asynccontextmanager
    async def running(self, primary_url: str) -> AsyncGenerator[Self]:
        """Keeps the leases, and has every unit of work settle, for as long as the block lasts.

        Raises UnfitError where commits are answered before they are written.
        """
        await refuse_early_answers()
        keeping = [asyncio.create_task(each.keep(primary_url)) for each in self._all]
        after_commit(self.settle)
        try:
            yield self
        finally:
            after_commit(None)
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
            for each in self._all:
                each.close()

    async def ask(self, read: Callable[[Acquire], Awaitable[Answer]], primary: Acquire) -> Answer:
        """The answer of a read that may lag: from a replica in turn, or from the primary when none can give it."""
        serving = [each for each in self._all if each.serves]
        if serving:
            with suppress(*UNANSWERED):  # gone, or the read stood in the way of replaying: the primary answers
                return await read(serving[next(self._turns) % len(serving)].acquire)
        return await read(primary)

    async def settle(self) -> None:
        """Returns when no replica that anybody reads lacks what was committed before."""
        try:
            async with pool().acquire() as connection:
                leased = [row async for row in queries("replica").leased(connection)]
                seen = monotonic()  # not before: what is left of a lease was counted when the question had arrived
                written = await queries("replica").written(connection)
        except UNANSWERED:  # what was committed stands; which leases there are is not known
            await asyncio.sleep(LEASE_SECONDS)
            return
        named = {each.name: each for each in self._all}
        await asyncio.gather(*(_waited(named.get(row["replica"]), written, seen + row["seconds"]) for row in leased))


async def _waited(replica: Replica | None, position: int, until: float) -> None:
    if replica is not None:
        with suppress(TimeoutError, *UNANSWERED):
            async with asyncio.timeout(until - monotonic()):
                await replica.reaches(position)
            return
    # It lags, cannot be reached from here, or was told to other workers only: its lease ends.
    await asyncio.sleep(until - monotonic())
