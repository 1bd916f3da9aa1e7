"""Where the answers of a subscription go, and what a subscription says when it ends before its client ends it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Protocol

WAITING_BYTES = 32 * 1024
"""What one subscriber may leave untaken, in bytes; an answer that is larger is let through alone."""

TOO_SLOW, AGREEMENT_ENDED, INTERRUPTED = "TOO_SLOW", "AGREEMENT_ENDED", "INTERRUPTED"
REASONS = {
    TOO_SLOW: "Events came faster than they were read",
    AGREEMENT_ENDED: "The agreement that this subscription was filtered to shares nothing with you any more",
    INTERRUPTED: "The server had to let go",
}


class Ended(Exception):  # noqa: N818  (an end, not an error: the client resumes)
    """The subscription ended early. Nothing after `cursor` was delivered; None before it was known where it begins."""

    def __init__(self, code: str, cursor: str | None) -> None:
        super().__init__(f"{REASONS[code]}; subscribe again after the last cursor.")
        self.code, self.cursor = code, cursor

    def formatted(self) -> dict[str, object]:
        """The error as GraphQL tells it."""
        place = {} if self.cursor is None else {"cursor": self.cursor}
        return {"message": str(self), "extensions": {"code": self.code, **place}}


class Outlet(Protocol):
    """The way to one subscriber."""

    def put(self, body: bytes) -> bool:
        """Takes an answer without waiting. False, and nothing taken, when too much of what was taken still waits."""
        ...

    async def ready(self) -> None:
        """Returns once the reader has taken what came before."""
        ...

    def write(self, body: bytes) -> None:
        """Takes an answer without waiting, whatever waits already."""
        ...


class Backlog:
    """An outlet in memory, for a connection that is written by a task of its own."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

    def put(self, body: bytes) -> bool:
        if self._bytes and self._bytes + len(body) > WAITING_BYTES:
            return False
        self.write(body)
        return True

    async def ready(self) -> None:
        await self._room.wait()

    def write(self, body: bytes) -> None:
        self._waiting.append(body)
        self._bytes += len(body)
        self._room.clear()
        self._news.set()

    def end(self) -> None:
        """Lets the reader leave once it has taken everything."""
        self._ended = True
        self._news.set()

    async def taken(self) -> AsyncGenerator[bytes]:
        """Everything, in order, until the end."""
        while True:
            while self._waiting:
                body = self._waiting.popleft()
                self._bytes -= len(body)
                yield body
            self._room.set()
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()
