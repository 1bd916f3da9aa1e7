"""Readers who leave: a question that nobody waits for any more is ended, and with it its statement."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.types import Receive

WATCH_AFTER_SECONDS = 0.3
"""Most questions are answered long before; only what takes longer is worth a watch."""


class GoneError(Exception):
    """The client closed its connection before the answer was there."""


class Watch:
    """While the block lasts, `receive` tells when the client has gone: the block is cancelled, and GoneError raised.

    For questions only: a verb that began is carried to its end, whether or not its caller waits.
    """

    __slots__ = ("_gone", "_receive", "_task", "_timer", "_watching")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._gone = False

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._begin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._gone and self._task is not None and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise GoneError from error

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task is not None:
            self._task.cancel()
