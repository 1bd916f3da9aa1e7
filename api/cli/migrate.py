"""`migrate`: the schema, brought up to date."""

import asyncio
import json
from pathlib import Path

import asyncpg
import click

from api.cli.installation import data_dir_option, installation, refuse_without_database
from models import db


@click.command(short_help="Bring the database up to date.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the applied migrations as JSON.")
def migrate(data_dir: Path, as_json: bool) -> None:
    """Bring the database up to date.

    Works on KYOSO_MIGRATION_URL (a login that may create tables), else on KYOSO_DATABASE_URL, else on the demo's
    database. Two at once wait for each other; a migration that fails leaves the database as it was.
    """
    with installation(data_dir) as settings:
        refuse_without_database(settings.migration_url, "KYOSO_MIGRATION_URL")
        before = asyncio.run(applied(settings.migration_url))
        asyncio.run(db.migrate(settings.migration_url))
        new = [name for name in asyncio.run(applied(settings.migration_url)) if name not in before]
    if as_json:
        click.echo(json.dumps({"applied": new}))
    else:
        click.echo("\n".join(f"applied {name}" for name in new) or "The database is up to date.")


async def applied(url: str) -> list[str]:
    """The names of the migrations that a database has, in the order in which they were applied."""
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        return [row["name"] async for row in db.queries("installation").migrations_applied(connection)]
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()
