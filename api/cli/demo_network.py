"""The demo's network: its database, the life in it, and the people who may log in."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import asyncpg
import click
from rich.progress import Progress

from api.cli.installation import DATABASE, Card, DataDirectory, Login
from api.cli.simulate import fill
from api.postgres import Postgres
from api.settings import Settings
from auth.scopes import PARTNER_SCOPES, join
from bench.network.demo import Player, set_stage
from bench.network.size import NATURAL
from models import db
from models.client import Credentials, create_client
from models.db import Connection
from models.member import create_member, hash_password

PARTNERS = 240
CANDIDATES = 5_000
REFERRALS = 6_000
MONTHS = 24
SEED = 20
UNFINISHED_DATABASE = f"{DATABASE}_unfinished"
PASSWORD_BYTES = 12


async def prepare(directory: DataDirectory, server: Postgres, port: int, bar: Progress) -> Card:
    """Brings the demo's database up to date, making it first where there is none.

    Gives the card with the logins. Raises click.ClickException when the card of an existing database is gone.
    """
    if await _exists(server, DATABASE):
        card = directory.card()
        if card is None:
            raise click.ClickException(
                f"the logins of the demo in {directory.path} are gone (card.json): begin anew with --fresh"
            )
        await db.migrate(server.url(DATABASE))
        return card
    # Made under another name and renamed when complete: a start that was interrupted begins anew.
    await _execute(server, f"DROP DATABASE IF EXISTS {UNFINISHED_DATABASE} WITH (FORCE)")
    await _execute(server, f"CREATE DATABASE {UNFINISHED_DATABASE}")
    settings = directory.settings(server, port, UNFINISHED_DATABASE)
    await db.migrate(settings.migration_url)
    await _fill(settings, bar)
    card = await _register_people(settings)
    directory.write_card(card)
    await _execute(server, f"ALTER DATABASE {UNFINISHED_DATABASE} RENAME TO {DATABASE}")
    return card


async def _fill(settings: Settings, bar: Progress) -> None:
    task = bar.add_task("Demo network", total=1.0)

    def progress(step: str, done: float) -> None:
        bar.update(task, description=step, completed=done)

    await fill(
        settings,
        partners=PARTNERS,
        candidates=CANDIDATES,
        referrals=REFERRALS,
        months=MONTHS,
        seed=SEED,
        progress=progress,
        contributions=NATURAL,
    )


async def _register_people(settings: Settings) -> Card:
    """Gives one partner of each kind a person who logs in, and the company a client."""
    await db.connect(settings.database_url)
    try:
        async with db.unit_of_work() as connection:
            cast = await set_stage(connection, datetime.now(UTC))
            logins = [await _register_person(connection, player) for _, player in sorted(cast.players.items())]
            client: Credentials = await create_client(
                connection, name="Demo backend", scope=PARTNER_SCOPES, partner_id=cast.players["COMPANY"].id
            )
    finally:
        await db.disconnect()
    return Card(client.client_id, client.client_secret or "", join(PARTNER_SCOPES), logins)


async def _register_person(connection: Connection, player: Player) -> Login:
    email = f"{player.kind.lower()}@demo.example"
    login = Login(player.kind, player.name, email, secrets.token_urlsafe(PASSWORD_BYTES), player.slug)
    await create_member(
        connection,
        partner_id=player.id,
        email=login.email,
        name=f"{player.name} 担当",
        password_hash=await hash_password(login.password, (login.email, player.name)),
        role="ADMIN",
    )
    return login


async def _exists(server: Postgres, database: str) -> bool:
    connection = await asyncpg.connect(server.url())
    try:
        return bool(await db.queries("installation").has_database(connection, name=database))
    finally:
        await connection.close()


async def _execute(server: Postgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
