"""How many conversations and event streams each caller holds open in this worker: they cost as long as they last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

TOO_MANY_CONNECTIONS = "TOO_MANY_CONNECTIONS"


class TooManyConnectionsError(Exception):
    """The caller holds as many as it may; the message says what to do."""


class Connections:
    """Counts what is open, caller by caller.

    `most`: how many each may hold at once.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, caller: str) -> Generator[None]:
        """Holds one for the length of the block. Raises TooManyConnectionsError."""
        if self.open[caller] >= self.most:
            raise TooManyConnectionsError(f"A client holds {self.most} at most at once; close one first.")
        self.open[caller] += 1
        try:
            yield
        finally:
            self.open[caller] -= 1
            if not self.open[caller]:
                del self.open[caller]
