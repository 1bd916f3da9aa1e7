"""Applications: every fact is an event, the furthest stage is kept, a decision is taken back by a later fact."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from models import application, job, referral, selection
from models.db import pool, unit_of_work, uuid7
from models.errors import Refusal, RefusalCode
from models.outbox import Said
from tests import builders
from tests.builders import NOW, days, kept, said

START = date(2026, 5, 1)


async def row(application_id: UUID) -> dict[str, Any]:
    return dict(await pool().fetchrow("select * from application where id = $1", application_id) or {})


async def events() -> list[tuple[str, Any]]:
    rows = await pool().fetch("select kind, stage from outcome_event order by xid, position")
    return [(each["kind"], each["stage"]) for each in rows]


async def do(verb: Callable[..., Awaitable[Any]], **arguments: Any) -> Any:
    async with unit_of_work() as connection:
        return await verb(connection, **arguments)


async def refused(code: RefusalCode, verb: Callable[..., Awaitable[Any]], **arguments: Any) -> None:
    before = await pool().fetchval("select count(*) from outcome_event")
    with pytest.raises(Refusal) as caught:
        await do(verb, **arguments)
    assert caught.value.code == code
    assert await pool().fetchval("select count(*) from outcome_event") == before


async def applied(**rest: Any) -> tuple[UUID, UUID]:
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        return company_id, await builders.application(connection, company_id, **rest)


async def referred(*, origin: bool = False) -> tuple[UUID, UUID, UUID, UUID]:
    """Company, referrer, confirmed referral and the application that came of it."""
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        if origin:
            other, referrer_id = await builders.company(connection, "株式会社もと"), await builders.agency(connection)
            await builders.agreed(connection, "SUCCESS_FEE", company_id, referrer_id)
            handover_id = await builders.handed_over(connection, other, referrer_id)
            await connection.execute("update handover set status = 'ACCEPTED'")
        else:
            referrer_id, handover_id = await builders.referrer(connection, company_id), None
        referral_id = await builders.referral(connection, referrer_id, company_id, handover_id=handover_id)
        confirmed = Said(company_id, "CANDIDATE", NOW)
        await referral.confirm(connection, said=confirmed, referral_id=referral_id, confirmed=True)
        recorded = await application.record(connection, said=said(company_id), referral_id=referral_id)
    return company_id, referrer_id, referral_id, recorded.application_id


async def test_the_same_ats_id_is_the_same_application(connected: str) -> None:
    company_id, application_id = await applied(external_id="gh-1")
    async with unit_of_work() as connection:
        person = await kept(connection, company_id)
        again = await application.record(
            connection, said=said(company_id), person_id=person.person_id, external_id="gh-1"
        )
        other = await builders.company(connection, "株式会社もみじ")
        elsewhere = await builders.application(connection, other, external_id="gh-1")

    assert (again.application_id, again.event_id) == (application_id, None)
    assert elsewhere != application_id
    assert await events() == [("APPLICATION_RECEIVED", None)] * 2


async def test_the_furthest_stage_is_kept_and_every_stage_is_an_event(connected: str) -> None:
    company_id, application_id = await applied()
    for stage in ("INTERVIEW", "SCREENING", "INTERVIEW"):
        await do(selection.stage, said=said(company_id), application_id=application_id, stage=stage)

    assert (await row(application_id))["stage"] == "INTERVIEW"
    told = [("STAGE_CHANGED", stage) for stage in ("INTERVIEW", "SCREENING", "INTERVIEW")]
    assert await events() == [("APPLICATION_RECEIVED", None), *told]


async def test_a_stage_before_the_decision_may_be_told_after_it(connected: str) -> None:
    company_id, application_id = await applied()
    await do(selection.reject, said=said(company_id, NOW + days(5)), application_id=application_id)

    late = {"application_id": application_id, "stage": "TEST"}
    await refused(RefusalCode.WRONG_STATE, selection.stage, said=said(company_id, NOW + days(6)), **late)
    await do(selection.stage, said=said(company_id, NOW + days(4)), **late)
    found = await row(application_id)
    assert (found["stage"], found["status"], found["decided_at"]) == ("TEST", "REJECTED", NOW + days(5))


async def test_a_decision_is_made_once(connected: str) -> None:
    company_id, application_id = await applied()
    await do(selection.reject, said=said(company_id), application_id=application_id, reason="経験不足")

    found = await row(application_id)
    assert (found["status"], found["decided_at"], found["rejection_reason"]) == ("REJECTED", NOW, "経験不足")
    again = {"said": said(company_id), "application_id": application_id}
    await refused(RefusalCode.WRONG_STATE, selection.reject, **again)
    await refused(RefusalCode.WRONG_STATE, selection.withdraw, **again)
    await refused(RefusalCode.WRONG_STATE, selection.hire, **again, starts_on=START)
    assert await row(application_id) == found


async def test_nobody_decides_for_another_company(connected: str) -> None:
    _, application_id = await applied()
    async with unit_of_work() as connection:
        other = await builders.company(connection, "株式会社もみじ")
    before = await row(application_id)

    for code, sought in ((RefusalCode.NOT_YOURS, application_id), (RefusalCode.NOT_FOUND, uuid7())):
        who = {"said": said(other), "application_id": sought}
        await refused(code, selection.stage, **who, stage="TEST")
        await refused(code, selection.reject, **who)
        await refused(code, selection.withdraw, **who)
        await refused(code, selection.hire, **who, starts_on=START)
        await refused(code, selection.revert, **who, reason="x")
    assert await row(application_id) == before


async def test_a_hire_tells_the_referrer_and_remembers_the_handover(connected: str) -> None:
    company_id, agency_id, referral_id, application_id = await referred(origin=True)
    assert (await row(application_id))["route"] == "RELAY"

    hired = await do(selection.hire, said=said(company_id), application_id=application_id, starts_on=START)
    found = await row(application_id)
    assert (found["status"], found["stage"], found["hire_id"]) == ("HIRED", "OFFER_ACCEPTED", hired.hire_id)
    hire = await pool().fetchrow("select starts_on, route, handover_id, person_id, reverted_at from hire")
    assert hire is not None
    origin = await pool().fetchval("select id from handover")
    assert tuple(hire) == (START, "RELAY", origin, found["person_id"], None)
    assert hired.handover_id == origin
    event = await pool().fetchrow(
        "select parties, referral_id, hire_id, handover_id from outcome_event where id = $1", hired.event_id
    )
    assert event is not None
    assert (set(event["parties"]), event["referral_id"]) == ({company_id, agency_id}, referral_id)
    assert (event["hire_id"], event["handover_id"]) == (hired.hire_id, origin)
    assert await pool().fetchval("select status from referral") == "HIRED"


@pytest.mark.parametrize(
    ("verb", "arguments", "status", "of_referral"),
    [
        ("reject", {}, "REJECTED", "CLOSED"),
        ("withdraw", {}, "WITHDRAWN", "CLOSED"),
        ("hire", {"starts_on": START}, "HIRED", "HIRED"),
    ],
)
async def test_the_referral_follows_its_application(
    connected: str, verb: str, arguments: dict[str, Any], status: str, of_referral: str
) -> None:
    company_id, _, referral_id, application_id = await referred()
    sought = "select status, closed_at from referral where id = $1"
    assert tuple(await pool().fetchrow(sought, referral_id) or ()) == ("IN_SELECTION", None)
    assert (await row(application_id))["route"] == "EMPLOYEE_REFERRAL"

    await do(getattr(selection, verb), said=said(company_id), application_id=application_id, **arguments)
    assert (await row(application_id))["status"] == status
    assert tuple(await pool().fetchrow(sought, referral_id) or ()) == (of_referral, NOW)


@pytest.mark.parametrize(
    ("verb", "arguments", "kind"),
    [("reject", {"reason": "経験不足"}, "REJECTION_REVERTED"), ("hire", {"starts_on": START}, "HIRE_REVERTED")],
)
async def test_a_decision_is_taken_back_by_a_later_event(
    connected: str, verb: str, arguments: dict[str, Any], kind: str
) -> None:
    company_id, _, referral_id, application_id = await referred()
    who = {"said": said(company_id), "application_id": application_id}
    await refused(RefusalCode.WRONG_STATE, selection.revert, **who, reason="x")
    await do(getattr(selection, verb), **who, **arguments)
    decision = await pool().fetchval("select id from outcome_event order by xid desc, position desc limit 1")

    reverted = await do(selection.revert, **who, reason="入力の誤り")
    found = await row(application_id)
    assert (found["status"], found["decided_at"], found["rejection_reason"], found["hire_id"]) == (
        "ACTIVE",
        None,
        None,
        None,
    )
    event = await pool().fetchrow(
        "select kind, corrects_id, hire_id from outcome_event where id = $1", reverted.event_id
    )
    assert event is not None
    assert tuple(event) == (kind, decision, reverted.hire_id)
    assert await pool().fetchval("select count(*) from hire where reverted_at is null") == 0
    assert (reverted.hire_id is not None) == (verb == "hire")
    assert await pool().fetchval("select status from referral where id = $1", referral_id) == "IN_SELECTION"
    await do(getattr(selection, verb), **who, **arguments)


async def test_an_unconfirmed_referral_is_no_ground(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        other = await builders.company(connection, "株式会社もみじ")
        employee = await builders.referrer(connection, company_id)
        referral_id = await builders.referral(connection, employee, company_id)
        elsewhere = await builders.open_job(connection, other)

    await refused(RefusalCode.CONSENT_MISSING, application.record, said=said(company_id), referral_id=referral_id)
    await refused(RefusalCode.NOT_FOUND, application.record, said=said(other), referral_id=referral_id)
    await refused(RefusalCode.NOT_FOUND, application.record, said=said(company_id), person_id=uuid7(), job_id=elsewhere)
    await refused(RefusalCode.INVALID, application.record, said=said(company_id))
    assert await pool().fetchval("select count(*) from application") == 0


async def test_a_second_application_by_one_referral_stands_without_it(connected: str) -> None:
    company_id, _, referral_id, first = await referred()
    second = await do(application.record, said=said(company_id), referral_id=referral_id, external_id="gh-2")

    assert second.application_id != first
    found = await row(second.application_id)
    assert (found["referral_id"], found["route"]) == (None, "EMPLOYEE_REFERRAL")


async def test_jobs_are_posted_changed_and_closed(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        other = await builders.company(connection, "株式会社もみじ")
        job_id = await builders.open_job(connection, company_id, external_id="gh-9", openings=3, challenge="採用難")
        again = await job.post_job(
            connection,
            said=said(company_id),
            title="設計リーダー",
            requirements=None,
            prefecture="OSAKA",
            external_id="gh-9",
        )
    assert again == job_id
    sought = "select title, requirements, challenge, openings, prefecture, status, closed_at from job"
    posted = ("設計リーダー", "CAD", "採用難", 3, "OSAKA", "OPEN", None)
    assert tuple(await pool().fetchrow(sought) or ()) == posted

    await refused(RefusalCode.NOT_YOURS, job.update_job, said=said(other), job_id=job_id, title="x")
    await refused(RefusalCode.NOT_FOUND, job.update_job, said=said(other), job_id=uuid7(), title="x")
    await refused(RefusalCode.INVALID, job.update_job, said=said(company_id), job_id=job_id, openings=10_001)
    assert tuple(await pool().fetchrow(sought) or ()) == posted
    await do(job.update_job, said=said(company_id), job_id=job_id, status="CLOSED")
    assert tuple(await pool().fetchrow(sought) or ()) == (*posted[:5], "CLOSED", NOW)
    await do(job.update_job, said=said(company_id), job_id=job_id, status="OPEN", openings=0)
    assert tuple(await pool().fetchrow(sought) or ()) == (*posted[:3], 0, "OSAKA", "OPEN", None)
