"""Applications told together come out as if each were told after the one before."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.intake import Applicant, ApplicationState, Credit, JobState, Told
from api.intake_applications import take_in
from api.intake_people import News, Source
from models.candidate import read_items
from models.db import credentials, unit_of_work
from tests import builders

START = datetime(2026, 4, 1, tzinfo=UTC)
CREDITS = (None, Credit("佐藤 花子", employee_id="7"), Credit("佐藤 花子"), Credit("鈴木 一郎", email="i@kaisha.jp"))
ROUNDS, TOLD = 3, 40

STATE = """
select a.external_id, a.status, a.stage, a.route, a.decided_at, j.title, p.legal_name as referrer, h.starts_on,
  t.status as told, t.as_of,
  (select array_agg(e.kind || coalesce(e.stage, '') || e.occurred_at order by e.xid, e.position)
    from outcome_event e where e.application_id = a.id) as events,
  (select min(o.external_id) from application o where o.person_id = a.person_id) as person
from application a
join ats_application t on t.application_id = a.id
left join job j on j.id = a.job_id
left join hire h on h.id = a.hire_id
left join referral r on r.id = a.referral_id
left join partner p on p.id = r.referrer_id
where a.company_id = $1 order by a.external_id
"""
REFERRALS = """
select p.legal_name, r.status, r.hired_at,
  (select min(a.external_id) from application a where a.person_id = r.person_id) as person,
  (select array_agg(e.kind order by e.xid, e.position) from outcome_event e where e.referral_id = r.id) as events
from referral r join partner p on p.id = r.referrer_id where r.company_id = $1 order by 1, 4
"""
CANDIDATES = """
select c.external_id, c.told_at,
  (select min(a.external_id) from application a where a.person_id = c.person_id) as person
from ats_candidate c where c.company_id = $1 order by 1
"""


@pytest.fixture
async def owner(connected: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**credentials(connected))
    yield connection
    await connection.close()


def told(chance: random.Random, domain: str) -> ApplicationState:
    """What one line says of one of a few applications, candidates, addresses, jobs and referrers."""
    status = chance.choice([Told.ACTIVE, Told.REJECTED, Told.HIRED, Told.WITHDRAWN, Told.REINSTATED])
    decided_at = START + timedelta(days=chance.randint(5, 9)) if status in ("REJECTED", "HIRED", "WITHDRAWN") else None
    applicant = Applicant(
        external_id=f"candidate {chance.randint(1, 25)}",
        name=f"架空 {chance.randint(1, 99)}",
        email=chance.choice([None, f"{chance.randint(1, 9)}@{domain}"]),
        prefecture=chance.choice([None, "TOKYO"]),
    )
    return ApplicationState(
        external_id=f"application {chance.randint(1, 30)}",
        applicant=applicant,
        status=status,
        as_of=START + timedelta(days=chance.randint(10, 20)),
        received_at=START + timedelta(days=chance.randint(0, 4)),
        job=chance.choice([None, JobState("1", "営業", mention=True), JobState("2", "開発", mention=True)]),
        stage=chance.choice([None, "SCREENING", "INTERVIEW"]),
        stage_moved=chance.random() < 0.5,
        decided_at=decided_at,
        starts_on=date(2026, 7, 1) if status is Told.HIRED else None,
        credit=chance.choice(CREDITS),
    )


async def company(name: str, facts: list[ApplicationState], at_once: int) -> UUID:
    """A company that was told these facts, so many in a transaction."""
    async with unit_of_work() as connection:
        company_id = await builders.company(connection, name)
    for start in range(0, len(facts), at_once):
        news = [
            News(Source(company_id, "CSV", "IMPORT", f"line {start + place}"), fact)
            for place, fact in enumerate(facts[start : start + at_once])
        ]
        async with unit_of_work() as connection:
            await take_in(connection, news)
    return company_id


async def outcome_of(owner: asyncpg.Connection, company_id: UUID) -> dict[str, Any]:
    """All that can be told apart of what a company knows."""
    found: dict[str, Any] = {
        name: [dict(row) for row in await owner.fetch(statement, company_id)]
        for name, statement in (("state", STATE), ("referrals", REFERRALS), ("candidates", CANDIDATES))
    }
    async with unit_of_work() as connection:
        candidates = await connection.fetch("select id from candidate where partner_id = $1", company_id)
        ids = [row["id"] for row in candidates]
        items = await read_items(connection, partner_id=company_id, candidate_ids=ids)
    return found | {"items": sorted(_plain(each) for each in items.values()), "people": len(ids)}


def _plain(items: dict[str, str]) -> list[tuple[str, str]]:
    return sorted((item, text.partition("@")[0]) for item, text in items.items())


async def test_told_together_is_told_one_after_another(owner: asyncpg.Connection) -> None:
    for seed in range(ROUNDS):
        outcomes = list[dict[str, Any]]()
        for domain, at_once in ((f"a{seed}.example", 1), (f"b{seed}.example", TOLD)):
            chance = random.Random(seed)
            company_id = await company(domain, [told(chance, domain) for _ in range(TOLD)], at_once)
            outcomes.append(await outcome_of(owner, company_id))
        assert outcomes[1] == outcomes[0]
        assert len(outcomes[0]["state"]) > 5


async def test_what_is_told_together_waits_only_for_itself(owner: asyncpg.Connection) -> None:
    """Of one application the later line counts, and a candidate's newer name; a new referrer is registered once."""
    lines = [
        ("1", "candidate 1", Told.ACTIVE, "INTERVIEW"),
        ("2", "candidate 2", Told.REJECTED, None),
        ("1", "candidate 1", Told.REJECTED, None),
        ("3", "candidate 1", Told.ACTIVE, None),
    ]
    facts = [
        ApplicationState(
            external_id=external_id,
            applicant=Applicant(applicant, name=f"架空 {place}", email=f"{applicant[-1]}@example.jp"),
            status=status,
            as_of=START + timedelta(days=9, hours=place),
            received_at=START,
            decided_at=START + timedelta(days=9) if status is Told.REJECTED else None,
            stage=stage,
            credit=CREDITS[1],
        )
        for place, (external_id, applicant, status, stage) in enumerate(lines)
    ]
    company_id = await company("株式会社あおぞら", facts, len(facts))
    found = await outcome_of(owner, company_id)
    state = [(row["external_id"], row["status"], row["stage"], row["referrer"]) for row in found["state"]]
    assert state == [
        ("1", "REJECTED", "INTERVIEW", "佐藤 花子"),
        ("2", "REJECTED", "APPLIED", "佐藤 花子"),
        ("3", "ACTIVE", "APPLIED", None),  # the referral is the first application's
    ]
    assert [dict(items)["NAME"] for items in found["items"]] == ["架空 3", "架空 1"]
    assert [(row["legal_name"], row["status"]) for row in found["referrals"]] == [("佐藤 花子", "CLOSED")] * 2
    assert await owner.fetchval("select count(*) from partner where kind = 'REFERRER'") == 1
