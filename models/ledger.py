"""The relay ledger (リレー台帳): double entry between the pockets of one account per company and agency.

Transfers are immutable and their ids come from the caller, so that a retry is the same transfer. Balances are kept by a
trigger: they are the sum of their transfers by construction, and the table's checks forbid a negative one. Amounts are
hundredths, of a handover as of a slot. Every verb holds the account (`for update`) before it reads a balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal
from uuid import UUID

from models.db import Connection, queries, uuid7
from models.errors import not_found

WHOLE = 100  # hundredths

Kind = Literal["COUNT", "EARN", "RESERVE", "REDEEM", "RELEASE", "EXPIRE", "RESTORE", "REVERSE"]
Unit = Literal["HANDOVER", "SLOT"]
Pocket = Literal["OUTSIDE", "COUNTED", "AVAILABLE", "RESERVED", "REDEEMED", "EXPIRED", "DEBT"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One posting: `amount` hundredths of `unit` leave `debit` and enter `credit`."""

    id: UUID
    account_id: UUID
    kind: Kind
    unit: Unit
    amount: int
    debit: Pocket
    credit: Pocket
    occurred_at: datetime
    handover_id: UUID | None = None
    slot_id: UUID | None = None
    reverses_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account (リレー口座) as it stands while it is held; every balance in hundredths."""

    id: UUID
    company_id: UUID
    agency_id: UUID
    agreement_id: UUID | None
    counted: int
    available: int
    reserved: int
    redeemed: int
    expired: int
    debt: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What an agreement version says about slots: handovers that earn one, days of silence, months it lasts."""

    handovers_per_slot: int
    silence_days: int
    slot_months: int


def transfer_id(cause: UUID, step: str) -> UUID:
    """The id of the transfer that `cause` (a handover, a slot, a hire) leads to at `step`: always the same one."""
    digest = int.from_bytes(sha256(cause.bytes + step.encode()).digest()[:10], "big")
    first = cause.int >> 80 << 80  # the cause's own time, so that the id stays time-ordered
    return UUID(int=first | 0x8 << 76 | (digest >> 68 & 0xFFF) << 64 | 0b10 << 62 | digest & (1 << 62) - 1)


async def lock(connection: Connection, account_id: UUID) -> Account:
    """Holds one account until the transaction ends. Raises NOT_FOUND."""
    row = await queries("ledger").lock_account(connection, id=account_id)
    if row is None:
        raise not_found("input", "accountId")
    return Account(**row)


async def lock_pairs(connection: Connection, pairs: Iterable[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Account]:
    """Holds the accounts of these (company, agency) pairs, always in the same order, and gives those there are."""
    wanted = sorted(set(pairs))
    rows = queries("ledger").lock_accounts(
        connection, company_ids=[company for company, _ in wanted], agency_ids=[agency for _, agency in wanted]
    )
    return {(row["company_id"], row["agency_id"]): Account(**row) async for row in rows}


async def rule(connection: Connection, agreement_id: UUID | None, at: datetime) -> Rule | None:
    """The relay rule in force at that instant; None when the agreement does not (or no longer) run."""
    row = await queries("ledger").rule_in_force(connection, agreement_id=agreement_id, at=at)
    return Rule(**row) if row else None


async def last_rule(connection: Connection, agreement_id: UUID | None) -> Rule | None:
    """The relay rule an agreement runs under or ended with: what was earned lives on by it. None if it had none."""
    row = await queries("ledger").last_rule(connection, agreement_id=agreement_id)
    return Rule(**row) if row else None


async def post(connection: Connection, transfers: Sequence[Transfer]) -> None:
    """Posts transfers in the order given. One whose id stands already must be the same transfer, and changes nothing.

    Raises ValueError when an id comes back with other content, asyncpg.CheckViolationError when a balance would
    become negative; the caller's transaction is then lost, as it should be.
    """
    posted = queries("ledger").post(
        connection,
        ids=[t.id for t in transfers],
        account_ids=[t.account_id for t in transfers],
        kinds=[t.kind for t in transfers],
        units=[t.unit for t in transfers],
        amounts=[t.amount for t in transfers],
        debits=[t.debit for t in transfers],
        credits=[t.credit for t in transfers],
        occurred=[t.occurred_at for t in transfers],
        handover_ids=[t.handover_id for t in transfers],
        slot_ids=[t.slot_id for t in transfers],
        reversed_ids=[t.reverses_id for t in transfers],
    )
    fresh = {row["id"] async for row in posted}
    repeated = {t.id: t for t in transfers if t.id not in fresh}
    if not repeated:
        return
    async for row in queries("ledger").transfers_by_id(connection, ids=list(repeated)):
        given = repeated.pop(row["id"])
        if any(value != getattr(given, name) for name, value in row.items()):
            raise ValueError(f"transfer {given.id} was posted before with other content")
    if repeated:
        raise ValueError("a transfer names an account that does not exist")


async def count(connection: Connection, account: Account, *, handover_id: UUID, rule: Rule, at: datetime) -> list[UUID]:
    """Counts one handover for a held account: a debt is paid first, and a full remainder becomes slots.

    Returns the ids of the slots earned, oldest first.
    """
    if account.debt >= WHOLE:
        debit, credit = "DEBT", "OUTSIDE"
    else:
        debit, credit = "OUTSIDE", "COUNTED"
    await post(
        connection,
        [
            Transfer(
                id=transfer_id(handover_id, "COUNT"),
                account_id=account.id,
                kind="COUNT",
                unit="HANDOVER",
                amount=WHOLE,
                debit=debit,
                credit=credit,
                occurred_at=at,
                handover_id=handover_id,
            )
        ],
    )
    return await earn(connection, account.id, cause=handover_id, rule=rule, at=at) if credit == "COUNTED" else []


async def earn(connection: Connection, account_id: UUID, *, cause: UUID, rule: Rule, at: datetime) -> list[UUID]:
    """Turns counted handovers into slots as long as they suffice; `cause` is the handover that filled them up."""
    price = rule.handovers_per_slot * WHOLE
    held = await lock(connection, account_id)
    slots: list[UUID] = []
    for number in range(held.counted // price):
        slot_id = await add_slot(connection, account_id, rule.slot_months, at)
        paid = ("HANDOVER", price, "COUNTED", "OUTSIDE")
        got = ("SLOT", WHOLE, "OUTSIDE", "AVAILABLE")
        await post(
            connection,
            [
                Transfer(
                    id=transfer_id(cause, f"EARN {number} {unit}"),
                    account_id=account_id,
                    kind="EARN",
                    unit=unit,
                    amount=amount,
                    debit=debit,
                    credit=credit,
                    occurred_at=at,
                    handover_id=cause,
                    slot_id=slot_id,
                )
                for unit, amount, debit, credit in (paid, got)
            ],
        )
        slots.append(slot_id)
    return slots


async def reverse_count(connection: Connection, *, handover_id: UUID, at: datetime) -> UUID | None:
    """Takes one count back: from the remainder, else from the newest free slot, else the account owes it.

    Hold the account first. Does nothing when the handover never counted or was taken back before. Returns the slot
    that was un-earned, if one was. Reserved and redeemed slots are never touched.
    """
    sql = queries("ledger")
    counted = await sql.count_of(connection, handover_id=handover_id)
    if counted is None or counted["reversed"]:
        return None
    account = await lock(connection, counted["account_id"])
    transfers: list[Transfer] = []

    def move(
        unit: Unit, amount: int, debit: Pocket, credit: Pocket, slot_id: UUID | None, reverses: UUID | None
    ) -> None:
        transfers.append(
            Transfer(
                id=transfer_id(handover_id, f"REVERSE {len(transfers)}"),
                account_id=account.id,
                kind="REVERSE",
                unit=unit,
                amount=amount,
                debit=debit,
                credit=credit,
                occurred_at=at,
                handover_id=handover_id,
                slot_id=slot_id,
                reverses_id=reverses,
            )
        )

    slot = await sql.newest_free_slot(connection, account_id=account.id) if account.counted < WHOLE else None
    if slot is not None:
        price = slot["handovers"] or await _price(connection, account)
        move("SLOT", WHOLE, "AVAILABLE", "OUTSIDE", slot["id"], None)
        move("HANDOVER", price, "OUTSIDE", "COUNTED", slot["id"], None)
        await move_slot(connection, slot_id=slot["id"], status="REVERSED")
    if slot is not None or account.counted >= WHOLE:
        move("HANDOVER", WHOLE, "COUNTED", "OUTSIDE", None, counted["id"])
    else:
        move("HANDOVER", WHOLE, "OUTSIDE", "DEBT", None, counted["id"])
    await post(connection, transfers)
    return slot["id"] if slot is not None else None


async def add_slot(connection: Connection, account_id: UUID, months: int, at: datetime) -> UUID:
    """A free slot that expires so many months of the calendar in Japan after `at`. Returns its id."""
    slot_id = uuid7()
    await queries("ledger").add_slot(connection, id=slot_id, account_id=account_id, months=months, at=at)
    return slot_id


async def move_slot(
    connection: Connection,
    *,
    slot_id: UUID,
    status: str,
    application_id: UUID | None = None,
    hire_id: UUID | None = None,
) -> None:
    """A slot's new state, and the application and hire it is for; its transfer is the caller's to post."""
    await queries("ledger").move_slot(
        connection, slot_id=slot_id, status=status, application_id=application_id, hire_id=hire_id
    )


async def _price(connection: Connection, account: Account) -> int:
    """What a slot costs under the account's agreement, in hundredths of a handover."""
    rule = await last_rule(connection, account.agreement_id)
    return (rule.handovers_per_slot if rule else 1) * WHOLE
