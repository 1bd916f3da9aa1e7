"""`bench plans`: how PostgreSQL walks to each answer, and that no walk grows with the network."""

import asyncio
import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from api.cli.installation import refuse_without_database
from bench.plans import LARGE_ROWS, scans, walks
from bench.subject import find

console, stderr = Console(), Console(stderr=True)


@click.command(short_help="Show how PostgreSQL walks to each answer.")
@click.option("--database-url", required=True, help="Of a superuser, on a network of `simulate`.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def plans(database_url: str, as_json: bool) -> None:
    """Show how PostgreSQL walks to each answer, within functions too, and how many pages it looks at.

    Ends with an error when a question, or a statement of a verb, a page or the clock, reads a large table from end to
    end. Docs: docs/scale.md.
    """
    refuse_without_database(database_url, "--database-url")
    with stderr.status("Looking for whom to ask about") as status:
        try:
            subject = asyncio.run(find(database_url))
        except LookupError as error:
            raise click.ClickException(str(error)) from None
        found = asyncio.run(walks(database_url, subject, lambda query: status.update(query)))
        status.update("Statements by name")
        scanned = asyncio.run(scans(database_url))
    if as_json:
        click.echo(json.dumps([asdict(walk) for walk in found]))
    else:
        table = Table("question", "pages", "p50 ms", "by")
        for walk in found:
            table.add_row(walk.query, f"{walk.pages:,}", f"{walk.p50_ms:.1f}", "\n".join(walk.ways))
        console.print(table)
    scanned += sorted(f"{walk.query} {name}" for walk in found for name in walk.scanned)
    if scanned:
        large = f"{LARGE_ROWS:,} rows or more"
        raise click.ClickException(f"a table of {large} was read from end to end: {', '.join(scanned)}")
