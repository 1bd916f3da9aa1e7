"""Who lives the people's lives: other processes for a large network, this one for a small one."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar

from bench.network.agreements import agree
from bench.network.calendar import Arrivals
from bench.network.crowd import PEOPLE_AT_ONCE, Crowd, Part
from bench.network.events import in_order
from bench.network.partners import populate
from bench.network.rows import sheets
from bench.network.world import Sheets, Size, World
from models import seal

SMALL = 3  # with so few parts, other processes cost more than they bring
PROCESSES_MAX = 4
AHEAD = 2  # parts that are begun before the one that the database waits for is done

T = TypeVar("T")


class Hands:
    """The work of one network, cut into parts that do not depend on how many hands there are.

    `filled`: the rows of the world's partners, agreements and jobs.
    """

    def __init__(self, master_key: bytes, size: Size, seed: int) -> None:
        self.count = -(-size.candidates // PEOPLE_AT_ONCE)
        self._size = size
        self._begun: deque[asyncio.Future[Any]] = deque()
        self._pool: ProcessPoolExecutor | None = None
        if self.count > SMALL:
            self._processes = min(PROCESSES_MAX, os.cpu_count() or 1)
            self._pool = ProcessPoolExecutor(
                self._processes, get_context("spawn"), initializer=_settle_apart, initargs=(master_key, size, seed)
            )
            self._pool.submit(os.getpid)  # so that the first process starts now, beside the making of the world here
        self.filled = sheets()
        self.world = make(size, seed, self.filled)
        if self._pool is None:
            _settle(master_key, self.world)

    def __enter__(self) -> Hands:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._pool is not None:
            for future in self._begun:
                future.cancel()
            for process in list(self._pool._processes.values()) if kind else ():  # pyright: ignore[reportPrivateUsage]
                process.terminate()  # a part takes seconds, and nobody wants it any more
            self._pool.shutdown(cancel_futures=True)

    def parts(self) -> AsyncIterator[Part]:
        """The people in parts, always in the same order."""
        size = self._size
        starts = range(0, size.candidates, PEOPLE_AT_ONCE)
        return self._each(_live, [(first, min(first + PEOPLE_AT_ONCE, size.candidates)) for first in starts])

    def weeks(self, files: Iterable[Path]) -> AsyncIterator[bytes]:
        """The events of each file in order of time; the files are removed."""
        return self._each(_week, [(str(file),) for file in files])

    async def _each(self, work: Callable[..., T], tasks: list[tuple[int, int]] | list[tuple[str]]) -> AsyncIterator[T]:
        if self._pool is None:
            for task in tasks:
                await asyncio.sleep(0)
                yield work(*task)
            return
        loop = asyncio.get_running_loop()
        for task in tasks:
            self._begun.append(loop.run_in_executor(self._pool, work, *task))
            if len(self._begun) > self._processes + AHEAD:
                yield await self._begun.popleft()
                _let_go()
        while self._begun:
            yield await self._begun.popleft()
            _let_go()


def _let_go() -> None:
    """Gives memory back: the future of another process's answer is a cycle, which keeps the answer until it is found.

    What is still there afterwards stays to the end, and is never looked through again.
    """
    gc.collect()
    gc.freeze()


def make(size: Size, seed: int, filled: Sheets) -> World:
    """The world of that size and seed; its rows go into the sheets."""
    world = populate(seed, size, filled)
    agree(world, filled)
    return world


# What this process lives lives with. Another process makes its world anew: that costs less than its transport.
_here: tuple[World, Arrivals] | None = None


def _settle(master_key: bytes, world: World) -> None:
    global _here
    seal.use(master_key)
    _here = world, Arrivals(world.size.since, world.size.until)


def _settle_apart(master_key: bytes, size: Size, seed: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it ends this process
    Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()  # millions of rows and no cycles: looking for them would take a fifth of the time
    _settle(master_key, make(size, seed, sheets()))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _live(first: int, last: int) -> Part:
    if _here is None:
        raise RuntimeError("this process has no world to live in")
    return Crowd(*_here, first, last).live()


def _week(file: str) -> bytes:
    packs = Path(file).read_bytes()
    os.unlink(file)
    return in_order(packs)
