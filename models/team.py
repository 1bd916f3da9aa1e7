"""The people of one partner, as its administrators look after them (メンバー): roles, lost factors, and the end of an
access."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from models import factor, oauth
from models.db import Connection, queries, uuid7
from models.member import ROLES


class LastAdministratorError(ValueError):
    """Nobody would be left who may look after the partner's people."""

    def __init__(self) -> None:
        super().__init__("this is the last administrator: make somebody else one first")


@dataclass(frozen=True, slots=True)
class Colleague:
    """A person of the partner. `second_factor`: whether their password alone does not open their account."""

    id: UUID
    name: str = field(repr=False)
    email: str = field(repr=False)
    role: str
    second_factor: bool
    created_at: datetime


async def colleagues(connection: Connection, partner_id: UUID) -> list[Colleague]:
    """Everybody who may log in for the partner, by name."""
    return [Colleague(**row) async for row in queries("team").colleagues(connection, partner_id=partner_id)]


async def change_role(
    connection: Connection, *, partner_id: UUID, member_id: UUID, role: str, keep_seconds: int
) -> bool:
    """Gives one of the partner's people another role; False when that changes nothing or they are not the partner's.

    Every access token of theirs dies at once: the next ones hold what the new role allows. `keep_seconds`: the longest
    that such a token could still live. Raises LastAdministratorError, and ValueError for an unknown role.
    """
    if role not in ROLES:
        raise ValueError(f"a role is one of {', '.join(ROLES)}")
    if role != "ADMIN":
        await _spare_last_administrator(connection, partner_id, member_id)
    words = {"partner_id": partner_id, "id": member_id, "role": role}
    if not await queries("team").change_role(connection, **words):
        return False
    await oauth.revoke_subject(connection, member_id, keep_seconds=keep_seconds)
    return True


async def end_access(connection: Connection, *, partner_id: UUID, member_id: UUID, keep_seconds: int) -> bool:
    """Ends a person's access with every session, grant and token of theirs; False when they are not the partner's.

    What they did stays theirs in the records. Raises LastAdministratorError.
    """
    await _spare_last_administrator(connection, partner_id, member_id)
    if not await queries("team").end_access(connection, partner_id=partner_id, id=member_id):
        return False
    await queries("member").close_sessions(connection, member_id=member_id)
    because = "the person's access ended"  # for good, even when they come back one day
    await oauth.revoke_grants_of_member(connection, member_id, because, keep_seconds=keep_seconds)
    return True


async def reset_factors(
    connection: Connection, *, partner_id: UUID, member_id: UUID, language: str, keep_seconds: int
) -> bool:
    """Takes every second factor away from one of the partner's people, who logs in without one from then on.

    Every session, grant and token of theirs ends, and a letter in `language` (JA or EN) tells them. False, and nothing
    done, when they have none or are not the partner's. `keep_seconds` as in `change_role`.
    """
    if not await queries("team").lock(connection, partner_id=partner_id, id=member_id):
        return False
    if not (await factor.factors(connection, member_id)).any:
        return False
    await factor.reset(connection, member_id)
    because = "the person's second factor was taken away"
    await oauth.revoke_grants_of_member(connection, member_id, because, keep_seconds=keep_seconds)
    words = {"id": uuid7(), "partner_id": partner_id, "member_id": member_id, "language": language}
    await queries("team").queue_letter(connection, **words)
    return True


async def _spare_last_administrator(connection: Connection, partner_id: UUID, member_id: UUID) -> None:
    """Two administrators who remove each other at once come one after the other, and the second stays."""
    found: list[asyncpg.Record] = [
        row async for row in queries("team").lock_administrators(connection, partner_id=partner_id)
    ]
    if [row["id"] for row in found] == [member_id]:
        raise LastAdministratorError
