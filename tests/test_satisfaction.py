"""How satisfied candidates are (候補者満足度): figures from which nobody's answer can be read, not by their company."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from models import candidate, kpi, outcome
from models.db import credentials, unit_of_work
from models.errors import Refusal
from tests import builders
from tests.relay_world import DAY, World
from tests.served import Served, running
from tests.test_kpi import APRIL, figures, month, world

__all__ = ["running", "world"]

PARTS = ("MEAN", "TOP_TWO", "RESPONSE")
REJECTED = [f"CANDIDATE_SATISFACTION_REJECTED_{part}" for part in PARTS]
HIRED = [f"CANDIDATE_SATISFACTION_HIRED_{part}" for part in PARTS]
MEAN, TOP_TWO, RESPONSE = REJECTED


async def answered(
    world: World, company_id: UUID, scores: Mapping[int, Sequence[int | None]], decision: str = "REJECTED"
) -> None:
    """Surveys that went out by month after April 2025, with their answers of the next day; None: not answered."""
    person_id = await world.person()
    for number, given in scores.items():
        sent_at = datetime(month(number).year, month(number).month, 15, tzinfo=UTC)
        for score in given:
            application_id = await world.application(company_id, person_id, status=decision, decided_at=sent_at)
            await world.row(
                "survey", application_id=application_id, company_id=company_id, person_id=person_id, stage="APPLIED",
                decision=decision, sent_at=sent_at, score=score, answered_at=None if score is None else sent_at + DAY,
            )  # fmt: skip


async def asked(world: World, people: int) -> tuple[UUID, list[asyncpg.Record]]:
    """A company that has just rejected so many people, and their surveys, which still wait to go out."""
    async with unit_of_work() as connection:
        company_id, now = await builders.company(connection), datetime.now(UTC)
        for number in range(people):
            application_id = await builders.application(connection, company_id, f"person{number}@example.jp")
            said = builders.said(company_id, now)
            await outcome.reject(connection, application_id=application_id, acting=company_id, said=said)
    return company_id, await world.owner.fetch("select id, application_id, person_id from survey order by id")


async def told(viewer: UUID, first: int, last: int, name: str = MEAN, by: str = "MONTH", **of: Any) -> list[Any]:
    """Numerators and denominators, or why they are withheld."""
    rows = await figures(viewer, first, last, names=[name], by=by, **of)
    return [row["suppression_reason"] or (row["numerator"], row["denominator"]) for row in rows]


async def cells(owner: asyncpg.Connection) -> dict[str, tuple[int, int]]:
    """What is booked, without what is nothing."""
    rows = await owner.fetch(
        "select measure, numerator::int, denominator::int from kpi_month "
        "where measure like 'CANDIDATE%' and (numerator <> 0 or denominator <> 0)"
    )
    return {row["measure"]: (row["numerator"], row["denominator"]) for row in rows}


async def test_a_survey_counts_once_its_letter_is_out_under_the_decision_that_it_asks_about(world: World) -> None:
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        application_id = await builders.application(connection, company_id)
        about = {"application_id": application_id, "acting": company_id}
        said = builders.said(company_id, datetime.now(UTC))
        await outcome.reject(connection, **about, said=said)
        await outcome.revert(connection, **about, said=said, reason="誤登録")
        await outcome.hire(connection, **about, said=said, starts_on=said.at.date())
        survey_id = await connection.fetchval("select id from survey")
    assert await cells(world.owner) == {}
    async with unit_of_work() as connection:
        await outcome.survey_sent(connection, survey_id=survey_id)
    assert await cells(world.owner) == {HIRED[2]: (0, 1)}
    async with unit_of_work() as connection:
        await outcome.answer_survey(connection, survey_id=survey_id, score=4)
        await outcome.survey_sent(connection, survey_id=survey_id)
        await outcome.revert(connection, **about, said=said, reason="辞退")  # an answer that was counted stays counted
    assert await cells(world.owner) == {HIRED[0]: (4, 1), HIRED[1]: (1, 1), HIRED[2]: (1, 1)}
    assert await kpi.differences(world.owner) == []


async def test_an_answer_that_came_after_thirty_days_counts_nowhere_and_one_without_a_noted_letter_does(
    world: World,
) -> None:
    """Whoever answers had the letter."""
    _, surveys = await asked(world, 3)
    async with unit_of_work() as connection:
        for survey, days in zip(surveys[:2], (30, 29), strict=True):
            await outcome.survey_sent(connection, survey_id=survey["id"])
            ago = "update survey set sent_at = sent_at - make_interval(days => $2) where id = $1"
            await connection.execute(ago, survey["id"], days)
        for survey in surveys:
            await outcome.answer_survey(connection, survey_id=survey["id"], score=2)
    booked = await world.owner.fetch(
        "select measure, sum(numerator)::int, sum(denominator)::int from kpi_month "
        "where measure like 'CANDIDATE%' group by 1"
    )
    assert {tuple(row) for row in booked} == {(MEAN, 4, 2), (TOP_TWO, 0, 2), (RESPONSE, 2, 3)}
    assert await kpi.differences(world.owner) == []


async def test_figures_of_answers_equal_the_rows_under_concurrent_writers(world: World) -> None:
    """Letters that go out, answers, decisions that are taken back and persons who are erased, all at once."""
    company_id, surveys = await asked(world, 30)

    async def live(place: int, survey: asyncpg.Record) -> bool:
        """Whether they answered: who is erased before cannot."""
        chance = random.Random(place)
        steps = ["sent", "answer", *chance.sample(["revert", "erase", "nothing"], 1)]
        chance.shuffle(steps)
        gone = "erase" in steps and steps.index("erase") < steps.index("answer")
        for step in steps:
            async with unit_of_work() as connection:
                if step == "sent":
                    await outcome.survey_sent(connection, survey_id=survey["id"])
                elif step == "answer":
                    score = chance.randint(1, 5)
                    with pytest.raises(Refusal, match="TOKEN_INVALID") if gone else nullcontext():
                        await outcome.answer_survey(connection, survey_id=survey["id"], score=score, comment="ご意見")
                elif step == "revert":
                    said = builders.said(company_id, datetime.now(UTC))
                    await outcome.revert(
                        connection, application_id=survey["application_id"], acting=company_id, reason="誤", said=said
                    )
                elif step == "erase":
                    await candidate.erase(connection, survey["person_id"])
        return not gone

    answers = await asyncio.gather(*(live(place, survey) for place, survey in enumerate(surveys)))
    assert await kpi.differences(world.owner) == []
    before = await cells(world.owner)
    assert before[RESPONSE] == (sum(answers), 30)
    assert 0 < sum(answers) < 30
    assert await world.owner.fetchval("select count(*) from kpi_delta") == 0
    async with world.owner.transaction():
        await kpi.rebuild(world.owner)
    assert await cells(world.owner) == before


async def test_a_company_of_fewer_than_ten_answers_is_told_nothing_of_them(world: World) -> None:
    """Not even whether there are any, when they came, or which of its figures is restated."""
    company_id, nobody_id = [await world.partner("COMPANY") for _ in range(2)]
    await answered(world, company_id, {0: [1, 2, 3, 4], 5: [5, 5, 5, 5, 5, None]})
    for by, last in (("MONTH", 7), ("PERIOD", 7)):
        few, none = [await figures(who, 0, last, names=REJECTED + HIRED, by=by) for who in (company_id, nobody_id)]
        response = [row for row in few if row["name"] == RESPONSE and not row["suppressed"]]
        assert [(row["numerator"], row["denominator"]) for row in response] == [(9, 10)]  # ten were asked
        hidden = {"partner_id": None, "key": "", "as_of": None}
        for row, empty in zip(few, none, strict=True):
            assert row in response or {**row, **hidden} == {**empty, **hidden}
            assert (empty["suppression_reason"], empty["revision"], empty["numerator"], empty["low"]) == (
                *("FEW_PEOPLE", 1, None, None),
            )
    async with unit_of_work() as connection:
        fresh = "select as_of = now() from kpi_figures($1, array[$2], $3, $3, 'MONTH', null, null)"
        assert await connection.fetchval(fresh, company_id, MEAN, APRIL)


async def test_answers_wait_until_they_are_ten_and_the_rejected_are_apart_from_the_hired(world: World) -> None:
    company_id = await world.partner("COMPANY")
    await answered(world, company_id, {0: [5] * 6 + [2] * 5, 1: [4] * 4, 2: [3] * 3, 4: [1] * 3, 5: [5] * 9})
    await answered(world, company_id, {1: [5] * 9}, "HIRED")
    few = "FEW_PEOPLE"
    assert await told(company_id, 0, 5) == [(40, 11), few, few, few, (16 + 9 + 3, 10), few]
    assert await told(company_id, 0, 5, TOP_TWO) == [(6, 11), few, few, few, (4, 10), few]
    assert await told(company_id, 0, 5, by="PERIOD") == [(40 + 28, 21)]
    assert await told(company_id, 0, 11, HIRED[0], "PERIOD") == [few]
    await answered(world, company_id, {0: [None] * 20, 3: [1]}, "HIRED")
    assert await told(company_id, 0, 3, HIRED[0]) == [few, few, few, (46, 10)]
    assert await told(company_id, 0, 3, HIRED[2]) == [(0, 20), few, few, (10, 10)]
    rows = await figures(company_id, 0, 0, names=REJECTED)
    by_name = {row["name"]: row for row in rows}
    assert (by_name[MEAN]["value"], by_name[MEAN]["unit"], by_name[MEAN]["low"]) == (40 / 11, "POINTS", None)
    assert (by_name[TOP_TWO]["value"], by_name[TOP_TWO]["unit"]) == (6 / 11, "RATIO")
    assert by_name[TOP_TWO]["low"] == pytest.approx(0.2801, abs=1e-4)
    assert (by_name[MEAN]["follow_up_days"], by_name[MEAN]["mature"]) == (31, True)
    for row in rows:
        assert row["as_of"] == datetime(2025, 4, 30, 15, tzinfo=UTC) + 31 * DAY


@pytest.mark.parametrize("seed", range(4))
async def test_no_two_windows_and_no_two_days_differ_by_fewer_than_ten_answers(world: World, seed: int) -> None:
    """proof 5.7, of answers: all that was ever told, by whichever window on whichever day, is sums of whole groups."""
    company_id = await world.partner("COMPANY")
    chance = random.Random(seed)
    scores = {
        number: [chance.randint(1, 5) for _ in range(chance.choice([0, 0, 1, 4, 9, 10, 13]))] for number in range(12)
    }
    await answered(world, company_id, scores)
    ever: dict[Any, tuple[int, int]] = {}
    for day in range(0, 500, 3):
        rows = await world.owner.fetch(
            "select month, numerator::int, denominator::int from kpi_grouped($1, $2, $3)",
            *(company_id, MEAN, datetime(2025, 4, 1, tzinfo=UTC) + day * DAY),
        )
        groups = {row["month"]: (row["numerator"], row["denominator"]) for row in rows}
        assert groups | ever == groups, "what was told changed"
        ever = groups
    assert all(people >= 10 for _, people in ever.values())
    everything = sum(len(given) for given in scores.values())
    assert everything - sum(people for _, people in ever.values()) < 10
    for first in range(12):
        for last in range(first, 12):
            within = [group for at, group in ever.items() if month(first) <= at <= month(last)]
            together = (sum(points for points, _ in within), sum(people for _, people in within))
            assert await told(company_id, first, last, by="PERIOD") == [together if within else "FEW_PEOPLE"]


async def test_nothing_of_a_month_is_told_before_it_is_complete_and_nothing_late_changes_it(world: World) -> None:
    company_id = await world.partner("COMPANY")
    now = await world.owner.fetchval("select date_trunc('month', now() at time zone 'Asia/Tokyo')::date")
    number = (now.year - APRIL.year) * 12 + now.month - APRIL.month
    await answered(world, company_id, {0: [3] * 12 + [None], number - 1: [5] * 20})
    assert await told(company_id, number - 1, number) == ["FEW_PEOPLE"] * 2
    assert await told(company_id, 0, number, by="PERIOD") == [(36, 12)]
    (before,) = await figures(company_id, 0, number, names=[MEAN])
    assert before["mature"] is False
    async with unit_of_work() as connection:
        survey_id = await connection.fetchval("select id from survey where answered_at is null")
        await outcome.answer_survey(connection, survey_id=survey_id, score=1)
    assert await figures(company_id, 0, number, names=[MEAN]) == [before]
    assert await told(company_id, 0, 0, RESPONSE) == [(12, 13)]


async def test_others_see_satisfaction_under_an_agreement_that_shares_surveys_and_nothing_else_does(
    world: World,
) -> None:
    company_id, other_id = await world.partner("COMPANY"), await world.partner("SCHOOL")
    await answered(world, company_id, {0: [4] * 12})
    agreement_id = await world.agreement(company_id, other_id, kind="INFORMATION_SHARING")
    await world.share(company_id, other_id, agreement_id)
    for of in ({"subject": company_id}, {"agreement": agreement_id}):
        assert [row["name"] for row in await figures(other_id, 0, 0, names=[*REJECTED, "HIRE_RATE"], **of)] == (
            ["HIRE_RATE"] if "subject" in of else [*sorted(REJECTED), "HIRE_RATE"]
        )
    assert await told(other_id, 0, 0, agreement=agreement_id) == ["FEW_PARTNERS"]  # the viewer's own, which is nothing
    await world.owner.execute("delete from agreement_share")
    await world.share(company_id, other_id, agreement_id, "COUNTS_ONLY", ["SURVEYS"])
    assert await told(other_id, 0, 0, subject=company_id) == [(48, 12)]
    assert [row["name"] for row in await figures(other_id, 0, 0, names=[MEAN, "HIRE_RATE"], subject=company_id)] == [
        MEAN
    ]
    (figure,) = await figures(other_id, 0, 0, names=[MEAN], subject=company_id)
    by_key = "select numerator from kpi_by_key($1, $2)"
    assert await world.owner.fetchval(by_key, other_id, figure["key"]) == 48
    assert await world.owner.fetchrow(by_key, await world.partner("COMPANY"), figure["key"]) is None
    await world.owner.execute("delete from agreement_share")
    assert await told(other_id, 0, 0, subject=company_id) == []


async def test_an_agreements_satisfaction_adds_up_whole_groups_of_three_partners_at_least(world: World) -> None:
    companies = [await world.partner("COMPANY") for _ in range(5)]
    viewer_id = companies[0]
    agreement_id = await world.agreement(*companies, kind="ALLIANCE")
    for company_id in companies[1:4]:
        await world.share(company_id, viewer_id, agreement_id, "COUNTS_ONLY", ["SURVEYS"])
    for company_id, people in zip(companies, (12, 10, 4, 9, 50), strict=True):
        await answered(world, company_id, {0: [3] * people})
    assert await told(viewer_id, 0, 0, agreement=agreement_id) == ["FEW_PARTNERS"]
    await answered(world, companies[2], {1: [5] * 6})
    assert await told(viewer_id, 0, 1, agreement=agreement_id) == ["FEW_PARTNERS"] * 2
    assert await told(viewer_id, 0, 1, by="PERIOD", agreement=agreement_id) == [(36 + 30 + 42, 32)]
    await answered(world, companies[1], {2: [1] * 60})
    assert await told(viewer_id, 0, 2, by="PERIOD", agreement=agreement_id) == ["DOMINANCE"]


async def test_an_erased_persons_answer_stays_in_the_figure_and_their_words_do_not(world: World) -> None:
    """Else the figure before and after would tell it."""
    company_id, surveys = await asked(world, 10)
    async with unit_of_work() as connection:
        for survey in surveys:
            await outcome.answer_survey(connection, survey_id=survey["id"], score=2, comment="残念でした")
    ago = "update survey set sent_at = sent_at - interval '90 days', answered_at = answered_at - interval '90 days'"
    await world.owner.execute(ago)
    at = await world.owner.fetchval("select min(sent_at) at time zone 'Asia/Tokyo' from survey")
    number = (at.year - APRIL.year) * 12 + at.month - APRIL.month
    before = await told(company_id, number, number)
    assert before == [(20, 10)]
    async with unit_of_work() as connection:
        await candidate.erase(connection, surveys[0]["person_id"])
    assert await told(company_id, number, number) == before
    assert await world.owner.fetchval("select count(*) from survey where comment_sealed is null") == 1
    assert await kpi.differences(world.owner) == []


async def test_satisfaction_is_read_in_graphql_by_its_company_and_is_found_by_its_id(
    served: Served, database: str
) -> None:
    async with unit_of_work() as connection:
        company, stranger = [await builders.company(connection) for _ in range(2)]
    owner = await asyncpg.connect(**credentials(database))
    await answered(World(owner), company, {0: [5] * 8 + [1] * 2 + [None] * 10})
    await owner.close()
    kpis = """{ kpis(first: 10, filter: {names: [CANDIDATE_SATISFACTION_REJECTED_MEAN,
      CANDIDATE_SATISFACTION_REJECTED_TOP_TWO, CANDIDATE_SATISFACTION_REJECTED_RESPONSE,
      CANDIDATE_SATISFACTION_HIRED_MEAN], period: {from: "2025-04", to: "2025-04"}}) { edges { node {
      id name unit value numerator denominator suppressionReason interval { low high } } } } }"""
    nodes = {edge["node"]["name"]: edge["node"] for edge in (await served.ask(company, kpis))["kpis"]["edges"]}
    assert {name: (node["unit"], node["value"]) for name, node in nodes.items()} == {
        MEAN: ("POINTS", 4.2),
        TOP_TWO: ("RATIO", 0.8),
        RESPONSE: ("RATIO", 0.5),
        HIRED[0]: ("POINTS", None),
    }
    assert (nodes[MEAN]["interval"], nodes[HIRED[0]]["suppressionReason"]) == (None, "FEW_PEOPLE")
    assert nodes[RESPONSE]["interval"]["low"] == pytest.approx(0.2993, abs=1e-4)
    node = "query ($id: ID!) { node(id: $id) { ... on Kpi { numerator } } }"
    for kpi_id in (nodes[MEAN]["id"], nodes[RESPONSE]["id"]):
        assert (await served.ask(company, node, {"id": kpi_id}))["node"]["numerator"] > 0
        assert (await served.ask(stranger, node, {"id": kpi_id}))["node"] is None
    of = f"""{{ partner(id: "par_{company}") {{ kpis(first: 1, names: [{MEAN}],
      period: {{from: "2025-04", to: "2025-04"}}) {{ edges {{ node {{ value }} }} }} }} }}"""
    for who, values in ((company, [{"node": {"value": 4.2}}]), (stranger, [])):
        assert (await served.ask(who, of))["partner"]["kpis"]["edges"] == values
