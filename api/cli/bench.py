"""`bench`: what the reads cost, against hand-written SQL on the same database."""

import asyncio
import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from api.cli.installation import DEFAULT_DATA_DIR, installation, refuse_without_database
from bench.compare import Different, Row, compare
from models import seal

console, stderr = Console(), Console(stderr=True)


@click.command(short_help="Measure the reads against hand-written SQL.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100), help="Each measures both servers.")
@click.option("--seconds", default=3, show_default=True, type=click.IntRange(1, 60), help="Per read, server and round.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA_DIR,
    help="The demo's directory, used when KYOSO_DATABASE_URL is not set.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def bench(rounds: int, seconds: int, data_dir: Path, as_json: bool) -> None:
    """Measure Kyoso's reads against hand-written SQL on the same database, in turns, on this machine only.

    Works on a network of `./kyoso simulate`. Both servers must give the same answers before anything is measured.
    A ratio of 1.00 is as fast as hand-written. Docs: docs/performance.md.
    """
    with installation(data_dir) as settings:
        refuse_without_database(settings.database_url, "KYOSO_DATABASE_URL")
        seal.use(settings.master_key)
        with stderr.status("Starting both servers") as status:
            try:
                rows = asyncio.run(compare(settings.database_url, settings.master_key, rounds, seconds, status.update))
            except (Different, LookupError, RuntimeError) as error:
                raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps([row.facts() for row in rows]))
    else:
        console.print(_table(rows))


def _table(rows: list[Row]) -> Table:
    table = Table("read", "of the limit", "spread", "answers/s", "p50 ms", "p99 ms", "limit p50", "limit p99", "bytes")
    for row in rows:
        table.add_row(
            row.query,
            f"{row.ratio:.2f}",
            f"{row.low:.2f}–{row.high:.2f}",
            f"{row.kyoso.per_second:,.0f}",
            f"{row.kyoso.p50_ms:.1f}",
            f"{row.kyoso.p99_ms:.1f}",
            f"{row.limit.p50_ms:.1f}",
            f"{row.limit.p99_ms:.1f}",
            f"{row.bytes:,}",
        )
    return table
