"""What an import costs: `./kyoso import` beside plain INSERTs of the rows that came of it, as many lines a commit."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from api import intake_rows
from api.cli.imports import ROWS_AT_ONCE, take_in
from api.settings import Settings
from models import db

LINES = 1_000
HEAD = "応募ID,氏名,メールアドレス,電話番号,都道府県,求人,選考段階,応募日,結果,結果日,不採用理由,紹介者"
LINE = "{0},架空 花子,hanako{0}@example.com,090-5555-{0:04d},東京都,営業,一次面接,2026-04-01,{1}"
ENDS = ("選考中,,,佐藤 花子", "不採用,2026-04-20,経験不足,")
COMPANY = "select slug from partner where kind = 'COMPANY' order by id limit 1"
TABLES = (
    "select oid::regclass::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
)
COLUMNS = """select string_agg(quote_ident(attname), ', ' order by attnum) as names, count(*) as count
  from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''"""


async def imports(url: str, other_url: str, master_key: bytes) -> tuple[float, float]:
    """Rows a second: of an import of LINES applications, half of them referred, half rejected; of INSERTs of its rows.

    `other_url`: a database with the same network, without them. Both keep what they are given.
    """
    lines = [HEAD, *(LINE.format(number, ENDS[number % 2]) for number in range(LINES))]
    table = intake_rows.read_table("\n".join(lines).encode(), "generic")
    source, target = [await asyncpg.connect(**db.credentials(each)) for each in (url, other_url)]
    try:
        first = await source.fetchval("select pg_current_xact_id()::text::bigint")
        slug = await source.fetchval(COMPANY)
        began = time.perf_counter()
        settings = Settings(url, url, "http://127.0.0.1", master_key, Path())
        report, _ = await take_in(settings, slug, table, datetime.now(UTC))
        seconds = time.perf_counter() - began
        if report.imported != LINES:
            raise RuntimeError(f"{report.imported} of {LINES} lines were imported")
        rows = await _rows(source, first)
        count = sum(len(found) for found in rows.values())
        return count / seconds, count / await _insert(target, rows)
    finally:
        await source.close()
        await target.close()


async def _rows(source: Any, first: int) -> dict[str, list[Any]]:
    """What was inserted since, by the statement that inserts it. What was only changed is not counted."""
    found: dict[str, list[Any]] = {}
    for row in await source.fetch(TABLES):
        columns = await source.fetchrow(COLUMNS, row["name"])
        values = ", ".join(f"${place + 1}" for place in range(columns["count"]))
        statement = f"insert into {row['name']} ({columns['names']}) overriding system value values ({values})"
        new = await source.fetch(
            f"select {columns['names']} from {row['name']} where xmin::text::bigint > $1 order by ctid", first
        )
        if new and row["name"] != "kpi_month":
            found[statement] = new
    return found


async def _insert(target: Any, rows: dict[str, list[Any]]) -> float:
    await target.execute("set session_replication_role = replica")  # rows alone: no references, no figures
    prepared = [(await target.prepare(statement), found) for statement, found in rows.items()]
    began = time.perf_counter()
    for start in range(0, LINES, ROWS_AT_ONCE):
        end = start + ROWS_AT_ONCE
        async with target.transaction():
            for statement, found in prepared:
                for row in found[start * len(found) // LINES : end * len(found) // LINES]:
                    await statement.fetch(*row)
    return time.perf_counter() - began
