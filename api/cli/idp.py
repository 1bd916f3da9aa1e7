"""`idp`: with which identity provider the people of a partner log in."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import asyncpg
import click

from api.cli import Sentences, typed
from api.cli.installation import data_dir_option, installation
from api.settings import Settings
from auth import guarded
from auth.guarded import ForbiddenAddressError
from auth.identity_provider import Providers
from models import audit, db, identity_provider, seal
from models.db import Connection
from models.identity_provider import Provider

SECRET_CHARACTERS_MAX = 1000

Facts = dict[str, Any]
Work = Callable[[Connection, UUID, Settings], Awaitable[Facts]]
_partner = click.option("--partner", required=True, metavar="SLUG", help="The partner, by its short name.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(cls=Sentences, short_help="Let a partner's people log in with their own organisation's accounts.")
def idp() -> None:
    """Let a partner's people log in with their own organisation's accounts (OpenID Connect).

    Register Kyoso there as a confidential web application with the redirect URI that `idp set` prints. Whoever comes
    that way must have been given a login here before, with the same e-mail address.
    """


@idp.command("set")
@_partner
@click.option("--issuer", required=True, metavar="URL", help="The provider, to the letter as it names itself.")
@click.option("--client-id", required=True, help="As the provider calls us.")
@click.option(
    "--client-secret-file", type=click.File(), required=True, help="A file that holds the secret; - reads it typed in."
)
@click.option("--domain", "domains", multiple=True, required=True, help="Of the e-mail addresses that log in there.")
@click.option("--required", is_flag=True, help="They log in there and in no other way; other logins end now.")
@data_dir_option
@_json
def set_(
    partner: str,
    issuer: str,
    client_id: str,
    client_secret_file: TextIO,
    domains: tuple[str, ...],
    required: bool,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Name the provider of a partner, or name it anew, and print the redirect URI to register there."""
    secret = client_secret_file.read(SECRET_CHARACTERS_MAX).strip()
    if not secret:
        raise click.UsageError("the file of --client-secret-file is empty")

    async def work(connection: Connection, partner_id: UUID, installed: Settings) -> Facts:
        try:
            guarded.checked(issuer, local=installed.is_local)
            provider = await identity_provider.put(
                connection,
                partner_id,
                issuer=issuer,
                client_id=client_id,
                secret=secret,
                domains=domains,
                required=required,
            )
        except ForbiddenAddressError as error:
            raise ValueError(f"--issuer cannot be asked: {error}") from None
        except asyncpg.UniqueViolationError:
            raise ValueError("a domain belongs to another partner's provider: each belongs to one") from None
        except asyncpg.CheckViolationError:
            raise ValueError(
                "a domain looks like example.co.jp; issuer and client id have 500 and 255 characters"
            ) from None
        await audit.record(connection, "provider.named", partner_id=partner_id, issuer=issuer)
        return _facts(provider, installed)

    _print(_do(data_dir, partner, work), as_json)


@idp.command()
@_partner
@data_dir_option
@_json
def show(partner: str, data_dir: Path, as_json: bool) -> None:
    """Print with which provider the people of a partner log in."""

    async def work(connection: Connection, partner_id: UUID, installed: Settings) -> Facts:
        provider = await identity_provider.of_partner(connection, partner_id)
        if provider is None:
            raise ValueError("this partner has no identity provider: `idp set` names one")
        return _facts(provider, installed)

    _print(_do(data_dir, partner, work), as_json)


@idp.command()
@_partner
@data_dir_option
@_json
def remove(partner: str, data_dir: Path, as_json: bool) -> None:
    """End the use of a partner's provider: from now on its people log in here, with a password or passkey."""

    async def work(connection: Connection, partner_id: UUID, installed: Settings) -> Facts:
        if not await identity_provider.remove(connection, partner_id):
            raise ValueError("this partner has no identity provider")
        await audit.record(connection, "provider.removed", partner_id=partner_id)
        return {"removed": True}

    _print(_do(data_dir, partner, work), as_json)


def _facts(provider: Provider, installed: Settings) -> Facts:
    return {
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "redirect_uri": Providers(installed.issuer, local=installed.is_local).callback(provider),
        "domains": provider.domains,
        "required": provider.required,
    }


def _do(data_dir: Path, slug: str, work: Work) -> Facts:
    async def run(installed: Settings) -> Facts:
        seal.use(installed.master_key)
        await db.connect(installed.database_url, pool_max=1)
        try:
            async with db.unit_of_work() as connection:
                return await work(connection, await typed.partner_of(connection, slug), installed)
        finally:
            await db.disconnect()

    with installation(data_dir) as installed:
        try:
            return asyncio.run(run(installed))
        except ValueError as error:
            raise click.ClickException(str(error)) from None


def _print(facts: Facts, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:<12} {' '.join(value) if isinstance(value, list) else value}")  # pyright: ignore[reportUnknownArgumentType]
