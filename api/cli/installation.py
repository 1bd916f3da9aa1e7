"""Which installation a command works on: the environment's, or the demo's on this machine."""

import asyncio
import fcntl
import json
import os
import secrets
import shutil
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import asyncpg
import click
from tortoise.exceptions import BaseORMException

from api import postgres, settings
from api.settings import Settings
from models import db

DATABASE = "kyoso"
DEFAULT_DATA_DIR = Path(__file__).parents[2] / ".kyoso"
DEFAULT_PORT = 8000
CONNECT_SECONDS = 10

UNREACHED = (
    asyncpg.InterfaceError
    | asyncpg.PostgresConnectionError
    | asyncpg.InvalidAuthorizationSpecificationError
    | asyncpg.InvalidCatalogNameError
    | asyncpg.AdminShutdownError
    | asyncpg.CrashShutdownError
    | asyncpg.CannotConnectNowError
    | asyncpg.TooManyConnectionsError
)
"""Nobody answers, or not this login: what stands in the database has nothing to do with it."""
UNREADY = asyncpg.SyntaxOrAccessError | asyncpg.InvalidParameterValueError
"""It lacks a table, a column, a function or the application's role."""

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA_DIR,
    help="The demo's directory, used when nothing else names a database.",
)
"""For a command that works with an installation."""


@dataclass(frozen=True)
class Login:
    """One person of the demo network who can log in."""

    kind: str
    partner: str
    email: str
    password: str
    slug: str = ""  # of the partner; the cards of older demos lack it


@dataclass(frozen=True)
class Card:
    """What the demo tells its user again at each start: logins and a client, with their secrets."""

    client_id: str
    client_secret: str
    scope: str
    logins: list[Login] = field(default_factory=list[Login])


class DataDirectory:
    """The demo's directory: database, master key, mails and the card with the logins."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres = self.path / "postgres"

    @contextmanager
    def held(self) -> Generator[None]:
        """Creates the directory and keeps every other demo out of it, until the process ends at the latest."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise click.ClickException(
                f"cannot write in {self.path}: {error.strerror}; choose another directory with --data-dir"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise click.ClickException(
                f"a demo already runs in {self.path}: stop it, or choose another directory with --data-dir"
            ) from None
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        """Removes the database, key, card and mails; anything else in the directory stays."""
        left_over = postgres.running(self.postgres)
        if left_over:
            left_over.stop()
        for name in ("postgres", "postgres.new", "mail"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in ("postgres.log", "master.key", "card.json", "port"):
            (self.path / name).unlink(missing_ok=True)

    def settings(self, server: postgres.Postgres, port: int, database: str = DATABASE) -> Settings:
        """The settings of the demo: its own database and key, mails into files, served on this machine only."""
        url = server.url(database)
        return Settings(
            database_url=url,
            migration_url=url,
            issuer=f"http://127.0.0.1:{port}",
            master_key=settings.decode_master_key(self._master_key()),
            data_dir=self.path,
            log_format="console",
            log_level="warning",
        )

    def card(self) -> Card | None:
        """The logins and the client, or None before they were made."""
        try:
            written = json.loads((self.path / "card.json").read_text())
        except FileNotFoundError:
            return None
        logins = [Login(**login) for login in written["logins"]]
        return Card(written["client_id"], written["client_secret"], written["scope"], logins)

    def write_card(self, card: Card) -> None:
        """Keeps the card, readable by its owner only."""
        self._write_secret("card.json", json.dumps(asdict(card), ensure_ascii=False, indent=2))

    def port(self) -> int:
        """The port that the demo was last started on."""
        try:
            return int((self.path / "port").read_text())
        except FileNotFoundError:
            return DEFAULT_PORT

    def write_port(self, port: int) -> None:
        (self.path / "port").write_text(str(port))

    def _master_key(self) -> str:
        try:
            return (self.path / "master.key").read_text()
        except FileNotFoundError:
            key = b64encode(secrets.token_bytes(settings.MASTER_KEY_BYTES)).decode()
            self._write_secret("master.key", key)
            return key

    def _write_secret(self, name: str, text: str) -> None:
        unfinished = self.path / f"{name}.new"
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        unfinished.rename(self.path / name)


@contextmanager
def installation(data_dir: Path = DEFAULT_DATA_DIR) -> Generator[Settings]:
    """The settings that a command works with.

    Those of the environment when KYOSO_DATABASE_URL is set; else those of the demo, whose database is used where it
    runs, or started for this command. Raises click.ClickException, one line, when there is neither.
    """
    if settings.names_a_database():
        try:
            given = settings.from_environment()
        except settings.SettingsError as error:
            raise click.ClickException(str(error)) from None
        with plainly("KYOSO_DIRECT_DATABASE_URL" if given.pooled else "KYOSO_DATABASE_URL"):
            yield around_the_pooler(given)
        return
    directory = DataDirectory(data_dir)
    if directory.card() is None:
        raise click.ClickException("KYOSO_DATABASE_URL is not set and there is no demo yet: run ./kyoso demo first")
    try:
        server = postgres.start(directory.postgres)
    except postgres.PostgresError as error:
        raise click.ClickException(str(error)) from None
    try:
        with plainly("the demo"):
            yield directory.settings(server, directory.port())
    finally:
        if server.process is not None:
            server.stop()


def named_master_key() -> bytes | None:
    """The master key of the installation that the environment names; None when it names none."""
    try:
        return settings.from_environment().master_key if settings.names_a_database() else None
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from None


def around_the_pooler(given: Settings) -> Settings:
    """The same installation for a command: one process with few connections needs no pooler."""
    return replace(given, database_url=given.session_url, direct_database_url=None)


@contextmanager
def plainly(name: str) -> Generator[None]:
    """Within, what stands between a command and the database of a setting becomes one line: click.ClickException.

    Never a traceback: a database's error has details, which quote rows with their secrets.
    """
    try:
        yield
    except (OSError, db.UnfitError, BaseORMException, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if isinstance(error, OSError) and error.filename is not None:  # of a file, not of the way to a database
            raise
        cause = error.__cause__ if isinstance(error, BaseORMException) and error.__cause__ else error
        raise click.ClickException(_in_one_line(name, cause)) from None


def _in_one_line(name: str, error: BaseException) -> str:
    said = db.said(error)
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"{said}: grant it to the login of {name} (docs/production.md)"
    if isinstance(error, db.UnfitError) or (isinstance(error, PermissionError) and error.errno is None):
        return said  # our own words, which say what to do
    if isinstance(error, TimeoutError):
        return f"cannot reach the database of {name}: no answer within {CONNECT_SECONDS} s"
    if isinstance(error, OSError | UNREACHED):
        return f"cannot reach the database of {name}: {said}"
    if isinstance(error, UNREADY):
        return f"the database of {name} is not ready ({said}): run ./kyoso migrate first"
    return f"the database of {name} refuses: {said}"


def refuse_without_database(url: str, name: str) -> None:
    """Raises click.ClickException, one line, when the database of a setting cannot be reached."""
    with plainly(name):
        asyncio.run(_look(url))


async def _look(url: str) -> None:
    connection = await asyncpg.connect(**db.credentials(url), timeout=CONNECT_SECONDS)
    await connection.close()
