"""Career relay (キャリアリレー): what counts, what an agency may answer, and what silence says."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from models import agreement, relay
from models.db import credentials, unit_of_work
from models.errors import Refusal, RefusalCode
from models.japan import today
from models.relay import Answered
from models.terms import RelayTerms, Terms
from tests import relay_world
from tests.builders import latest_hash
from tests.relay_world import DAY, START, Relay, World, attempt, said


@pytest.fixture
async def world(connected: str) -> AsyncIterator[World]:
    owner = await asyncpg.connect(**credentials(connected))
    yield World(owner)
    await owner.close()


async def accept(pair: Relay, handover_id: UUID, at: datetime = START) -> Answered:
    async with unit_of_work() as connection:
        return await relay.accept(
            connection, handover_id=handover_id, acting=pair.agency_id, said=said(pair.agency_id, at)
        )


async def kinds(world: World) -> dict[str, int]:
    return dict(await world.owner.fetch("select kind, count(*) from outcome_event group by 1"))


async def test_the_tenth_acceptance_earns_one_slot_however_often_and_at_once_it_is_sent(world: World) -> None:
    """proof 4.2: the tenth handover accepted twice and in parallel with an eleventh: exactly one slot."""
    pair = await relay_world.relay(world)
    for _ in range(9):
        await accept(pair, await pair.handover())
    tenth, eleventh = await pair.handover(), await pair.handover()
    outcomes = await asyncio.gather(
        *(attempt(lambda one=one: accept(pair, one)) for one in [tenth] * 10 + [eleventh] * 10)
    )
    done = [outcome for outcome in outcomes if isinstance(outcome, Answered)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert sorted(answer.handover_id for answer in done) == sorted([tenth, eleventh])
    assert sorted(len(answer.slot_ids) for answer in done) == [0, 1]
    assert [refusal.code for refusal in refused] == [RefusalCode.WRONG_STATE] * 18
    assert await world.balance(pair.account_id) == {"counted": 100, "available": 100}
    assert await world.statuses(pair.account_id) == {"AVAILABLE": 1}
    assert await kinds(world) == {"RELAY_ACCEPTED": 11, "SLOT_EARNED": 1}


async def test_one_count_per_person_and_agency_in_a_year_whichever_company(world: World) -> None:
    first = await relay_world.relay(world)
    second = await relay_world.relay(world, agency_id=first.agency_id)
    person_id = await world.person()
    one, other = await first.handover(person_id), await second.handover(person_id)
    outcomes = await asyncio.gather(accept(first, one), accept(second, other))
    assert sorted(answer.counted for answer in outcomes) == [False, True]
    accounts = [await world.balance(pair.account_id) for pair in (first, second)]
    assert sorted(balance.get("counted", 0) for balance in accounts) == [0, 100]
    later = await second.handover(person_id, registered_at=START + 366 * DAY)
    assert (await accept(second, later, START + 366 * DAY)).counted


async def test_many_companies_race_for_the_same_person_and_one_counts(world: World) -> None:
    first = await relay_world.relay(world)
    pairs = [first] + [await relay_world.relay(world, agency_id=first.agency_id) for _ in range(11)]
    person_id = await world.person()
    handovers = [await pair.handover(person_id) for pair in pairs]
    answers = await asyncio.gather(*(accept(pair, one) for pair, one in zip(pairs, handovers, strict=True)))
    assert sum(answer.counted for answer in answers) == 1
    assert await world.owner.fetchval("select count(*) from ledger_transfer") == 1


async def test_only_the_agency_answers_and_only_once(world: World) -> None:
    pair = await relay_world.relay(world)
    handover_id = await pair.handover()
    with pytest.raises(Refusal, match="NOT_YOURS"):
        async with unit_of_work() as connection:
            await relay.accept(connection, handover_id=handover_id, acting=pair.company_id, said=said(pair.company_id))
    assert await world.owner.fetchval("select status from handover") == "REGISTERED"
    await accept(pair, handover_id)
    with pytest.raises(Refusal, match="WRONG_STATE"):
        async with unit_of_work() as connection:
            await relay.decline(
                connection,
                handover_id=handover_id,
                acting=pair.agency_id,
                reason="UNREACHABLE",
                said=said(pair.agency_id),
            )
    assert await world.balance(pair.account_id) == {"counted": 100}


async def test_a_decline_counts_nothing_and_ends_the_provision(world: World) -> None:
    pair = await relay_world.relay(world)
    handover_id = await pair.handover()
    async with unit_of_work() as connection:
        await relay.decline(
            connection,
            handover_id=handover_id,
            acting=pair.agency_id,
            reason="OUTSIDE_LICENSE",
            said=said(pair.agency_id),
        )
    row = await world.owner.fetchrow("select status, decline_reason, counted from handover")
    assert tuple(row) == ("DECLINED", "OUTSIDE_LICENSE", False)
    assert await world.balance(pair.account_id) == {}
    assert await kinds(world) == {"RELAY_DECLINED": 1}


async def test_nothing_counts_once_the_agreement_ended_but_slots_live_on(world: World) -> None:
    pair = await relay_world.relay(world, per_slot=1)
    await accept(pair, await pair.handover())
    waiting = await pair.handover()
    await world.owner.execute("update agreement set status = 'TERMINATED', ends_at = now()")
    with pytest.raises(Refusal, match="AGREEMENT_MISSING"):
        await accept(pair, waiting)
    async with unit_of_work() as connection:
        assert await relay.accept_silent(connection, START + 30 * DAY) == []
    assert await world.balance(pair.account_id) == {"available": 100}


async def test_an_agency_without_a_valid_licence_cannot_accept(world: World) -> None:
    pair = await relay_world.relay(world)
    handover_id = await pair.handover()
    await world.owner.execute("update partner set license_expires_on = $1 where kind = 'AGENCY'", (START - DAY).date())
    with pytest.raises(Refusal, match="LICENSE_EXPIRED"):
        await accept(pair, handover_id)
    assert await world.balance(pair.account_id) == {}


async def test_seven_days_of_silence_are_an_acceptance_said_by_the_platform(world: World) -> None:
    pair = await relay_world.relay(world)
    handover_id = await pair.handover()
    async with unit_of_work() as connection:
        assert await relay.accept_silent(connection, START + 6 * DAY) == []
        (answer,) = await relay.accept_silent(connection, START + 8 * DAY)
    assert (answer.handover_id, answer.counted) == (handover_id, True)
    row = await world.owner.fetchrow("select status, by_silence, decided_at, counted from handover")
    assert tuple(row) == ("ACCEPTED", True, START + 7 * DAY, True)
    event = await world.owner.fetchrow("select kind, source, reported_by from outcome_event")
    assert tuple(event) == ("RELAY_ACCEPTED", "SYSTEM", pair.agency_id)


async def test_silence_of_an_agency_without_a_valid_licence_declines(world: World) -> None:
    pair = await relay_world.relay(world, per_slot=1)
    handover_id = await pair.handover()
    candidates = {"giver_candidate_id": "company_id", "receiver_candidate_id": "agency_id"}
    await world.row(
        "provision",
        **await world.owner.fetchrow(
            "select consent_id, agreement_id, person_id, company_id as giver_id, agency_id as receiver_id from handover"
        ),
        **{
            name: await world.owner.fetchval(f"select c.id from candidate c join handover on c.partner_id = {side}")
            for name, side in candidates.items()
        },
        items=["NAME"],
        provided_at=START,
    )
    expires = "update partner set license_expires_on = $1 where kind = 'AGENCY'"
    await world.owner.execute(expires, (START + 6 * DAY).date())  # the answer was due the day after
    async with unit_of_work() as connection:
        (answer,) = await relay.accept_silent(connection, START + 8 * DAY)
        assert await relay.accept_silent(connection, START + 8 * DAY) == []
    assert (answer.handover_id, answer.counted, answer.slot_ids) == (handover_id, False, [])
    row = await world.owner.fetchrow("select status, decline_reason, by_silence, decided_at, counted from handover")
    assert tuple(row) == ("DECLINED", "OUTSIDE_LICENSE", True, START + 7 * DAY, False)
    assert await world.owner.fetchval("select ended_at from provision") == START + 8 * DAY  # it flowed until then
    event = await world.owner.fetchrow("select id, kind, source, reported_by from outcome_event")
    assert tuple(event) == (answer.event_id, "RELAY_DECLINED", "SYSTEM", pair.agency_id)
    assert await world.balance(pair.account_id) == {}

    await world.owner.execute(expires, (START + 7 * DAY).date())  # its last day is that day
    other = await pair.handover()
    async with unit_of_work() as connection:
        (answer,) = await relay.accept_silent(connection, START + 8 * DAY)
    assert (answer.handover_id, answer.counted) == (other, True)


async def test_silence_accepts_though_a_version_that_begins_later_was_accepted_meanwhile(world: World) -> None:
    pair = await relay_world.relay(world)
    handover_id = await pair.handover()
    one = Terms(sharing=(), starts_on=today() + 20 * DAY, relay=RelayTerms(handovers_per_slot=1))
    async with unit_of_work() as connection:
        read = {
            "agreement_id": pair.agreement_id,
            "version_hash_read": await latest_hash(connection, pair.agreement_id),
        }
        await agreement.counter(connection, said=said(pair.company_id), terms=one, **read)
        read["version_hash_read"] = await latest_hash(connection, pair.agreement_id)
        await agreement.accept(connection, said=said(pair.agency_id), **read)
        await agreement.begin_due(connection, datetime.now(UTC) + 30 * DAY)
        (answer,) = await relay.accept_silent(connection, datetime.now(UTC) + 30 * DAY)
    assert (answer.handover_id, answer.counted, answer.slot_ids) == (handover_id, True, [])  # by the rule of that day
    assert await world.balance(pair.account_id) == {"counted": 100}


async def test_a_handover_the_company_did_not_confirm_counts_when_it_does(world: World) -> None:
    pair = await relay_world.relay(world)
    handover_id = await pair.handover(matched=False)
    assert not (await accept(pair, handover_id)).counted
    invitation_id = await world.owner.fetchval("select invitation_id from handover where id = $1", handover_id)
    for _ in range(2):
        async with unit_of_work() as connection:
            await relay.confirm_by_company(connection, invitation_id=invitation_id, said=said(pair.company_id))
    assert await world.balance(pair.account_id) == {"counted": 100}
    late = said(pair.company_id, START + 15 * DAY)
    with pytest.raises(Refusal, match="WRONG_STATE"):
        async with unit_of_work() as connection:
            await relay.confirm_by_company(connection, invitation_id=invitation_id, said=late)


async def test_taking_an_invitation_back_takes_its_counts_back(world: World) -> None:
    pair = await relay_world.relay(world, per_slot=1)
    handover_id = await pair.handover()
    await accept(pair, handover_id)
    invitation_id = await world.owner.fetchval("select invitation_id from handover where id = $1", handover_id)
    for _ in range(2):
        async with unit_of_work() as connection:
            await relay.take_back(connection, invitation_id=invitation_id, said=said(pair.company_id))
    assert await world.balance(pair.account_id) == {}
    assert await world.statuses(pair.account_id) == {"REVERSED": 1}
    assert await world.owner.fetchval("select status from handover") == "REVERSED"
    assert await kinds(world) == {"RELAY_ACCEPTED": 1, "SLOT_EARNED": 1, "SLOT_MOVED": 1}
