"""`client create` registers a program; `token` gets an access token the way that program would."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

import click
import httpx

from api import settings
from api.cli import Sentences, clients, typed
from api.cli.installation import DataDirectory, data_dir_option, installation
from api.cli.timing import measure
from api.settings import Settings
from auth import assertion, scopes
from auth.signed import UnacceptableError
from models import audit, db
from models.client import Credentials, create_client

TOKEN_ANSWER_SECONDS = 10


@click.group(cls=Sentences, short_help="Register programs that may use the API.")
def client() -> None:
    """Register programs (OAuth clients) that may use the API, and look after them."""


client.add_command(clients.list_)
client.add_command(clients.rotate)
client.add_command(clients.delete)


@client.command()
@click.option("--partner", metavar="SLUG", help="The partner it acts for, by its short name.")
@click.option("--operator", is_flag=True, help="It acts for the platform's operator instead.")
@click.option("--scope", required=True, help='What it may ask for, such as "network:read relay:write".')
@click.option("--redirect-uri", "redirect_uris", multiple=True, metavar="URI", help="Where people return after login.")
@click.option("--after-logout", multiple=True, metavar="URI", help="Where people return after logging out.")
@click.option("--device", is_flag=True, help="It runs where nobody can log in: people type a code that it shows.")
@click.option("--public", is_flag=True, help="It cannot keep a secret: a page or an app on a phone.")
@click.option("--jwks", type=click.File(), help="A JWK set: it proves itself with these public keys, not a secret.")
@click.option("--dpop", is_flag=True, help="Its tokens are always bound to a key that it proves to hold (DPoP).")
@click.option("--name", callback=typed.name, help="What people see on the consent page; else the partner's short name.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(
    partner: str | None,
    operator: bool,
    scope: str,
    redirect_uris: tuple[str, ...],
    after_logout: tuple[str, ...],
    device: bool,
    public: bool,
    jwks: TextIO | None,
    dpop: bool,
    name: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Register a client and print its client_id and, once, its client_secret.

    With --redirect-uri or --device people can let it act for them; with a secret it can also act for itself.
    """
    if operator == bool(partner):
        raise click.UsageError("say whom the client acts for: --partner SLUG, or --operator")
    if public and not redirect_uris and not device:
        raise click.UsageError("a public client has no secret, so people let it act: add --redirect-uri or --device")
    if public and jwks:
        raise click.UsageError("a public client proves nothing: choose --public or --jwks")
    keys = _checked_keys(jwks) if jwks else None
    asked = _known_scopes(scope, scopes.OPERATOR_SCOPES if operator else scopes.PARTNER_SCOPES | scopes.IDENTITY_SCOPES)
    with installation(data_dir) as installed:
        try:
            made = asyncio.run(
                _create(installed, partner, name, asked, redirect_uris, after_logout, device, public, keys, dpop)
            )
        except ValueError as error:
            raise click.ClickException(str(error)) from None
    _print({"client_id": made.client_id, "client_secret": made.client_secret, "scope": scopes.join(asked)}, as_json)


client.add_command(measure, "time")


@click.command(short_help="Print an access token for a client.")
@click.option("--client-id", required=True, help="As printed by `client create`.")
@click.option("--client-secret", required=True, help="As printed by `client create`.")
@click.option("--scope", default="", help="All that the client may ask for when left out.")
@click.option("--issuer", metavar="URL", help="The server's address; that of this installation when left out.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the token endpoint's whole answer.")
def token(client_id: str, client_secret: str, scope: str, issuer: str | None, data_dir: Path, as_json: bool) -> None:
    """Print an access token, from the token endpoint of the running server; it lives five minutes."""
    address = (issuer or _issuer(data_dir)).rstrip("/")
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    body: Any = None
    try:
        answer = httpx.post(
            f"{address}/oauth/token", data=form, auth=(client_id, client_secret), timeout=TOKEN_ANSWER_SECONDS
        )
        with suppress(ValueError):  # no JSON: somebody else answers
            body = answer.json()
    except httpx.HTTPError as error:
        raise click.ClickException(f"cannot reach {address} ({error}): start it, or name it with --issuer") from None
    told = cast("dict[str, Any]", body) if isinstance(body, dict) else dict[str, Any]()
    if "access_token" in told:
        click.echo(json.dumps(told) if as_json else told["access_token"])
    elif "error" in told:
        raise click.ClickException(f"{told['error']}: {told.get('error_description')}")
    elif answer.is_server_error:
        failed = f"{address} answers {answer.status_code} {answer.reason_phrase}"
        raise click.ClickException(f"{failed}: its log says why, and {address}/readyz whether it reaches its database")
    else:
        raise click.ClickException(f"{address} does not answer as a token endpoint: name it with --issuer")


async def _create(
    installed: Settings,
    partner: str | None,
    name: str | None,
    scope: list[str],
    redirect_uris: tuple[str, ...],
    after_logout: tuple[str, ...],
    devices: bool,
    public: bool,
    jwks: list[dict[str, Any]] | None,
    dpop_bound: bool,
) -> Credentials:
    await db.connect(installed.database_url, pool_max=1)
    try:
        async with db.unit_of_work() as connection:
            partner_id = await typed.partner_of(connection, partner) if partner else None
            made = await create_client(
                connection,
                name=name or partner or "operator",
                scope=scope,
                partner_id=partner_id,
                redirect_uris=redirect_uris,
                post_logout_redirect_uris=after_logout,
                devices=devices,
                public=public,
                jwks=jwks,
                dpop_bound=dpop_bound,
            )
            await audit.record(connection, "client.registered", partner_id=partner_id, client_id=made.client_id)
            return made
    finally:
        await db.disconnect()


def _checked_keys(file: TextIO) -> list[dict[str, Any]]:
    try:
        return assertion.checked_keys(json.load(file))
    except (ValueError, UnacceptableError) as error:
        raise click.BadParameter(f"not a set of public keys: {error}", param_hint="--jwks") from None


def _known_scopes(text: str, allowed: frozenset[str]) -> list[str]:
    asked = scopes.split(text)
    wrong = [name for name in asked if name not in allowed]
    if wrong or not asked:
        known = scopes.join(allowed)
        raise click.BadParameter(
            f"{' '.join(wrong) or 'nothing'} cannot be held; choose from: {known}", param_hint="--scope"
        )
    return asked


def _issuer(data_dir: Path) -> str:
    if settings.names_a_database():
        try:
            return settings.from_environment().issuer
        except settings.SettingsError as error:
            raise click.ClickException(str(error)) from None
    return f"http://127.0.0.1:{DataDirectory(data_dir).port()}"


def _print(facts: dict[str, str | None], as_json: bool) -> None:
    told = {name: value for name, value in facts.items() if value is not None}
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, value in told.items():
        click.echo(f"{name}: {value}")
    if "client_secret" in told:
        click.echo("Keep the secret now: it is not shown again.", err=True)
