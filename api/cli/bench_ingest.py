"""`bench ingest`: what writing costs, beside plain INSERTs and COPYs of the same rows."""

import asyncio
import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import click
from rich.console import Console
from rich.table import Table

from api import postgres
from bench.imported import imports
from bench.ingest import Ingest, networks, webhooks
from models import db, seal

REFERRALS_PER_CANDIDATE, CANDIDATES_PER_PARTNER, MONTHS = 2, 50, 24

console, stderr = Console(), Console(stderr=True)


@click.command(short_help="Measure webhooks, `import` and `simulate` beside plain INSERTs and COPYs.")
@click.option("--partners", default=500, show_default=True, type=click.IntRange(100), help="Size of the networks.")
@click.option("--seconds", default=5, show_default=True, type=click.IntRange(1, 60), help="Of webhooks, and INSERTs.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def ingest(partners: int, seconds: int, as_json: bool) -> None:
    """Measure Greenhouse webhooks, `import` and `simulate` beside plain INSERTs and COPYs of the rows that they write.

    In a database of its own, which waits for the disk at each commit, and is removed afterwards. Docs:
    docs/performance.md.
    """
    with tempfile.TemporaryDirectory(prefix="kyoso-bench-", dir="/tmp") as directory, stderr.status("") as status:
        Path(directory).chmod(0o755)
        try:
            server = postgres.start(Path(directory) / "postgres", postgres.DURABLE)
            try:
                found = asyncio.run(_measure(server.url(), partners, seconds, status.update))
            finally:
                server.stop()
        except (postgres.PostgresError, RuntimeError, LookupError) as error:
            raise click.ClickException(str(error)) from None
    if as_json:
        facts = {name: {**_facts(one), "ratio": one.ratio} for name, one in found.items()}
        click.echo(json.dumps(facts))
        return
    table = Table("", "a second", "limit", "ratio", "applied a second")
    for name, one in found.items():
        applied = f"{one.applied:,.0f}" if one.applied is not None else ""
        table.add_row(name, f"{one.per_second:,.0f}", f"{one.limit_per_second:,.0f}", f"{one.ratio:.2f}", applied)
    console.print(table)


def _facts(one: Ingest) -> dict[str, float | None]:
    return {"per_second": one.per_second, "limit_per_second": one.limit_per_second, "applied": one.applied}


async def _measure(server: str, partners: int, seconds: int, progress: Callable[[str], None]) -> dict[str, Ingest]:
    master_key = hashlib.sha256(b"kyoso synthetic master key 1").digest()
    seal.use(master_key)
    connection = await asyncpg.connect(**db.credentials(server))
    await connection.execute("create database template_network")
    await connection.close()
    await db.migrate(urlunsplit(urlsplit(server)._replace(path="/template_network")))
    candidates = partners * CANDIDATES_PER_PARTNER
    asked = {"partners": partners, "candidates": candidates, "months": MONTHS}
    asked |= {"referrals": candidates * REFERRALS_PER_CANDIDATE}
    plain, indexed = await networks(server, master_key, asked, 1, progress)
    found = {"simulate, rows": plain, "the same, indexes made afterwards": indexed}
    simulated, copied = [urlunsplit(urlsplit(server)._replace(path=path)) for path in ("/simulated", "/copied")]
    progress("Import")
    found["import, rows"] = Ingest(*await imports(simulated, copied, master_key))
    return found | {"webhooks": await webhooks(simulated, master_key, seconds, progress)}
