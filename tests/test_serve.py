"""`./kyoso serve` says in one line why it cannot start, and ends with an error; so do the operator's commands."""

import asyncio
import json
import os
import shlex
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from api import postgres as embedded
from api.app import rehearse
from api.cli import main
from api.settings import DATABASES, Settings
from models import db
from tests.builders import MASTER_KEY
from tests.conftest import ROOT, free_port

POWERFUL = """
    create role owner login; create role heir login noinherit; create role unbound login bypassrls;
    create table owned (); alter table owned owner to owner;
    grant owner to heir; grant kyoso_app to owner, heir, unbound; alter role owner set role = 'kyoso_app';
"""
"""Logins that are set up as the application's, but could do more."""
GUARDED = "local all guarded scram-sha-256\n"


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
    admitted = server.data / "pg_hba.conf"
    admitted.write_text(GUARDED + admitted.read_text())
    asyncio.run(execute(server.url(), "create role guarded login password 'secret'; select pg_reload_conf()"))
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


def served(url: str, key: bytes = MASTER_KEY, words: Sequence[str] = (), **more: str) -> Result:
    environment = {"KYOSO_DATABASE_URL": url, "KYOSO_ISSUER": "http://127.0.0.1"} | more
    return CliRunner().invoke(main, ["serve", *words], env=environment | {"KYOSO_MASTER_KEY": b64encode(key).decode()})


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


COMMANDS = [
    "client list --operator",
    'client create --operator --scope "network:read"',
    "client time",
    "member create --partner aozora --email a@example.com --name A",
    "member reset --email a@example.com",
    "idp show --partner aozora",
    "audit",
    "keys rotate",
    "keys time",
    "ats failures --partner aozora",
    "import {file} --partner aozora",
]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_named(server: embedded.Postgres, workers: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = served(server.url("kyoso", "app"), words=["--port", port, "--workers", workers])
    assert (result.exit_code, result.output) == (
        1,
        f"Error: port {port} is taken: stop the program that listens there, or choose another with --port\n",
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_log_says_once_where_it_listens(server: embedded.Postgres, workers: str) -> None:
    port = str(free_port())
    environment = {
        **os.environ,
        "KYOSO_DATABASE_URL": server.url("kyoso", "app"),
        "KYOSO_ISSUER": f"http://127.0.0.1:{port}",
        "KYOSO_MASTER_KEY": b64encode(MASTER_KEY).decode(),
    }
    command = [sys.executable, "-m", "api", "serve", "--port", port, "--workers", workers]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    said: list[str] = []
    started = 0
    for line in process.stderr:
        said.append(json.loads(line)["event"])
        started += said[-1] == "Application startup complete."
        if started == int(workers):
            process.terminate()
            break
    said += [json.loads(line)["event"] for line in process.stderr]
    process.wait()
    assert [event for event in said if "127.0.0.1" in event] == [
        f"Uvicorn running on http://127.0.0.1:{port} (Press CTRL+C to quit)"
    ], said


UNREACHED = "cannot reach the database of KYOSO_DATABASE_URL: "
TROUBLES = {
    "nobody answers": ("postgresql://app:hidden@127.0.0.1:9/kyoso", UNREACHED),
    "no socket": ("postgresql://app@/kyoso?host=/nowhere", UNREACHED),
    "unknown login": ("nobody", f'{UNREACHED}role "nobody" does not exist'),
    "no password": ("guarded", f"{UNREACHED}password authentication failed"),
    "wrong password": ("guarded:hidden", f"{UNREACHED}password authentication failed"),
    "no rights": ("stranger", 'permission denied to set role "kyoso_app": grant it to the login of KYOSO_DATABASE_URL'),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_say_in_one_line_what_stands_before_the_database(
    server: embedded.Postgres, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "applications.csv"
    file.write_text("氏名,メールアドレス,応募日,結果,結果日\n青木 空,sora@example.com,2026-04-01,不採用,2026-05-01\n")
    words = shlex.split(command.format(file=file))
    urls = {name: (url if "://" in url else server.url("kyoso", url), said) for name, (url, said) in TROUBLES.items()}
    urls["no database"] = (server.url("nowhere", "app"), f'{UNREACHED}database "nowhere" does not exist')
    urls["empty"] = (server.url("empty", "app"), "the database of KYOSO_DATABASE_URL is not ready (relation ")
    for trouble, (url, begins) in urls.items():
        told = asked(words, url)
        assert told.exit_code == 1, (trouble, told.output)
        assert told.output.startswith(f"Error: {begins}"), (trouble, told.output)
        assert told.output.count("\n") == 1, (trouble, told.output)
        assert "hidden" not in told.output


def test_migrate_needs_no_more_than_the_address_of_its_database(server: embedded.Postgres, tmp_path: Path) -> None:
    """And never falls back on the demo, as if that had been meant."""
    asyncio.run(execute(server.url(), "create database fresh"))
    demo = ["--data-dir", str(tmp_path)]
    told = asked(["migrate", *demo], None, KYOSO_MIGRATION_URL=server.url("fresh"))
    assert (told.exit_code, told.output.startswith("applied 0001_network\n")) == (0, True), told.output
    refused = asked(["migrate", *demo], None, KYOSO_MIGRATION_URL=server.url("empty", "stranger"))
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: permission denied for schema public: grant it to the login of KYOSO_MIGRATION_URL "
        "(docs/production.md)\n",
    )
    for words in (["audit"], ["simulate"]):
        other = asked([*words, *demo], None, KYOSO_MIGRATION_URL=server.url("fresh"))
        assert (other.exit_code, other.output.count("\n")) == (1, 1)
        assert other.output.startswith("Error: KYOSO_DATABASE_URL is not set"), other.output


def asked(words: list[str], url: str | None, **more: str) -> Result:
    installation = {"KYOSO_ISSUER": "http://127.0.0.1", "KYOSO_MASTER_KEY": b64encode(MASTER_KEY).decode()}
    environment: dict[str, str | None] = dict.fromkeys(DATABASES)
    if url is not None:
        environment |= installation | {"KYOSO_DATABASE_URL": url}
    return CliRunner().invoke(main, words, env=environment | more)


def test_the_login_of_the_docs_serves(server: embedded.Postgres) -> None:
    assert served(server.url("kyoso", "app")).output == "it serves\n"
