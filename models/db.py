"""The database: one pool, one way to open a transaction, one way to find named SQL, and the migrations.

The pool is Tortoise's own; its models are read outside of units of work, which speak named SQL alone. Statements live
in `models/sql/<word>.sql` and are read once by aiosql.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import unquote, urlsplit
from uuid import UUID

import asyncpg
import orjson
from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.migrations.api import migrate as run_migrations

from models import named

APP_ROLE = "kyoso_app"
POOL_MIN, POOL_MAX = 2, 16
STATEMENT_TIMEOUT_MS = 15_000
RETRIES = 2  # of a unit of work that PostgreSQL undid
RETRY_PAUSE_SECONDS = 0.1  # at most, at random: the two that met do not meet again
STATEMENT_CACHE = 200
CACHEABLE_STATEMENT_BYTES = 256 * 1024  # asyncpg plans longer texts anew on every call, silently
PLANNING = {"jit": "off", "plan_cache_mode": "force_generic_plan", "random_page_cost": "1.1"}
"""How statements are planned: once a connection, whatever the values (planning anew costs more than most reads take),
and for pages that lie in memory or on flash, not on a turning disk."""
SESSION = {"statement_timeout": str(STATEMENT_TIMEOUT_MS), **PLANNING}
"""What every session of the application is set to, besides its role: asked for at its start, or behind a pooler, which
passes no settings on, stored with the login."""
POWERS = """
  select me.name::text, bool_or(r.rolsuper or r.rolbypassrls) as bypasses,
    bool_or(exists (select from pg_class c where c.relowner = r.oid and c.relkind in ('r', 'p'))) as owns
  from (select case when $1 then session_user else current_user end as name) me
    join pg_roles r on pg_has_role(me.name, r.oid, 'member') group by 1"""
MIGRATION_LOCK = 0x6B796F736F  # "kyoso": one migrator at a time

MODELS = ["models.partner"]
"""The files that declare Tortoise models; the other words speak named SQL alone."""


LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says when a connection ends between two of its steps
    OSError,
)
"""The server is gone, or says so: whoever asks is to come back shortly. A connection that ends between two steps has
asyncpg raise AttributeError too, which may as well be a mistake of ours: only who goes on after either takes it so."""


Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""Whatever a statement runs on: in a unit of work, or one of its own."""


class UnfitError(Exception):
    """The database answers, but not in a way in which the application may use it; the message says what to do."""


class Pooled(asyncpg.Connection):  # pyright: ignore[reportMissingTypeArgument]  (generic in its stubs only)
    """A pooled connection that needs no reset: nothing here ever sets session state outside a transaction."""

    def get_reset_query(self) -> str:
        return ""


def uuid7() -> UUID:
    """A time-ordered id (RFC 9562, version 7), so that new rows land at the end of their indexes."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (
        (milliseconds & (1 << 48) - 1) << 80
        | 0x7 << 76
        | (random >> 68 & 0xFFF) << 64
        | 0b10 << 62
        | random & (1 << 62) - 1
    )
    return UUID(int=value)


def credentials(url: str) -> dict[str, Any]:
    """asyncpg's connection parameters from `postgresql://user:password@host:port/database?host=/socket/dir`."""
    parts = urlsplit(url)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "host": unquote(query.get("host", "")) or parts.hostname or "localhost",
        "port": parts.port or int(query.get("port", 5432)),
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path.lstrip("/")) or "postgres",
    }


def options(role: str | None, *, pooled: bool = False) -> dict[str, Any]:
    """How asyncpg's connections behave. See `configuration`."""
    settings = {"timezone": "UTC", "application_name": "kyoso"}
    if not pooled:
        settings |= {"role": role, **SESSION} if role else {"statement_timeout": "0"}
    return {
        "connection_class": Pooled,
        # Behind a pooler the next transaction may meet another session, which knows no statement of this one.
        "statement_cache_size": 0 if pooled else STATEMENT_CACHE,
        "max_cached_statement_lifetime": 0,
        "max_cacheable_statement_size": CACHEABLE_STATEMENT_BYTES,
        "server_settings": settings,
    }


def configuration(url: str, *, role: str | None, pool_max: int = POOL_MAX, pooled: bool = False) -> dict[str, Any]:
    """Tortoise's configuration for one database.

    `role`: what each session becomes at its start (`SET ROLE`); None keeps the login's own, as migrations need.
    `pooled`: the URL leads to pgbouncer in transaction mode.
    """
    extra: dict[str, Any] = {
        **credentials(url),
        "minsize": min(POOL_MIN, pool_max),
        "maxsize": pool_max,
        **options(role, pooled=pooled),
    }
    return {
        "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": extra}},
        "apps": {"models": {"models": MODELS, "default_connection": "default", "migrations": "models.migrations"}},
        "use_tz": True,
        "timezone": "UTC",
    }


async def connect(url: str, *, pool_max: int = POOL_MAX, pooled: bool = False) -> None:
    """Opens the pool as the application's role. `pooled`: the URL leads to pgbouncer in transaction mode.

    Raises PermissionError when that role owns tables or could step around row-level security: then nothing that
    the policies promise would hold, and the application must not run. Raises UnfitError where a pooler stands that was
    not told of, or that hands out sessions which are not set as the application needs them.
    """
    await Tortoise.init(
        config=configuration(url, role=APP_ROLE, pool_max=pool_max, pooled=pooled), _enable_global_fallback=True
    )
    try:
        await _connect(pooled)
    except BaseException:
        await disconnect()
        raise


async def _connect(pooled: bool) -> None:
    global _open
    backend = get_connection("default")
    try:
        await backend.create_connection(with_db=True)  # now, not at the first request
    except asyncpg.ProtocolViolationError as error:
        raise UnfitError(
            f"a pooler answers at KYOSO_DATABASE_URL ({error}): let KYOSO_DIRECT_DATABASE_URL lead to PostgreSQL itself"
        ) from None
    _open = cast("Pool", getattr(backend, "_pool"))  # noqa: B009  (private to Tortoise, and untyped)
    async with pool().acquire() as connection:
        await refuse_powers(connection, of_login=False)
        await _refuse_other_sessions(connection, pooled)


async def refuse_powers(connection: Connection, *, of_login: bool) -> None:
    """Raises PermissionError where a role, or one that it may become, owns tables or steps around row-level security.

    `of_login`: asks about the login, to which `reset role` leads back, instead of the role that the session has become.
    """
    row = await connection.fetchrow(POWERS, of_login)
    assert row is not None
    if row["bypasses"] or row["owns"]:
        risk = "may bypass row-level security" if row["bypasses"] else "owns tables"
        raise PermissionError(
            f"the database's role {row['name']} {risk}: "
            f"connect as a login that is a member of {APP_ROLE} alone (docs/production.md)"
        )


async def _refuse_other_sessions(connection: Connection, pooled: bool) -> None:
    stored = await connection.fetch("select name, setting from pg_settings where name = any($1::text[])", [*SESSION])
    login, role = await connection.fetchrow("select session_user::text, current_user::text") or ("", "")
    found = {row["name"]: row["setting"] for row in stored} | {"role": role}
    wrong = {name: value for name, value in {"role": APP_ROLE, **SESSION}.items() if found[name] != value}
    if wrong and not pooled:
        raise UnfitError(
            "a pooler at KYOSO_DATABASE_URL withholds the settings of sessions: "
            "let KYOSO_DIRECT_DATABASE_URL lead to PostgreSQL itself"
        )
    if wrong:
        cure = "; ".join(f"alter role {login} set {name} = '{value}'" for name, value in wrong.items())
        raise UnfitError(f"sessions of {login} are not set as Kyoso needs them behind a pooler: {cure}")


async def disconnect() -> None:
    """Closes the pool; safe to call twice."""
    global _open
    _open = None
    await Tortoise.close_connections()


class Borrowed(
    AbstractAsyncContextManager[Connection],
    Awaitable[Connection],
    Protocol,
):
    """A connection on its way: `async with` gives it back at the end, `await` leaves that to `Pool.release`."""


class Pool(Protocol):
    """What the application asks of a pool: a connection for a while."""

    def acquire(self, *, timeout: float | None = None) -> Borrowed:
        """A connection, waiting for a free one for `timeout` seconds at most."""
        ...

    async def release(self, connection: Connection) -> None:
        """Takes back what was awaited."""
        ...


Acquire = Callable[[], AbstractAsyncContextManager[Connection]]
"""Gives a connection for a while."""

Result = TypeVar("Result")

_open: Pool | None = None
"""The pool while `connect` stands: each read asks for it, and Tortoise's own way to it costs as much as a plan's."""


def pool() -> Pool:
    """The asyncpg pool beneath Tortoise, for the planner's reads."""
    if _open is None:
        raise RuntimeError("the database is not connected: call models.db.connect first")
    return _open


_settle: Callable[[], Awaitable[None]] | None = None
_together: ContextVar[bool] = ContextVar("settled_together", default=False)
_within: ContextVar[Connection | None] = ContextVar("unit_of_work", default=None)


def after_commit(settle: Callable[[], Awaitable[None]] | None) -> None:
    """Has every unit of work end with this call, once it is committed; None: with nothing."""
    global _settle
    _settle = settle


@asynccontextmanager
async def unit_of_work(acquire: Acquire | None = None) -> AsyncGenerator[Connection]:
    """One transaction; inside another it is a savepoint. The edge opens it, verbs never commit.

    `acquire`: gives the connection for it; the pool does where it is left out.
    """
    outer = _within.get()
    if outer is not None:
        async with outer.transaction():
            yield outer
        return
    async with (acquire or pool().acquire)() as connection:
        given = _within.set(connection)
        try:
            async with connection.transaction():
                yield connection
        finally:
            _within.reset(given)
    if _settle is not None and not _together.get():
        await _settle()


@asynccontextmanager
async def one_statement() -> AsyncGenerator[Connection]:
    """A connection for one statement, which is a transaction of its own: three ways to PostgreSQL less than a unit of
    work, and as settled when it ends. Not to be opened within one.
    """
    async with pool().acquire() as connection:
        yield connection
    if _settle is not None and not _together.get():
        await _settle()


@asynccontextmanager
async def settled_together() -> AsyncGenerator[None]:
    """Has the units of work in this block settle once for all of them: at its end, or at that of one around it."""
    given = _together.set(True)
    try:
        yield
    finally:
        _together.reset(given)
        if _settle is not None and not _together.get():
            await _settle()


async def retried(work: Callable[[], Awaitable[Result]]) -> Result:
    """What `work` gives, which is one unit of work. Where PostgreSQL undid it for another's sake (a deadlock, a failure
    to serialize), it is run again from its beginning, RETRIES times at most.

    What it does outside the database must therefore be harmless when it is undone, and done once more. It settles when
    it is over, so that what is committed is never run again.
    """
    if _settle is None:
        return await _tried(work)
    async with settled_together():
        return await _tried(work)


async def _tried(work: Callable[[], Awaitable[Result]]) -> Result:
    for _ in range(RETRIES):
        try:
            return await work()
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            await asyncio.sleep(random.uniform(0, RETRY_PAUSE_SECONDS))
    return await work()


@cache
def queries(word: str) -> Any:
    """The named statements of `models/sql/<word>.sql`; each takes the connection first, then its `:names`."""
    return named.statements(Path(__file__).parent / "sql" / f"{word}.sql")


def recordset(values: Iterable[Mapping[str, Any]]) -> str:
    """Rows for a statement that takes one as well as many, by `json_to_recordset`: one value on the way, in order."""
    return orjson.dumps(list(values), default=_as_text).decode()


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, UUID):  # PostgreSQL's own: orjson takes no subclass for what it is
        return str(value)
    raise TypeError(f"no row holds a {type(value).__name__}")


def said(error: BaseException) -> str:
    """What a database's error says, in one line. The details below it quote rows: whoever stands there, and what
    opens to them."""
    return str(error).partition("\n")[0] or type(error).__name__


async def migrate(url: str) -> None:
    """Brings the database up to the newest migration; two at once wait for each other."""
    guard = await asyncpg.connect(**credentials(url))
    try:
        await guard.execute("select pg_advisory_lock($1)", MIGRATION_LOCK)
        try:
            await run_migrations(config=configuration(url, role=None, pool_max=2), direction="forward")
        finally:
            await Tortoise.close_connections()
    finally:
        await guard.close()
