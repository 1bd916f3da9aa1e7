"""What a person has allowed which app (連携アプリ), and the end of all that grew from it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.db import Connection, queries

BECAUSE = "the person ended it"


@dataclass(frozen=True, slots=True)
class Allowed:
    """An app that may act for a person, or will without being asked for again. `last_used_at`: when it was last given a
    token."""

    client_id: str
    name: str
    scope: frozenset[str]
    since: datetime
    last_used_at: datetime


async def listed(connection: Connection, member_id: UUID) -> list[Allowed]:
    """Every app that a person has allowed something and not taken it back, by name."""
    rows = queries("allowed").listed(connection, member_id=member_id)
    return [
        Allowed(row["client_id"], row["name"], frozenset(row["scope"]), row["since"], row["last_used_at"])
        async for row in rows
    ]


async def end(connection: Connection, member_id: UUID, client_id: str, *, keep_seconds: int) -> list[UUID]:
    """Ends whatever a person has allowed an app, with all its tokens; what it asks for next, it asks for anew.

    Returns the grants that ended: none for an unknown app, or one that they have allowed nothing. What the app's
    partner lets it do for its people without them (`auth.exchange`) is not theirs to end. `keep_seconds`: the longest
    that a token could still live.
    """
    whose = {"member_id": member_id, "client_id": client_id}
    _ = [row async for row in queries("allowed").lock(connection, **whose)]
    await queries("allowed").use_up_codes(connection, **whose)
    await queries("allowed").refuse_devices(connection, **whose)
    ended = queries("allowed").end(connection, **whose, because=BECAUSE, keep_seconds=keep_seconds)
    return [row["subject"] async for row in ended]
