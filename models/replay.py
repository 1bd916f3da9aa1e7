"""What may be presented only once: the `jti` of client assertions and of DPoP proofs, by a digest of them."""

from hashlib import sha256

from models.db import Connection, queries


async def first_use(connection: Connection, *words: str, keep_seconds: float) -> bool:
    """Whether these words (what it is, whose, and its `jti`) come for the first time, whatever runs beside it.

    `keep_seconds`: how long they could be presented again.
    """
    key = sha256("\0".join(words).encode()).digest()
    return bool(await queries("replay").first_use(connection, key=key, keep_seconds=keep_seconds))


async def sweep(connection: Connection) -> None:
    """Deletes what could no longer be presented anyway."""
    await queries("replay").sweep(connection)
