"""Readers who leave: a question that nobody waits for any more is ended, and with it its statement."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.types import Receive

TICK_SECONDS = 0.2
"""What lasts from one tick to the one after the next is worth a watch: most questions are answered long before."""


class GoneError(Exception):
    """The client closed its connection before the answer was there."""


class Clock:
    """One timer for all questions that run: a timer for each would cost more than most questions' own Python."""

    def __init__(self) -> None:
        self._new: set[Watch] = set()
        self._old: set[Watch] = set()
        self._ticking = False

    def watch(self, receive: Receive) -> Watch:
        """To be entered for one question; see `Watch`."""
        return Watch(self, receive)

    def add(self, watch: Watch) -> None:
        """Have it begin when it has lasted."""
        self._new.add(watch)
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def drop(self, watch: Watch) -> None:
        """Its question is answered."""
        self._new.discard(watch)
        self._old.discard(watch)

    def _tick(self) -> None:
        for watch in self._old:
            watch.begin()
        self._old, self._new = self._new, set()
        self._ticking = bool(self._old)
        if self._ticking:
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)


class Watch:
    """While the block lasts, `receive` tells when the client has gone: the block is cancelled, and GoneError raised.

    For questions only: a verb that began is carried to its end, whether or not its caller waits.
    """

    __slots__ = ("_clock", "_gone", "_receive", "_task", "_watching")

    def __init__(self, clock: Clock, receive: Receive) -> None:
        self._clock = clock
        self._receive = receive
        self._task = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._gone = False

    def __enter__(self) -> None:
        self._clock.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._clock.drop(self)
        if self._watching is not None:
            self._watching.cancel()
        if self._gone and self._task is not None and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise GoneError from error

    def begin(self) -> None:
        """Look after the client from now on."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task is not None:
            self._task.cancel()
