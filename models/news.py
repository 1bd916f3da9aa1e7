"""News from PostgreSQL: NOTIFY wakes, the table tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from models.db import Connection, credentials

log = structlog.get_logger()


async def follow(database_url: str, channel: str, look: Callable[[], Awaitable[None]], *, poll_seconds: float) -> None:
    """Calls `look` at once, at every notification on the channel, and at the latest after `poll_seconds`; for ever.

    It listens on a connection of its own. Only cancellation ends it: after any other failure, of which the log tells
    the kind, it listens anew when the poll comes round, and that look tells what was missed.
    """
    news = asyncio.Event()
    listener: Connection | None = None
    try:
        while True:
            news.clear()
            try:
                if listener is None or listener.is_closed():
                    listener = await asyncpg.connect(**credentials(database_url))
                    await listener.add_listener(channel, lambda _connection, _pid, _channel, _payload: news.set())
                await look()
            except Exception as error:  # asyncpg has many words for a connection that breaks, AttributeError among them
                log.warning("news_unreadable", source=channel, code=type(error).__name__)
                if listener:
                    listener.terminate()
            # A timer, not `wait_for`, which makes a task of each wait: this is paid for every commit in every worker.
            poll = asyncio.get_running_loop().call_later(poll_seconds, news.set)
            try:
                await news.wait()
            finally:
                poll.cancel()
    finally:
        if listener:
            listener.terminate()
