"""Slots (無料紹介枠) of a relay account: reserved at offer, redeemed at the start date, released, expired, restored.

Every verb holds the slot's account first, so that one slot is never spent twice, whatever runs at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg

from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode, not_found, wrong_state
from models.ledger import (
    WHOLE,
    Account,
    Kind,
    Pocket,
    Transfer,
    add_slot,
    last_rule,
    lock,
    move_slot,
    post,
    transfer_id,
)
from models.outbox import Said, publish

SLOT_MONTHS = 12  # of a slot made of parts, when no agreement is left to say
EXPIRE_AT_ONCE = 200  # slots per transaction
NOTICE_DAYS = (60, 30)  # before a free slot expires
NOTICES_AT_ONCE = 200
GIVEN_BACK = {30: 100, 90: 50}  # hundredths of a slot, for one who left by that day


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as it stands while it is held."""

    id: UUID
    account_id: UUID
    company_id: UUID
    agency_id: UUID
    status: str
    expires_at: datetime
    application_id: UUID | None
    hire_id: UUID | None


class Moved(NamedTuple):
    """A slot that moved, and the event that says so."""

    slot_id: UUID
    event_id: UUID


async def reserve_slot(
    connection: Connection,
    *,
    account_id: UUID,
    application_id: UUID,
    acting: UUID,
    said: Said,
    slot_id: UUID | None = None,
) -> Moved:
    """Reserves a free slot at offer (枠の予約), or for a hire that is decided: the first to expire, or `slot_id`.

    The application must be in selection at the account's company, or hired, and have come through its agency. Raises
    NOT_FOUND, NOT_YOURS, WRONG_STATE, NOT_ELIGIBLE, and SLOT_UNAVAILABLE when none is free.
    """
    account = await lock(connection, account_id)
    _must_act(acting, account.company_id)
    row = await queries("slot").free_slot(connection, account_id=account_id, slot_id=slot_id, at=said.at)
    hire_id = await _must_suit(connection, account, application_id)
    if row is None:
        raise Refusal(
            RefusalCode.SLOT_UNAVAILABLE,
            ja="利用できる無料紹介枠がありません。枠が貯まるか、予約が解放されるまでお待ちください。",
            en="No slot is free. Wait until one is earned or a reservation is released.",
        )
    try:
        await move_slot(
            connection, slot_id=row["id"], status="RESERVED", application_id=application_id, hire_id=hire_id
        )
    except asyncpg.UniqueViolationError:
        raise wrong_state(
            "この応募にはすでに枠が予約されています。", "This application holds a slot already."
        ) from None
    return await _move(connection, await _held(connection, row["id"]), "RESERVE", "AVAILABLE", "RESERVED", said)


async def redeem_slot(connection: Connection, *, slot_id: UUID, acting: UUID, said: Said) -> UUID:
    """Redeems a reserved slot once the work has begun (枠の利用). Returns the event's id.

    Raises NOT_FOUND, NOT_YOURS, and WRONG_STATE unless it is reserved for a hire whose start date has come.
    """
    slot = await lock_slot(connection, slot_id)
    _must_act(acting, slot.company_id)
    _must_be_reserved(slot)
    hire = await queries("slot").hire_for_slot(connection, application_id=slot.application_id, at=said.at)
    if hire is None or not hire["started"]:
        raise wrong_state(
            "枠を利用できるのは、採用が決まり入社日を迎えてからです。",
            "A slot is redeemed when its hire has started work.",
        )
    return (await redeem_for_hire(connection, slot_id=slot_id, hire_id=hire["id"], said=said)).event_id


async def release_slot(connection: Connection, *, slot_id: UUID, acting: UUID, said: Said) -> UUID:
    """Gives a reserved slot back (枠の解放); past its day it expires then and there. Returns the event's id.

    Raises NOT_FOUND, NOT_YOURS, WRONG_STATE unless it is reserved.
    """
    slot = await lock_slot(connection, slot_id)
    _must_act(acting, slot.company_id)
    _must_be_reserved(slot)
    await move_slot(connection, slot_id=slot_id, status="AVAILABLE")
    moved = await _move(connection, slot, "RELEASE", "RESERVED", "AVAILABLE", said)
    return (await _expire(connection, slot, said) if slot.expires_at <= said.at else moved).event_id


async def lock_slot(connection: Connection, slot_id: UUID) -> Slot:
    """Holds a slot and, before it, its account. Raises NOT_FOUND."""
    account_id = await queries("slot").account_of_slot(connection, slot_id=slot_id)
    if account_id is None:
        raise not_found("input", "slotId")
    await lock(connection, account_id)
    return await _held(connection, slot_id)


async def redeem_for_hire(connection: Connection, *, slot_id: UUID, hire_id: UUID, said: Said) -> Moved:
    """Redeems a slot for this hire, and restores what is due if they left. Raises WRONG_STATE unless it is reserved."""
    slot = await lock_slot(connection, slot_id)
    _must_be_reserved(slot)
    await move_slot(connection, slot_id=slot_id, status="REDEEMED", application_id=slot.application_id, hire_id=hire_id)
    moved = await _move(connection, slot, "REDEEM", "RESERVED", "REDEEMED", said, hire_id=hire_id)
    await restore(connection, slot_id=slot_id, hire_id=hire_id, said=said)
    return moved


async def redeem_due(connection: Connection, now: datetime) -> list[UUID]:
    """Redeems slots whose hire starts work by that day in Japan, at most EXPIRE_AT_ONCE. Returns their ids."""
    rows = queries("slot").started_hires(connection, now=now, most=EXPIRE_AT_ONCE)
    redeemed: list[UUID] = []
    for row in sorted([row async for row in rows], key=lambda row: (row["account_id"], row["id"])):
        slot = await lock_slot(connection, row["id"])
        if slot.status == "RESERVED" and slot.application_id == row["application_id"]:
            said = Said(by=slot.company_id, source="SYSTEM", at=now)
            await redeem_for_hire(connection, slot_id=slot.id, hire_id=row["hire_id"], said=said)
            redeemed.append(slot.id)
    return redeemed


async def expire_due(connection: Connection, now: datetime) -> list[UUID]:
    """Expires free slots past their day, at most EXPIRE_AT_ONCE of them. Returns their ids."""
    sql = queries("slot")
    due = [row async for row in sql.due_slots(connection, now=now, most=EXPIRE_AT_ONCE)]
    if not due:
        return []
    _ = [row async for row in sql.lock_accounts_by_id(connection, ids=sorted({row["account_id"] for row in due}))]
    still = sql.lock_due_slots(connection, slot_ids=[row["id"] for row in due], now=now)
    expired = [Slot(**row) async for row in still]
    for slot in expired:
        await _expire(connection, slot, Said(by=slot.company_id, source="SYSTEM", at=slot.expires_at))
    return [slot.id for slot in expired]


async def notify_expiring(connection: Connection, now: datetime) -> int:
    """Queues the notices that free slots expire in 60, then in 30 days, never both at once. Returns how many slots they
    are about."""
    noticed = 0
    for days, nearer in zip(NOTICE_DAYS, (*NOTICE_DAYS[1:], 0), strict=True):
        rows = queries("slot").notify_expiring(
            connection,
            days=days,
            after=now + timedelta(days=nearer),
            until=now + timedelta(days=days),
            last=not nearer,
            most=NOTICES_AT_ONCE,
        )
        slots = [row async for row in rows]
        for row in slots:
            await queries("slot").queue_notice(connection, id=uuid7(), slot_id=row["id"], at=now)
        noticed += len(slots)
    return noticed


async def restore(connection: Connection, *, slot_id: UUID, hire_id: UUID, said: Said) -> list[UUID]:
    """Gives back what a redeemed slot is worth of which the hire left early (返戻), less what came back before.

    The earliest day on which they had left says how much; nothing when the company caused it. Parts collect in the
    account and become a new slot each time they reach 1.00. What was redeemed stays redeemed: the part comes from
    outside. Returns the ids of slots that this filled up.
    """
    sql = queries("slot")
    slot = await lock_slot(connection, slot_id)
    await sql.hold_hire(connection, hire_id=hire_id)
    left = await sql.left_first(connection, hire_id=hire_id)
    due = GIVEN_BACK.get(left["day"], 0) if left and left["status"] == "LEFT" else 0
    part = due - await sql.restored(connection, slot_id=slot_id)
    if part <= 0:
        return []
    before = await lock(connection, slot.account_id)
    await post(
        connection,
        [
            Transfer(
                id=transfer_id(hire_id, f"RESTORE {due}"),
                account_id=slot.account_id,
                kind="RESTORE",
                unit="SLOT",
                amount=part,
                debit="OUTSIDE",
                credit="AVAILABLE",
                occurred_at=said.at,
                slot_id=slot_id,
            )
        ],
    )
    after = await lock(connection, slot.account_id)
    rule = await last_rule(connection, before.agreement_id)
    months = rule.slot_months if rule else SLOT_MONTHS
    made = after.available // WHOLE - before.available // WHOLE
    fresh = [await add_slot(connection, slot.account_id, months, said.at) for _ in range(made)]
    for new_id in fresh:
        await _publish(connection, "SLOT_EARNED", slot, said, slot_id=new_id, hire_id=hire_id)
    return fresh


async def _held(connection: Connection, slot_id: UUID) -> Slot:
    return Slot(**await queries("slot").lock_slot(connection, slot_id=slot_id))


async def _move(
    connection: Connection,
    slot: Slot,
    kind: Kind,
    debit: Pocket,
    credit: Pocket,
    said: Said,
    *,
    hire_id: UUID | None = None,
) -> Moved:
    transfer = Transfer(
        uuid7(), slot.account_id, kind, "SLOT", WHOLE, debit, credit, occurred_at=said.at, slot_id=slot.id
    )
    await post(connection, [transfer])
    return Moved(slot.id, await _publish(connection, "SLOT_MOVED", slot, said, slot_id=slot.id, hire_id=hire_id))


async def _expire(connection: Connection, slot: Slot, said: Said) -> Moved:
    await move_slot(connection, slot_id=slot.id, status="EXPIRED")
    return await _move(connection, slot, "EXPIRE", "AVAILABLE", "EXPIRED", said)


async def _publish(
    connection: Connection, kind: str, slot: Slot, said: Said, *, slot_id: UUID, hire_id: UUID | None
) -> UUID:
    return await publish(
        connection,
        kind,
        said,
        company_id=slot.company_id,
        parties=[slot.agency_id],
        application_id=slot.application_id,
        slot_id=slot_id,
        hire_id=hire_id,
    )


async def _must_suit(connection: Connection, account: Account, application_id: UUID) -> UUID | None:
    """A slot pays for one whom this agency brought to this company. Returns the hire, if it is decided."""
    row = await queries("slot").application_for_slot(connection, id=application_id)
    if row is None or row["company_id"] != account.company_id:
        raise not_found("input", "applicationId")
    if row["status"] not in ("ACTIVE", "HIRED"):
        raise wrong_state("この応募は選考中ではありません。", "This application is not in selection.")
    if row["referrer_id"] != account.agency_id and (row["referrer_id"] or row["route"] not in ("AGENCY", "RELAY")):
        raise Refusal(
            RefusalCode.NOT_ELIGIBLE,
            ja="この枠は、口座の相手の人材紹介会社からの応募にだけ使えます。",
            en="A slot pays only for somebody whom the account's agency introduced.",
            path=("input", "applicationId"),
        )
    return row["hire_id"]


def _must_act(acting: UUID, owner: UUID) -> None:
    if acting != owner:
        raise Refusal(
            RefusalCode.NOT_YOURS,
            ja="枠を動かせるのは、口座の企業だけです。",
            en="Only the account's company moves its slots.",
        )


def _must_be_reserved(slot: Slot) -> None:
    if slot.status != "RESERVED":
        raise wrong_state("この枠は予約中ではありません。", "This slot is not reserved.")
