"""`keys rotate` makes the next key that signs access tokens, before its time."""

import asyncio
import json
from datetime import datetime
from pathlib import Path

import click

from api.cli.installation import DEFAULT_DATA_DIR, installation
from api.settings import Settings
from auth.keys import Keyring, MasterKeyError, WaitingKeyError
from models import db


@click.group(short_help="Look after the keys that sign access tokens.")
def keys() -> None:
    """Look after the keys that sign access tokens."""


@keys.command()
@click.option("--data-dir", type=click.Path(path_type=Path), default=DEFAULT_DATA_DIR, help="The demo's directory.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rotate(data_dir: Path, as_json: bool) -> None:
    """Make the next key. It is published now and signs in an hour; the old one is believed for a day after that.

    Keys are renewed every 90 days without this command.
    """
    with installation(data_dir) as installed:
        try:
            kid, signs_from = asyncio.run(_rotate(installed))
        except (MasterKeyError, WaitingKeyError) as error:
            raise click.ClickException(str(error)) from None
    facts = {"kid": kid, "signs_from": f"{signs_from:%Y-%m-%dT%H:%M:%SZ}"}
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


async def _rotate(installed: Settings) -> tuple[str, datetime]:
    await db.connect(installed.database_url, pool_max=1)
    try:
        async with db.unit_of_work() as connection:
            return await Keyring(installed.master_key).rotate(connection)
    finally:
        await db.disconnect()
