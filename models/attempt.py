"""Attempts (試行): what can be tried again and again is counted first, so that guesses side by side are too."""

from models.db import Connection, queries

WINDOW_SECONDS = 15 * 60
"""How long attempts add up, from the first of them on."""


async def count(connection: Connection, key: bytes) -> int:
    """Counts one more under `key`, a keyed hash of what is tried or of who tries.

    Returns how many there were within WINDOW_SECONDS, with this one.
    """
    return await queries("attempt").count(connection, key=key, window_seconds=WINDOW_SECONDS)


async def forgive(connection: Connection, *keys: bytes, address: bytes) -> None:
    """After a login: clears what was counted under these keys, and this attempt against the address."""
    for key in keys:
        await queries("attempt").forgive(connection, key=key)
    await queries("attempt").take_back(connection, key=address)


async def sweep(connection: Connection) -> None:
    """Deletes what was counted in windows that are over."""
    await queries("attempt").sweep(connection, window_seconds=WINDOW_SECONDS)
