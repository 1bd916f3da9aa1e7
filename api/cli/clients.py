"""`client list`, `rotate` and `delete`: what a partner's developers do on their page, for the operator."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from api.cli import typed
from api.cli.installation import data_dir_option, installation
from auth import developer, scopes
from auth.developer import TwoSecretsError
from models import client as clients
from models import db
from models.client import Client, Listed, find_client
from models.db import Connection

Result = TypeVar("Result")

_client_id = click.option("--client-id", required=True, help="As printed by `client create`.")


@click.command("list")
@click.option("--partner", metavar="SLUG", help="Of this partner, by its short name.")
@click.option("--operator", is_flag=True, help="The operator's own.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_(partner: str | None, operator: bool, data_dir: Path, as_json: bool) -> None:
    """List clients, the newest first: scopes, age of the secret, last use. Nothing that opens."""
    if operator == bool(partner):
        raise click.UsageError("say whose: --partner SLUG, or --operator")

    async def work(connection: Connection) -> list[Listed]:
        partner_id = await typed.partner_of(connection, partner) if partner else None
        return await clients.listed(connection, partner_id)

    for each in _with_database(data_dir, work):
        told = _told(each)
        said = [f"{name}={value}" for name, value in told.items() if value]
        click.echo(orjson.dumps(told).decode() if as_json else "  ".join(said))


@click.command()
@_client_id
@click.option("--end", is_flag=True, help="Make no new secret: end the one before now.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rotate(client_id: str, end: bool, data_dir: Path, as_json: bool) -> None:
    """Print a new client_secret, once. The one before works for 24 hours more, or until --end."""

    async def work(connection: Connection) -> str | None:
        found = await _found(connection, client_id)
        if end:
            await developer.end_previous(connection, found, None)
            return None
        try:
            return await developer.rotate(connection, found, None)
        except TwoSecretsError:
            raise click.ClickException("it has no secret, or two: end the one before with --end") from None

    secret = _with_database(data_dir, work)
    if secret is not None:
        click.echo(orjson.dumps({"client_secret": secret}).decode() if as_json else f"client_secret: {secret}")
        click.echo("Keep the secret now: it is not shown again.", err=True)


@click.command()
@_client_id
@data_dir_option
def delete(client_id: str, data_dir: Path) -> None:
    """End a client with all its tokens, at once and in every worker. There is no way back."""

    async def work(connection: Connection) -> None:
        await developer.remove(connection, await _found(connection, client_id), None, None)

    _with_database(data_dir, work)


def _with_database(data_dir: Path, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    async def run(database_url: str) -> Result:
        await db.connect(database_url, pool_max=1)
        try:
            async with db.unit_of_work() as connection:
                return await work(connection)
        finally:
            await db.disconnect()

    with installation(data_dir) as installed:
        return asyncio.run(run(installed.database_url))


async def _found(connection: Connection, client_id: str) -> Client:
    found = await find_client(connection, client_id)
    if found is None or found.kind == "PRODUCT":
        raise click.ClickException(f"there is no client {client_id}: `client list` shows them")
    return found


def _told(of: Listed) -> dict[str, Any]:
    return {
        "client_id": of.client_id,
        "name": of.name,
        "auth_method": of.auth_method,
        "scope": scopes.join(of.scope),
        "created": f"{of.created_at:%Y-%m-%d}",
        "last_used": f"{of.last_used_at:%Y-%m-%d}" if of.last_used_at else None,
        "secret_made": f"{of.secret_made_at:%Y-%m-%d}" if of.secret_made_at else None,
        "previous_secret_ends": f"{of.previous_ends_at:%Y-%m-%dT%H:%M:%SZ}" if of.previous_ends_at else None,
    }
