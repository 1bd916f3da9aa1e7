"""What writing costs: webhooks beside plain INSERTs of what they store, `simulate` beside plain COPYs of its rows."""

from __future__ import annotations

import asyncio
import hmac
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench import subject
from bench.load import CONNECTIONS, SERIAL, Request, load
from bench.network.size import size, this_month
from bench.network.write import sql, write
from bench.stage import KYOSO, Stage
from models import ats, db, seal
from models.db import unit_of_work, uuid7

SECRET = "a secret of the bench, longer than 32 characters"
DELIVERY = Path(__file__).with_name("delivery.json")
ROUNDS = 3
EMPTY = "truncate ats_delivery"
INSERT = """insert into ats_delivery (id, integration_id, event_id, action, subject, sealed, received_at, state, due_at)
  values ($1, $2, $3, 'new_candidate_application', 'application:90210077', $4, clock_timestamp(), 'PENDING',
    'infinity')"""
"""The same row, but that the courier never finds it due."""
TABLES = "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"
PENDING = "select count(*) from ats_delivery where state = 'PENDING'"
COLUMNS = """select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
  where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''"""

Progress = Callable[[str], None]
File = tuple[str, bytes]  # columns, and the rows in COPY's binary format


@dataclass(frozen=True, slots=True)
class Ingest:
    """How many a second, beside the limit's. `applied`: of webhooks, how many the courier applies a second once no more
    come; of `simulate` nothing."""

    per_second: float
    limit_per_second: float
    applied: float | None = None

    @property
    def ratio(self) -> float:
        return self.per_second / self.limit_per_second


async def webhooks(url: str, master_key: bytes, seconds: float, progress: Progress) -> Ingest:
    """Greenhouse's news of an application, stored by one worker, beside INSERTs of those rows by one process: in turns,
    over as many connections, each answered after its commit. The middle one of three pairs.

    The database keeps what it is given: it is one of the bench's own.
    """
    about = await subject.find(url)
    body = DELIVERY.read_bytes()
    signed = f"sha256 {hmac.digest(SECRET.encode(), body, 'sha256').hex()}"
    async with AsyncExitStack() as stack:
        integration = await _integration(url, about.id)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kyoso-bench-")))
        server = await Stage(url, master_key, about, directory, stack).server(KYOSO)
        watching = await asyncpg.connect(**db.credentials(url))
        stack.push_async_callback(watching.close)
        headers = (("Content-Type", "application/json"), ("Signature", signed), ("Greenhouse-Event-ID", SERIAL))
        asked = Request(f"{server.address}/ats/greenhouse/{integration}", "POST", headers, body)
        await load(asked, 1)
        pairs: list[tuple[float, float]] = []
        for turn in range(ROUNDS):
            progress(f"Webhooks, round {turn + 1}")
            await watching.execute(EMPTY)
            stored = (await load(asked, seconds)).per_second
            progress(f"Plain INSERTs, round {turn + 1}")
            await watching.execute(EMPTY)  # what was not applied yet: the limit has the machine for itself
            pairs.append((stored, await _inserts(url, integration, body, seconds)))
        progress("Applying")
        await watching.execute(EMPTY)
        await load(asked, 1)
        pairs.sort(key=lambda pair: pair[0] / pair[1])
        return Ingest(*pairs[ROUNDS // 2], await _applied(watching, seconds))


async def _integration(url: str, company_id: Any) -> Any:
    await db.connect(url, pool_max=2)
    try:
        async with unit_of_work() as connection:
            return await ats.connect(connection, company_id=company_id, system="GREENHOUSE", secret=SECRET)
    finally:
        await db.disconnect()


async def _applied(watching: Any, seconds: float) -> float:
    before, began = await watching.fetchval(PENDING), time.perf_counter()
    await asyncio.sleep(seconds)
    return (before - await watching.fetchval(PENDING)) / (time.perf_counter() - began)


async def _inserts(url: str, integration: Any, body: bytes, seconds: float) -> float:
    sealed, count = seal.seal(body, context=b"bench"), 0
    async with asyncpg.create_pool(**db.credentials(url), min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        end = time.perf_counter() + seconds

        async def insert() -> None:
            nonlocal count
            async with pool.acquire() as connection:
                statement = await connection.prepare(INSERT)
                while time.perf_counter() < end:
                    await statement.fetchval(uuid7(), integration, str(uuid7()), sealed)
                    count += 1

        began = time.perf_counter()
        await asyncio.gather(*(insert() for _ in range(CONNECTIONS)))
        return count / (time.perf_counter() - began)


async def networks(
    server: str, master_key: bytes, asked: dict[str, int], seed: int, progress: Progress
) -> tuple[Ingest, Ingest]:
    """`simulate` of that size beside COPYs of all the rows that it wrote, figures too, from memory.

    First into the tables as they are, references unchecked and triggers off, as `pg_restore --data-only
    --disable-triggers` would; then with all indexes that no constraint needs made afterwards. All three are analyzed.

    `server`: the URL of a superuser on a server of the bench's own, with the migrated database `template_network`.
    """
    first = await _database(server, "simulated")
    progress("simulate")
    began = time.perf_counter()
    await write(first, master_key, size(**asked, until=this_month(datetime.now(UTC))), seed, lambda _, __: None)
    simulated = time.perf_counter() - began
    source = await asyncpg.connect(**db.credentials(first))
    try:
        files, rows = await _files(source), await _rows(source)
    finally:
        await source.close()
    count = sum(rows.values())
    progress("Plain COPYs")
    plain = await _copied(await _database(server, "plain"), files, rows, indexes_after=False)
    progress("COPYs, indexes afterwards")
    sorted_ = await _copied(await _database(server, "copied"), files, rows, indexes_after=True)
    return Ingest(count / simulated, count / plain), Ingest(count / simulated, count / sorted_)


async def _copied(url: str, files: dict[str, File], rows: dict[str, int], *, indexes_after: bool) -> float:
    target = await asyncpg.connect(**db.credentials(url))
    try:
        seconds = await _copy(target, files, indexes_after=indexes_after)
        if rows != await _rows(target):
            raise RuntimeError("the copy has other rows than the network")
        return seconds
    finally:
        await target.close()


async def _database(server: str, name: str) -> str:
    connection = await asyncpg.connect(**db.credentials(server))
    try:
        await connection.execute(f"create database {name} template template_network")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


async def _files(source: Any) -> dict[str, File]:
    found: dict[str, File] = {}
    for row in await source.fetch(TABLES):
        if await source.fetchval(f'select exists (select from "{row["name"]}")'):
            columns, file = await source.fetchval(COLUMNS, row["name"]), BytesIO()
            await source.copy_from_query(f'select {columns} from "{row["name"]}"', output=file, format="binary")
            found[row["name"]] = (columns, file.getvalue())
    return found


async def _copy(target: Any, files: dict[str, File], *, indexes_after: bool) -> float:
    began, named = time.perf_counter(), sql()
    async with target.transaction():
        await named.prepare_session(target)
        await target.execute(await named.truncate_statement(target, tables=list(files)))
        indexes = [row async for row in named.secondary_indexes(target, tables=list(files))] if indexes_after else []
        for index in indexes:
            await target.execute(index["drop_statement"])
        for table, (columns, rows) in files.items():
            names = [name.strip('"') for name in columns.split(", ")]
            await target.copy_to_table(table, source=BytesIO(rows), columns=names, format="binary", freeze=True)
        for index in indexes:
            await target.execute(index["create_statement"])
        await named.analyze(target)
    return time.perf_counter() - began


async def _rows(connection: Any) -> dict[str, int]:
    tables = [row["name"] for row in await connection.fetch(TABLES)]
    return {table: await connection.fetchval(f'select count(*) from "{table}"') for table in tables}
