"""One clock for all long conversations of a worker: it tells each when its token has ended."""

from __future__ import annotations

import asyncio

from auth.tokens import Held

TOKEN_POLL_SECONDS = 1.0
"""How often a long conversation asks whether its token still stands."""


class Lapses:
    """Who waits for which token to end. Asking costs no statement: what is revoked anywhere is known in memory."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Held] = {}
        self._clock: asyncio.Task[None] | None = None

    async def lapse(self, held: Held) -> None:
        """Returns when the token has ended: expired, or revoked anywhere."""
        ending = asyncio.get_running_loop().create_future()
        self._waiting[ending] = held
        if self._clock is None:
            self._clock = asyncio.create_task(self._run())
        try:
            await ending
        finally:
            del self._waiting[ending]

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(TOKEN_POLL_SECONDS)
            for ending, held in self._waiting.items():
                if not ending.done() and not held.stands():
                    ending.set_result(None)
        self._clock = None
