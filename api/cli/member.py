"""`member` lets people log in for a partner, and helps those who have lost their password or their second factor."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import click

from api.cli import Sentences, typed
from api.cli.installation import data_dir_option, installation
from api.settings import Settings
from auth.tokens import REVOCATION_KEPT_SECONDS
from models import audit, db, oauth, team
from models import member as people
from models.db import Connection

PASSWORD_BYTES = 12

Work = Callable[[Connection], Awaitable[None]]
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(cls=Sentences, short_help="Let people log in for a partner.")
def member() -> None:
    """Let people log in for a partner: the operator's, or whoever runs the installation."""


@member.command()
@click.option("--partner", required=True, metavar="SLUG", help="The partner they work for, by its short name.")
@click.option("--email", required=True, callback=typed.email, help="The address they log in with.")
@click.option("--name", required=True, callback=typed.name, help="Their name, as their colleagues see it.")
@click.option(
    "--role", type=click.Choice(people.ROLES), default="ADMIN", show_default=True, help="What they may grant."
)
@data_dir_option
@_json
def create(partner: str, email: str, name: str, role: str, data_dir: Path, as_json: bool) -> None:
    """Add a person who logs in, and print their first password, once."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    password_hash = asyncio.run(people.hash_password(password, (email, name)))

    async def work(connection: Connection) -> None:
        partner_id = await typed.partner_of(connection, partner)
        try:
            member_id = await people.create_member(
                connection, partner_id=partner_id, email=email, name=name, password_hash=password_hash, role=role
            )
        except asyncpg.UniqueViolationError:
            raise ValueError("somebody logs in with this address already: `member password` resets theirs") from None
        await audit.record(connection, "member.created", partner_id=partner_id, member_id=member_id, role=role)

    _do(data_dir, work)
    _print({"email": email, "password": password, "role": role}, as_json)


@member.command()
@click.option("--email", required=True, help="The address they log in with.")
@data_dir_option
@_json
def password(email: str, data_dir: Path, as_json: bool) -> None:
    """Give a person a new password, print it once, and log them out everywhere, apps included."""
    fresh = secrets.token_urlsafe(PASSWORD_BYTES)
    password_hash = asyncio.run(people.hash_password(fresh, (email,)))

    async def work(connection: Connection) -> None:
        member_id = await people.set_password(connection, email, password_hash)
        if member_id is None:
            raise ValueError("nobody logs in with this address: `member create` adds them")
        because, keep_seconds = "the operator reset the password", REVOCATION_KEPT_SECONDS
        await oauth.revoke_grants_of_member(connection, member_id, because, keep_seconds=keep_seconds)
        await audit.record(connection, "member.password_reset", member_id=member_id)

    _do(data_dir, work)
    _print({"email": email, "password": fresh}, as_json)


@member.command()
@click.option("--email", required=True, help="The address they log in with.")
@click.option(
    "--language", type=click.Choice(["JA", "EN"]), default="JA", show_default=True, help="Of the mail that tells them."
)
@data_dir_option
@_json
def reset(email: str, language: str, data_dir: Path, as_json: bool) -> None:
    """Take a person's second factors away and, if there were any, log them out everywhere, apps included."""

    async def work(connection: Connection) -> None:
        found = await people.find_by_email(connection, email)
        if found is None:
            raise ValueError("nobody logs in with this address: `member create` adds them")
        partner_id, member_id = found.partner_id, found.id
        whose = {"partner_id": partner_id, "member_id": member_id}
        if await team.reset_factors(connection, **whose, language=language, keep_seconds=REVOCATION_KEPT_SECONDS):
            await audit.record(connection, "member.factors_reset", partner_id=partner_id, member_id=member_id)

    _do(data_dir, work)
    _print({"email": email, "second_factor": "none"}, as_json)


@member.command()
@click.option("--email", required=True, help="The address they log in with.")
@click.option("--role", type=click.Choice(people.ROLES), required=True, help="What they may grant from now on.")
@data_dir_option
@_json
def role(email: str, role: str, data_dir: Path, as_json: bool) -> None:
    """Give a person another role. Their access tokens end at once; the next ones hold what the role allows."""

    async def work(connection: Connection) -> None:
        found = await people.find_by_email(connection, email)
        if found is None:
            raise ValueError("nobody logs in with this address: `member create` adds them")
        partner_id, member_id = found.partner_id, found.id
        changes = {"partner_id": partner_id, "member_id": member_id}
        if await team.change_role(connection, **changes, role=role, keep_seconds=REVOCATION_KEPT_SECONDS):
            await audit.record(connection, "member.role_changed", partner_id=partner_id, member_id=member_id, role=role)

    _do(data_dir, work)
    _print({"email": email, "role": role}, as_json)


def _do(data_dir: Path, work: Work) -> None:
    async def run(installed: Settings) -> None:
        await db.connect(installed.database_url, pool_max=1)
        try:
            async with db.unit_of_work() as connection:
                await work(connection)
        finally:
            await db.disconnect()

    with installation(data_dir) as installed:
        try:
            asyncio.run(run(installed))
        except ValueError as error:
            raise click.ClickException(str(error)) from None


def _print(facts: dict[str, str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for name, value in facts.items():
        click.echo(f"{name:<9} {value}")
