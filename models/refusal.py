"""Refusals in the audit record: anybody can cause them at will, so of many that are alike it tells the number."""

from hashlib import sha256
from uuid import UUID

from models import attempt, audit
from models.db import Connection, queries

EACH = 20
"""So many alike within models.attempt.WINDOW_SECONDS are a line each; after that the 32nd, the 64th and so on are."""


async def record(
    connection: Connection,
    action: str,
    *,
    partner_id: UUID | None = None,
    member_id: UUID | None = None,
    client_id: str | None = None,
    error: str | None = None,
    reason: str,
) -> None:
    """Appends a line as `audit.record` does, unless too many alike stand there; `alike` tells how many it stands for.

    Alike are those of one action, partner, person, client and `error` (a word of OAuth's); all clients that there are
    not are one, since a caller may name whatever they like.
    """
    named = audit.printable(client_id[: audit.CLIENT_ID_CHARACTERS]) if client_id else None
    client = named if named and await queries("refusal").is_client(connection, client_id=named) else None
    alike = "\0".join(str(each or "") for each in (action, partner_id, member_id, client, error))
    many = await attempt.count(connection, sha256(f"refusal\0{alike}".encode()).digest())
    if many > EACH and many.bit_count() > 1:
        return
    await audit.record(
        connection,
        action,
        partner_id=partner_id,
        member_id=member_id,
        client_id=named,
        error=error,
        reason=reason,
        alike=str(many) if many > EACH else None,
    )
