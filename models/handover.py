"""Handovers (リレー): finding and holding them, and the events that speak of them. The verbs stand in `relay`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import asyncpg

from models import invitation, ledger
from models.db import Connection, queries
from models.errors import Refusal, RefusalCode, not_found
from models.invitation import Invitation
from models.outbox import Said, publish

Record: TypeAlias = asyncpg.Record


async def find(connection: Connection, handover_id: UUID) -> Record:
    """A handover as it stands, not held. Raises NOT_FOUND."""
    row = await queries("relay").find_handover(connection, id=handover_id)
    if row is None:
        raise not_found("input", "handoverId")
    return row


async def hold(connection: Connection, found: Record) -> tuple[Invitation, Record]:
    """The invitation and the handover, held in this order."""
    invited = await invitation.hold(connection, found["invitation_id"])
    return invited, await queries("relay").lock_handover(connection, id=found["id"])


async def hold_all(connection: Connection, invitation_id: UUID) -> list[Record]:
    """All handovers of an invitation, held."""
    return [row async for row in queries("relay").lock_handovers(connection, invitation_id=invitation_id)]


async def hold_accounts(connection: Connection, invitation_id: UUID) -> dict[tuple[UUID, UUID], ledger.Account]:
    """Every account that an invitation's handovers may move, held."""
    rows = queries("relay").accounts_of_invitation(connection, invitation_id=invitation_id)
    return await ledger.lock_pairs(connection, [(row["company_id"], row["agency_id"]) async for row in rows])


async def hold_for_revert(connection: Connection, application_id: UUID) -> None:
    """Holds all that taking a rejection back may move, before the application itself is held."""
    invitation_id = await invitation.of_application(connection, application_id)
    if invitation_id is not None:
        await hold_accounts(connection, invitation_id)
        await invitation.hold(connection, invitation_id)
        await hold_all(connection, invitation_id)


async def hold_for_withdrawal(connection: Connection, consent_ids: Sequence[UUID]) -> None:
    """Holds all that withdrawing these consents may end, before the consents themselves are held."""
    sql, consents = queries("relay"), list(consent_ids)
    _ = [row async for row in sql.lock_invitations_of_consents(connection, consent_ids=consents)]
    _ = [row async for row in sql.lock_handovers_of_consents(connection, consent_ids=consents)]


async def tell(
    connection: Connection,
    kind: str,
    said: Said,
    handover: Record,
    *,
    slot_id: UUID | None = None,
) -> UUID:
    """Publishes an event of a handover, which is both sides' own. Returns its id."""
    return await publish(
        connection,
        kind,
        said,
        company_id=handover["company_id"],
        parties=[handover["agency_id"]],
        application_id=handover["application_id"],
        handover_id=handover["id"],
        invitation_id=handover["invitation_id"],
        slot_id=slot_id,
    )


def must_act(acting: UUID, owner: UUID) -> None:
    """Only the agency that received it acts on a handover. Raises NOT_YOURS."""
    if acting != owner:
        raise Refusal(
            RefusalCode.NOT_YOURS,
            ja="この操作は相手の人材紹介会社だけが行えます。",
            en="Only the agency that received it may do this.",
        )
