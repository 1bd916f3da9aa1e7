"""Work done together: what comes while a group is at work waits, and goes with the next one.

For what costs as much for many as for one, such as a commit that waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

GROUP_MAX = 50
"""Items, so that a group stays a short transaction."""
GROUPS_AT_ONCE = 2
"""One is put together while another waits for the disk. It goes when it is as large: many small ones cost more."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Gathering(Generic[Item, Result]):
    """`work` gives one result for each item, in their order. Belongs to one event loop.

    Where a group fails, each of it is tried by itself: nobody fails by another's fault.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._work = work
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._groups = self._size = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def behind(self) -> bool:
        """Whether others came than the group that is asking."""
        return bool(self._waiting) or self._groups > 1

    async def take(self, item: Item) -> Result:
        """The item's result, once its group is done. Raises what `work` raises for this item alone."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if not self._groups or (self._groups < GROUPS_AT_ONCE and len(self._waiting) >= self._size):
            self._groups += 1
            task = asyncio.create_task(self._go_on())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await result

    async def _go_on(self) -> None:
        try:
            while self._waiting:
                self._size = min(GROUP_MAX, len(self._waiting))
                group = [self._waiting.popleft() for _ in range(self._size)]
                if not await self._together(group):
                    for one in group:
                        await self._alone(*one)
        finally:
            self._groups -= 1  # at once, not when the task is seen to be done: who comes in between would wait for ever

    async def _together(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> bool:
        with suppress(Exception):
            for (_, result), found in zip(group, await self._work([item for item, _ in group]), strict=True):
                if not result.done():  # else whoever waited has left
                    result.set_result(found)
            return True
        return False

    async def _alone(self, item: Item, result: asyncio.Future[Result]) -> None:
        try:
            (found,) = await self._work([item])
        except Exception as error:
            if not result.done():
                result.set_exception(error)
        else:
            if not result.done():
                result.set_result(found)
