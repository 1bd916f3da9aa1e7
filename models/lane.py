"""The lane: connections that stay taken from the pool, so that a read, or a verb, pays for its statements alone.

asyncpg's pool makes a proxy, a future, a timer and a task for every acquire and release: 60 to 90 µs, where handing a
prepared statement to the database takes 40. A lane takes a connection from the pool once and passes it from one to
the next. Whatever ended otherwise than well goes back through the pool, which knows how to clean up or to close.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any

import asyncpg

from models.db import POOL_MAX, Connection, Pool

LANE_CONNECTIONS = POOL_MAX - 4
"""Of the pool's: four are left for logins, the clock, live events and health."""
VERBS_AT_ONCE = LANE_CONNECTIONS // 2
"""So that reads always have the other half."""
WAIT_SECONDS = 0.8
"""Who finds no connection for so long is refused: the next would only wait longer."""


class Lane:
    """At most `connections` of a pool's, for work that leaves no state behind. Belongs to one event loop."""

    def __init__(self, pool: Pool, connections: int = LANE_CONNECTIONS) -> None:
        self.pool = pool
        self.connections = connections
        self._idle: list[Connection] = []
        self._taken = 0
        self._waiting: deque[tuple[float, asyncio.Future[Connection]]] = deque()
        self._watched = False
        self._growing: set[asyncio.Task[None]] = set()

    def acquire(self) -> Turn:
        """A connection while the block lasts. Raises TimeoutError after WAIT_SECONDS."""
        return Turn(self)

    async def close(self) -> None:
        """Gives every idle connection back to the pool, before the pool closes."""
        for task in self._growing:
            task.cancel()
        await asyncio.gather(*self._growing, return_exceptions=True)
        while self._idle:
            self._taken -= 1
            await self.pool.release(self._idle.pop())

    async def take(self) -> Connection:
        """An idle connection that still stands; another one, or the next that is given back, where there is none."""
        while self._idle:
            found = self._idle.pop()
            if _stands(found):
                return found
            self._taken -= 1
            await self.pool.release(found)
        self._ask()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Connection] = loop.create_future()
        self._waiting.append((loop.time() + WAIT_SECONDS, waiting))
        if not self._watched:  # one timer for all who wait
            self._watched = True
            loop.call_later(WAIT_SECONDS, self._refuse_late)
        try:
            return await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self.give(waiting.result())  # it came as the reader left
            raise

    def _refuse_late(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._waiting[0][0] <= loop.time():
            _, waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(TimeoutError())
        self._watched = bool(self._waiting)
        if self._watched:
            loop.call_at(self._waiting[0][0], self._refuse_late)

    def give(self, connection: Connection) -> None:
        """To whoever has waited longest; else it stays for the next."""
        while self._waiting:
            _, waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return
        self._idle.append(connection)

    async def give_up(self, connection: Connection) -> None:
        """Back to the pool: what happened on it is the pool's to clean up."""
        self._taken -= 1
        try:
            await self.pool.release(connection)
        finally:
            if self._waiting:
                self._ask()

    def _ask(self) -> None:
        if self._taken < self.connections:
            self._taken += 1
            task = asyncio.create_task(self._grow())
            self._growing.add(task)
            task.add_done_callback(self._growing.discard)

    async def _grow(self) -> None:
        try:
            self.give(await self.pool.acquire(timeout=WAIT_SECONDS))
        except (Exception, asyncio.CancelledError) as failure:
            self._taken -= 1
            if isinstance(failure, asyncio.CancelledError):
                raise
            while self._waiting:
                _, waiting = self._waiting.popleft()
                if not waiting.done():
                    waiting.set_exception(failure)
                    return


class Turn:
    """One turn on a connection; `async with` it, once."""

    __slots__ = ("_connection", "_lane")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._connection: Any = None

    async def __aenter__(self) -> Connection:
        self._connection = await self._lane.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._lane.give(self._connection)
        else:
            await self._lane.give_up(self._connection)


def _stands(connection: Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken a broken one back already
        return False
