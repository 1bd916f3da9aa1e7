"""A real PostgreSQL for every test: one server a session, one freshly cloned database a test."""

import asyncio
import os
import random
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, settings

from api import postgres as embedded
from models import db, seal
from tests.builders import MASTER_KEY

ROOT = Path(__file__).parent.parent
MEMORY, ROOM_BYTES = Path("/dev/shm"), 2 * 1024**3
PLACE = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES else Path("/tmp")
"""Where a test's server keeps its data: a database is some 400 files, which a disk takes ten times as long to make and
to remove as memory does."""
_numbers = count(1)
# No example is too slow on a busy machine, and each run tries the same ones: none fails by chance.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def authorities() -> Iterator[None]:
    """Read once for all the clients, none of which meets TLS: they are a sixth of the time of many a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(autouse=True)
def master_key() -> Iterator[None]:
    """Every test finds the same key in the process, and so does what a module makes before its first."""
    seal.use(MASTER_KEY)
    yield
    seal.use(MASTER_KEY)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The superuser's URL of a running server: embedded, or that of KYOSO_TEST_DATABASE_URL."""
    given = os.environ.get("KYOSO_TEST_DATABASE_URL")
    if given:
        yield given
        return
    directory = Path(tempfile.mkdtemp(prefix="kyoso-tests-", dir=PLACE))
    server = embedded.start(directory / "postgres", embedded.FORGETFUL)
    yield server.url()
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """The superuser's URL of a fresh database without tables."""
    yield from _database(postgres, "template0")


@pytest.fixture(scope="session")
def template_database(postgres: str) -> Iterator[str]:
    """The name of a database made by the real migrations, to be cloned and never written to."""
    for url in _database(postgres, "template0"):
        asyncio.run(db.migrate(url))
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def database(postgres: str, template_database: str) -> Iterator[str]:
    """The superuser's URL of a migrated database of this test's own."""
    yield from _database(postgres, template_database)


@pytest.fixture(scope="module")
def shared_database(postgres: str, template_database: str) -> Iterator[str]:
    """The superuser's URL of a migrated database that the tests of one module share."""
    yield from _database(postgres, template_database)


@pytest.fixture
async def connected(database: str) -> AsyncIterator[str]:
    """Tortoise and its pool, connected to `database` as the application's role; gives the URL."""
    await db.connect(database)
    try:
        yield database
    finally:
        await db.disconnect()


def free_port() -> int:
    """A port of this machine for a program that is to be told one: of those that no system gives away by itself, so
    that nobody takes it meanwhile."""
    while True:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def _database(server: str, template: str) -> Iterator[str]:
    name = f"kyoso_{os.getpid()}_{next(_numbers)}"
    # Copied as files: half the time of passing each page through the log, where no crash is to be survived.
    asyncio.run(_execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'))
    yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    asyncio.run(_execute(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
