"""`bench`: what the questions cost, beside hand-written SQL and beside what else one could have built."""

import asyncio
import hashlib
import json
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from api import postgres
from api.cli import Sentences
from api.cli.bench_ingest import ingest
from api.cli.bench_plans import plans
from api.cli.bench_subscribers import subscribers
from api.cli.installation import data_dir_option, installation, named_master_key, refuse_without_database
from bench import npm
from bench.compare import Bench, Results
from bench.load import name
from bench.network.size import size, this_month
from bench.network.write import write
from bench.picture import picture
from bench.question import QUERIES
from bench.same import Different
from bench.stage import LIMIT, NODE, PEERS, PGBOUNCER, TWO_WORKERS, UNFILTERED
from bench.table import facts, markdown, remarks, rich
from models import db, seal

SMALL = {"partners": 240, "candidates": 3_000, "referrals": 6_000, "months": 24}
CONNECTIONS = "400"
SERVERS = (LIMIT, *PEERS, UNFILTERED, TWO_WORKERS)

console, stderr = Console(), Console(stderr=True)


@click.group(cls=Sentences, invoke_without_command=True, short_help="Measure the questions beside other servers.")
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1, 100), help="Each measures in turns.")
@click.option("--seconds", default=2, show_default=True, type=click.IntRange(1, 60), help="Per server and query.")
@click.option("--only", multiple=True, type=click.Choice(QUERIES), help="A query; may be repeated.  [default: all]")
@click.option("--server", multiple=True, type=click.Choice(SERVERS), help="May be repeated.  [default: all]")
@click.option("--database-url", help="Of a superuser, on a network of `simulate`.  [default: the installation's]")
@click.option("--pooled-url", help="Of a pgbouncer before that database, to measure Kyoso behind it too.")
@click.option("--seed", default=1, show_default=True, help="Of that network: its master key comes from it.")
@click.option("--small", is_flag=True, help="Write a small network for this run alone.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables as the docs have them.")
@click.option("--picture", "drawn", type=click.Path(path_type=Path, dir_okay=False), help="Draw the ratios as SVG.")
@click.pass_context
def bench(
    context: click.Context,
    rounds: int,
    seconds: int,
    only: tuple[str, ...],
    server: tuple[str, ...],
    database_url: str | None,
    pooled_url: str | None,
    seed: int,
    small: bool,
    data_dir: Path,
    as_json: bool,
    as_markdown: bool,
    drawn: Path | None,
) -> None:
    """Measure Kyoso beside hand-written SQL (L), Strawberry (N, S), PostGraphile (P) and mercurius (M), in turns.

    On this machine only, on a network of `./kyoso simulate`. All servers must give the same answers before anything
    is measured. A ratio of 1.00 to L is as fast as hand-written. Docs: docs/performance.md.
    """
    if context.invoked_subcommand:
        return
    kinds = [kind for kind in SERVERS if not server or kind in server]
    kinds += [PGBOUNCER] if pooled_url else []
    try:
        if set(kinds) & set(NODE):
            npm.install()
        with _network(database_url, seed, small, data_dir) as (url, master_key):
            seal.use(master_key)
            with stderr.status("Starting the servers") as status:
                queries = [query for query in QUERIES if not only or query in only]
                run = Bench(url, master_key, kinds, queries, rounds, seconds, status.update, pooled_url)
                results = asyncio.run(run.run())
    except (Different, LookupError, RuntimeError, npm.NoNode, postgres.PostgresError) as error:
        raise click.ClickException(str(error)) from None
    if drawn:
        drawn.write_text(picture(results), encoding="utf-8")
    _tell(results, as_json, as_markdown)


bench.add_command(ingest)
bench.add_command(subscribers)
bench.add_command(plans)


def _tell(results: Results, as_json: bool, as_markdown: bool) -> None:
    if as_json or as_markdown:
        click.echo(json.dumps(facts(results, name())) if as_json else markdown(results, name()))
        return
    for table in rich(results):
        console.print(table)
    for said in remarks(results, name()):
        console.print(said)


@contextmanager
def _network(url: str | None, seed: int, small: bool, data_dir: Path) -> Generator[tuple[str, bytes]]:
    """The network to be measured: its URL and master key."""
    from_seed = hashlib.sha256(f"kyoso synthetic master key {seed}".encode()).digest()
    if small:
        with _small(from_seed, seed) as own:
            yield own, from_seed
    elif url is not None:
        refuse_without_database(url, "--database-url")
        yield url, named_master_key() or from_seed
    else:
        with installation(data_dir) as settings:
            refuse_without_database(settings.migration_url, "KYOSO_MIGRATION_URL")
            yield settings.migration_url, settings.master_key


@contextmanager
def _small(master_key: bytes, seed: int) -> Generator[str]:
    with tempfile.TemporaryDirectory(prefix="kyoso-bench-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        server = postgres.start(Path(directory) / "postgres", {**postgres.DURABLE, "max_connections": CONNECTIONS})
        try:
            asyncio.run(_write(server.url(), master_key, seed))
            yield server.url()
        finally:
            server.stop()


async def _write(url: str, master_key: bytes, seed: int) -> None:
    await db.migrate(url)
    await write(url, master_key, size(**SMALL, until=this_month(datetime.now(UTC))), seed, lambda _, __: None)
