"""Where Q4a looks: a schema of the bench's own in front of the network's, for as long as the bench runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from models import db
from models.named import statements

SEARCHED = "kyoso_bench, public"
"""Where whoever shall find rows looks, the bench's view first."""


@asynccontextmanager
async def stage(url: str) -> AsyncGenerator[None]:
    """The view of `raw.sql` stands while the block runs. `url`: of a login that may make a schema."""
    named = statements(Path(__file__).with_name("raw.sql"))
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        await named.raise_stage(connection)
        yield
    finally:
        await named.strike_stage(connection)
        await connection.close()
