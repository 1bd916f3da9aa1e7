"""`migrate`: the schema, brought up to date."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import click

from api.cli.installation import data_dir_option, installation, plainly, refuse_without_database
from api.settings import SettingsError, migration_url
from models import db

MIGRATED = "KYOSO_MIGRATION_URL"


@click.command(short_help="Bring the database up to date.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the applied migrations as JSON.")
def migrate(data_dir: Path, as_json: bool) -> None:
    """Bring the database up to date.

    Works on KYOSO_MIGRATION_URL (a login that may create tables), else on KYOSO_DATABASE_URL, else on the demo's
    database. Two at once wait for each other; a migration that fails leaves the database as it was.
    """
    with _database(data_dir) as url, plainly(MIGRATED):
        refuse_without_database(url, MIGRATED)
        before = asyncio.run(applied(url))
        asyncio.run(db.migrate(url))
        new = [name for name in asyncio.run(applied(url)) if name not in before]
    if as_json:
        click.echo(json.dumps({"applied": new}))
    else:
        click.echo("\n".join(f"applied {name}" for name in new) or "The database is up to date.")


@contextmanager
def _database(data_dir: Path) -> Generator[str]:
    """What is migrated; the environment's needs no more of the installation than its address."""
    try:
        url = migration_url()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    if url is not None:
        yield url
        return
    with installation(data_dir) as settings:
        yield settings.migration_url


async def applied(url: str) -> list[str]:
    """The names of the migrations that a database has, in the order in which they were applied."""
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        return [row["name"] async for row in db.queries("installation").migrations_applied(connection)]
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()
