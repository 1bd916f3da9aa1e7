"""`demo`: everything on one machine, from nothing to a served network, and stopped again without a trace."""

import asyncio
import json
import os
import shlex
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import click
import uvicorn
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api import log, postgres
from api.app import create_app
from api.cli.demo_network import prepare
from api.cli.installation import DEFAULT_DATA_DIR, DEFAULT_PORT, Card, DataDirectory
from api.cli.serve import SERVER_OPTIONS, listening, refuse_what_cannot_start
from api.settings import Settings

stderr = Console(stderr=True)


class Stopped(SystemExit):
    """Ctrl-C, SIGTERM or a closed terminal; its code is the one that shells give to that."""


@click.command(short_help="Start a complete demo on this machine.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA_DIR,
    help="Where the database and the mails stay.  [default: .kyoso beside this program]",
)
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), help="0 = any.")
@click.option("--fresh", is_flag=True, help="Forget the demo's data and begin anew.")
@click.option("--json", "as_json", is_flag=True, help="Print addresses, logins and client as one line of JSON.")
def demo(data_dir: Path, port: int, fresh: bool, as_json: bool) -> None:
    """Start a complete demo on this machine: a database, a network with 24 months of life, and the server.

    Ctrl-C or SIGTERM stops server and database; the data stays. Exit code: 0 when stopped while serving, 130 (Ctrl-C)
    or 143 (SIGTERM) when stopped before that, 1 when something prevents it.
    """
    directory = DataDirectory(data_dir)
    with listening("127.0.0.1", port) as listener, directory.held(), _stoppable():
        port = listener.getsockname()[1]
        if fresh:
            directory.clear()
        with _database(directory) as server, _bar() as bar:
            card = asyncio.run(prepare(directory, server, port, bar))
            settings = directory.settings(server, port)
            directory.write_port(port)
            bar.stop()
            _serve(settings, listener, card, as_json)


@contextmanager
def _stoppable() -> Generator[None]:
    """Within, a signal to stop unwinds the stack, so that everything begun is ended in order."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _database(directory: DataDirectory) -> Generator[postgres.Postgres]:
    try:
        server = postgres.start(directory.postgres)
    except postgres.PostgresError as error:
        raise click.ClickException(str(error)) from None
    try:
        yield server
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        server.stop()


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    return Progress(*columns, TimeElapsedColumn(), console=stderr, transient=True)


def _serve(settings: Settings, listener: socket.socket, card: Card, as_json: bool) -> None:
    log.configure(settings)
    server = _Server(uvicorn.Config(create_app(settings), **SERVER_OPTIONS))
    server.ready = json.dumps(_facts(settings, card), ensure_ascii=False) if as_json else _welcome(settings, card)
    try:
        asyncio.run(server.serve(sockets=[listener]))
    except Stopped:
        stderr.print("Stopped; the data stays.")
    except SystemExit:  # uvicorn's, when the application cannot start
        refuse_what_cannot_start(settings)
        raise


class _Server(uvicorn.Server):
    """Says where it is once it answers."""

    ready: str = ""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """A closed terminal ends it as Ctrl-C does; raised in a task of the loop, `Stopped` would be lost."""
        with super().capture_signals():
            before = signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, before)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            click.echo(self.ready)


def _facts(settings: Settings, card: Card) -> dict[str, object]:
    return {
        "url": settings.issuer,
        "graphiql": f"{settings.issuer}/graphiql",
        "curl": curl(settings.issuer, card),
        "pid": os.getpid(),
        **asdict(card),
    }


def _welcome(settings: Settings, card: Card) -> str:
    widest = max(len(login.email) for login in card.logins)
    lines = [
        "",
        "Kyoso (共創) is ready.",
        "",
        f"  GraphiQL       {settings.issuer}/graphiql",
        f"  Mails          {settings.data_dir / 'mail'}",
        "",
        "  Log in as",
        *(
            f"    {login.email:<{widest}}  {login.password}  {login.partner}  {login.slug}".rstrip()
            for login in card.logins
        ),
        "",
        f"  client_id      {card.client_id}",
        f"  client_secret  {card.client_secret}",
        "",
        "  Ask from a terminal:",
        "",
        curl(settings.issuer, card),
        "",
        "Ctrl-C stops server and database; the data stays.",
    ]
    return "\n".join(lines)


def curl(issuer: str, card: Card) -> str:
    """One line for a shell: a token for the client, and with it a first query."""
    query = json.dumps({"query": "{ viewer { partner { __typename name slug } scopes } }"})
    token = (
        f"curl -s {issuer}/oauth/token -u {shlex.quote(f'{card.client_id}:{card.client_secret}')}"
        " -d grant_type=client_credentials -d scope=network:read"
        """ | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/'"""
    )
    return (
        f"curl -s {issuer}/graphql -H 'Content-Type: application/json'"
        f' -H "Authorization: Bearer $({token})" -d {shlex.quote(query)}'
    )
