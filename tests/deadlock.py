"""Work that PostgreSQL undoes for another's sake, as it may undo whatever waits for somebody who waits for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg

from models.db import credentials

Result = TypeVar("Result")
BETWEEN = """select exists (
  select from pg_locks held join pg_locks waits using (pid)
  where held.granted and held.relation = $1::text::regclass
    and not waits.granted and waits.relation = $2::text::regclass)"""


async def undone_once(database: str, first: str, last: str, work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` gives, which touches the table `first` before the table `last`, and is undone by one who takes them
    the other way."""
    other = await asyncpg.connect(**credentials(database))
    try:
        async with other.transaction():
            await other.execute(f"lock table {last} in access exclusive mode")
            working = asyncio.create_task(work)
            async with asyncio.timeout(60):
                while not await other.fetchval(BETWEEN, first, last):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            # Granted once the work is undone: it began to wait first, and finds first that it would wait for ever.
            await other.execute(f"lock table {first} in access exclusive mode")
    finally:
        await other.close()
    return await working
