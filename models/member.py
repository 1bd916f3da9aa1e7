"""People who log in for a partner (メンバー): their passwords and their sessions."""

import asyncio
import base64
import secrets
import unicodedata
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NewType, TypeVar, TypeVarTuple, Unpack
from uuid import UUID

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from models import attempt
from models.db import Connection, queries, uuid7
from models.mailbox import plain_email
from models.password import check

Result = TypeVar("Result")
Words = TypeVarTuple("Words")

ROLES = ("ADMIN", "RECRUITER", "ANALYST", "DEVELOPER")
SESSION_SECONDS = 12 * 3600
SESSION_ID_BYTES = 32
CONCURRENT_HASHES = 2  # each takes 64 MiB and a core
CHECKS_AT_ONCE = 100
"""Passwords that are being checked or wait for it: some three seconds of work, and more than one address may try."""

Hash = NewType("Hash", str)
"""A password as it is stored."""

_hasher = PasswordHasher()
_hashing = ThreadPoolExecutor(CONCURRENT_HASHES, thread_name_prefix="argon2")
_checks = 0


class BusyError(Exception):
    """So many passwords wait to be checked that one more would only wait: it may come again."""


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
    """A login somewhere. `name` tells it from others and opens nothing; `here` is the one that is asking.

    `browser`: what it called itself then, such as "Chrome · Windows"; None when that is not known.
    """

    name: str
    browser: str | None
    started_at: datetime
    expires_at: datetime
    here: bool


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """What a password is held against. `member_id`: None for an address that nobody has."""

    member_id: UUID | None
    hash: Hash = field(repr=False)


@dataclass(frozen=True, slots=True)
class RightPassword:
    """A password that was right for this hash. `renewed`: the same under newer parameters, where those have changed."""

    member_id: UUID
    hash: Hash = field(repr=False)
    renewed: Hash | None = field(repr=False)


async def hash_password(password: str, about: Iterable[str]) -> Hash:
    """A new password, to be stored: 50 ms of a core and a wait for others, so before a transaction opens.

    `about`: words that anybody would try for them. Raises WeakPasswordError for a password that may not be one.
    """
    check(password, about)
    return await _hash(password)


def no_password() -> Hash:
    """What is stored where no password opens the account: as much work to hold one against as any other."""
    sizes = (_hasher.salt_len, _hasher.hash_len)
    salt, digest = (base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in sizes)
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return Hash(f"$argon2id$v=19${cost}${salt}${digest}")


async def create_member(
    connection: Connection, *, partner_id: UUID, email: str, name: str, password_hash: Hash, role: str
) -> UUID:
    """Adds a person who may log in at once.

    Raises ValueError for what is no address or role, and asyncpg.UniqueViolationError when the address already logs in
    somewhere on the network.
    """
    if role not in ROLES:
        raise ValueError(f"a role is one of {', '.join(ROLES)}")
    member_id = uuid7()
    await queries("member").add_member(
        connection,
        id=member_id,
        partner_id=partner_id,
        email=address(email),
        name=name,
        password_hash=password_hash,
        role=role,
    )
    return member_id


async def set_password(connection: Connection, email: str, password_hash: Hash) -> UUID | None:
    """Replaces the password of the person with this address and ends their sessions; None when nobody has it."""
    person = await find_by_email(connection, email)
    if person is None:
        return None
    await queries("member").change_password_hash(connection, id=person.id, password_hash=password_hash)
    await queries("member").close_sessions(connection, member_id=person.id)
    return person.id


async def change_password(connection: Connection, member_id: UUID, password_hash: Hash, *, session: str) -> bool:
    """A new password, chosen by the person in this session, which alone goes on.

    False, and nothing changed, when the session has ended: by another change of the password, or with their access.
    """
    await queries("member").lock(connection, id=member_id)
    if await login_of_session(connection, session) is None:
        return False
    await queries("member").change_password_hash(connection, id=member_id, password_hash=password_hash)
    await close_others(connection, member_id, session)
    return True


async def find_member(connection: Connection, member_id: UUID) -> Member | None:
    """The person with this id; None when unknown or when their access was ended."""
    return _member(await queries("member").active_member(connection, id=member_id))


async def find_by_email(connection: Connection, email: str) -> Member | None:
    """The person with this address; None when unknown or when their access was ended."""
    return _member(await queries("member").member_by_email(connection, email=folded(email)))


@contextmanager
def place_to_check() -> Generator[None]:
    """A place among those whose passwords are checked. Raises BusyError when CHECKS_AT_ONCE others have one."""
    global _checks
    if _checks >= CHECKS_AT_ONCE:
        raise BusyError
    _checks += 1
    try:
        yield
    finally:
        _checks -= 1


async def stored_password(connection: Connection, email: str) -> StoredPassword:
    """What to hold a password for this address against; as much work where nobody has it, or their access was ended."""
    row = await queries("member").password_by_email(connection, email=folded(email))
    return StoredPassword(row["id"], Hash(row["password_hash"])) if row else StoredPassword(None, no_password())


async def check_password(stored: StoredPassword, password: str) -> RightPassword | None:
    """Whether it is right: 50 ms of a core and a wait for others, so while no connection is held.

    Meanwhile it may change: who is let in, `with_password` says.
    """
    if not await _matches(stored.hash, password) or stored.member_id is None:
        return None
    renewed = await _hash(password) if _hasher.check_needs_rehash(stored.hash) else None
    return RightPassword(stored.member_id, stored.hash, renewed)


async def with_password(connection: Connection, right: RightPassword) -> Member | None:
    """The person whose password this still is, locked until the transaction ends, under its renewed hash from now on.

    None when they have another one since it was checked, or their access was ended.
    """
    row = await queries("member").lock_with_password(connection, id=right.member_id, password_hash=right.hash)
    if row and right.renewed:
        await queries("member").change_password_hash(connection, id=right.member_id, password_hash=right.renewed)
    return _member(row)


async def open_session(
    connection: Connection,
    member_id: UUID,
    amr: Sequence[str],
    auth_time: datetime | None = None,
    *,
    browser: str | None = None,
) -> str:
    """A new login session, proven by `amr` (RFC 8176) now, or at `auth_time` where somebody else vouches for that.

    `browser`: by what its person knows it again, in 60 characters at most. Returns its secret id, of which only the
    hash is kept.
    """
    session = secrets.token_urlsafe(SESSION_ID_BYTES)
    await queries("member").open_session(
        connection,
        session_hash=_digest(session),
        member_id=member_id,
        amr=list(amr),
        auth_time=auth_time,
        browser=browser,
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
        Session(
            row["session_hash"].hex(), row["browser"], row["created_at"], row["expires_at"], row["session_hash"] == here
        )
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


def address(email: str) -> str:
    """What somebody is to log in with and be written to, as it is stored. Raises ValueError for what is none."""
    plain = plain_email(email)
    if plain is None:
        raise ValueError("this is not an e-mail address")
    return folded(plain)


def folded(email: str) -> str:
    """The address as it is compared: without surrounding blanks, in lower case."""
    return email.strip().lower()


def _member(row: asyncpg.Record | None) -> Member | None:
    return None if row is None else _known(row)


def _known(row: asyncpg.Record) -> Member:
    return Member(row["id"], row["partner_id"], row["name"], row["role"], row["partner_name"], row["partner_kind"])


def _digest(session: str) -> bytes:
    return sha256(session.encode()).digest()


async def _hash(password: str) -> Hash:
    return Hash(await _on_hashing_thread(_hasher.hash, _normal(password)))


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
