"""The relay ledger (台帳): transfers, balances, slots — and what races cannot do to them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from models import ledger, slot
from models.db import credentials, unit_of_work, uuid7
from models.errors import Refusal, RefusalCode
from models.ledger import Rule, Transfer
from models.outbox import Said
from tests.relay_world import DAY, START, Relay, World, attempt, relay, said

TEN = Rule(handovers_per_slot=10, silence_days=7, slot_months=12)


@pytest.fixture
async def world(connected: str) -> AsyncIterator[World]:
    owner = await asyncpg.connect(**credentials(connected))
    yield World(owner)
    await owner.close()


async def count(pair: Relay, handovers: int = 1, rule: Rule = TEN, at: datetime = START) -> list[UUID]:
    """Counts fresh handovers for the pair; the last one's id last."""
    ids = [await pair.handover() for _ in range(handovers)]
    async with unit_of_work() as connection:
        for handover_id in ids:
            held = await ledger.lock(connection, pair.account_id)
            await ledger.count(connection, held, handover_id=handover_id, rule=rule, at=at)
    return ids


async def reverse(handover_id: UUID) -> UUID | None:
    async with unit_of_work() as connection:
        return await ledger.reverse_count(connection, handover_id=handover_id, at=START)


async def reserve(pair: Relay, at: datetime = START, application_id: UUID | None = None) -> UUID:
    application_id = application_id or await application(pair)
    async with unit_of_work() as connection:
        moved = await slot.reserve_slot(
            connection,
            account_id=pair.account_id,
            application_id=application_id,
            acting=pair.company_id,
            said=said(pair.company_id, at),
        )
    return moved.slot_id


async def application(pair: Relay) -> UUID:
    """Somebody in selection whom an agency introduced."""
    return await pair.world.application(pair.company_id, await pair.world.person(), route="AGENCY")


async def hire(pair: Relay) -> UUID:
    person_id = await pair.world.person()
    application_id = await pair.world.application(pair.company_id, person_id, status="HIRED", decided_at=START)
    return await pair.world.row(
        "hire",
        company_id=pair.company_id,
        application_id=application_id,
        person_id=person_id,
        route="AGENCY",
        decided_at=START,
        starts_on=START.date(),
    )


async def redeem(slot_id: UUID, hire_id: UUID) -> None:
    async with unit_of_work() as connection:
        by_owner = await owner_of(connection, slot_id)
        await slot.redeem_for_hire(connection, slot_id=slot_id, hire_id=hire_id, said=by_owner)


async def release(slot_id: UUID, at: datetime = START) -> None:
    async with unit_of_work() as connection:
        by_owner = await owner_of(connection, slot_id, at)
        await slot.release_slot(connection, slot_id=slot_id, acting=by_owner.by, said=by_owner)


async def left(world: World, slot_id: UUID, hire_id: UUID, day: int) -> list[UUID]:
    """The hire had left by that day: what comes back of the slot."""
    await world.owner.execute("insert into retention_check values ($1, $2, 'LEFT', $3)", hire_id, day, START)
    return await restore(slot_id, hire_id)


async def restore(slot_id: UUID, hire_id: UUID) -> list[UUID]:
    async with unit_of_work() as connection:
        by_owner = await owner_of(connection, slot_id)
        return await slot.restore(connection, slot_id=slot_id, hire_id=hire_id, said=by_owner)


async def owner_of(connection: asyncpg.Connection, slot_id: UUID, at: datetime = START) -> Said:
    return said(await connection.fetchval("select company_id from slot where id = $1", slot_id), at)


async def test_ten_counts_earn_one_slot_and_the_remainder_carries_over(world: World) -> None:
    pair = await relay(world)
    await count(pair, 12)
    assert await world.balance(pair.account_id) == {"counted": 200, "available": 100}
    assert await world.statuses(pair.account_id) == {"AVAILABLE": 1}
    expires = await world.owner.fetchval("select expires_at from slot where account_id = $1", pair.account_id)
    assert expires == datetime(2027, 4, 1, 3, 0, tzinfo=UTC)


async def test_the_rule_of_the_version_decides_not_a_constant(world: World) -> None:
    pair = await relay(world)
    await count(pair, 3, Rule(handovers_per_slot=3, silence_days=7, slot_months=6))
    assert await world.balance(pair.account_id) == {"available": 100}
    expires = await world.owner.fetchval("select expires_at from slot where account_id = $1", pair.account_id)
    assert expires == datetime(2026, 10, 1, 3, 0, tzinfo=UTC)


async def test_posting_the_same_id_again_changes_nothing_and_other_content_is_an_error(world: World) -> None:
    pair = await relay(world)
    transfer = Transfer(uuid7(), pair.account_id, "COUNT", "HANDOVER", 100, "OUTSIDE", "COUNTED", START)
    for _ in range(2):
        async with unit_of_work() as connection:
            await ledger.post(connection, [transfer])
    assert await world.balance(pair.account_id) == {"counted": 100}
    other = Transfer(transfer.id, pair.account_id, "COUNT", "HANDOVER", 200, "OUTSIDE", "COUNTED", START)
    with pytest.raises(ValueError, match="other content"):
        async with unit_of_work() as connection:
            await ledger.post(connection, [other])
    assert await world.balance(pair.account_id) == {"counted": 100}


async def test_the_last_slot_has_one_winner(world: World) -> None:
    """proof 4.1: a hundred claim the last slot at once; one wins, the others are told, nothing is negative."""
    pair = await relay(world)
    await count(pair, 10)
    applications = [await application(pair) for _ in range(100)]
    outcomes = await asyncio.gather(
        *(attempt(lambda one=one: reserve(pair, application_id=one)) for one in applications)
    )
    won = [outcome for outcome in outcomes if isinstance(outcome, UUID)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert (len(won), len(lost)) == (1, 99)
    assert {refusal.code for refusal in lost} == {RefusalCode.SLOT_UNAVAILABLE}
    assert await world.balance(pair.account_id) == {"reserved": 100}
    assert await world.folded(pair.account_id) == {"reserved": 100}


async def test_redeem_and_release_raced(world: World) -> None:
    """proof 4.4: of a redemption and a release of the same slot exactly one happens, round after round."""
    pair = await relay(world)
    for _ in range(10):
        await count(pair, 10)
        slot_id, hire_id = await reserve(pair), await hire(pair)
        outcomes = await asyncio.gather(
            attempt(lambda slot_id=slot_id, hire_id=hire_id: redeem(slot_id, hire_id)),
            attempt(lambda slot_id=slot_id: release(slot_id)),
            attempt(lambda slot_id=slot_id, hire_id=hire_id: redeem(slot_id, hire_id)),
        )
        refusals = [outcome for outcome in outcomes if outcome is not None]
        assert [type(refusal) for refusal in refusals] == [Refusal, Refusal]
        assert {refusal.code for refusal in refusals} == {RefusalCode.WRONG_STATE}
    balance = await world.balance(pair.account_id)
    assert balance == await world.folded(pair.account_id)
    assert balance.get("redeemed", 0) + balance.get("available", 0) == 1000


async def test_reversal_after_use_is_a_debt_that_the_next_count_pays(world: World) -> None:
    """proof 4.3: the tenth count is reversed after its slot was used: the slot stays, the debt shows, and is paid."""
    pair = await relay(world)
    *_, last = await count(pair, 10)
    await redeem(await reserve(pair), await hire(pair))
    assert await reverse(last) is None
    assert await world.balance(pair.account_id) == {"redeemed": 100, "debt": 100}
    await count(pair)
    assert await world.balance(pair.account_id) == {"redeemed": 100}
    await count(pair)
    assert await world.balance(pair.account_id) == {"redeemed": 100, "counted": 100}
    assert await world.folded(pair.account_id) == {"redeemed": 100, "counted": 100}


async def test_reversal_takes_the_remainder_then_the_newest_free_slot(world: World) -> None:
    pair = await relay(world)
    ids = await count(pair, 10)
    ids += await count(pair, 11, at=START + DAY)
    newest = await world.owner.fetchval("select id from slot order by earned_at desc limit 1")
    assert await reverse(ids[0]) is None
    assert await world.balance(pair.account_id) == {"available": 200}
    assert await reverse(ids[1]) == newest
    assert await world.balance(pair.account_id) == {"available": 100, "counted": 900}
    assert await world.statuses(pair.account_id) == {"AVAILABLE": 1, "REVERSED": 1}
    assert await reverse(ids[1]) is None  # once only
    assert await world.balance(pair.account_id) == {"available": 100, "counted": 900}
    assert await world.folded(pair.account_id) == {"available": 100, "counted": 900}


async def test_a_reserved_slot_is_never_touched_by_a_reversal(world: World) -> None:
    pair = await relay(world)
    ids = await count(pair, 10)
    await reserve(pair)
    await reverse(ids[3])
    assert await world.balance(pair.account_id) == {"reserved": 100, "debt": 100}


async def test_expiry_takes_the_oldest_and_spares_the_reserved(world: World) -> None:
    pair = await relay(world)
    await count(pair, 10)
    await count(pair, 10, at=START + DAY)
    reserved = await reserve(pair)  # the one that expires first
    year = datetime(2027, 4, 1, 3, 0, tzinfo=UTC)
    async with unit_of_work() as connection:
        assert await slot.expire_due(connection, year) == []
        assert len(await slot.expire_due(connection, year + DAY)) == 1
    assert await world.balance(pair.account_id) == {"reserved": 100, "expired": 100}
    await release(reserved, at=year + 2 * DAY)  # released after its day: it expires then
    assert await world.balance(pair.account_id) == {"expired": 200}
    assert await world.statuses(pair.account_id) == {"EXPIRED": 2}


async def noticed(at: datetime) -> int:
    async with unit_of_work() as connection:
        return await slot.notify_expiring(connection, at)


async def test_a_slot_that_expires_soon_is_announced_twice_but_never_twice_at_once(world: World) -> None:
    pair = await relay(world)
    await count(pair, 10)
    year = datetime(2027, 4, 1, 3, 0, tzinfo=UTC)
    told = [await noticed(year - days * DAY) for days in (61, 60, 59)]
    await world.owner.execute("update mail set status = 'SENT', sent_at = now()")
    told += [await noticed(year - days * DAY) for days in (30, 29)]
    assert told == [0, 1, 0, 1, 0]
    late = await relay(world)
    await count(late, 10)
    assert [await noticed(year - days * DAY) for days in (20, 19)] == [1, 0]
    letters = "select count(*) from mail m join slot s on s.id = m.slot_id where s.account_id = $1"
    assert await world.owner.fetchval(letters, pair.account_id) == 2
    assert await world.owner.fetchval(letters, late.account_id) == 1


@pytest.mark.parametrize("month", [2, 4, 5])
async def test_a_slot_of_one_month_is_announced_once(world: World, month: int) -> None:
    pair = await relay(world)
    earned = datetime(2027, month, 1, 3, 0, tzinfo=UTC)
    await count(pair, 10, Rule(handovers_per_slot=10, silence_days=7, slot_months=1), earned)
    assert sum([await noticed(earned + days * DAY) for days in range(28)]) == 1


async def test_parts_given_back_for_leavers_collect_into_a_new_slot(world: World) -> None:
    pair = await relay(world)
    await count(pair, 20)
    pairs = [(await reserve(pair), await hire(pair)) for _ in range(2)]
    for slot_id, hire_id in pairs:
        await redeem(slot_id, hire_id)
    assert await left(world, *pairs[0], 90) == []
    assert await world.balance(pair.account_id) == {"redeemed": 200, "available": 50}
    assert await restore(*pairs[0]) == []  # once per hire
    assert len(await left(world, *pairs[1], 90)) == 1
    assert await world.balance(pair.account_id) == {"redeemed": 200, "available": 100}
    assert await world.statuses(pair.account_id) == {"REDEEMED": 2, "AVAILABLE": 1}
    assert await reserve(pair)


async def test_the_application_can_neither_change_nor_delete_a_transfer_nor_a_balance(world: World) -> None:
    """proof 4.7: the ledger is append-only for the application's role, and a balance is the fold of its transfers."""
    pair = await relay(world)
    await count(pair, 13)
    for statement in (
        "update ledger_transfer set amount = 1",
        "delete from ledger_transfer",
        "truncate ledger_transfer",
        "update relay_account set available = 1000",
        "delete from relay_account",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with unit_of_work() as connection:
                await connection.execute(statement)
    assert (
        await world.balance(pair.account_id)
        == await world.folded(pair.account_id)
        == {
            "counted": 300,
            "available": 100,
        }
    )


async def test_a_transfer_that_would_make_a_balance_negative_is_refused_by_the_table(world: World) -> None:
    pair = await relay(world)
    transfer = Transfer(uuid7(), pair.account_id, "REDEEM", "SLOT", 100, "RESERVED", "REDEEMED", START)
    with pytest.raises(asyncpg.CheckViolationError):
        async with unit_of_work() as connection:
            await ledger.post(connection, [transfer])
    assert await world.balance(pair.account_id) == {}
