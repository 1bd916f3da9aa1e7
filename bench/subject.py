"""Whom and what the questions are about: one company, its months, a job of another, and fifty entities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import asyncpg

from bench.limit import sql
from models import db

MONTHS = 24
PREFIXES = {"Company": "par", "Agency": "par", "Application": "app", "Contribution": "ctb"}


@dataclass(frozen=True, slots=True)
class Subject:
    """The company that asks, about itself. `first` to `last` are the months of its figures, by their first days."""

    id: UUID
    first: date
    last: date
    company_id: UUID
    job_id: UUID
    entities: tuple[tuple[str, UUID], ...]

    @property
    def representations(self) -> list[dict[str, str]]:
        return [{"__typename": kind, "id": f"{PREFIXES[kind]}_{key}"} for kind, key in self.entities]


async def find(url: str) -> Subject:
    """Raises LookupError when the database holds no network to be read."""
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        named = sql("subject")
        found = await named.busiest(connection)
        if found is None or found["last_month"] is None:
            raise LookupError("there is no network in this database: write one with ./kyoso simulate")
        job = await named.open_job(connection, of=found["id"])
        entities = [(row["kind"], row["id"]) async for row in named.entities(connection, of=found["id"])]
    finally:
        await connection.close()
    if job is None:
        raise LookupError("no job in this network is open to everybody: write a larger one with ./kyoso simulate")
    last: date = found["last_month"]
    month = last.year * 12 + last.month - 1 - (MONTHS - 1)
    first = date(month // 12, month % 12 + 1, 1)
    return Subject(found["id"], first, last, job["company_id"], job["id"], tuple(entities))
