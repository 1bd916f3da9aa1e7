"""What Q7 wrote: counted, so that all servers are seen to write the same rows, and taken away again."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from bench.subject import Subject
from models import named
from models.db import Connection

TABLES = (
    *("idempotency_key", "mail", "outcome_event", "referral"),
    *("personal_data", "candidate", "person_key", "person_email", "person"),
)
UNFINISHED_SECONDS = 0.2


@cache
def sql() -> Any:
    return named.statements(Path(__file__).with_name("queries") / "written.sql")


async def now(connection: Connection) -> datetime:
    """The database's clock."""
    return await sql().now(connection)


async def remove(connection: Connection, subject: Subject, since: datetime) -> dict[str, int]:
    """Takes away what the subject submitted to that company since then. Returns the rows of each table."""
    total: Counter[str] = Counter()
    while True:
        async with connection.transaction():
            found = sql().people(connection, since=since, referrer_id=subject.id, company_id=subject.company_id)
            asked = {"people": [row["person_id"] async for row in found], "since": since}
            total.update(dict(await sql().rows(connection, **asked)))
            await sql().remove_unchecked(connection)
            for table in TABLES:
                await getattr(sql(), f"remove_{table}")(connection, **asked)
        if not asked["people"]:
            return dict(total)
        await asyncio.sleep(UNFINISHED_SECONDS)  # whoever was interrupted may still write


async def remove_client(connection: Connection, client_id: str) -> None:
    """Takes away the client by which the bench asked."""
    await sql().remove_client(connection, client_id=client_id)
