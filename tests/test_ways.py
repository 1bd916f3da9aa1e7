"""Lists that several indexes find together show what the policy alone would show: all of it, once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from api.app import make_planner
from api.asker import Budget, asker
from auth.policy import VIEWER, policy
from auth.viewer import Viewer
from bench.network.size import size
from bench.network.write import write
from models import db
from planner import Planner, Request
from tests import builders
from tests.builders import MASTER_KEY
from tests.conftest import _database
from tests.test_simulate import quiet

NETWORK = size(partners=120, candidates=400, referrals=700, months=12, until=datetime(2026, 11, 1, tzinfo=UTC))
PAGE = """query ($after: String) { found: %s(first: 20, after: $after%s) {
  totalCount pageInfo { hasNextPage hasPreviousPage endCursor } edges { node { id } } } }"""
SPRING, SUMMER = "2026-03-01T13:30:00+09:00", "2026-06-01T17:15:00+09:00"
SOME = ("STAGE_CHANGED", "HIRE_REVERTED", "REJECTED", "REFERRAL_SUBMITTED")
LISTS = (
    ("outcomes", "", "evt", "outcome_event", "true", "xid, position"),
    ("outcomes", ", orderBy: RECORDED_DESC", "evt", "outcome_event", "true", "xid desc, position desc"),
    ("outcomes", ", filter: { kinds: [HIRED] }", "evt", "outcome_event", "r.kind = 'HIRED'", "xid, position"),
    (
        "outcomes",
        f', filter: {{ kinds: [{", ".join(SOME)}], recorded: {{ from: "{SPRING}" }} }}',
        "evt",
        "outcome_event",
        f"r.kind = any('{{{','.join(SOME)}}}') and r.recorded_at >= '{SPRING}'",
        "xid, position",
    ),
    (
        "outcomes",
        f', orderBy: RECORDED_DESC, filter: {{ recorded: {{ from: "{SPRING}", to: "{SUMMER}" }} }}',
        "evt",
        "outcome_event",
        f"r.recorded_at >= '{SPRING}' and r.recorded_at < '{SUMMER}'",
        "xid desc, position desc",
    ),
    (
        "outcomes",
        f', filter: {{ occurred: {{ from: "{SPRING}", to: "{SUMMER}" }} }}',
        "evt",
        "outcome_event",
        f"r.occurred_at >= '{SPRING}' and r.occurred_at < '{SUMMER}'",
        "xid, position",
    ),
    ("referrals", "", "ref", "referral", "true", "submitted_at desc, id desc"),
    (
        "referrals",
        ", filter: { statuses: [HIRED] }",
        "ref",
        "referral",
        "r.status = 'HIRED'",
        "submitted_at desc, id desc",
    ),
    ("applications", "", "app", "application", "true", "received_at desc, id desc"),
    ("applications", ", orderBy: RECEIVED_AT_ASC", "app", "application", "true", "received_at, id"),
    (
        "applications",
        ", orderBy: DECIDED_AT_DESC",
        "app",
        "application",
        "true",
        "coalesce(decided_at, '-infinity') desc, id desc",
    ),
    ("contributions", "", "ctb", "contribution", "true", "occurred_at desc, id desc"),
    (
        "contributions",
        ", filter: { roles: [REFERRED, PLACED] }",
        "ctb",
        "contribution",
        "r.role in ('REFERRED', 'PLACED')",
        "occurred_at desc, id desc",
    ),
)
WATCHED = """(select id, kind from partner p where exists (select from agreement_share s where s.receiver_id = p.id)
  order by id limit 12)
  union all (select id, kind from partner where kind <> 'COMPANY' order by id desc limit 12)"""
SHARES = "select distinct agreement_id, giver_id, receiver_id from agreement_share where granularity = 'FIELDS' limit 6"


# Of companies with many events and with few they are found in different ways, so the one with most is given more.
ENLARGE = """set session_replication_role = replica;
  insert into outcome_event (id, kind, category, occurred_at, recorded_at, reported_by, source, company_id, parties)
  select gen_random_uuid(), e.kind, e.category, e.occurred_at, clock_timestamp(), e.reported_by, e.source, e.company_id,
    e.parties from outcome_event e cross join generate_series(1, 4)
  where e.company_id = (select company_id from outcome_event group by 1 order by count(*) desc limit 1)"""
# The companies and agreements that a viewer asks for: the largest company, and with those that share, those to whose
# events it is a party, and those of others, the first of each.
ASKED = """with large as (select company_id as id from outcome_event group by 1 order by count(*) desc limit 1)
  select array(select id from large union select $1 where exists (select from outcome_event where company_id = $1)
    union (select giver_id from agreement_share where receiver_id = $1 order by 1 limit 2)
    union (select company_id from outcome_event where parties @> array[$1] and company_id <> $1 order by 1 limit 1)
    union (select id from partner where kind = 'COMPANY' order by id limit 1)) as companies,
  array((select agreement_id from agreement_share where $1 in (giver_id, receiver_id) order by 1 limit 2)
    union (select agreement_id from agreement_share order by 1 limit 1)) as agreements"""
UNDER = """exists (select from agreement_share s where s.agreement_id = '{}' and s.category = r.category
  and s.granularity = 'FIELDS' and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
  and coalesce(s.ends_on, 'infinity') >= (now() at time zone 'Asia/Tokyo')::date and r.company_id = s.giver_id
  and '{}' in (s.giver_id, s.receiver_id))"""


@pytest.fixture(scope="module")
def network(postgres: str, template_database: str) -> Iterator[str]:
    """The URL of a small network."""
    for url in _database(postgres, template_database):
        asyncio.run(write(url, MASTER_KEY, NETWORK, 5, quiet))
        asyncio.run(_enlarge(url))
        yield url


async def _enlarge(url: str) -> None:
    owner = await asyncpg.connect(**db.credentials(url))
    await owner.execute(ENLARGE)
    await owner.close()


@pytest.fixture
async def owner(network: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(**db.credentials(network))
    await db.connect(network)
    try:
        yield connection
    finally:
        await db.disconnect()
        await connection.close()


async def test_ways_find_what_the_policy_lets_through(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    planner = await make_planner()
    seen = 0
    for viewer in await _viewers(owner):
        for name, told, prefix, table, condition, order in LISTS:
            rows = await _let_through(owner, viewer, table, condition, order)
            expected = [f"{prefix}_{row}" for row in rows]
            assert await _all(planner, viewer, PAGE % (name, told), len(expected)) == expected, (viewer, name, told)
            seen += len(expected)
    assert seen > 10_000


async def test_filters_find_events_in_ways_of_their_own(owner: asyncpg.Connection[asyncpg.Record]) -> None:
    planner = await make_planner()
    kinds = f"r.kind = any('{{{','.join(SOME)}}}')"
    seen = dict.fromkeys(range(6), 0)
    for viewer in await _viewers(owner):
        asked = await owner.fetchrow(ASKED, viewer.partner_id)
        assert asked is not None
        told: list[tuple[int, str, str]] = []
        for company in asked["companies"]:
            narrow, condition = f'companyId: "par_{company}"', f"r.company_id = '{company}'"
            told += [
                (0, narrow, condition),
                (1, f"{narrow}, kinds: [{', '.join(SOME)}]", f"{condition} and {kinds}"),
                (2, f'{narrow}, recorded: {{ from: "{SUMMER}" }}', f"{condition} and r.recorded_at >= '{SUMMER}'"),
            ]
        for agreement in asked["agreements"]:
            narrow, condition = f'agreementId: "agr_{agreement}"', UNDER.format(agreement, viewer.partner_id)
            told += [
                (3, narrow, condition),
                (4, f"{narrow}, kinds: [{', '.join(SOME)}]", f"{condition} and {kinds}"),
            ]
            for company in asked["companies"]:
                both = f"{condition} and r.company_id = '{company}'"
                told.append((5, f'{narrow}, companyId: "par_{company}"', both))
        for case, narrow, condition in told:
            rows = await _let_through(owner, viewer, "outcome_event", condition, "xid desc, position desc")
            expected = [f"evt_{row}" for row in rows]
            text = PAGE % ("outcomes", f", orderBy: RECORDED_DESC, filter: {{ {narrow} }}")
            assert await _all(planner, viewer, text, len(expected)) == expected, (viewer, narrow)
            seen[case] += len(expected)
    assert min(seen.values()) > 200, seen


async def _viewers(owner: asyncpg.Connection[asyncpg.Record]) -> list[Viewer]:
    """Those to whom much and little is shared, and tokens for one agreement, of either side."""
    shares = await owner.fetch(SHARES)
    return [builders.viewer(row["id"], row["kind"]) for row in await owner.fetch(WATCHED)] + [
        builders.viewer(row[side], "COMPANY", row["agreement_id"]) for row in shares for side in (1, 2)
    ]


async def _let_through(
    owner: asyncpg.Connection[asyncpg.Record], viewer: Viewer, table: str, condition: str, order: str
) -> list[UUID]:
    """What the policy lets through of the rows of a condition, asked in plain SQL."""
    condition = f"{condition} and {policy(table, viewer.standing)}".replace("{row}", "r")
    condition = condition.replace(VIEWER, f"'{viewer.partner_id}'::uuid")
    condition = condition.replace("{viewer.agreement}", f"'{viewer.agreement_id}'::uuid")
    return [row["id"] for row in await owner.fetch(f"select id from {table} r where {condition} order by {order}")]


async def _all(planner: Planner, viewer: Viewer, text: str, number: int) -> list[str]:
    """Every page in turn; each counts all, and knows whether there are others."""
    found: list[str] = []
    cursor, more = None, True
    while more:
        page = (await _answer(planner, viewer, text, {"after": cursor}))["found"]
        info = page["pageInfo"]
        assert page["totalCount"] == number
        assert info["hasPreviousPage"] == bool(found)
        found += [edge["node"]["id"] for edge in page["edges"]]
        cursor, more = info["endCursor"], info["hasNextPage"]
    return found


async def _answer(planner: Planner, viewer: Viewer, text: str, variables: dict[str, Any]) -> dict[str, Any]:
    prepared = planner.prepare(Request(text, None, variables), asker(viewer, "https://kyoso", Budget(1_000_000)))
    answer = await planner.run(prepared, db.pool().acquire)
    assert not answer.errors
    return orjson.loads(answer.body)["data"]
