"""`ats`: connect a company's applicant-tracking system, and look after its deliveries."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from api.ats import ADAPTERS
from api.cli import Sentences, typed
from api.cli.installation import data_dir_option, installation
from api.settings import Settings
from models import db, delivery, seal
from models.ats import connect as connect_ats
from models.db import Connection

SECRET_BYTES = 32

Work = Callable[[Connection, UUID], Awaitable[Any]]

_partner = click.option("--partner", required=True, metavar="SLUG", help="The company, by its short name.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Sentences, short_help="Connect an applicant-tracking system and look after its deliveries.")
def ats() -> None:
    """Connect a company's applicant-tracking system (ATS) and look after its deliveries."""


@ats.command()
@_partner
@click.option("--system", type=click.Choice([name.lower() for name in ADAPTERS]), default="greenhouse")
@data_dir_option
@_json
def connect(partner: str, system: str, data_dir: Path, as_json: bool) -> None:
    """Print the address and the secret key to enter in the ATS. Again, it changes the secret and keeps the address."""
    secret = secrets.token_urlsafe(SECRET_BYTES)

    async def work(connection: Connection, company_id: UUID) -> UUID:
        return await connect_ats(connection, company_id=company_id, system=system.upper(), secret=secret)  # type: ignore[arg-type]

    with installation(data_dir) as installed:
        integration_id = asyncio.run(_with(installed, partner, work))
        facts = {"url": f"{installed.issuer}/ats/{system}/{integration_id}", "secret": secret}
    click.echo(json.dumps(facts) if as_json else f"url: {facts['url']}\nsecret: {facts['secret']}")


@ats.command()
@_partner
@data_dir_option
@_json
def failures(partner: str, data_dir: Path, as_json: bool) -> None:
    """List the deliveries that could not be applied and wait for an operator."""
    with installation(data_dir) as installed:
        rows = asyncio.run(_with(installed, partner, _failures))
    if as_json:
        click.echo(json.dumps(rows, default=str))
        return
    for row in rows:
        click.echo(f"{row['received_at']:%Y-%m-%d %H:%M} {row['event_id']} {row['action']}: {row['failure']}")
    click.echo(f"{len(rows)} failed")


@ats.command()
@_partner
@click.option("--event-id", help="Only this delivery, whatever became of it; every failed one when left out.")
@data_dir_option
@_json
def replay(partner: str, event_id: str | None, data_dir: Path, as_json: bool) -> None:
    """Apply failed deliveries again; the running server takes them up within seconds."""

    async def work(connection: Connection, company_id: UUID) -> list[str]:
        return await delivery.replay(connection, company_id=company_id, event_id=event_id, systems=ADAPTERS)

    with installation(data_dir) as installed:
        replayed = asyncio.run(_with(installed, partner, work))
    click.echo(json.dumps(replayed) if as_json else f"{len(replayed)} will be applied again")
    if event_id and not replayed:
        raise click.ClickException(
            "there is no such delivery to apply again: its content was reduced after 30 days, "
            "or it is a row of a file, which is imported again with its file"
        )


async def _failures(connection: Connection, company_id: UUID) -> list[dict[str, Any]]:
    return await delivery.failures(connection, company_id)


async def _with(installed: Settings, slug: str, work: Work) -> Any:
    seal.use(installed.master_key)
    await db.connect(installed.database_url, pool_max=1)
    try:
        async with db.unit_of_work() as connection:
            return await work(connection, await typed.company_of(connection, slug))
    finally:
        await db.disconnect()
