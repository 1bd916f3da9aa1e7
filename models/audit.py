"""What was granted, refused, revoked and consented to: an append-only record, without anybody's name or address."""

from typing import Any
from uuid import UUID

import orjson

from models.db import Connection, queries

CLIENT_ID_CHARACTERS = 200
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


async def record(
    connection: Connection,
    action: str,
    *,
    partner_id: UUID | None = None,
    member_id: UUID | None = None,
    client_id: str | None = None,
    grant_id: UUID | None = None,
    **detail: str | list[str] | None,
) -> None:
    """Appends one line in the caller's transaction.

    `action`: dotted words, such as `token.issued`. `detail` must hold no personal data and no secret, and what is None
    is left out. What cannot be printed, there or in a client's id that somebody made up, is replaced: a refusal is
    recorded whatever was sent.
    """
    await queries("audit").record(
        connection,
        action=action,
        partner_id=partner_id,
        member_id=member_id,
        client_id=printable(client_id[:CLIENT_ID_CHARACTERS]) if client_id else None,
        grant_id=grant_id,
        detail=orjson.dumps(
            {
                name: printable(said) if isinstance(said, str) else [*map(printable, said)]
                for name, said in detail.items()
                if said is not None
            }
        ).decode(),
    )


async def lines(
    connection: Connection, *, partner: str | None, client_id: str | None, action: str | None, most: int
) -> list[dict[str, Any]]:
    """The newest lines, the newest last. `partner`: its slug; `action`: whole, or its first words."""
    found = queries("audit").lines(connection, partner=partner, client_id=client_id, action=action, most=most)
    newest = [{**row, "detail": orjson.loads(row["detail"])} async for row in found]
    return newest[::-1]


def printable(text: str) -> str:
    """What somebody sent, with a sign in place of each that cannot be printed."""
    return "".join(sign if sign.isprintable() else REPLACEMENT for sign in text)
