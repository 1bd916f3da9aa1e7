"""`./kyoso serve` says in one line why it cannot start, and ends with an error."""

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from api import postgres as embedded
from api.app import rehearse
from api.cli import main
from api.settings import Settings
from models import db
from tests.builders import MASTER_KEY

POWERFUL = """
    create role owner login; create role heir login noinherit; create role unbound login bypassrls;
    create table owned (); alter table owned owner to owner;
    grant owner to heir; grant kyoso_app to owner, heir, unbound; alter role owner set role = 'kyoso_app';
"""
"""Logins that are set up as the application's, but could do more."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Postgres]:
    """A server with a migrated database, an empty one, and a login that may not become the application's role."""
    server = embedded.start(tmp_path_factory.mktemp("serve") / "postgres", embedded.FORGETFUL)
    for statement in ("create database kyoso", "create database empty", "create role stranger login"):
        asyncio.run(execute(server.url(), statement))
    asyncio.run(db.migrate(server.url("kyoso")))
    asyncio.run(execute(server.url(), "create role app login noinherit"))
    asyncio.run(execute(server.url(), "grant kyoso_app to app"))
    asyncio.run(execute(server.url("kyoso"), POWERFUL))
    url = server.url("kyoso", "app")
    asyncio.run(rehearse(Settings(url, url, "http://127.0.0.1", MASTER_KEY, Path())))
    yield server
    server.stop()


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(**db.credentials(url))
    await connection.execute(statement)
    await connection.close()


@pytest.fixture(autouse=True)
def nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gets as far as serving says so, and ends."""
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: print("it serves"))  # pyright: ignore[reportUnknownLambdaType]


def served(url: str, key: bytes = MASTER_KEY, **more: str) -> Result:
    environment = {"KYOSO_DATABASE_URL": url, "KYOSO_ISSUER": "http://127.0.0.1"} | more
    return CliRunner().invoke(main, ["serve"], env=environment | {"KYOSO_MASTER_KEY": b64encode(key).decode()})


def test_another_master_key_is_named(server: embedded.Postgres) -> None:
    result = served(server.url("kyoso", "app"), os.urandom(32))
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "KYOSO_MASTER_KEY" in result.output


def test_an_empty_database_is_to_be_migrated(server: embedded.Postgres) -> None:
    result = served(server.url("empty", "app"))
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "run ./kyoso migrate" in result.output


@pytest.mark.parametrize(
    ("login", "risk"),
    [
        ("postgres", "may bypass row-level security"),
        ("unbound", "may bypass row-level security"),
        ("owner", "owns tables"),
        ("heir", "owns tables"),
    ],
)
def test_a_login_that_could_take_its_powers_back_is_refused(server: embedded.Postgres, login: str, risk: str) -> None:
    """The superuser, one that bypasses row-level security, an owner, and who may become the owner; also where the
    session starts as the application's role, as behind pgbouncer."""
    direct, url = server.url("kyoso", "app"), server.url("kyoso", login)
    for told in (served(url), served(direct, KYOSO_DIRECT_DATABASE_URL=url)):
        assert (told.exit_code, told.output.count("\n")) == (1, 1), told.output
        assert told.output.startswith("Error: the database's role ")
        assert f" {risk}: connect as a login that is a member of kyoso_app alone" in told.output


def test_a_login_that_is_no_member_of_the_role_is_told_so(server: embedded.Postgres) -> None:
    result = served(server.url("kyoso", "stranger"))
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert result.output == (
        'Error: permission denied to set role "kyoso_app": grant it to the login of KYOSO_DATABASE_URL'
        " (docs/production.md)\n"
    )


def test_the_login_of_the_docs_serves(server: embedded.Postgres) -> None:
    assert served(server.url("kyoso", "app")).output == "it serves\n"
