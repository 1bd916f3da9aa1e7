"""Writes a network with COPY, in one transaction: either all of it is there, or nothing is.

One backend takes the rows while other processes live the people's lives. Within the transaction no index is kept: they
are made again from sorted rows, unique ones too; whoever interrupts it leaves the database as it was.
"""

from __future__ import annotations

import gc
import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import asyncpg

from bench.network.accounts import keep_books
from bench.network.hands import Hands
from bench.network.rows import COLUMNS, SIGNATURE, TRAILER, sheets
from bench.network.story import Count, Offer
from bench.network.world import Sheets, Size, World
from models import db, kpi, outbox
from models.db import Connection
from models.named import statements

Progress = Callable[[str, float], None]

# Shares of the whole time, for the progress bar.
LIVED, TOLD, INDEXED, FIGURED = 0.55, 0.72, 0.92, 0.98

ROLLUPS = ["kpi_month", "kpi_network_month", "contribution_link"]
"""Computed from the rows once they are there."""


class NotEmpty(Exception):  # noqa: N818  (a state of the database)
    """There is a network already; a synthetic one is never mixed into it."""


class NotPrivileged(Exception):  # noqa: N818
    """Loading switches off triggers and passes row-level security, which takes a superuser."""


@dataclass(slots=True)
class Written:
    """What was written: rows by table, and the fingerprint (BLAKE2b, 256 bits) of everything that was copied."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    fingerprint: str = ""


async def write(url: str, master_key: bytes, size: Size, seed: int, progress: Progress) -> Written:
    """Writes the network of that size and seed into an empty, migrated database.

    `url`: a superuser's, on the database itself. Raises NotEmpty and NotPrivileged, and then changes nothing.
    """
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        standing = await sql().standing(connection)
        if standing["has_partners"]:
            raise NotEmpty
        if not standing["may_load"]:
            raise NotPrivileged
        with tempfile.TemporaryDirectory(prefix="kyoso-simulate-") as directory:
            gc.disable()  # a million objects that stay; bench.network.hands looks for cycles where there are some
            async with connection.transaction():
                return await _Load(connection, master_key, size, seed, progress, Path(directory)).run()
    finally:
        gc.enable()
        gc.unfreeze()
        await connection.close()


class _Load:
    def __init__(
        self,
        connection: Connection,
        master_key: bytes,
        size: Size,
        seed: int,
        progress: Progress,
        directory: Path,
    ) -> None:
        self._connection, self._master_key, self._progress = connection, master_key, progress
        self._size, self._seed, self._directory = size, seed, directory
        self._rows: Counter[str] = Counter()
        self._hashes = {table: hashlib.blake2b(digest_size=32) for table in COLUMNS}  # half of SHA-256's time
        self._counts: list[Count] = []
        self._offers: list[Offer] = []
        self._weeks: set[int] = set()

    async def run(self) -> Written:
        connection, named = self._connection, sql()
        loaded = [table for table in COLUMNS if table != "partner"]  # logins and clients refer to partners: not emptied
        await named.prepare_session(connection)
        await connection.execute(await named.truncate_statement(connection, tables=loaded))
        indexes = [row async for row in named.secondary_indexes(connection, tables=list(COLUMNS))]
        # Their keys stay: a rollup is read while it is made, and an index that rows passed by would answer for it.
        rollups = [row async for row in named.secondary_indexes(connection, tables=ROLLUPS)]
        for index in (*indexes, *rollups):
            await connection.execute(index["drop_statement"])
        indexes += [row async for row in named.unready_indexes(connection, tables=loaded)]
        with Hands(self._master_key, self._size, self._seed) as hands:
            await self._copy_sheets(hands.filled)
            await self._people(hands)
            await self._accounts(hands.world)
            await self._events(hands)
        await self._index(indexes, TOLD, INDEXED)
        self._progress("Figures", INDEXED)
        await named.analyze(connection)
        await kpi.rebuild(connection)
        await outbox.rebuild_marks(connection)
        await self._index(rollups, FIGURED, 1.0)
        self._progress("Done", 1.0)
        return Written(dict(self._rows), self._fingerprint())

    async def _people(self, hands: Hands) -> None:
        number = 0
        async for part in hands.parts():
            number += 1
            for table in COLUMNS:
                if table in part.tables:
                    await self._copy(table, part.tables[table], part.rows[table])
            self._rows["outcome_event"] += part.rows["outcome_event"]
            self._keep(part.weeks)
            self._counts += part.counts
            self._offers += part.offers
            self._progress("People", LIVED * number / hands.count)

    async def _accounts(self, world: World) -> None:
        self._progress("Relay accounts", LIVED)
        books = sheets()
        events = keep_books(world, books, self._counts, self._offers)
        self._rows["outcome_event"] += sum(len(week) for week in events.weeks.values())
        self._keep(events.packed())
        await self._copy_sheets(books)

    async def _events(self, hands: Hands) -> None:
        number = 0
        async for rows in hands.weeks([self._file(week) for week in sorted(self._weeks)]):
            number += 1
            await self._copy("outcome_event", rows, 0)
            self._progress("Events", LIVED + (TOLD - LIVED) * number / len(self._weeks))

    async def _index(self, indexes: list[Any], began: float, ended: float) -> None:
        for number, index in enumerate(indexes):
            self._progress(f"Index {index['name']}", began + (ended - began) * number / len(indexes))
            await self._connection.execute(index["create_statement"])

    def _keep(self, weeks: dict[int, bytes]) -> None:
        for week, pack in weeks.items():
            self._weeks.add(week)
            with self._file(week).open("ab") as file:
                file.write(pack)

    def _file(self, week: int) -> Path:
        return self._directory / str(week)

    async def _copy_sheets(self, filled: Sheets) -> None:
        for table, sheet in filled.items():
            if sheet.rows:
                await self._copy(table, sheet.packed(), len(sheet.rows))

    async def _copy(self, table: str, rows: bytes, count: int) -> None:
        self._hashes[table].update(rows)
        self._rows[table] += count
        await self._connection.copy_to_table(
            table,
            source=BytesIO(b"".join((SIGNATURE, rows, TRAILER))),
            columns=COLUMNS[table],
            format="binary",
            freeze=table != "partner",
        )

    def _fingerprint(self) -> str:
        lines = [f"{table} {digest.hexdigest()}\n" for table, digest in self._hashes.items()]
        return hashlib.blake2b("".join(lines).encode(), digest_size=32).hexdigest()


@cache
def sql() -> Any:
    return statements(Path(__file__).with_name("network.sql"))
