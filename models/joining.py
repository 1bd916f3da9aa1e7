"""Invitations to log in for a partner (メンバーの招待): sent by mail, good once and for a week."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from models import factor
from models.db import Connection, queries, uuid7
from models.member import ROLES, Hash, address, create_member

INVITATION_SECONDS = 7 * 24 * 3600
NAME_CHARACTERS_MAX = 100


class KnownAddressError(ValueError):
    """The address logs in already, somewhere on the network."""


@dataclass(frozen=True, slots=True)
class Joining:
    """An invitation that stands."""

    id: UUID
    partner_id: UUID
    partner_name: str
    email: str = field(repr=False)
    role: str
    expires_at: datetime


async def invite(
    connection: Connection, *, partner_id: UUID, invited_by: UUID, email: str, role: str, language: str
) -> UUID:
    """Invites an address and queues the letter, in place of an earlier invitation of it.

    Whether the address logs in for another partner is not looked at: nobody must learn it. Raises KnownAddressError
    when it does for this one, and ValueError for what is no address or role. `language`: of the letter, JA or EN.
    """
    to = address(email)
    if role not in ROLES:
        raise ValueError(f"a role is one of {', '.join(ROLES)}")
    if await queries("joining").is_colleague(connection, partner_id=partner_id, email=to):
        raise KnownAddressError("this address logs in for the partner already")
    joining_id = uuid7()
    await queries("joining").forget(connection, partner_id=partner_id, email=to)
    words = {"id": joining_id, "partner_id": partner_id, "invited_by": invited_by, "email": to, "role": role}
    await queries("joining").add(connection, **words, life_seconds=INVITATION_SECONDS)
    await queries("joining").queue_letter(
        connection, id=uuid7(), partner_id=partner_id, joining_id=joining_id, language=language
    )
    return joining_id


async def standing(connection: Connection, partner_id: UUID) -> list[Joining]:
    """A partner's invitations that nobody has used yet."""
    return [Joining(**row) async for row in queries("joining").standing(connection, partner_id=partner_id)]


async def find(connection: Connection, joining_id: UUID) -> Joining | None:
    """The invitation, locked until the transaction ends; None when it was used or withdrawn, or its time is over."""
    row = await queries("joining").find(connection, id=joining_id)
    return None if row is None else Joining(**row)


async def withdraw(connection: Connection, *, partner_id: UUID, joining_id: UUID) -> bool:
    """Ends an invitation, with its letter if that was not sent; False when it is not the partner's."""
    return bool(await queries("joining").withdraw(connection, partner_id=partner_id, id=joining_id))


async def accept(connection: Connection, invited: Joining, *, name: str, password_hash: Hash) -> UUID:
    """Uses an invitation up: whoever has the mailbox logs in from now on, and the address is known to be theirs.

    Somebody whose access had ended comes back as they are now: with this name, role and password, and no factor of
    before. Raises KnownAddressError, and ValueError for a missing name.
    """
    called = " ".join(name.split())[:NAME_CHARACTERS_MAX]
    if not called:
        raise ValueError("a person has a name")
    known = await queries("joining").member_of(connection, email=invited.email)
    if known is None:
        member_id = await create_member(
            connection,
            partner_id=invited.partner_id,
            email=invited.email,
            name=called,
            password_hash=password_hash,
            role=invited.role,
        )
    elif known["partner_id"] == invited.partner_id and known["ended"]:
        member_id = known["id"]
        now = {"name": called, "role": invited.role, "password_hash": password_hash}
        await queries("joining").bring_back(connection, id=member_id, **now)
        await factor.reset(connection, member_id)
    else:
        raise KnownAddressError("this address logs in somewhere already")
    await queries("joining").verify_address(connection, id=member_id)
    await queries("joining").withdraw(connection, partner_id=invited.partner_id, id=invited.id)
    return member_id
