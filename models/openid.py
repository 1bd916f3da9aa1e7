"""What apps are told of a person's login (OpenID Connect), and what of theirs ends with it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from models.db import Connection, queries
from models.oauth import digest


@dataclass(frozen=True, slots=True)
class LoginOfGrant:
    """How a person had logged in when they granted something; nothing of it where a device asked them elsewhere."""

    auth_time: datetime | None
    amr: list[str] | None
    nonce: str | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a person may let an app know of them."""

    id: UUID
    name: str = field(repr=False)
    email: str = field(repr=False)
    email_verified: bool


async def login_of_grant(connection: Connection, grant_id: UUID) -> LoginOfGrant:
    """The login behind a grant."""
    return LoginOfGrant(**await queries("openid").login_of_grant(connection, grant_id=grant_id))


async def claims(connection: Connection, member_id: UUID) -> Claims | None:
    """The person; None when their access has ended."""
    row = await queries("openid").claims(connection, member_id=member_id)
    return None if row is None else Claims(**row)


async def granted(connection: Connection, client: UUID, member_id: UUID, scope: Iterable[str]) -> bool:
    """Whether the person has allowed the client all of this before, and not taken it back."""
    found = await queries("openid").granted(connection, client=client, member_id=member_id, scope=sorted(scope))
    return found is not None


async def allowed_before(connection: Connection, client: UUID, member_id: UUID) -> frozenset[str]:
    """The scopes that the person has allowed the client before, and not taken back."""
    rows = queries("openid").allowed_before(connection, client=client, member_id=member_id)
    return frozenset([row["scope"] async for row in rows])


async def clock(connection: Connection) -> datetime:
    """The time by the clock that logins are dated by."""
    return await queries("openid").now(connection)


async def carry(connection: Connection, member_id: UUID, *, old: str, fresh: str) -> None:
    """Lets go on, under a person's new session, what grew from their old one, which can be closed then.

    `old` and `fresh`: the secret ids of the two. What somebody else had begun in that browser is not carried.
    """
    words = {"old": digest(old), "fresh": digest(fresh), "member_id": member_id}
    await queries("openid").carry_codes(connection, **words)
    await queries("openid").carry_grants(connection, **words)
