"""`bench subscribers`: what live events cost, how fast they reach a crowd, and what bad readers do to the others."""

import asyncio
import json
import tempfile
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import click
from rich.console import Console
from rich.table import Table

from api import postgres
from bench.hard import replay, slow, storm
from bench.order import order
from bench.subscribers import compare, idle
from models import seal

console, stderr = Console(), Console(stderr=True)

MASTER_KEY = bytes(range(32))
"""Of a database that lives as long as this command."""


class Figures(Protocol):
    """What was measured."""

    def facts(self) -> dict[str, Any]: ...


NUMBERS = {"rate": 1_000, "idle": 10_000, "slow": 1_000, "replay": 100_000, "storm": 2_000, "order": 100_000}
"""How many subscribers (`replay`, `order`: events) are measured unless told otherwise."""


@click.command("subscribers", short_help="Measure live events.")
@click.argument("what", type=click.Choice(list(NUMBERS)), default="rate")
@click.option("--number", type=click.IntRange(10, 200_000), help="Subscribers; for `replay` and `order` events.")
@click.option("--groups", default=1, show_default=True, type=click.IntRange(1, 1000), help="Partners; for `rate`.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100), help="For `rate`, in turns.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def subscribers(what: str, number: int | None, groups: int, rounds: int, as_json: bool) -> None:
    """Measure live events over WebSocket, on a PostgreSQL of this command's own and on this machine only.

    WHAT is `rate`: one event to all subscribers, beside a plain Strawberry server; `idle`: the memory of subscribers
    that hear nothing; `slow`: one in ten never reads; `replay`: one asks for all of the past while others go on;
    `storm`: all lose their connection and come back at once; `order`: writers overlap, dawdle and give up, and one
    reader comes and goes. Docs: docs/performance.md.
    """
    seal.use(MASTER_KEY)
    with tempfile.TemporaryDirectory(prefix="kyoso-bench-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        server = postgres.start(Path(directory) / "postgres", postgres.FORGETFUL)
        try:
            with stderr.status("Starting") as status:
                progress = status.update
                measures: dict[str, partial[Coroutine[Any, Any, Figures]]] = {
                    "rate": partial(compare, groups=groups, rounds=rounds),
                    "idle": partial(idle),
                    "slow": partial(slow),
                    "replay": partial(replay),
                    "storm": partial(storm),
                    "order": partial(order),
                }
                measured = measures[what](server.url(), MASTER_KEY, number or NUMBERS[what], progress=progress)
                facts = asyncio.run(measured).facts()
        except RuntimeError as error:
            raise click.ClickException(str(error)) from None
        finally:
            server.stop()
    if as_json:
        click.echo(json.dumps(facts))
        return
    table = Table("figure", "value")
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), f"{value:,.1f}" if isinstance(value, float) else f"{value:,}")
    console.print(table)
