"""`serve`: the server in production. Also what the demo and production share about uvicorn."""

import asyncio
import errno
import gc
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import TypedDict

import asyncpg
import click
import uvicorn
from starlette.applications import Starlette

from api import log
from api.app import create_app, rehearse
from api.cli.installation import refuse_without_database
from api.joined import Http
from api.settings import Settings, SettingsError, from_environment
from api.wire import Wire
from auth.keys import MasterKeyError
from models import db
from models.db import UnfitError
from planner import DeclarationError

WEBSOCKET_MESSAGE_BYTES = 64 * 1024
SHUTDOWN_SECONDS = 8
KEEP_ALIVE_SECONDS = 75
"""How long a connection may idle: longer than clients and proxies let it (5 to 60 s), so that they end it. Who closes
first may close on a request that is under way.
"""


class ServerOptions(TypedDict):
    """The part of uvicorn's configuration that never varies."""

    access_log: bool
    http: type[Http]
    log_config: None
    server_header: bool
    timeout_keep_alive: int
    timeout_graceful_shutdown: int
    ws: type[Wire]
    ws_max_size: int
    ws_per_message_deflate: bool


SERVER_OPTIONS: ServerOptions = {
    # Paths of personal pages are secrets: the application writes its own access log.
    "access_log": False,
    "http": Http,
    "log_config": None,
    "server_header": False,
    "timeout_keep_alive": KEEP_ALIVE_SECONDS,
    "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
    "ws": Wire,
    "ws_max_size": WEBSOCKET_MESSAGE_BYTES,
    "ws_per_message_deflate": False,
}


@click.command(short_help="Run the server in production.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that serve.")
def serve(host: str, port: int, workers: int) -> None:
    """Run the server in production, behind a reverse proxy that speaks TLS.

    KYOSO_DATABASE_URL, KYOSO_ISSUER and KYOSO_MASTER_KEY must be set; docs/production.md lists the others. Run
    `./kyoso migrate` first. SIGTERM lets running requests finish for up to 8 seconds.
    """
    try:
        settings = from_environment()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    refuse_without_database(settings.database_url, "KYOSO_DATABASE_URL")
    refuse_without_database(settings.session_url, "KYOSO_DIRECT_DATABASE_URL")
    refuse_powerful_login(settings)
    refuse_what_cannot_start(settings)
    with listening(host, port):
        pass  # uvicorn binds it again: it says where it listens only of a socket of its own
    log.configure(settings)  # of several workers only their parent says that
    uvicorn.run(
        "api.cli.serve:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        **SERVER_OPTIONS,
    )


@contextmanager
def listening(host: str, port: int) -> Generator[socket.socket]:
    """A socket bound to an address. Raises click.ClickException, one line, where that cannot be; 0: to any port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"port {port} is taken: stop the program that listens there, or choose another with --port"
            elif isinstance(error, socket.gaierror):
                reason = f"cannot listen on {host}: {error.strerror}; choose an address of this machine with --host"
            else:
                reason = f"cannot listen on port {port}: {error.strerror}"
            raise click.ClickException(reason) from None
        yield listener


def refuse_powerful_login(settings: Settings) -> None:
    """Raises click.ClickException, one line, when a login owns tables or may step around row-level security.

    The demo is served so, for whoever holds its directory owns its database anyway; production is not.
    """

    async def ask(url: str) -> None:
        connection = await asyncpg.connect(**db.credentials(url))
        try:
            await db.refuse_powers(connection, of_login=True)
        finally:
            await connection.close()

    for url in {settings.database_url, settings.session_url}:
        try:
            asyncio.run(ask(url))
        except PermissionError as error:
            raise click.ClickException(str(error)) from None


def refuse_what_cannot_start(settings: Settings) -> None:
    """Raises click.ClickException, one line, when a worker could not start on these settings."""
    try:
        asyncio.run(rehearse(settings))
    except (PermissionError, UnfitError, MasterKeyError) as error:
        raise click.ClickException(str(error)) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise click.ClickException(
            f"{db.said(error)}: grant it to the login of KYOSO_DATABASE_URL (docs/production.md)"
        ) from None
    except (asyncpg.PostgresError, DeclarationError) as error:
        raise click.ClickException(f"the database is not ready ({db.said(error)}): run ./kyoso migrate first") from None


def application() -> Starlette:
    """The application of one worker, told by the environment."""
    settings = from_environment()
    log.configure(settings)
    app = create_app(settings)
    # The modules and the schema stay for good. Looked through each time that enough new documents are kept, they held
    # every request up for 80 ms; now the collector looks at what came since.
    gc.collect()
    gc.freeze()
    return app
