"""Slots (無料紹介枠) of a relay account: reserved at offer, redeemed at the start date, released, expired, restored.

Every verb holds the slot's account first, so that one slot is never spent twice, whatever runs at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

from models.db import queries, uuid7
from models.errors import Refusal, RefusalCode, not_found
from models.ledger import WHOLE, Kind, Pocket, Transfer, add_slot, last_rule, lock, move_slot, post, transfer_id

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SLOT_MONTHS = 12  # of a slot made of parts, when no agreement is left to say
EXPIRE_AT_ONCE = 200  # slots per transaction
NOTICE_DAYS = (60, 30)  # before a free slot expires


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot (無料紹介枠) as it stands while it is held."""

    id: UUID
    account_id: UUID
    company_id: UUID
    agency_id: UUID
    status: str
    expires_at: datetime
    application_id: UUID | None
    hire_id: UUID | None


async def reserve(
    connection: Connection, *, account_id: UUID, application_id: UUID, at: datetime, slot_id: UUID | None = None
) -> UUID:
    """Reserves a free slot for an application: the one that expires first, or `slot_id`. Returns its id.

    Raises SLOT_UNAVAILABLE when none is free, WRONG_STATE when the application has one already.
    """
    await lock(connection, account_id)
    row = await queries("slot").free_slot(connection, account_id=account_id, slot_id=slot_id, at=at)
    if row is None:
        raise Refusal(
            RefusalCode.SLOT_UNAVAILABLE,
            ja="利用できる無料紹介枠がありません。枠が貯まるか、予約が解放されるまでお待ちください。",
            en="No slot is free. Wait until one is earned or a reservation is released.",
        )
    try:
        await move_slot(connection, slot_id=row["id"], status="RESERVED", application_id=application_id)
    except asyncpg.UniqueViolationError:
        raise Refusal(
            RefusalCode.WRONG_STATE,
            ja="この応募にはすでに枠が予約されています。",
            en="This application holds a slot already.",
        ) from None
    await _move(connection, account_id, row["id"], "RESERVE", "AVAILABLE", "RESERVED", at)
    return row["id"]


async def lock_slot(connection: Connection, slot_id: UUID) -> Slot:
    """Holds a slot and, before it, its account. Raises NOT_FOUND."""
    account_id = await queries("slot").account_of_slot(connection, slot_id=slot_id)
    if account_id is None:
        raise not_found("input", "slotId")
    await lock(connection, account_id)
    return Slot(**await queries("slot").lock_slot(connection, slot_id=slot_id))


async def redeem(connection: Connection, *, slot_id: UUID, hire_id: UUID, at: datetime) -> Slot:
    """Spends a reserved slot on a hire. Raises WRONG_STATE when it is not reserved."""
    slot = await lock_slot(connection, slot_id)
    _must_be_reserved(slot)
    await move_slot(connection, slot_id=slot_id, status="REDEEMED", application_id=slot.application_id, hire_id=hire_id)
    await _move(connection, slot.account_id, slot_id, "REDEEM", "RESERVED", "REDEEMED", at)
    return slot


async def release(connection: Connection, *, slot_id: UUID, at: datetime) -> Slot:
    """Gives a reserved slot back; past its day it expires then and there. Returns it as it was.

    Raises WRONG_STATE when it is not reserved.
    """
    slot = await lock_slot(connection, slot_id)
    _must_be_reserved(slot)
    await move_slot(connection, slot_id=slot_id, status="AVAILABLE")
    await _move(connection, slot.account_id, slot_id, "RELEASE", "RESERVED", "AVAILABLE", at)
    if slot.expires_at <= at:
        await _expire(connection, slot.account_id, slot_id, at)
    return slot


async def expire_due(connection: Connection, now: datetime) -> list[UUID]:
    """Expires free slots past their day, at most EXPIRE_AT_ONCE of them. Returns their ids."""
    sql = queries("slot")
    due = [row async for row in sql.due_slots(connection, now=now, most=EXPIRE_AT_ONCE)]
    if not due:
        return []
    _ = [row async for row in sql.lock_accounts_by_id(connection, ids=sorted({row["account_id"] for row in due}))]
    still = [row async for row in sql.lock_due_slots(connection, slot_ids=[row["id"] for row in due], now=now)]
    for row in still:
        await _expire(connection, row["account_id"], row["id"], row["expires_at"])
    return [row["id"] for row in still]


async def restore(connection: Connection, *, slot_id: UUID, hire_id: UUID, hundredths: int, at: datetime) -> list[UUID]:
    """Gives part of a redeemed slot back for an early leaver (返戻), once per hire.

    Parts collect in the account and become a new slot each time they reach 1.00. What was redeemed stays redeemed:
    the part comes from outside. Returns the ids of slots that this filled up.
    """
    slot = await lock_slot(connection, slot_id)
    before = await lock(connection, slot.account_id)
    await post(
        connection,
        [
            Transfer(
                id=transfer_id(hire_id, "RESTORE"),
                account_id=slot.account_id,
                kind="RESTORE",
                unit="SLOT",
                amount=hundredths,
                debit="OUTSIDE",
                credit="AVAILABLE",
                occurred_at=at,
                slot_id=slot_id,
            )
        ],
    )
    after = await lock(connection, slot.account_id)
    rule = await last_rule(connection, before.agreement_id)
    months = rule.slot_months if rule else SLOT_MONTHS
    fresh = after.available // WHOLE - before.available // WHOLE
    return [await add_slot(connection, slot.account_id, months, at) for _ in range(fresh)]


async def _move(
    connection: Connection, account_id: UUID, slot_id: UUID, kind: Kind, debit: Pocket, credit: Pocket, at: datetime
) -> None:
    await post(
        connection,
        [Transfer(uuid7(), account_id, kind, "SLOT", WHOLE, debit, credit, occurred_at=at, slot_id=slot_id)],
    )


async def _expire(connection: Connection, account_id: UUID, slot_id: UUID, at: datetime) -> None:
    await move_slot(connection, slot_id=slot_id, status="EXPIRED")
    await _move(connection, account_id, slot_id, "EXPIRE", "AVAILABLE", "EXPIRED", at)


def _must_be_reserved(slot: Slot) -> None:
    if slot.status != "RESERVED":
        raise Refusal(
            RefusalCode.WRONG_STATE,
            ja="この枠は予約中ではありません。状態を確かめてください。",
            en="This slot is not reserved. Check its state.",
        )
