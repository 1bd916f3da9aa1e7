"""`simulate`: a synthetic network, written into a database."""

import asyncio
import hashlib
import json
import signal
import time
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import asyncpg
import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.installation import data_dir_option, installation, named_master_key, plainly, refuse_without_database
from api.settings import Settings
from bench.network.size import DENSE, day_begins, size, this_month
from bench.network.world import Size
from bench.network.write import NotEmpty, NotPrivileged, Written, write
from models import db

stderr = Console(stderr=True)


@click.command(short_help="Write a synthetic network into a database.")
@click.option("--partners", default=10_000, show_default=True, help="Companies, schools, agencies, referrers, bodies.")
@click.option("--candidates", default=500_000, show_default=True, help="People; each partner has its own row of them.")
@click.option(
    "--referrals", default=1_000_000, show_default=True, help="Handovers are 0.3 and contributions 2 times it."
)
@click.option("--months", default=24, show_default=True, help="How long the network has lived.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day on which it ends, in Japan.  [default: the first of this month]",
)
@click.option(
    "--database-url", help="Of a superuser.  [default: this installation's KYOSO_MIGRATION_URL, or the demo's]"
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print counts, fingerprint and seconds as JSON.")
def simulate(
    partners: int,
    candidates: int,
    referrals: int,
    months: int,
    seed: int,
    until: datetime | None,
    database_url: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Write a synthetic network into an empty database, with COPY and in one transaction.

    Nobody in it exists. The same options give the same bytes; the fingerprint proves it. Ctrl-C or SIGTERM leaves
    the database as it was. Docs: docs/simulate.md.
    """
    ends = day_begins(until.date()) if until else this_month(datetime.now(UTC))
    try:
        asked = size(partners=partners, candidates=candidates, referrals=referrals, months=months, until=ends)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if database_url is None:
        with installation(data_dir) as settings:
            refuse_without_database(settings.migration_url, "KYOSO_MIGRATION_URL")
            _simulate(settings.migration_url, settings.master_key, None, asked, seed, as_json)
        return
    refuse_without_database(database_url, "--database-url")
    named = named_master_key()
    # Without an installation the key comes from the seed too: there is nobody to be protected, and it is printed.
    key = named or hashlib.sha256(f"kyoso synthetic master key {seed}".encode()).digest()
    with plainly("--database-url"):
        _simulate(database_url, key, None if named else b64encode(key).decode(), asked, seed, as_json)


def _simulate(url: str, master_key: bytes, told_key: str | None, asked: Size, seed: int, as_json: bool) -> None:
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=stderr, transient=True) as bar:
        task = bar.add_task("Partners", total=1.0)

        def progress(step: str, done: float) -> None:
            bar.update(task, description=step, completed=done)

        with _ended_as_by_ctrl_c():
            written = asyncio.run(_write(url, master_key, asked, seed, progress))
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        facts = {"rows": written.rows, "fingerprint": written.fingerprint, "seconds": seconds, "master_key": told_key}
        click.echo(json.dumps(facts))
        return
    width = max(len(f"{count:,}") for count in written.rows.values())
    for table, count in written.rows.items():
        click.echo(f"{count:>{width},}  {table}")
    click.echo(f"fingerprint {written.fingerprint}\n{seconds} s")
    if told_key:
        click.echo(f"KYOSO_MASTER_KEY={told_key}")


@contextmanager
def _ended_as_by_ctrl_c() -> Generator[None]:
    """Within, SIGTERM unwinds the stack too, so that files and processes of the way are removed."""

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def fill(
    settings: Settings,
    *,
    partners: int,
    candidates: int,
    referrals: int,
    months: int,
    seed: int,
    progress: Callable[[str, float], None],
    until: datetime | None = None,
    contributions: float = DENSE,
) -> Written:
    """Fills an installation's empty database with a network that lived until now, or until that instant.

    `progress` is told the step and the part done, from 0 to 1. Raises click.ClickException, one line, when the
    database is not empty or its login may not load.
    """
    asked = size(
        partners=partners,
        candidates=candidates,
        referrals=referrals,
        months=months,
        until=until or datetime.now(UTC),
        contributions=contributions,
    )
    return await _write(settings.migration_url, settings.master_key, asked, seed, progress)


async def _write(
    url: str, master_key: bytes, asked: Size, seed: int, progress: Callable[[str, float], None]
) -> Written:
    await db.migrate(url)
    try:
        return await write(url, master_key, asked, seed, progress)
    except NotEmpty:
        raise click.ClickException("there is a network in this database already: simulate needs an empty one") from None
    except NotPrivileged:
        raise click.ClickException("simulate switches triggers off while it loads: connect as a superuser") from None
    except asyncpg.PostgresError as error:
        raise click.ClickException(f"the database refused the network, and is as it was: {db.said(error)}") from None
