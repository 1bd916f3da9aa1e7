"""A referral waits for the person it is about; only their yes lets anything flow, and silence ends it."""

from datetime import date
from typing import Any
from uuid import UUID

import orjson
import pytest

from api.app import make_planner
from api.asker import Budget, asker
from models import agreement, candidate, credit, job, referral, seal
from models.db import pool, unit_of_work, uuid7
from models.errors import Refusal, RefusalCode
from models.outbox import Said
from planner import Request
from tests import builders
from tests.builders import NOW, agreed, days, kept, said

EMAIL = "taro@example.jp"


async def house() -> tuple[UUID, UUID]:
    """A company and one of its employees."""
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        return company_id, await builders.referrer(connection, company_id)


async def row(referral_id: UUID) -> dict[str, Any]:
    return dict(await pool().fetchrow("select * from referral where id = $1", referral_id) or {})


async def kinds() -> list[str]:
    return [each["kind"] for each in await pool().fetch("select kind from outcome_event order by xid, position")]


async def answer(referral_id: UUID, confirmed: bool, *, after: float = 1) -> referral.Referred:
    async with unit_of_work() as connection:
        by = await connection.fetchval("select company_id from referral where id = $1", referral_id)
        return await referral.confirm(
            connection,
            said=Said(by, "CANDIDATE", NOW + days(after)),
            referral_id=referral_id,
            confirmed=confirmed,
        )


async def refused(code: RefusalCode, said_: Said, **arguments: Any) -> None:
    given = {
        "referrer_id": said_.by,
        "job_id": None,
        "name": "山田 太郎",
        "email": EMAIL,
        "relationship": "FRIEND",
        **arguments,
    }
    before = await pool().fetchval("select count(*) from referral")
    with pytest.raises(Refusal) as caught:
        async with unit_of_work() as connection:
            await referral.submit(connection, said=said_, **given)
    assert caught.value.code == code
    assert await pool().fetchval("select count(*) from referral") == before


async def test_before_the_candidate_answers_the_company_holds_nothing_of_them(connected: str) -> None:
    company_id, employee = await house()
    async with unit_of_work() as connection:
        referral_id = await builders.referral(connection, employee, company_id, recommendation="誠実な人です")

    found = await row(referral_id)
    assert (found["status"], found["role"], found["confirm_by"]) == ("SUBMITTED", "REFERRED", NOW + days(14))
    mail = await pool().fetchrow("select kind, company_id, referral_id, language, status from mail")
    assert mail is not None
    assert tuple(mail) == ("REFERRAL_CONFIRMATION", company_id, referral_id, "JA", "QUEUED")
    assert await pool().fetchval("select count(*) from candidate where partner_id = $1", company_id) == 0
    assert await pool().fetchval("select count(*) from provision") == 0
    assert await kinds() == ["REFERRAL_SUBMITTED"]
    assert set(await pool().fetchval("select parties from outcome_event")) == {company_id, employee}


async def test_confirming_is_the_consent_that_provides(connected: str) -> None:
    """proof 5.3: the provision starts with the candidate's yes, in its transaction, recorded once for both."""
    company_id, employee = await house()
    async with unit_of_work() as connection:
        referral_id = await builders.referral(connection, employee, company_id, recommendation="誠実な人です")
    await answer(referral_id, True)

    found = await row(referral_id)
    assert (found["status"], found["confirmed_at"]) == ("CONFIRMED", NOW + days(1))
    record = await pool().fetchrow("select consent_id, giver_id, receiver_id, items, ended_at from provision")
    assert record is not None
    items = ["EMAIL", "NAME", "RECOMMENDATION"]
    assert tuple(record) == (found["consent_id"], employee, company_id, items, None)
    async with unit_of_work() as connection:
        seen = await candidate.read_items(connection, partner_id=company_id, person_id=found["person_id"])
    assert list(seen.values()) == [{"NAME": "山田 太郎", "EMAIL": EMAIL, "RECOMMENDATION": "誠実な人です"}]
    assert await kinds() == ["REFERRAL_SUBMITTED", "REFERRAL_CONFIRMED"]
    assert await pool().fetchval("select status from mail") == "CANCELLED"


async def test_a_recommendation_is_read_by_whom_it_was_written_to(connected: str) -> None:
    """Who refers one person to two companies writes to each of them; what the other reads stays what it was."""
    referrer, first, second = await a_referrer_of_two()
    await answer(await recommend(referrer, first, "一社目への推薦文"), True)
    referral_id = await recommend(referrer, second, "二社目への推薦文", after=2)
    assert (await recommendation(first), await recommendation(second)) == ("一社目への推薦文", None)
    await answer(referral_id, True, after=3)

    assert (await recommendation(first), await recommendation(second)) == ("一社目への推薦文", "二社目への推薦文")
    assert await recommendation(referrer) == "二社目への推薦文"  # of what one wrote oneself, the latest
    async with unit_of_work() as connection:
        await candidate.forget(connection, partner_id=referrer, person_id=await connection.fetchval(ONLY_PERSON))
    for partner_id in (referrer, first, second):
        assert await recommendation(partner_id) is None


async def test_what_is_written_to_one_company_opens_in_no_others_place(connected: str) -> None:
    referrer, first, second = await a_referrer_of_two()
    for company_id in (first, second):
        await answer(await recommend(referrer, company_id, "推薦文"), True)
    async with unit_of_work() as connection:
        await connection.execute("select set_config('kyoso.partner_id', $1, true)", str(referrer))
        await connection.execute(
            "update personal_data t set sealed = f.sealed from personal_data f "
            "where t.candidate_id = f.candidate_id and t.addressee_id = $1 and f.addressee_id = $2",
            *(first, second),
        )
    assert await recommendation(second) == "推薦文"
    with pytest.raises(seal.Unreadable):
        await recommendation(first)


ONLY_PERSON = "select id from person"


async def a_referrer_of_two() -> tuple[UUID, UUID, UUID]:
    """A company that may refer to two others."""
    async with unit_of_work() as connection:
        referrer, *companies = [await builders.company(connection, f"株式会社{number}") for number in range(3)]
        for company_id in companies:
            await agreed(connection, "MUTUAL_REFERRAL", referrer, company_id)
    return referrer, companies[0], companies[1]


async def recommend(referrer: UUID, company_id: UUID, text: str, *, after: float = 0) -> UUID:
    async with unit_of_work() as connection:
        submitted = await referral.submit(
            connection,
            said=said(referrer, NOW + days(after)),
            referrer_id=referrer,
            company_id=company_id,
            job_id=None,
            name="山田 太郎",
            email=EMAIL,
            relationship="FRIEND",
            recommendation=text,
        )
    return submitted.referral_id


async def recommendation(partner_id: UUID) -> str | None:
    """What a partner reads of the only person there is: by the verbs, and by the API."""
    async with unit_of_work() as connection:
        person_id = await connection.fetchval(ONLY_PERSON)
        found = await candidate.read_items(connection, partner_id=partner_id, person_id=person_id)
        own = await candidate.candidate_of(connection, partner_id=partner_id, person_id=person_id)
    if own is None:
        return None
    question = "query($id: ID!) { node(id: $id) { ... on Candidate { personal { recommendation } } } }"
    planner = await make_planner()
    asked = Request(question, None, {"id": f"can_{own}"})
    prepared = planner.prepare(asked, asker(builders.viewer(partner_id), "https://kyoso", Budget(1000)))
    personal = orjson.loads((await planner.run(prepared, pool().acquire)).body)["data"]["node"]["personal"]
    text = found.get(own, {}).get("RECOMMENDATION")
    assert (personal and personal["recommendation"]) == text
    return text


async def test_a_recommendation_that_was_not_written_is_not_consented_to(connected: str) -> None:
    """What the referrer wrote to another company is no item of this one's."""
    referrer, first, second = await a_referrer_of_two()
    await recommend(referrer, second, "もう一社への推薦文")
    referral_id = await recommend(referrer, first, "", after=1)
    kept = {"referrer_id": referrer, "person_id": (await row(referral_id))["person_id"]}
    async with unit_of_work() as connection:
        assert await referral.items_of(connection, **kept, company_id=first) == ["NAME", "EMAIL"]
        assert await referral.items_of(connection, **kept, company_id=second) == ["NAME", "EMAIL", "RECOMMENDATION"]
    await answer(referral_id, True, after=2)
    for column in ("consent", "provision"):
        assert await pool().fetchval(f"select items from {column}") == ["EMAIL", "NAME"]
    consent_id = (await row(referral_id))["consent_id"]
    async with unit_of_work() as connection:
        told = await referral.items_of(connection, **kept, company_id=first, consent_id=consent_id)
    assert told == ["NAME", "EMAIL"]


async def test_declining_provides_nothing(connected: str) -> None:
    company_id, employee = await house()
    async with unit_of_work() as connection:
        referral_id = await builders.referral(connection, employee, company_id)
    await answer(referral_id, False)

    assert (await row(referral_id))["status"] == "DECLINED"
    assert await pool().fetchval("select count(*) from provision") == 0
    assert await pool().fetchval("select count(*) from candidate where partner_id = $1", company_id) == 0
    assert await kinds() == ["REFERRAL_SUBMITTED", "REFERRAL_DECLINED"]


@pytest.mark.parametrize(("first", "after"), [(True, 2), (False, 2), (None, 14)])
async def test_an_answer_counts_once_and_in_time(connected: str, first: bool | None, after: float) -> None:
    company_id, employee = await house()
    async with unit_of_work() as connection:
        referral_id = await builders.referral(connection, employee, company_id)
    if first is not None:
        await answer(referral_id, first)
    before = await row(referral_id)

    with pytest.raises(Refusal) as late:
        await answer(referral_id, True, after=after)
    with pytest.raises(Refusal) as unknown:
        await answer(uuid7(), True)
    assert late.value.code == unknown.value.code == RefusalCode.TOKEN_INVALID
    assert await row(referral_id) == before


async def test_the_unanswered_expire(connected: str) -> None:
    company_id, employee = await house()
    async with unit_of_work() as connection:
        referral_id = await builders.referral(connection, employee, company_id)
        assert await referral.expire_waiting(connection, NOW + days(13.9)) == []
        assert await referral.expire_waiting(connection, NOW + days(14)) == [referral_id]
    assert (await row(referral_id))["status"] == "EXPIRED"
    assert await pool().fetchval("select status from mail") == "CANCELLED"


async def test_who_may_refer(connected: str) -> None:
    company_id, employee = await house()
    async with unit_of_work() as connection:
        other = await builders.company(connection, "株式会社もみじ")
        agency_id = await builders.agency(connection)
        community_id = await builders.community(connection)
        closed = await builders.open_job(connection, company_id)
        await job.update_job(connection, said=said(company_id), job_id=closed, status="CLOSED")
        elsewhere = await builders.open_job(connection, other)
        public = await builders.open_job(connection, company_id, open_to_network=True)

    await refused(RefusalCode.AGREEMENT_MISSING, said(agency_id), company_id=company_id)
    await refused(RefusalCode.AGREEMENT_MISSING, said(employee), company_id=other)
    await refused(RefusalCode.NOT_YOURS, said(other), referrer_id=employee, company_id=company_id)
    await refused(RefusalCode.INVALID, said(company_id), company_id=company_id)
    await refused(RefusalCode.NOT_FOUND, said(employee), company_id=agency_id)
    await refused(RefusalCode.NOT_FOUND, said(employee), company_id=company_id, job_id=elsewhere)
    await refused(RefusalCode.WRONG_STATE, said(employee), company_id=company_id, job_id=closed)
    await refused(RefusalCode.INVALID, said(employee), company_id=company_id, email="taro at example")
    await refused(RefusalCode.INVALID, said(employee), company_id=company_id, relationship="RIVAL")
    async with unit_of_work() as connection:
        await builders.referral(connection, agency_id, company_id, job_id=public, email="one@example.jp")
        await agreed(connection, "JOINT_PROJECT", community_id, company_id)
        await agreed(connection, "ALLIANCE", other, company_id)
        await builders.referral(connection, community_id, company_id, email="two@example.jp")
        await builders.referral(connection, other, company_id, email="three@example.jp")
    roles = await pool().fetch("select role from referral order by submitted_at, id")
    assert [each["role"] for each in roles] == ["PLACED", "HOSTED", "HIRED_THROUGH"]


async def test_an_agency_refers_only_while_its_licence_is_valid(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        agency_id = await builders.agency(connection, license_expires_on=date(2020, 3, 31))
        public = await builders.open_job(connection, company_id, open_to_network=True)
    await refused(RefusalCode.LICENSE_EXPIRED, said(agency_id), company_id=company_id, job_id=public)


async def test_twice_by_one_is_a_duplicate_and_twice_by_two_is_nobodys_business(connected: str) -> None:
    """proof 3.5: the second referrer of the same person learns nothing of the first."""
    company_id, employee = await house()
    async with unit_of_work() as connection:
        colleague = await builders.referrer(connection, company_id)
        await builders.referral(connection, employee, company_id)
    await refused(RefusalCode.DUPLICATE, said(employee), company_id=company_id)
    async with unit_of_work() as connection:
        await builders.referral(connection, colleague, company_id)
    assert await pool().fetchval("select count(distinct person_id) from referral") == 1
    assert await pool().fetchval("select count(distinct id) from candidate") == 2


async def test_no_agreement_at_the_moment_of_the_yes_no_provision(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id, agency_id = await builders.company(connection), await builders.agency(connection)
        under = await agreed(connection, "SUCCESS_FEE", company_id, agency_id)
        referral_id = await builders.referral(connection, agency_id, company_id)
        await agreement.terminate(connection, said=said(company_id), agreement_id=under, reason="x")

    with pytest.raises(Refusal) as missing:
        await answer(referral_id, True)
    assert missing.value.code == RefusalCode.AGREEMENT_MISSING
    assert (await row(referral_id))["status"] == "SUBMITTED"
    assert await pool().fetchval("select count(*) from consent") == 0


async def test_the_loop_closes_from_an_accepted_handover_only(connected: str) -> None:
    async with unit_of_work() as connection:
        first, second = await builders.company(connection), await builders.company(connection, "株式会社もみじ")
        agency_id = await builders.agency(connection)
        await agreed(connection, "SUCCESS_FEE", second, agency_id)
        handover_id = await builders.handed_over(connection, first, agency_id)
        other_agency = await builders.agency(connection, "べつの人材")
        await agreed(connection, "SUCCESS_FEE", second, other_agency)

    grown = {"company_id": second, "handover_id": handover_id}
    await refused(RefusalCode.WRONG_STATE, said(agency_id), **grown)
    await refused(RefusalCode.NOT_FOUND, said(other_agency), **grown)
    async with unit_of_work() as connection:
        await connection.execute("update handover set status = 'ACCEPTED' where id = $1", handover_id)
        referral_id = await builders.referral(
            connection, agency_id, second, handover_id=handover_id, email="taro@example.jp"
        )
    found = await row(referral_id)
    person = await pool().fetchval("select person_id from handover where id = $1", handover_id)
    assert (found["origin_id"], found["role"], found["person_id"]) == (handover_id, "PLACED", person)


async def test_an_ats_credits_without_asking_and_once(connected: str) -> None:
    company_id, employee = await house()
    async with unit_of_work() as connection:
        person = await kept(connection, company_id)
        told = credit.Credited(said(company_id, source="ATS"), employee, company_id, person.person_id)
        credited, twice = await credit.credit_all(connection, [told, told])
        [again] = await credit.credit_all(connection, [told])

    assert (twice.referral_id, twice.event_id) == (credited.referral_id, None)
    assert (again.referral_id, again.event_id) == (credited.referral_id, None)
    assert (await row(credited.referral_id))["status"] == "CONFIRMED"
    assert await kinds() == ["REFERRAL_SUBMITTED", "REFERRAL_CONFIRMED"]
    assert await pool().fetchval("select count(*) from mail") == 0
    assert await pool().fetchval("select count(*) from candidate where partner_id = $1", employee) == 1


async def test_a_credit_confirms_the_referral_that_waited(connected: str) -> None:
    company_id, employee = await house()
    async with unit_of_work() as connection:
        referral_id = await builders.referral(connection, employee, company_id)
        person = await kept(connection, company_id)
        told = credit.Credited(said(company_id, source="ATS"), employee, company_id, person.person_id)
        [credited] = await credit.credit_all(connection, [told])

    assert credited.referral_id == referral_id
    assert (await row(referral_id))["status"] == "CONFIRMED"
    assert await kinds() == ["REFERRAL_SUBMITTED", "REFERRAL_CONFIRMED"]
    assert await pool().fetchval("select status from mail") == "CANCELLED"
