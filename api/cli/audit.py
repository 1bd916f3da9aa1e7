"""`audit` reads the append-only record of grants, refusals, revocations and consents."""

import asyncio
from pathlib import Path
from typing import Any

import click
import orjson

from api.cli import typed
from api.cli.installation import data_dir_option, installation
from models import audit as record
from models import db

LINES, LINES_MAX = 50, 10_000


@click.command(short_help="Read what was granted, refused, revoked and consented to.")
@click.option("--partner", metavar="SLUG", help="Of this partner only, by its short name.")
@click.option("--client-id", help="Of this client only.")
@click.option("--action", metavar="WORDS", help='Of this kind only, such as "token" or "token.issued".')
@click.option("--last", type=click.IntRange(1, LINES_MAX), default=LINES, show_default=True, help="How many lines.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def audit(
    partner: str | None, client_id: str | None, action: str | None, last: int, data_dir: Path, as_json: bool
) -> None:
    """Print the newest lines of the audit record, the newest last.

    People appear by their id alone. What an outsider was not told, such as why a login was refused, stands here.
    """
    with installation(data_dir) as installed:
        lines = asyncio.run(
            _read(installed.database_url, partner=partner, client_id=client_id, action=action, most=last)
        )
    for line in lines:
        click.echo(orjson.dumps(line, default=str).decode() if as_json else _told(line))


async def _read(database_url: str, **which: Any) -> list[dict[str, Any]]:
    await db.connect(database_url, pool_max=1)
    try:
        async with db.pool().acquire() as connection:
            if which["partner"]:
                await typed.partner_of(connection, which["partner"])
            return await record.lines(connection, **which)
    finally:
        await db.disconnect()


def _told(line: dict[str, Any]) -> str:
    named = ("partner", "client_id", "member_id", "grant_id")
    words = {name: line[name] for name in named if line[name]} | line["detail"]
    said = " ".join(f"{name}={orjson.dumps(str(value)).decode()}" for name, value in words.items())
    return f"{line['at']:%Y-%m-%dT%H:%M:%SZ} {line['action']} {said}".rstrip()
