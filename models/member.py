"""People who log in for a partner (メンバー): their passwords and their sessions."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import TypeVar, TypeVarTuple, Unpack
from uuid import UUID

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from models import attempt
from models.audit import Connection
from models.db import queries, uuid7
from models.password import check

Result = TypeVar("Result")
Words = TypeVarTuple("Words")

ROLES = ("ADMIN", "RECRUITER", "ANALYST", "DEVELOPER")
SESSION_SECONDS = 12 * 3600
SESSION_ID_BYTES = 32
CONCURRENT_HASHES = 2  # each takes 64 MiB and a core

_hasher = PasswordHasher()
_hashing = ThreadPoolExecutor(CONCURRENT_HASHES, thread_name_prefix="argon2")


@dataclass(frozen=True, slots=True)
class Member:
    """A person who logs in, with the partner they log in for."""

    id: UUID
    partner_id: UUID
    name: str
    role: str
    partner_name: str
    partner_kind: str


@dataclass(frozen=True, slots=True)
class Login:
    """Who is logged in, and when and by what they proved it (OpenID's `auth_time` and `amr`, RFC 8176)."""

    member: Member
    email: str = field(repr=False)
    auth_time: datetime
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """A login somewhere. `name` tells it from others and opens nothing; `here` is the one that is asking."""

    name: str
    started_at: datetime
    expires_at: datetime
    here: bool


async def create_member(
    connection: Connection, *, partner_id: UUID, email: str, name: str, password: str, role: str
) -> UUID:
    """Adds a person who may log in at once.

    Raises WeakPasswordError for a password that may not be one, ValueError when the role is unknown, and
    asyncpg.UniqueViolationError when the address already logs in somewhere on the network.
    """
    check(password, (email, name))
    if role not in ROLES:
        raise ValueError(f"a role is one of {', '.join(ROLES)}")
    member_id = uuid7()
    await queries("member").add_member(
        connection,
        id=member_id,
        partner_id=partner_id,
        email=folded(email),
        name=name,
        password_hash=await _hash(password),
        role=role,
    )
    return member_id


async def set_password(connection: Connection, email: str, password: str) -> UUID | None:
    """Replaces the password of the person with this address and ends their sessions; None when nobody has it.

    Raises WeakPasswordError.
    """
    row = await queries("member").member_by_email(connection, email=folded(email))
    if row is None:
        return None
    check(password, (email, row["name"], row["partner_name"]))
    await queries("member").change_password_hash(connection, id=row["id"], password_hash=await _hash(password))
    await queries("member").close_sessions(connection, member_id=row["id"])
    return row["id"]


async def change_password(connection: Connection, member_id: UUID, password: str, *, about: Iterable[str]) -> None:
    """A new password, chosen by the person; their sessions are the caller's to end.

    `about`: words that anybody would try for them. Raises WeakPasswordError.
    """
    check(password, about)
    await queries("member").change_password_hash(connection, id=member_id, password_hash=await _hash(password))


async def find_member(connection: Connection, member_id: UUID) -> Member | None:
    """The person with this id; None when unknown or when their access was ended."""
    return _member(await queries("member").active_member(connection, id=member_id))


async def find_by_email(connection: Connection, email: str) -> Member | None:
    """The person with this address; None when unknown or when their access was ended."""
    return _member(await queries("member").member_by_email(connection, email=folded(email)))


async def check_password(connection: Connection, email: str, password: str) -> Member | None:
    """The person whose address and password these are; None otherwise, after the same work.

    Takes about 50 ms of a core: call it outside a transaction.
    """
    row = await queries("member").member_by_email(connection, email=folded(email))
    stored = row["password_hash"] if row else await _on_hashing_thread(_nobodys_hash)
    if not await _matches(stored, password) or row is None:
        return None
    if _hasher.check_needs_rehash(stored):
        await queries("member").change_password_hash(connection, id=row["id"], password_hash=await _hash(password))
    return _member(row)


async def open_session(
    connection: Connection, member_id: UUID, amr: Sequence[str], auth_time: datetime | None = None
) -> str:
    """A new login session, proven by `amr` (RFC 8176) now, or at `auth_time` where somebody else vouches for that.

    Returns its secret id, of which only the hash is kept.
    """
    session = secrets.token_urlsafe(SESSION_ID_BYTES)
    await queries("member").open_session(
        connection,
        session_hash=_digest(session),
        member_id=member_id,
        amr=list(amr),
        auth_time=auth_time,
        life_seconds=SESSION_SECONDS,
    )
    return session


async def login_of_session(connection: Connection, session: str) -> Login | None:
    """Who is logged in; None when the session is unknown or over."""
    row = await queries("member").member_by_session(connection, session_hash=_digest(session))
    return None if row is None else Login(_known(row), row["email"], row["auth_time"], tuple(row["amr"]))


async def close_session(connection: Connection, session: str) -> UUID | None:
    """Ends a session at once; returns whose it was."""
    return await queries("member").close_session(connection, session_hash=_digest(session))


async def sessions(connection: Connection, member_id: UUID, current: str) -> list[Session]:
    """Where a person is logged in, the newest first; `current` is the secret id of the session they ask from."""
    here = _digest(current)
    return [
        Session(row["session_hash"].hex(), row["created_at"], row["expires_at"], row["session_hash"] == here)
        async for row in queries("member").sessions(connection, member_id=member_id)
    ]


async def close_one(connection: Connection, member_id: UUID, name: str) -> bool:
    """Ends the session of this name at once; False, and nothing ended, when it is not this person's."""
    try:
        session_hash = bytes.fromhex(name)
    except ValueError:
        return False
    return bool(await queries("member").close_one(connection, member_id=member_id, session_hash=session_hash))


async def close_others(connection: Connection, member_id: UUID, current: str) -> int:
    """Ends every other session of a person at once; returns how many."""
    closed = queries("member").close_others(connection, member_id=member_id, session_hash=_digest(current))
    return len([row async for row in closed])


async def sweep(connection: Connection) -> None:
    """Deletes ended sessions, passed windows and invitations whose time is over."""
    await queries("joining").sweep(connection)
    await queries("member").sweep_sessions(connection)
    await attempt.sweep(connection)


def folded(email: str) -> str:
    """The address as it is compared: without surrounding blanks, in lower case."""
    return email.strip().lower()


def _member(row: asyncpg.Record | None) -> Member | None:
    return None if row is None else _known(row)


def _known(row: asyncpg.Record) -> Member:
    return Member(row["id"], row["partner_id"], row["name"], row["role"], row["partner_name"], row["partner_kind"])


def _digest(session: str) -> bytes:
    return sha256(session.encode()).digest()


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe())


async def _hash(password: str) -> str:
    return await _on_hashing_thread(_hasher.hash, _normal(password))


async def _matches(stored: str, password: str) -> bool:
    try:
        return await _on_hashing_thread(_hasher.verify, stored, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    """The same characters whichever keyboard wrote them (NFKC, as NIST SP 800-63B-4 recommends)."""
    return unicodedata.normalize("NFKC", password)


async def _on_hashing_thread(work: Callable[[Unpack[Words]], Result], *words: *Words) -> Result:
    return await asyncio.get_running_loop().run_in_executor(_hashing, work, *words)
