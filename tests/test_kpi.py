"""Figures (KPI): rollups that equal the rows whatever runs at once, shared under small-cell rules."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from models import kpi, relay, selection
from models.db import credentials, pool, unit_of_work
from tests import relay_world
from tests.relay_world import DAY, START, World, said

APRIL = date(2025, 4, 1)
ALL = ["HIRE_RATE", "PARTNER_CONTRIBUTION", "REFERRAL_SUCCESS_RATE", "RELAY_REUSE_RATE"]


@pytest.fixture
async def world(connected: str) -> AsyncIterator[World]:
    owner = await asyncpg.connect(**credentials(connected))
    yield World(owner)
    await owner.close()


def month(number: int) -> date:
    """The first day of the month so many months after April 2025."""
    return date(APRIL.year + (APRIL.month - 1 + number) // 12, (APRIL.month - 1 + number) % 12 + 1, 1)


async def decided(world: World, company_id: UUID, people: Mapping[int, int], hired: int = 1) -> None:
    """So many decisions by month after April 2025; the first `hired` of each month are hires."""
    person_id = await world.person()
    for number, amount in people.items():
        day = month(number)
        await world.owner.execute(
            "insert into application (id, company_id, person_id, route, stage, status, received_at, decided_at) "
            "select gen_random_uuid(), $1, $2, 'DIRECT', 'APPLIED', "
            "case when n <= $3 then 'HIRED' else 'REJECTED' end, $4, $4 from generate_series(1, $5) n",
            *(company_id, person_id, hired, datetime(day.year, day.month, 15, tzinfo=UTC), amount),
        )


async def figures(
    viewer: UUID, first: int, last: int, *, names: list[str] | None = None, by: str = "PERIOD", **of: Any
) -> list[dict[str, Any]]:
    """What `kpi_figures` answers the application's role."""
    async with unit_of_work() as connection:
        rows = await connection.fetch(
            "select * from kpi_figures($1, $2, $3, $4, $5, $6, $7)",
            *(viewer, names or ["HIRE_RATE"], month(first), month(last), by, of.get("subject"), of.get("agreement")),
        )
        return [dict(row) for row in rows]


async def shown(viewer: UUID, subject: UUID, first: int, last: int, by: str = "MONTH") -> list[Any]:
    """Denominators, or why they are withheld."""
    rows = await figures(viewer, first, last, by=by, subject=subject)
    return [row["suppression_reason"] or row["denominator"] for row in rows]


async def test_rollups_equal_rows_and_events_under_concurrent_writers(world: World) -> None:
    """Raw events reproduce every figure, also when decisions, reversals and acceptances run all at once."""
    first = await relay_world.relay(world, per_slot=3)
    second = await relay_world.relay(world, company_id=first.company_id)
    people = [await world.person(first.company_id) for _ in range(24)]
    applications = [await world.application(first.company_id, person_id) for person_id in people]
    handovers = [(pair, await pair.handover(person_id)) for person_id in people[:12] for pair in (first, second)]
    third = await relay_world.relay(world, company_id=first.company_id)
    twins = [(third, await _second_handover(third, handover_id)) for _, handover_id in handovers]
    handovers = [one for both in zip(handovers, twins, strict=True) for one in both]  # so that they meet

    async def live(place: int, application_id: UUID) -> None:
        who, chance = said(first.company_id, START + place * DAY), random.Random(place)
        for _ in range(4):
            async with unit_of_work() as connection:
                if chance.random() < 0.5:
                    await selection.reject(connection, said=who, application_id=application_id)
                else:
                    await selection.hire(connection, said=who, application_id=application_id, starts_on=START.date())
            if chance.random() < 0.6:
                async with unit_of_work() as connection:
                    await selection.revert(connection, said=who, application_id=application_id, reason="誤")
            else:
                return

    async def answer(pair: relay_world.Relay, handover_id: UUID) -> None:
        at = START + random.Random(handover_id.int).choice([5, 100]) * DAY  # within the follow-up, or after it
        async with unit_of_work() as connection:
            await relay.accept(
                connection, handover_id=handover_id, acting=pair.agency_id, said=said(pair.agency_id, at)
            )

    await asyncio.gather(
        *(answer(pair, handover_id) for pair, handover_id in handovers),
        *(live(place, application_id) for place, application_id in enumerate(applications)),
    )
    assert [dict(row) for row in await kpi.differences(world.owner)] == []
    kept = await world.owner.fetch(
        "select month, numerator::int, denominator::int from kpi_month where measure = 'HIRE_RATE' and denominator > 0 "
        "and month >= $1",
        START.date(),  # the handovers' own rejections, in March, are rows without events
    )
    assert {row["month"]: (row["numerator"], row["denominator"]) for row in kept} == await _hire_rate_of_events(world)
    assert await world.owner.fetchval("select count(*) from kpi_delta") == 0
    before = await world.owner.fetch(
        "select partner_id, measure, month, numerator, denominator from kpi_month order by 1,2,3"
    )
    async with world.owner.transaction():
        await kpi.rebuild(world.owner)
    after = await world.owner.fetch(
        "select partner_id, measure, month, numerator, denominator from kpi_month order by 1,2,3"
    )
    assert [row for row in before if row["numerator"] or row["denominator"]] == after


async def test_two_acceptances_of_one_rejection_that_meet_keep_the_earlier(world: World, connected: str) -> None:
    first, second = [await relay_world.relay(world) for _ in range(2)]
    one = await first.handover()
    two = await _second_handover(second, one)
    count_it = "update handover set status = 'ACCEPTED', counted = true, counted_at = $2 where id = $1"
    other = await asyncpg.connect(**credentials(connected))
    async with world.owner.transaction():
        await world.owner.execute(count_it, one, START + DAY)
        later = asyncio.create_task(other.execute(count_it, two, START + 100 * DAY))
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        while not await world.owner.fetchval(waits):  # noqa: ASYNC110  (a lock in the database tells nobody)
            await asyncio.sleep(0.01)
    await later
    await other.close()
    assert await world.owner.fetchval("select counted_at from relay_invitation") == START + DAY


@pytest.mark.parametrize("change", ["confirmed", "reverted"])
async def test_a_rebuild_waits_for_a_writer_that_holds_a_referral_and_both_are_kept(
    world: World, connected: str, change: str
) -> None:
    """The writer waits for the rollups at its commit, so nobody may hold them and wait for the writer."""
    company_id, referral_id, hire_id = await _hired_unnoticed(world)
    other = await asyncpg.connect(**credentials(connected))
    async with other.transaction():
        if change == "confirmed":
            await other.execute("update referral set confirmed_at = $2 where id = $1", referral_id, START + 40 * DAY)
        else:
            await other.execute("update hire set reverted_at = $2 where id = $1", hire_id, START)
        rebuilt = asyncio.create_task(kpi.rebuild(world.owner))
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        while not await other.fetchval(waits):  # noqa: ASYNC110  (a lock in the database tells nobody)
            await asyncio.sleep(0.01)
    await rebuilt
    await other.close()
    assert await kpi.differences(world.owner) == []
    hired_at = await world.owner.fetchval("select hired_at from referral where id = $1", referral_id)
    assert hired_at == (None if change == "reverted" else START)
    (figure,) = await figures(company_id, 12, 13, names=["REFERRAL_SUCCESS_RATE"])
    assert (figure["numerator"], figure["denominator"]) == (0 if change == "reverted" else 1, 1)


async def _hired_unnoticed(world: World) -> tuple[UUID, UUID, UUID]:
    """A referral whose hire was loaded with triggers off: company, referral, hire."""
    company_id = await world.partner("COMPANY")
    friend_id, person_id = await world.partner("REFERRER", company_id=company_id), await world.person()
    referral_id = await world.row(
        "referral", referrer_id=friend_id, company_id=company_id, person_id=person_id, status="HIRED",
        submitted_at=START, confirmed_at=START,
    )  # fmt: skip
    application_id = await world.application(
        company_id, person_id, status="HIRED", decided_at=START, referral_id=referral_id
    )
    await world.owner.execute("alter table hire disable trigger kpi_hire")
    hire_id = await world.row(
        "hire", company_id=company_id, application_id=application_id, person_id=person_id, route="DIRECT",
        decided_at=START, starts_on=START.date(),
    )  # fmt: skip
    await world.owner.execute("alter table hire enable trigger kpi_hire")
    return company_id, referral_id, hire_id


async def _second_handover(pair: relay_world.Relay, like: UUID) -> UUID:
    """One more handover of the same invitation, to another agency, so that two acceptances meet at one invitation."""
    return await pair.world.owner.fetchval(
        "insert into handover (id, invitation_id, application_id, company_id, agency_id, person_id, agreement_id, "
        "consent_id, status, registered_at, answer_by) select gen_random_uuid(), invitation_id, application_id, "
        "company_id, $2, person_id, $3, consent_id, 'REGISTERED', registered_at, answer_by "
        "from handover where id = $1 returning id",
        *(like, pair.agency_id, pair.agreement_id),
    )


async def _hire_rate_of_events(world: World) -> dict[date, tuple[int, int]]:
    """Hired and decided by month in Japan, folded from the append-only events alone."""
    rows = await world.owner.fetch("select id, kind, occurred_at, corrects_id from outcome_event")
    undone = {row["corrects_id"] for row in rows}
    hired, all_of_them = Counter[date](), Counter[date]()
    for row in rows:
        if row["kind"] in ("HIRED", "REJECTED") and row["id"] not in undone:
            day = (row["occurred_at"] + timedelta(hours=9)).date().replace(day=1)
            all_of_them[day] += 1
            hired[day] += row["kind"] == "HIRED"
    return {day: (hired[day], amount) for day, amount in all_of_them.items()}


async def test_ones_own_figure_is_never_withheld(world: World) -> None:
    company_id = await world.partner("COMPANY")
    await decided(world, company_id, {0: 3, 1: 20})
    assert await shown(company_id, company_id, 0, 2) == [3, 20, 0]
    (figure,) = await figures(company_id, 0, 2)
    assert (figure["numerator"], figure["denominator"], figure["suppressed"]) == (2, 23, False)
    assert figure["value"] == pytest.approx(2 / 23)
    assert (figure["low"], figure["high"]) == (pytest.approx(0.02418, abs=1e-5), pytest.approx(0.26796, abs=1e-5))


async def test_others_see_figures_under_an_agreement_only_and_counts_suffice(world: World) -> None:
    company_id, other_id = await world.partner("COMPANY"), await world.partner("SCHOOL")
    await decided(world, company_id, {0: 20})
    assert await figures(other_id, 0, 0, subject=company_id) == []
    agreement_id = await world.agreement(company_id, other_id, kind="INFORMATION_SHARING")
    await world.share(company_id, other_id, agreement_id, "COUNTS_ONLY")
    assert await shown(other_id, company_id, 0, 0) == [20]
    await world.owner.execute("delete from agreement_share")
    assert await figures(other_id, 0, 0, subject=company_id) == []


async def test_small_months_are_told_by_quarter_half_or_year_and_no_window_cuts_one(world: World) -> None:
    """proof 5.6: a month of three people shows neither itself nor its neighbours; whole quarters do."""
    company_id, viewer_id = await _shared(world)
    await decided(world, company_id, {0: 12, 1: 15, 2: 11, 3: 3, 4: 20, 5: 30, 6: 10, 8: 10, 9: 40, 10: 0, 11: 10})
    assert await shown(viewer_id, company_id, 0, 11) == [
        *(12, 15, 11),
        *["COMPLEMENT"] * 3,
        *(10, 0, 10),
        *(40, 0, 10),
    ]
    assert await shown(viewer_id, company_id, 3, 5, "PERIOD") == [53]
    assert await shown(viewer_id, company_id, 0, 5, "PERIOD") == [91]
    assert await shown(viewer_id, company_id, 0, 4, "PERIOD") == ["COMPLEMENT"]
    assert await shown(viewer_id, company_id, 4, 11, "PERIOD") == ["COMPLEMENT"]


async def test_a_year_of_fewer_than_ten_is_not_told_and_poisons_windows_over_it(world: World) -> None:
    company_id, viewer_id = await _shared(world)
    await decided(world, company_id, {0: 4, 5: 5, 12: 50})
    assert await shown(viewer_id, company_id, 0, 11, "PERIOD") == ["FEW_PEOPLE"]
    assert await shown(viewer_id, company_id, 0, 12, "PERIOD") == ["COMPLEMENT"]
    assert await shown(viewer_id, company_id, 12, 12, "PERIOD") == [50]


async def test_a_withheld_figure_tells_neither_when_nor_how_often_somebody_was_in_it(world: World) -> None:
    """Its revision, its date and its key are those of a month without anybody; an agreement's too."""
    companies = [await world.partner("COMPANY") for _ in range(3)]
    viewer_id, company_id, _ = companies
    agreement_id = await world.agreement(*companies, kind="ALLIANCE")
    for giver_id in companies[1:]:
        await world.share(giver_id, viewer_id, agreement_id)
    await decided(world, company_id, {0: 1})
    for _ in range(2):
        await decided(world, company_id, {0: 1, 12: 20})
    for of, number, reason in (
        ({"subject": company_id}, 0, "FEW_PEOPLE"),
        ({"agreement": agreement_id}, 12, "FEW_PARTNERS"),
    ):
        async with unit_of_work() as connection:
            asked = (
                "select key, revision, as_of = now() as fresh, suppression_reason "
                "from kpi_figures($1, array['HIRE_RATE'], $2, $2, 'MONTH', $3, $4)"
            )
            row = await connection.fetchrow(asked, viewer_id, month(number), of.get("subject"), of.get("agreement"))
            assert (row["revision"], row["fresh"], row["suppression_reason"]) == (1, True, reason)
            assert row["key"].endswith(".1")
            assert await connection.fetchval("select suppressed from kpi_by_key($1, $2)", viewer_id, row["key"])


async def test_why_a_window_is_withheld_tells_nothing_of_its_parts(world: World) -> None:
    """One person in a quarter, or in a year: no reason tells in which months, whatever is asked."""
    told: list[Any] = []
    for place in (0, 1):
        company_id, viewer_id = await _shared(world)
        await decided(world, company_id, {place: 1, 2: 10, 12 + place: 1, 20: 3})
        windows = [(first, last) for first in range(24) for last in range(first, 24)]
        told.append([await shown(viewer_id, company_id, *window, "PERIOD") for window in windows])
        by_window = dict(zip(windows, (reasons[0] for reasons in told[-1]), strict=True))
        assert [by_window[window] for window in ((0, 2), (0, 1), (12, 23), (13, 14))] == [
            *(11, "COMPLEMENT", "FEW_PEOPLE", "FEW_PEOPLE")
        ]
    assert told[0] == told[1]


@pytest.mark.parametrize("seed", range(6))
async def test_no_sum_or_difference_of_windows_reaches_a_group_below_ten(world: World, seed: int) -> None:
    """proof 5.6: whatever windows an attacker adds and subtracts, what they can compute speaks of nobody or ten."""
    company_id, viewer_id = await _shared(world)
    chance = random.Random(seed)
    people = {number: chance.choice([0, 0, 1, 4, 9, 10, 12, 30]) for number in range(18)}
    await decided(world, company_id, people)
    rows = await world.owner.fetch(
        "select a.first, b.last, f.denominator from generate_series(0, 17) a (first), generate_series(0, 17) b (last), "
        "lateral kpi_figures($1, array['HIRE_RATE'], ($3::date + make_interval(months => a.first))::date, "
        "  ($3::date + make_interval(months => b.last))::date, 'PERIOD', $2, null) f "
        "where b.last >= a.first and not f.suppressed",
        *(viewer_id, company_id, APRIL),
    )
    # A window is a known difference between two running totals: whatever hangs together can be computed.
    group = list(range(19))
    for row in rows:
        joined, gone = group[row["first"]], group[row["last"] + 1]
        group = [joined if one == gone else one for one in group]
        assert row["denominator"] == sum(people[number] for number in range(row["first"], row["last"] + 1))
    for start in range(19):
        for end in range(start + 1, 19):
            amount = sum(people[number] for number in range(start, end))
            assert group[start] != group[end] or amount == 0 or amount >= 10


async def test_an_agreements_figure_needs_three_partners_and_none_above_seventy_percent(world: World) -> None:
    """proof 5.8: two contributors, or one above 70 %, and the figure of several partners is withheld."""
    companies = [await world.partner("COMPANY") for _ in range(4)]
    viewer_id = companies[0]
    agreement_id = await world.agreement(*companies, kind="ALLIANCE")
    for company_id in companies[1:]:
        await world.share(company_id, viewer_id, agreement_id)
    await decided(world, companies[1], {0: 30, 12: 80, 24: 30})
    await decided(world, companies[2], {0: 30, 12: 15, 24: 30})
    await decided(world, companies[3], {12: 15, 24: 12})

    async def told(number: int) -> Any:
        (row,) = await figures(viewer_id, number, number, agreement=agreement_id)
        assert row["partner_id"] is None
        return row["suppression_reason"] or row["denominator"]

    assert [await told(number) for number in (0, 12, 24)] == ["FEW_PARTNERS", "DOMINANCE", 72]
    stranger_id = await world.partner("COMPANY")
    assert await figures(stranger_id, 0, 0, agreement=agreement_id) == []


async def test_an_agreements_figure_leaves_out_whom_one_may_not_see_alone(world: World) -> None:
    """proof 5.8: neither what a viewer sees one by one nor a second agreement subtracts to a small partner's."""
    companies = [await world.partner("COMPANY") for _ in range(6)]
    viewer_id, small_id = companies[0], companies[5]
    without = await world.agreement(*companies[:5], kind="ALLIANCE")
    with_it = await world.agreement(*companies, kind="ALLIANCE")
    for company_id in companies[1:5]:
        await world.share(company_id, viewer_id, without)
    for company_id in companies[1:]:
        await world.share(company_id, viewer_id, with_it)
    for company_id, people in zip(companies, (3, 20, 20, 12, 6, 1), strict=True):
        await decided(world, company_id, {0: people})
    await decided(world, companies[3], {1: 4})  # so that neither of its months may be shown, and its quarter may
    for agreement_id in (without, with_it):
        rows = await figures(viewer_id, 0, 1, agreement=agreement_id, by="MONTH")
        told = [(row["numerator"], row["denominator"], row["suppression_reason"]) for row in rows]
        assert told == [(3, 43, None), (None, None, "FEW_PARTNERS")]
        (row,) = await figures(viewer_id, 0, 2, agreement=agreement_id)
        assert (row["numerator"], row["denominator"]) == (5, 3 + 20 + 20 + 16)
    assert await shown(viewer_id, small_id, 0, 0) == ["FEW_PEOPLE"]
    (row,) = await figures(viewer_id, 12, 14, agreement=with_it)  # nobody at all: there is nothing to withhold
    assert (row["denominator"], row["suppressed"]) == (0, False)


async def test_an_agreements_figure_is_weighed_by_the_version_in_force(world: World) -> None:
    """From its first day on, whether or not a clock has looked since midnight."""
    agencies = await _others(world, START.date(), 14, 13, 13)
    viewer_id = await world.partner("COMMUNITY")
    agreement_id = await world.agreement(viewer_id, *agencies, kind="INFORMATION_SHARING")
    for agency_id in agencies:
        await world.share(agency_id, viewer_id, agreement_id)

    async def told() -> float:
        (row,) = await figures(viewer_id, 12, 14, names=["PARTNER_CONTRIBUTION"], agreement=agreement_id)
        return row["numerator"]

    assert await told() == 40 * 10
    await world.owner.execute(
        "insert into agreement_version (id, agreement_id, number, proposed_by, proposed_at, hash, sharing, starts_on, "
        "accepted_at, weight_hire) select gen_random_uuid(), agreement_id, 2, proposed_by, now(), hash, sharing, "
        "(now() at time zone 'Asia/Tokyo')::date, now(), 20 from agreement_version where agreement_id = $1",
        agreement_id,
    )
    assert await told() == 40 * 20


async def test_referrals_and_the_relay_by_cohort_and_follow_up(world: World) -> None:
    pair = await relay_world.relay(world)
    friend_id = await world.partner("REFERRER", company_id=pair.company_id)
    confirmed = datetime(2025, 4, 30, 15, 30, tzinfo=UTC)  # already May in Japan
    for days, reverted_at in ((10, None), (200, None), (20, START)):
        person_id = await world.person()
        referral_id = await world.row(
            "referral", referrer_id=friend_id, company_id=pair.company_id, person_id=person_id, status="HIRED",
            submitted_at=confirmed, confirmed_at=confirmed,
        )  # fmt: skip
        at = confirmed + days * DAY
        application_id = await world.application(
            pair.company_id, person_id, status="HIRED", decided_at=at, referral_id=referral_id
        )
        hire_id = await world.row(
            "hire", company_id=pair.company_id, application_id=application_id, person_id=person_id, route="DIRECT",
            decided_at=at, starts_on=at.date(),
        )  # fmt: skip
        await world.owner.execute("update hire set reverted_at = $2 where id = $1", hire_id, reverted_at)
    for subject in (pair.company_id, friend_id):
        (figure,) = await figures(subject, 1, 1, names=["REFERRAL_SUCCESS_RATE"])
        assert (figure["numerator"], figure["denominator"], figure["follow_up_days"]) == (1, 3, 180)
    rejected_at = datetime(2026, 6, 3, tzinfo=UTC)
    for wait in (5, 100):
        handover_id = await pair.handover(registered_at=rejected_at + DAY)
        async with unit_of_work() as connection:
            at = rejected_at + wait * DAY
            await relay.accept(
                connection, handover_id=handover_id, acting=pair.agency_id, said=said(pair.agency_id, at)
            )
    (figure,) = await figures(pair.company_id, 14, 14, names=["RELAY_REUSE_RATE"])
    assert (figure["numerator"], figure["denominator"], figure["mature"]) == (1, 2, True)
    assert [tuple(step.values()) for step in json.loads(figure["funnel"])] == [
        ("RELAY_INVITED", 2), ("RELAY_OPENED", 2), ("RELAY_REGISTERED", 2), ("RELAY_ACCEPTED", 2), ("PLACED", 0),
    ]  # fmt: skip
    assert await kpi.differences(world.owner) == []


async def test_contribution_is_weighed_against_the_network_and_a_reverted_hire_leaves_nothing(world: World) -> None:
    company_id, agency_id, school_id = [await world.partner(kind) for kind in ("COMPANY", "AGENCY", "SCHOOL")]
    hires = [await _hire(world, company_id) for _ in range(2)]
    for hire_id in hires:
        for contributor_id, role, share in ((agency_id, "PLACED", "0.25"), (school_id, "EDUCATED", "0.75")):
            await world.row(
                "contribution", contributor_id=contributor_id, company_id=company_id, hire_id=hire_id, role=role,
                share=Decimal(share), occurred_at=START,
            )  # fmt: skip
    await world.owner.execute(
        "insert into retention_check (hire_id, day, status, checked_at) values ($1, 180, 'EMPLOYED', $2)",
        hires[0],
        START,
    )
    await _others(world, START.date(), 4, 4, 4)
    (figure,) = await figures(agency_id, 12, 12, names=["PARTNER_CONTRIBUTION"])
    assert (figure["numerator"], figure["denominator"]) == (2 * 2.5 + 1.25, 20 + 5 + 120)
    assert (figure["value"], figure["low"]) == (pytest.approx(6.25 / 145), None)
    links = "select sum(contributions) from contribution_link where contributor_id in ($1, $2)"
    assert await world.owner.fetchval(links, agency_id, school_id) == 4
    await world.owner.execute("update hire set reverted_at = $2 where id = $1", hires[0], START)
    (figure,) = await figures(agency_id, 12, 12, names=["PARTNER_CONTRIBUTION"])
    assert (figure["numerator"], figure["denominator"]) == (2.5, 10 + 120)
    assert await world.owner.fetchval(links, agency_id, school_id) == 2
    assert await kpi.differences(world.owner) == []


async def _others(world: World, day: date, *hires: int) -> list[UUID]:
    """Agencies with so many hires each, alone."""
    agencies = [await world.partner("AGENCY") for _ in hires]
    company_id = await world.partner("COMPANY")
    for agency_id, amount in zip(agencies, hires, strict=True):
        for _ in range(amount):
            await _placed(world, agency_id, day, company=company_id)
    return agencies


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ((12,), "FEW_PARTNERS"),
        ((12, 12), "FEW_PARTNERS"),
        ((1, 1, 1), "FEW_PEOPLE"),
        ((12, 2, 2), "DOMINANCE"),
        ((4, 3, 3), None),
        ((29, *[1] * 11), "DOMINANCE"),  # of more than ten, the eleventh counts like the tenth
        ((20, *[1] * 11), None),
    ],
)
async def test_the_networks_part_of_a_contribution_needs_three_others_and_none_above_seventy_percent(
    world: World, others: tuple[int, ...], reason: str | None
) -> None:
    """What one's own leaves of the network is other partners' figure, without any agreement."""
    agency_id, viewer_id = await _shared(world, "AGENCY")
    for _ in range(10):
        await _placed(world, agency_id, APRIL)
    await _others(world, APRIL, *others)
    network = None if reason else 100 + 10 * sum(others)
    for by, last in (("MONTH", 0), ("PERIOD", 11)):
        own, shared = [
            (await figures(who, 0, last, names=["PARTNER_CONTRIBUTION"], by=by, subject=agency_id))[0]
            for who in (agency_id, viewer_id)
        ]
        assert (own["numerator"], own["denominator"], own["suppression_reason"]) == (100, network, reason)
        assert own["value"] == (None if network is None else 100 / network)
        assert shared == {**own, "key": shared["key"]}
        (nothing,) = await figures(viewer_id, 0, last, names=["PARTNER_CONTRIBUTION"], by=by)
        assert (nothing["numerator"], nothing["denominator"], nothing["suppressed"]) == (0, network, reason is not None)


async def test_the_network_less_what_one_sees_is_three_partners_in_every_window(world: World) -> None:
    """Neither whom one sees one by one nor a neighbouring month subtracts to fewer."""
    viewer_id = await world.partner("COMMUNITY")
    seen = await _others(world, APRIL, 10, 10, 1)
    agreement_id = await world.agreement(viewer_id, *seen, kind="INFORMATION_SHARING")
    for agency_id in seen:
        await world.share(agency_id, viewer_id, agreement_id, "COUNTS_ONLY")

    async def told(first: int, last: int) -> Any:
        (row,) = await figures(viewer_id, first, last, names=["PARTNER_CONTRIBUTION"])
        return row["suppression_reason"] or row["denominator"]

    assert [await told(0, 0), await told(0, 11)] == ["FEW_PEOPLE"] * 2
    hidden = await _others(world, APRIL, 5, 5, 5)
    assert [await told(0, 0), await told(0, 11)] == [360, 360]
    await _placed(world, hidden[0], month(1))
    assert [await told(0, 0), await told(1, 1), await told(0, 1), await told(0, 2)] == [*["COMPLEMENT"] * 3, 370]


@pytest.mark.parametrize("hired", [1, 6])
async def test_a_contribution_to_few_who_stayed_is_withheld_and_nobody_counts_in_two_parts(
    world: World, hired: int
) -> None:
    """Six who were hired and are still there half a year later are six people, not twelve; one who stayed is one."""
    agency_id, viewer_id = await _shared(world, "AGENCY")
    for number in range(hired):
        await _placed(world, agency_id, month(-3 if hired == 1 else 0), retained=month(6), both=number == 0)
    for first, last in ((6, 6), (0, 11)):
        (row,) = await figures(viewer_id, first, last, names=["PARTNER_CONTRIBUTION"], subject=agency_id)
        assert (row["numerator"], row["denominator"], row["suppressed"]) == (None, None, True)
    (row,) = await figures(agency_id, 6, 6, names=["PARTNER_CONTRIBUTION"])
    assert row["numerator"] == 5 * hired
    people = "select denominator::int from kpi_month where partner_id = $1 and measure = $2"
    for measure in ("CONTRIBUTION_HIRES", "CONTRIBUTION_RETAINED"):
        assert await world.owner.fetchval(people, agency_id, measure) == hired
    assert await kpi.differences(world.owner) == []
    await world.owner.execute("update hire set reverted_at = $1", START)
    assert await world.owner.fetchval(people, agency_id, "CONTRIBUTION_RETAINED") == 0
    assert await kpi.differences(world.owner) == []


async def _placed(
    world: World,
    agency_id: UUID,
    day: date,
    *,
    retained: date | None = None,
    both: bool = False,
    company: UUID | None = None,
) -> None:
    """A hire that this partner brought about, alone, in `both` of two roles; who is still there on day 180."""
    company_id = company or await world.partner("COMPANY")
    hire_id = await _hire(world, company_id, datetime(day.year, day.month, 15, tzinfo=UTC))
    roles = ["PLACED", "EDUCATED"] if both else ["PLACED"]
    await world.owner.execute(
        "insert into contribution (id, contributor_id, company_id, hire_id, role, share, occurred_at) "
        "select gen_random_uuid(), $1, $2, $3, r, $4, $5 from unnest($6::text[]) r",
        *(agency_id, company_id, hire_id, Decimal(1) / len(roles), START, roles),
    )
    if retained:
        await world.owner.execute(
            "insert into retention_check (hire_id, day, status, checked_at) values ($1, 180, 'EMPLOYED', $2)",
            *(hire_id, datetime(retained.year, retained.month, 20, tzinfo=UTC)),
        )


async def _hire(world: World, company_id: UUID, at: datetime = START) -> UUID:
    person_id = await world.person()
    application_id = await world.application(company_id, person_id, status="HIRED", decided_at=at)
    return await world.row(
        "hire", company_id=company_id, application_id=application_id, person_id=person_id, route="DIRECT",
        decided_at=at, starts_on=at.date(),
    )  # fmt: skip


async def test_a_figure_is_found_by_its_key_until_a_late_event_restates_it(world: World) -> None:
    company_id, viewer_id = await _shared(world)
    stranger_id = await world.partner("COMPANY")
    (empty,) = await figures(viewer_id, 0, 0, subject=company_id)
    await decided(world, company_id, {0: 20})  # long after the month
    (figure,) = await figures(viewer_id, 0, 0, subject=company_id)
    find = "select value, revision from kpi_by_key($1, $2)"
    assert tuple(await world.owner.fetchrow(find, viewer_id, figure["key"])) == (0.05, 2)
    assert (empty["revision"], await world.owner.fetchrow(find, viewer_id, empty["key"])) == (1, None)
    assert await world.owner.fetchrow(find, stranger_id, figure["key"]) is None
    for broken in ("", "HIRE_RATE", figure["key"] + "x", figure["key"].replace("HIRE_RATE", "'; select")):
        assert await world.owner.fetchrow(find, viewer_id, broken) is None
    await decided(world, company_id, {0: 1}, hired=0)
    (restated,) = await figures(viewer_id, 0, 0, subject=company_id)
    assert (restated["denominator"], restated["revision"]) == (21, 3)
    assert await world.owner.fetchrow(find, viewer_id, figure["key"]) is None


async def test_a_month_that_is_not_over_is_not_restated_and_a_late_contribution_of_others_is(world: World) -> None:
    company_id = await world.partner("COMPANY")
    today = await world.owner.fetchval("select (now() at time zone 'Asia/Tokyo')::date")
    number = (today.year - APRIL.year) * 12 + today.month - APRIL.month
    for _ in range(2):
        await decided(world, company_id, {number: 1})
    (figure,) = await figures(company_id, number, number)
    assert (figure["denominator"], figure["revision"], figure["mature"]) == (2, 1, False)
    agencies = await _others(world, APRIL, 4, 4, 4)
    keys = set[str]()
    for _ in range(3):
        (figure,) = await figures(company_id, 0, 0, names=["PARTNER_CONTRIBUTION"])
        keys.add(figure["key"])
        await _placed(world, agencies[0], APRIL)
    assert (figure["denominator"], len(keys)) == (140, 3)
    await _placed(world, agencies[0], month(number))
    await _placed(world, agencies[0], month(number))
    revision = "select max(revision) from kpi_network_month where month = $1"
    assert await world.owner.fetchval(revision, month(number)) == 1


async def test_figures_reach_over_37_months_at_most(world: World) -> None:
    company_id = await world.partner("COMPANY")
    assert len(await figures(company_id, 0, 36, by="MONTH", names=ALL)) == 4 * 37
    assert await figures(company_id, 0, 37, by="MONTH") == []
    assert await figures(company_id, 1, 0) == []


async def test_a_month_is_that_of_clocks_in_japan(world: World) -> None:
    """At the first and last instant of every day there, over the years of any figure."""
    differ = await world.owner.fetchval(
        "select count(*) from generate_series('1951-12-31 15:00Z'::timestamptz, '2100-01-01Z', '24 hours') day, "
        "unnest(array[day, day - interval '1 microsecond']) at "
        "where kpi_month_of(at) <> date_trunc('month', at at time zone 'Asia/Tokyo')::date"
    )
    assert differ == 0


async def test_the_application_cannot_write_a_figure(world: World) -> None:
    for statement in (
        "insert into kpi_month values (gen_random_uuid(), 'HIRE_RATE', '2025-04-01', 1, 1, 1, now())",
        "update kpi_month set numerator = 0",
        "update contribution_link set returned = 0",
        "select kpi_rebuild()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with unit_of_work() as connection:
                await connection.execute(statement)


async def _shared(world: World, kind: str = "COMPANY") -> tuple[UUID, UUID]:
    """A company (or another kind of partner), and a viewer with whom it shares outcomes in counts."""
    company_id, viewer_id = await world.partner(kind), await world.partner("COMMUNITY")
    agreement_id = await world.agreement(company_id, viewer_id, kind="INFORMATION_SHARING")
    await world.share(company_id, viewer_id, agreement_id, "COUNTS_ONLY")
    return company_id, viewer_id


async def test_the_interval_ends_at_nobody_and_at_everybody(connected: str) -> None:
    """Exactly, however many they are: the sum of center and margin misses 0 and 1 by the last bit."""
    async with pool().acquire() as connection:
        wrong = await connection.fetch(
            """
            select n, nobody.low, everybody.high from generate_series(1, 2000) n,
              wilson(0, n) nobody, wilson(n, n) everybody
            where nobody.low <> 0 or not nobody.high between 0.001 and 0.999
              or everybody.high <> 1 or not everybody.low between 0.001 and 0.999
            """
        )
        few = await connection.fetchrow("select low, high from wilson(1, 4)")
        nothing = await connection.fetchrow("select low, high from wilson(0, 0)")
    assert wrong == []
    assert few is not None
    assert tuple(few) == (pytest.approx(0.0455873, abs=1e-6), pytest.approx(0.6993582, abs=1e-6))
    assert nothing is not None
    assert tuple(nothing) == (0, 1)
