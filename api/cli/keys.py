"""`keys rotate` makes the next key that signs access tokens, before its time; `keys time` measures what they cost."""

import asyncio
import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter

import click

from api.cli import Sentences
from api.cli.installation import data_dir_option, installation
from api.oauth import GRAPHIQL_CLIENT
from api.settings import Settings
from auth.keys import Keyring, MasterKeyError, WaitingKeyError
from auth.tokens import Tokens
from models import db
from models.client import find_client

MEASURED_TOKENS = 500


@click.group(cls=Sentences, short_help="Look after the keys that sign access tokens.")
def keys() -> None:
    """Look after the keys that sign access tokens."""


@keys.command()
@data_dir_option
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


@keys.command()
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def time(data_dir: Path, as_json: bool) -> None:
    """Measure issuing a token, verifying one never seen (signature and database), and one seen before.

    Prints medians in microseconds, of one core of this machine.
    """
    with installation(data_dir) as installed:
        figures = asyncio.run(_time(installed))
    told = {name: round(seconds * 1e6, 1) for name, seconds in figures.items()}
    click.echo(json.dumps(told) if as_json else "\n".join(f"{name}: {value} µs" for name, value in told.items()))


async def _time(installed: Settings) -> dict[str, float]:
    await db.connect(installed.database_url, pool_max=1)
    try:
        tokens = Tokens(installed.issuer, Keyring(installed.master_key))
        async with db.unit_of_work() as connection:
            await tokens.keyring.load(connection)
            client = await find_client(connection, GRAPHIQL_CLIENT)
        if client is None:
            raise click.ClickException("there is no client to measure with: start the server once")
        spent: dict[str, list[float]] = {"issue": [], "verify_first": [], "verify_again": []}
        for _ in range(MEASURED_TOKENS):
            moments = [perf_counter()]
            token = tokens.issue(client, None, client.scope, None).access_token
            moments.append(perf_counter())
            for _ in range(2):
                await tokens.verify(token)
                moments.append(perf_counter())
            for name, (begin, end) in zip(spent, pairwise(moments), strict=True):
                spent[name].append(end - begin)
        return {name: median(each) for name, each in spent.items()}
    finally:
        await db.disconnect()


async def _rotate(installed: Settings) -> tuple[str, datetime]:
    await db.connect(installed.database_url, pool_max=1)
    try:
        async with db.unit_of_work() as connection:
            return await Keyring(installed.master_key).rotate(connection)
    finally:
        await db.disconnect()
