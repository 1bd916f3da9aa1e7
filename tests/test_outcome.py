"""Outcomes (成果): a decision and all that follows from it, from the rejection to the slot that pays for a hire."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from api.app import make_planner
from api.asker import Budget, asker
from models import application, candidate, consent, invitation, outcome, referral, registration, relay, slot
from models.db import credentials, pool, unit_of_work
from models.errors import Refusal
from models.japan import today
from models.terms import Sharing
from planner import Request
from planner.codec import global_id
from tests import builders
from tests.builders import said
from tests.served import Served, running

__all__ = ["running"]

NOW = datetime.now(UTC)
TODAY = today(NOW)
TEN_DAYS_AGO = NOW - timedelta(days=10)


@pytest.fixture
async def owner(connected: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**credentials(connected))
    yield connection
    await connection.close()


async def network(*, handovers_per_slot: int = 1, agency: bool = True) -> tuple[UUID, UUID]:
    """A company and an agency, with a relay agreement in force."""
    async with unit_of_work() as connection:
        company_id, agency_id = await builders.company(connection), await builders.agency(connection)
        if agency:
            await builders.relay_agreement(connection, company_id, agency_id, handovers_per_slot=handovers_per_slot)
        return company_id, agency_id


async def rejected(company_id: UUID, email: str = "taro@example.jp", at: datetime = NOW) -> UUID:
    """An application that the company rejects, with all that follows."""
    async with unit_of_work() as connection:
        application_id = await builders.application(connection, company_id, email)
        await outcome.reject(connection, application_id=application_id, acting=company_id, said=said(company_id, at))
        return application_id


async def registered(application_id: UUID, company_id: UUID, *agencies: UUID, **rest: Any) -> registration.Registered:
    """The candidate's mail goes out, and the candidate registers with these agencies."""
    async with unit_of_work() as connection:
        invitation_id = await invitation.of_application(connection, application_id)
        assert invitation_id is not None
        await invitation.sent(connection, invitation_id=invitation_id, at=NOW)
        arguments = {"company_ids": [], "items": ["NAME", "EMAIL"], "tell_company": False, **rest}
        return await registration.register(
            connection,
            invitation_id=invitation_id,
            agency_ids=agencies,
            language="JA",
            text_version="1",
            said=said(company_id, NOW, "CANDIDATE"),
            **arguments,
        )


async def accepted(handover_id: UUID, agency_id: UUID) -> relay.Answered:
    async with unit_of_work() as connection:
        return await relay.accept(connection, handover_id=handover_id, acting=agency_id, said=said(agency_id, NOW))


async def from_agency(company_id: UUID, agency_id: UUID, *, handover_id: UUID | None = None, at: datetime) -> UUID:
    """An application of somebody whom the agency refers, by their handover where there is one."""
    async with unit_of_work() as connection:
        await builders.agreed(connection, "SUCCESS_FEE", company_id, agency_id)
        referral_id = await builders.referral(connection, agency_id, company_id, handover_id=handover_id)
        who = said(agency_id, builders.NOW, "CANDIDATE")
        await referral.confirm(connection, said=who, referral_id=referral_id, confirmed=True)
        recorded = await application.record(connection, said=said(company_id, at), referral_id=referral_id)
        return recorded.application_id


async def hired(application_id: UUID, company_id: UUID, *, starts_on: date = TODAY, **rest: Any) -> outcome.Hired:
    async with unit_of_work() as connection:
        return await outcome.hire(
            connection,
            application_id=application_id,
            acting=company_id,
            starts_on=starts_on,
            said=said(company_id, NOW),
            **rest,
        )


async def reverted(application_id: UUID, company_id: UUID) -> None:
    async with unit_of_work() as connection:
        await outcome.revert(
            connection, application_id=application_id, acting=company_id, reason="誤登録", said=said(company_id, NOW)
        )


async def retained(hire_id: UUID, company_id: UUID, day: int, status: str, at: datetime = NOW) -> None:
    async with unit_of_work() as connection:
        await outcome.record_retention(
            connection, hire_id=hire_id, acting=company_id, day=day, status=status, said=said(company_id, at)
        )


async def test_rejected_and_not_clicked_the_agency_sees_nothing(owner: asyncpg.Connection) -> None:
    """proof 5.2: after the mail, before the candidate acts, no row and no event is the agency's."""
    company_id, agency_id = await network()
    application_id = await rejected(company_id)
    row = await owner.fetchrow("select id, status, waiting_for, application_id from relay_invitation")
    assert tuple(row)[1:] == ("QUEUED", None, application_id)
    assert dict(await owner.fetch("select kind, status from mail")) == {"REJECTION": "QUEUED", "SURVEY": "QUEUED"}
    async with unit_of_work() as connection:
        assert await invitation.sent(connection, invitation_id=row["id"], at=NOW)
        assert await invitation.sent(connection, invitation_id=row["id"], at=NOW) is None
    assert await owner.fetchval("select count(*) from outcome_event where kind = 'RELAY_INVITED'") == 1
    for table in ("handover", "provision", "consent"):
        assert await owner.fetchval(f"select count(*) from {table}") == 0
    assert await owner.fetchval("select count(*) from candidate where partner_id = $1", agency_id) == 0
    assert await owner.fetchval("select count(*) from outcome_event where $1 = any(parties)", agency_id) == 0


async def test_the_loop_closes(owner: asyncpg.Connection) -> None:
    """Refer, select, reject, refer again: the rejected person is hired elsewhere, and everybody who helped is named."""
    company_id, agency_id = await network(handovers_per_slot=1)
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    assert await owner.fetchval("select count(*) from provision where receiver_id = $1", agency_id) == 1
    answered = await accepted(handover_id, agency_id)
    assert (answered.counted, len(answered.slot_ids)) == (True, 1)
    async with unit_of_work() as connection:
        other_id = await builders.company(connection, "株式会社もみじ")
    hire = await hired(await from_agency(other_id, agency_id, handover_id=handover_id, at=NOW), other_id)
    edges = await owner.fetch("select contributor_id, role, share, hire_id, company_id from contribution order by role")
    half = Decimal("0.500000")
    assert [tuple(edge) for edge in edges] == [
        (agency_id, "PLACED", half, hire.hire_id, other_id),
        (company_id, "RELAYED", half, hire.hire_id, other_id),
    ]
    evidence = await owner.fetch(
        "select c.role, array_agg(e.kind order by e.position) from contribution_evidence v "
        "join contribution c on c.id = v.contribution_id join outcome_event e on e.id = v.event_id group by 1"
    )
    assert dict(evidence)["RELAYED"] == ["RELAY_REGISTERED", "HIRED"]
    assert await owner.fetchval("select placement_id from handover") == hire.hire_id
    placed = await owner.fetchrow("select company_id, parties from outcome_event where kind = 'PLACED'")
    assert (placed["company_id"], placed["parties"]) == (other_id, sorted([other_id, agency_id]))


async def test_the_company_that_passed_on_hears_of_the_placement_by_consent_only(owner: asyncpg.Connection) -> None:
    company_id, agency_id = await network()
    handover_id = (await registered(await rejected(company_id), company_id, agency_id, tell_company=True)).handover_ids[
        0
    ]
    await accepted(handover_id, agency_id)
    async with unit_of_work() as connection:
        event_id = await relay.record_placement(
            connection, handover_id=handover_id, acting=agency_id, starts_on=TODAY, said=said(agency_id, NOW)
        )
    assert event_id is not None
    assert await owner.fetchval("select $1 = any(parties) from outcome_event where kind = 'PLACED'", company_id)
    assert await news(owner) == [(agency_id, company_id, None)]
    assert await owner.fetchval(
        "select provided_at > now() - interval '1 minute' from provision where items = '{OUTCOME}'"
    )


async def news(owner: asyncpg.Connection) -> list[tuple[UUID, UUID, datetime | None]]:
    """The records of news: who told whom, and since when that is over."""
    rows = await owner.fetch("select giver_id, receiver_id, ended_at from provision where items = '{OUTCOME}'")
    return [tuple(row) for row in rows]


async def test_a_consent_to_something_else_lets_the_agency_tell_nothing(owner: asyncpg.Connection) -> None:
    """The agency refers the person to the company that passed them on: it may give their name, and no news of them."""
    company_id, agency_id = await network()
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    await accepted(handover_id, agency_id)
    await from_agency(company_id, agency_id, at=NOW)
    assert await owner.fetchval(
        "select count(*) from consent where asked_by = $1 and recipient_id = $2", agency_id, company_id
    )
    async with unit_of_work() as connection:
        event_id = await relay.record_placement(
            connection, handover_id=handover_id, acting=agency_id, starts_on=TODAY, said=said(agency_id, NOW)
        )
    assert event_id is None
    assert await owner.fetchval("select count(*) from outcome_event where kind = 'PLACED'") == 0
    assert await news(owner) == []


async def test_one_agency_may_tell_and_the_other_may_not(owner: asyncpg.Connection) -> None:
    """The company that passed a person on to two agencies reads of the placement from whom the person let tell it, as
    long as they do; and what it reads stands in the record."""
    company_id, telling = await network()
    async with unit_of_work() as connection:
        other_id, silent = (
            await builders.company(connection, "株式会社もみじ"),
            await builders.agency(connection, "沈黙人材"),
        )
        await builders.relay_agreement(connection, company_id, silent)
        shared = builders.terms(sharing=(Sharing("OUTCOMES", "FIELDS"),))
        await builders.agreed(connection, "INFORMATION_SHARING", other_id, company_id, given=shared)
    rejection = await rejected(company_id)
    (told,) = (await registered(rejection, company_id, telling, tell_company=True)).handover_ids
    (untold,) = (await registered(rejection, company_id, silent)).handover_ids
    hires = dict[UUID, UUID]()
    for handover_id, agency_id in ((told, telling), (untold, silent)):
        await accepted(handover_id, agency_id)
        application_id = await from_agency(other_id, agency_id, handover_id=handover_id, at=NOW)
        hires[handover_id] = (await hired(application_id, other_id)).hire_id
        if handover_id == told:
            await reverted(application_id, other_id)
            assert (await hired(application_id, other_id)).hire_id != hires[told]
            hires[told] = await owner.fetchval("select hire_id from application where id = $1", application_id)

    question = "query($id: ID!) { node(id: $id) { ... on Handover { placement { id } } } }"
    planner = await make_planner()

    async def placement(handover_id: UUID, partner_id: UUID) -> dict[str, str] | None:
        request = Request(question, None, {"id": f"han_{handover_id}"})
        prepared = planner.prepare(request, asker(builders.viewer(partner_id), "https://kyoso", Budget(1000)))
        return orjson.loads((await planner.run(prepared, pool().acquire)).body)["data"]["node"]["placement"]

    assert await placement(untold, silent) == {"id": f"hire_{hires[untold]}"}
    assert await placement(untold, company_id) is None
    assert await placement(told, company_id) == {"id": f"hire_{hires[told]}"}
    assert await news(owner) == [(telling, company_id, None)]  # once, however often it is told
    person_id = await owner.fetchval("select person_id from handover where id = $1", told)
    async with unit_of_work() as connection:
        words = {"purpose": "就職決定の報告", "items": ["OUTCOME"], "text_version": "1", "language": "JA"}
        who = {"said": said(company_id, NOW, "CANDIDATE"), "person_id": person_id}
        await consent.consent(connection, asked_by=silent, recipient_id=company_id, **who, **words)
    assert await placement(untold, company_id) is None  # they may be told from now on: nothing was

    async with unit_of_work() as connection:
        (record,) = [each for each in await consent.records(connection, person_id) if each.giver_id == telling
            and each.receiver_id == company_id]  # fmt: skip
        assert (record.news, record.provided_at is not None, record.items) == (True, True, ["OUTCOME"])
        await consent.withdraw(connection, **who, consent_id=record.consent_id)
    assert await placement(told, company_id) is None
    assert await owner.fetchval("select ended_at is not null from provision where items = '{OUTCOME}'")


@pytest.mark.parametrize("starts_on", [date.min, TODAY - timedelta(days=732), TODAY + timedelta(days=732), date.max])
async def test_work_begins_within_two_years_of_the_decision(owner: asyncpg.Connection, starts_on: date) -> None:
    company_id, _ = await network()
    async with unit_of_work() as connection:
        application_id = await builders.application(connection, company_id)
    with pytest.raises(Refusal, match="INVALID"):
        await hired(application_id, company_id, starts_on=starts_on)
    assert await owner.fetchval("select count(*) from hire") == 0
    hire_id = (await hired(application_id, company_id, starts_on=TODAY + timedelta(days=731))).hire_id
    await owner.execute("update hire set starts_on = $1", starts_on)  # from before there was a bound
    if starts_on > TODAY:
        with pytest.raises(Refusal, match="INVALID"):
            await retained(hire_id, company_id, 365, "EMPLOYED")
    else:
        await retained(hire_id, company_id, 365, "EMPLOYED")


async def placed(handover_id: UUID, agency_id: UUID, starts_on: date) -> UUID | None:
    async with unit_of_work() as connection:
        return await relay.record_placement(
            connection, handover_id=handover_id, acting=agency_id, starts_on=starts_on, said=said(agency_id, NOW)
        )


async def test_a_placement_is_told_once_of_a_day_that_can_be(owner: asyncpg.Connection) -> None:
    company_id, agency_id = await network()
    (handover_id,) = (
        await registered(await rejected(company_id), company_id, agency_id, tell_company=True)
    ).handover_ids
    await accepted(handover_id, agency_id)
    for wrong in (date.min, TODAY - timedelta(days=1), TODAY + timedelta(days=732), date.max):
        with pytest.raises(Refusal, match="INVALID"):
            await placed(handover_id, agency_id, wrong)
    assert await owner.fetchval("select placed_outside_on from handover") is None
    assert await placed(handover_id, agency_id, TODAY) is not None
    assert await placed(handover_id, agency_id, TODAY) is None  # as it is
    with pytest.raises(Refusal, match="WRONG_STATE"):
        await placed(handover_id, agency_id, TODAY + timedelta(days=1))
    assert await owner.fetchval("select placed_outside_on from handover") == TODAY
    assert await owner.fetchval("select count(*) from outcome_event where kind = 'PLACED'") == 1


async def test_who_was_hired_on_the_network_is_not_placed_outside_it_too(owner: asyncpg.Connection) -> None:
    company_id, agency_id = await network()
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    await accepted(handover_id, agency_id)
    async with unit_of_work() as connection:
        other_id = await builders.company(connection, "株式会社もみじ")
    await hired(await from_agency(other_id, agency_id, handover_id=handover_id, at=NOW), other_id)
    with pytest.raises(Refusal, match="WRONG_STATE"):
        await placed(handover_id, agency_id, TODAY)
    assert await owner.fetchval("select count(*) from outcome_event where kind = 'PLACED'") == 1


async def test_a_slot_pays_for_a_hire_from_its_agency_and_is_redeemed_on_the_first_day(
    owner: asyncpg.Connection,
) -> None:
    company_id, agency_id = await network(handovers_per_slot=1)
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    await accepted(handover_id, agency_id)
    application_id = await from_agency(company_id, agency_id, at=NOW)
    account_id = await owner.fetchval("select id from relay_account")
    async with unit_of_work() as connection:
        moved = await slot.reserve_slot(
            connection,
            account_id=account_id,
            application_id=application_id,
            acting=company_id,
            said=said(company_id, NOW),
        )
    hire = await hired(application_id, company_id, starts_on=TODAY + timedelta(days=30))
    assert hire.slot_id == moved.slot_id
    assert await owner.fetchval("select status from slot") == "RESERVED"
    with pytest.raises(Refusal, match="WRONG_STATE"):
        async with unit_of_work() as connection:
            await slot.redeem_slot(connection, slot_id=moved.slot_id, acting=company_id, said=said(company_id, NOW))
    async with unit_of_work() as connection:
        assert await slot.redeem_due(connection, NOW + timedelta(days=31)) == [moved.slot_id]
    row = await owner.fetchrow("select reserved, redeemed, available from relay_account")
    assert tuple(row) == (0, 100, 0)
    at = NOW + timedelta(days=75)
    await retained(hire.hire_id, company_id, 90, "LEFT", at)
    await retained(hire.hire_id, company_id, 90, "LEFT", at)  # told again: given back once
    row = await owner.fetchrow("select redeemed, available from relay_account")
    assert tuple(row) == (100, 50)
    with pytest.raises(Refusal, match="WRONG_STATE"):
        await retained(hire.hire_id, company_id, 90, "EMPLOYED", NOW + timedelta(days=200))


async def paid_by_slot() -> tuple[UUID, UUID]:
    """A company, and somebody whom a slot paid for and whose first day is a hundred days ago."""
    company_id, agency_id = await network(handovers_per_slot=1)
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    slot_id = (await accepted(handover_id, agency_id)).slot_ids[0]
    application_id = await from_agency(company_id, agency_id, at=TEN_DAYS_AGO)
    began = TODAY - timedelta(days=100)
    return company_id, (await hired(application_id, company_id, starts_on=began, slot_id=slot_id)).hire_id


@pytest.mark.parametrize(
    ("first", "second", "given_back"),
    [
        ((30, "LEFT"), (90, "EMPLOYED"), 100),
        ((90, "EMPLOYED"), (30, "LEFT"), 0),
        ((90, "EMPLOYED"), (30, "LEFT_BY_COMPANY"), 0),
        ((30, "LEFT_BY_COMPANY"), (90, "EMPLOYED"), 0),
        ((30, "LEFT_BY_COMPANY"), (90, "LEFT"), 0),
        ((90, "LEFT"), (30, "LEFT_BY_COMPANY"), 50),
    ],
)
async def test_whoever_has_left_is_not_employed_later_and_left_in_one_way(
    owner: asyncpg.Connection, first: tuple[int, str], second: tuple[int, str], given_back: int
) -> None:
    company_id, hire_id = await paid_by_slot()
    await retained(hire_id, company_id, *first)
    with pytest.raises(Refusal, match="WRONG_STATE"):
        await retained(hire_id, company_id, *second)
    assert dict(await owner.fetch("select day, status from retention_check")) == {first[0]: first[1]}
    assert await owner.fetchval("select available from relay_account") == given_back
    assert await owner.fetchval("select count(*) from outcome_event where kind = 'RETENTION_CHECKED'") == 1


async def test_an_answer_on_which_nothing_came_back_is_corrected_and_what_is_due_comes_back(
    owner: asyncpg.Connection,
) -> None:
    company_id, hire_id = await paid_by_slot()
    for day, status in ((90, "EMPLOYED"), (90, "UNKNOWN"), (30, "LEFT_BY_COMPANY"), (30, "LEFT"), (90, "LEFT")):
        await retained(hire_id, company_id, day, status)
    assert dict(await owner.fetch("select day, status from retention_check")) == {30: "LEFT", 90: "LEFT"}
    assert await owner.fetchval("select available from relay_account") == 100


async def test_what_comes_back_follows_the_earliest_day_in_whatever_order_it_is_told(owner: asyncpg.Connection) -> None:
    company_id, hire_id = await paid_by_slot()
    for day, due in ((180, 0), (90, 50), (90, 50), (30, 100), (30, 100), (90, 100)):
        await retained(hire_id, company_id, day, "LEFT")
        assert await owner.fetchval("select available from relay_account") == due
    posted = await owner.fetch("select amount from ledger_transfer where kind = 'RESTORE' order by posted_at")
    assert [row["amount"] for row in posted] == [50, 50]
    assert dict(await owner.fetch("select status, count(*) from slot group by 1")) == {"REDEEMED": 1, "AVAILABLE": 1}


async def test_days_told_at_the_same_time_give_back_what_the_earliest_is_worth(owner: asyncpg.Connection) -> None:
    company_id, hire_id = await paid_by_slot()
    await asyncio.gather(*(retained(hire_id, company_id, day, "LEFT") for day in (90, 30) * 4))
    assert await owner.fetchval("select available from relay_account") == 100
    assert await owner.fetchval("select sum(amount) from ledger_transfer where kind = 'RESTORE'") == 100
    assert dict(await owner.fetch("select status, count(*) from slot group by 1")) == {"REDEEMED": 1, "AVAILABLE": 1}


async def test_answers_told_at_the_same_time_agree_too(owner: asyncpg.Connection) -> None:
    company_id, _ = await network()
    began = TODAY - timedelta(days=100)
    for number in range(5):
        async with unit_of_work() as connection:
            application_id = await builders.application(connection, company_id, f"{number}@example.jp")
        hire_id = (await hired(application_id, company_id, starts_on=began)).hire_id  # no account is held for it
        told = ((30, "LEFT"), (90, "EMPLOYED"))
        await asyncio.gather(*(retained(hire_id, company_id, *each) for each in told), return_exceptions=True)
        assert await owner.fetchval("select count(*) from retention_check where hire_id = $1", hire_id) == 1


async def test_a_leaver_whom_the_company_dismissed_gives_nothing_back(owner: asyncpg.Connection) -> None:
    company_id, agency_id = await network(handovers_per_slot=1)
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    slot_id = (await accepted(handover_id, agency_id)).slot_ids[0]
    hire = await hired(await from_agency(company_id, agency_id, at=NOW), company_id, slot_id=slot_id)
    assert await owner.fetchval("select redeemed from relay_account") == 100
    await retained(hire.hire_id, company_id, 30, "LEFT_BY_COMPANY")
    assert await owner.fetchval("select available from relay_account") == 0
    with pytest.raises(Refusal, match="INVALID"):
        await retained(hire.hire_id, company_id, 180, "EMPLOYED")  # not come yet


@pytest.mark.parametrize("left_at", [0, 1, 2])
async def test_a_slot_reserved_after_the_hire_pays_as_one_before_it(owner: asyncpg.Connection, left_at: int) -> None:
    """Whenever it is told that they had left: before the slot is reserved, before it is redeemed, or after."""
    company_id, agency_id = await network(handovers_per_slot=1)
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    await accepted(handover_id, agency_id)
    application_id = await from_agency(company_id, agency_id, at=TEN_DAYS_AGO)
    hire_id = (await hired(application_id, company_id, starts_on=TODAY - timedelta(days=9))).hire_id
    account_id = await owner.fetchval("select id from relay_account")

    async def reserve() -> None:
        async with unit_of_work() as connection:
            await slot.reserve_slot(
                connection,
                account_id=account_id,
                application_id=application_id,
                acting=company_id,
                said=said(company_id, NOW),
            )
        assert await owner.fetchval("select hire_id from slot") == hire_id

    async def redeem() -> None:
        async with unit_of_work() as connection:
            assert len(await slot.redeem_due(connection, NOW)) == 1

    steps = [reserve, redeem]
    steps.insert(left_at, lambda: retained(hire_id, company_id, 30, "LEFT"))
    for step in steps:
        await step()
    assert tuple(await owner.fetchrow("select redeemed, available from relay_account")) == (100, 100)
    assert dict(await owner.fetch("select status, count(*) from slot group by 1")) == {"REDEEMED": 1, "AVAILABLE": 1}


async def test_a_hire_names_the_slot_that_pays_for_it_as_long_as_one_does(served: Served) -> None:
    company_id, agency_id = await network(handovers_per_slot=1)
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    slot_id = (await accepted(handover_id, agency_id)).slot_ids[0]
    application_id = await from_agency(company_id, agency_id, at=NOW)
    hire_id = (await hired(application_id, company_id, starts_on=TODAY + timedelta(days=5))).hire_id
    ask = f'{{ node(id: "{global_id("hire", hire_id)}") {{ ... on Hire {{ slot {{ id status }} }} }} }}'
    assert await served.ask(company_id, ask) == {"node": {"slot": None}}
    async with unit_of_work() as connection:
        found = await connection.fetchval("select account_id from slot where id = $1", slot_id)
        arguments = {"account_id": found, "application_id": application_id, "acting": company_id}
        await slot.reserve_slot(connection, **arguments, said=said(company_id, NOW))
    paying = {"id": global_id("slot", slot_id), "status": "RESERVED"}
    assert await served.ask(company_id, ask) == {"node": {"slot": paying}}
    async with unit_of_work() as connection:
        await slot.release_slot(connection, slot_id=slot_id, acting=company_id, said=said(company_id, NOW))
    assert await served.ask(company_id, ask) == {"node": {"slot": None}}


async def test_a_rejection_taken_back_kills_the_url_and_takes_the_count_back(owner: asyncpg.Connection) -> None:
    company_id, agency_id = await network(handovers_per_slot=2)
    application_id = await rejected(company_id)
    (handover_id,) = (await registered(application_id, company_id, agency_id)).handover_ids
    await accepted(handover_id, agency_id)
    assert await owner.fetchval("select counted from relay_account") == 100
    await reverted(application_id, company_id)
    assert await owner.fetchval("select counted from relay_account") == 0
    assert await owner.fetchval("select status from handover") == "REVERSED"
    assert set(dict(await owner.fetch("select kind, status from mail")).values()) == {"CANCELLED"}
    invitation_id = await owner.fetchval("select id from relay_invitation where revoked_at is not null")
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        async with unit_of_work() as connection:
            await invitation.opened(connection, invitation_id=invitation_id, said=said(company_id, NOW, "CANDIDATE"))


@pytest.mark.parametrize("was_accepted", [True, False])
async def test_whoever_is_rejected_anew_may_turn_to_the_same_agency_and_counts_once(
    owner: asyncpg.Connection, was_accepted: bool
) -> None:
    company_id, agency_id = await network(handovers_per_slot=2)
    application_id = await rejected(company_id)
    (first,) = (await registered(application_id, company_id, agency_id)).handover_ids
    if was_accepted:
        assert (await accepted(first, agency_id)).counted
    await reverted(application_id, company_id)
    async with unit_of_work() as connection:
        await outcome.reject(connection, application_id=application_id, acting=company_id, said=said(company_id, NOW))
    (second,) = (await registered(application_id, company_id, agency_id)).handover_ids
    assert dict(await owner.fetch("select id, status from handover")) == {first: "REVERSED", second: "REGISTERED"}
    assert (await accepted(second, agency_id)).counted
    assert await owner.fetchval("select counted from relay_account") == 100
    assert (await registered(application_id, company_id, agency_id)).handover_ids == []  # one that stands is left


async def test_a_hire_taken_back_frees_its_reserved_slot(owner: asyncpg.Connection) -> None:
    company_id, agency_id = await network(handovers_per_slot=1)
    (handover_id,) = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids
    slot_id = (await accepted(handover_id, agency_id)).slot_ids[0]
    application_id = await from_agency(company_id, agency_id, at=NOW)
    await hired(application_id, company_id, slot_id=slot_id, starts_on=TODAY + timedelta(days=5))
    await reverted(application_id, company_id)
    row = await owner.fetchrow("select status, application_id, hire_id from slot")
    assert tuple(row) == ("AVAILABLE", None, None)
    assert await owner.fetchval("select sum(contributions) from contribution_link") == 0


async def test_without_an_agency_the_mail_goes_out_without_a_url(owner: asyncpg.Connection) -> None:
    company_id, _ = await network(agency=False)
    await rejected(company_id)
    row = await owner.fetchrow("select id, status, waiting_for from relay_invitation")
    assert tuple(row)[1:] == ("QUEUED", "AGENCY")
    async with unit_of_work() as connection:
        assert await invitation.sent(connection, invitation_id=row["id"], at=NOW) is None
    assert await owner.fetchval("select count(*) from mail where kind = 'REJECTION'") == 1
    assert await owner.fetchval("select count(*) from outcome_event where kind = 'RELAY_INVITED'") == 0


async def test_without_an_address_the_invitation_waits_and_says_why(owner: asyncpg.Connection) -> None:
    company_id, _ = await network()
    async with unit_of_work() as connection:
        application_id = await builders.application(connection, company_id)
    await owner.execute("delete from personal_data where item = 'EMAIL'")
    async with unit_of_work() as connection:
        await outcome.reject(connection, application_id=application_id, acting=company_id, said=said(company_id, NOW))
    row = await owner.fetchrow("select waiting_for, person_id from relay_invitation")
    assert row["waiting_for"] == "EMAIL"
    assert await owner.fetchval("select count(*) from mail") == 0
    async with unit_of_work() as connection:
        await builders.kept(connection, company_id, "taro@example.jp")
        await invitation.address_came(
            connection, company_id=company_id, person_ids=[row["person_id"]], said=said(company_id, NOW)
        )
    assert await owner.fetchval("select waiting_for from relay_invitation") is None
    assert await owner.fetchval("select kind from mail") == "REJECTION"


async def test_a_rejection_of_years_ago_writes_to_nobody(owner: asyncpg.Connection) -> None:
    company_id, _ = await network()
    await rejected(company_id, at=NOW - timedelta(days=400))
    assert await owner.fetchval("select count(*) from relay_invitation") == 0
    assert await owner.fetchval("select count(*) from mail") == 0


async def test_the_company_url_answers_alike_and_asks_the_company_where_nothing_matched(
    owner: asyncpg.Connection,
) -> None:
    company_id, agency_id = await network(handovers_per_slot=1)
    await rejected(company_id, "known@example.jp")
    for email in ("known@example.jp", "stranger@example.jp", "stranger@example.jp"):
        async with unit_of_work() as connection:
            asked = said(company_id, NOW, "CANDIDATE")
            answer = await invitation.by_company_url(
                connection, company_id=company_id, email=email, language="JA", said=asked
            )
        assert answer is None
    kinds = dict(await owner.fetch("select kind, count(*) from mail where kind not in ('SURVEY') group by 1"))
    assert kinds == {"REJECTION": 1, "RELAY_LINK": 2, "COMPANY_CONFIRMATION": 1}
    unmatched = await owner.fetchval("select id from relay_invitation where application_id is null")
    async with unit_of_work() as connection:
        done = await registration.register(
            connection,
            invitation_id=unmatched,
            agency_ids=[agency_id],
            company_ids=[],
            items=["EMAIL"],
            language="JA",
            text_version="1",
            tell_company=False,
            said=asked,
        )
    assert not (await accepted(done.handover_ids[0], agency_id)).counted
    async with unit_of_work() as connection:
        confirmed = said(company_id, NOW)
        assert len(await relay.confirm_by_company(connection, invitation_id=unmatched, said=confirmed)) == 1


async def test_who_types_an_address_at_the_company_url_changes_none_that_the_company_has(
    owner: asyncpg.Connection,
) -> None:
    """Anybody may type anybody's address there, an old one too; where the company has none, it is all there is."""
    company_id, _ = await network()
    async with unit_of_work() as connection:
        person = await builders.kept(connection, company_id, "old@example.jp")
        await builders.kept(connection, await builders.company(connection, "株式会社ほか"), "old@example.jp")
        items = {"EMAIL": "new@example.jp"}
        await candidate.keep(
            connection, partner_id=company_id, email="new@example.jp", person_id=person.person_id, items=items, at=NOW
        )
    for kept in ("new@example.jp", "OLD@example.jp"):
        for typed in ("OLD@example.jp", "new@example.jp", "OLD@example.jp"):
            async with unit_of_work() as connection:
                asked = said(company_id, NOW, "CANDIDATE")
                await invitation.by_company_url(
                    connection, company_id=company_id, email=typed, language="JA", said=asked
                )
                found = await candidate.read_items(connection, partner_id=company_id, person_id=person.person_id)
            assert found[person.candidate_id]["EMAIL"] == kept
        await owner.execute("delete from personal_data where item = 'EMAIL'")


async def test_nobody_registers_with_an_agency_that_the_page_does_not_list(owner: asyncpg.Connection) -> None:
    company_id, _ = await network()
    async with unit_of_work() as connection:
        stranger_id = await builders.agency(connection, "べつの人材")
    application_id = await rejected(company_id)
    with pytest.raises(Refusal, match="INVALID"):
        await registered(application_id, company_id, stranger_id)
    for table in ("handover", "consent", "provision"):
        assert await owner.fetchval(f"select count(*) from {table}") == 0


async def test_a_partner_company_that_is_ticked_gets_a_referral(owner: asyncpg.Connection) -> None:
    company_id, _ = await network(agency=False)
    async with unit_of_work() as connection:
        friend_id = await builders.company(connection, "株式会社もみじ")
        await builders.agreed(connection, "MUTUAL_REFERRAL", company_id, friend_id)
    await owner.execute(
        "insert into job (id, company_id, title, prefecture, status, opened_at, open_to_network) "
        "values (gen_random_uuid(), $1, '組立', 'TOKYO', 'OPEN', now(), true)",
        friend_id,
    )
    done = await registered(await rejected(company_id), company_id, company_ids=[friend_id])
    row = await owner.fetchrow("select id, referrer_id, company_id, role, status, confirmed_at from referral")
    assert tuple(row) == (done.referral_ids[0], company_id, friend_id, "RELAYED", "CONFIRMED", NOW)
    assert await owner.fetchval("select count(*) from provision where receiver_id = $1", friend_id) == 1


async def test_a_withdrawn_consent_ends_a_handover_that_waits_and_spares_one_that_counted(
    owner: asyncpg.Connection,
) -> None:
    company_id, agency_id = await network()
    counted = (await registered(await rejected(company_id), company_id, agency_id)).handover_ids[0]
    await accepted(counted, agency_id)
    await registered(await rejected(company_id, "hanako@example.jp"), company_id, agency_id)
    consents = [row["consent_id"] for row in await owner.fetch("select consent_id from handover")]
    async with unit_of_work() as connection:
        await relay.withdrawn(connection, consent_ids=consents, said=said(company_id, NOW, "CANDIDATE"))
    assert dict(await owner.fetch("select status, counted from handover")) == {"ACCEPTED": True, "WITHDRAWN": False}


async def test_a_survey_is_answered_once(owner: asyncpg.Connection) -> None:
    company_id, _ = await network()
    await rejected(company_id)
    survey_id = await owner.fetchval("select id from survey")
    async with unit_of_work() as connection:
        await outcome.answer_survey(connection, survey_id=survey_id, score=4, comment="丁寧でした")
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        async with unit_of_work() as connection:
            await outcome.answer_survey(connection, survey_id=survey_id, score=1)
    row = await owner.fetchrow("select score, comment_sealed from survey")
    assert row["score"] == 4
    assert "丁寧".encode() not in row["comment_sealed"]


async def test_a_survey_is_written_in_the_language_of_the_last_consent(owner: asyncpg.Connection) -> None:
    """Its link opens in the letter's language, whatever the browser prefers."""
    company_id, _ = await network()
    for email, language in (("taro@example.jp", "JA"), ("jane@example.com", "EN")):
        async with unit_of_work() as connection:
            agency_id = await builders.agency(connection)
            await builders.agreed(connection, "SUCCESS_FEE", company_id, agency_id)
            referral_id = await builders.referral(connection, agency_id, company_id, email=email)
            who = said(agency_id, builders.NOW, "CANDIDATE")
            await referral.confirm(connection, said=who, referral_id=referral_id, confirmed=True, language=language)
            recorded = await application.record(connection, said=said(company_id, NOW), referral_id=referral_id)
            about = {"application_id": recorded.application_id, "acting": company_id}
            await outcome.reject(connection, **about, said=said(company_id, NOW))
    await rejected(company_id)  # who never consented to anything
    letters = await owner.fetch("select language from mail where kind = 'SURVEY' order by id")
    assert [row["language"] for row in letters] == ["JA", "EN", "JA"]


async def test_an_answer_that_meets_an_erasure_waits_for_it_and_is_kept_no_more(owner: asyncpg.Connection) -> None:
    company_id, _ = await network()
    await rejected(company_id)
    survey = await owner.fetchrow("select id, person_id from survey")

    async def answer() -> None:
        async with unit_of_work() as connection:
            await outcome.answer_survey(connection, survey_id=survey["id"], score=4, comment="丁寧でした")

    erased = asyncio.Event()

    async def erase() -> None:
        async with unit_of_work() as connection:
            await candidate.erase(connection, survey["person_id"])
            erased.set()
            await asyncio.sleep(0.2)
            assert not answering.done()

    erasing = asyncio.create_task(erase())
    await erased.wait()
    answering = asyncio.create_task(answer())
    await erasing
    with pytest.raises(Refusal, match="TOKEN_INVALID"):
        await answering
    assert await owner.fetchval("select answered_at is null and comment_sealed is null from survey")
