"""How PostgreSQL walks to an answer: an index leads to each large table that a read looks at.

The tables here are empty, and PostgreSQL rather reads an empty table, or joins all of it, than its index. So it is told
not to; what is asked then is whether an index can serve at all. What it chooses on a large network, `./kyoso bench
plans` shows. The links of Q5 are walked inside a function: see `tests/test_links.py`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from api.app import make_planner
from api.asker import Budget, asker
from api.live import PAST
from api.place import START
from bench.plans import named, nodes, partial_indexes, planned, read_whole
from models import db
from planner import Request
from planner.plan import Plan
from tests import builders

LARGE = frozenset(
    {
        *("partner", "job", "candidate", "consent", "provision", "referral", "application", "handover"),
        *("hire", "contribution", "outcome_event", "kpi_month", "person", "person_email", "personal_data"),
        *("agreement", "relay_account", "relay_invitation", "slot", "ledger_transfer"),
    }
)
ON_FULL_TABLES = frozenset({"selection.close", "application.grounds", "application.record"})
"""Along an index where there are rows, as `./kyoso bench plans` shows; to read an empty table whole costs nothing."""
ME = UUID(int=7)
OF = f"par_{ME}"
READS = {
    "Q1": "query ($of: ID!) { partner(id: $of) { id name slug prefecture url joinedAt } }",
    "Q2": "query ($of: ID!) { partner(id: $of) { contributions(first: 50) {"
    " edges { node { id role company { id name } hire { id decidedAt } } } } } }",
    "Q3": "query ($of: ID!) { partner(id: $of) { ... on Company { referrals(first: 100) { edges { node {"
    " id status candidate { id alias } company { id name } job { id title }"
    " application { id stage hire { id startsOn } } } } } } } }",
    "Q5": "query ($of: ID!) { neighbourhood(of: $of, depth: 2, first: 100) { edges { distance node { id name } } } }",
    "Q6": "query ($of: ID!, $all: [_Any!]!) { partner(id: $of) { id } _entities(representations: $all) {"
    " __typename ... on Company { id name } ... on Application { id stage } ... on Contribution { id role } } }",
    "outcomes": "{ outcomes(first: 100) { totalCount edges { node { id } } } }",
    "referrals": "{ referrals(first: 100) { totalCount edges { node { id } } } }",
    "names": '{ partners(first: 20, filter: { nameStartsWith: "さく" }) { edges { node { id name } } } }',
}
ALL = [{"__typename": name, "id": f"{prefix}_{ME}"} for name, prefix in
       (("Company", "par"), ("Application", "app"), ("Contribution", "ctb"))]  # fmt: skip


async def test_an_index_leads_to_every_large_table(connected: str) -> None:
    planner = await make_planner()
    asking = asker(builders.viewer(ME), "https://kyoso", Budget(1000))
    found: dict[str, set[str]] = {}
    async with db.pool().acquire() as connection, connection.transaction():
        await _rather_by_an_index(connection)
        for name, text in READS.items():
            variables = {"of": OF, "all": ALL} if "$all" in text else {"of": OF} if "$of" in text else {}
            plan = planner.prepare(Request(text, None, variables), asking).plan
            assert isinstance(plan, Plan)
            walk = await planned(connection, plan.sql)
            assert any(each.get("Relation Name") in LARGE for each in nodes(walk)), "none of the large tables is read"
            found[name] = read_whole(walk) & LARGE
    assert found == {name: set() for name in READS}


PARTIES = {f"outcome_event_by_{place}_party" for place in ("first", "second", "third")}
MISSED = [
    ({}, PARTIES | {"outcome_event_by_company"}),
    ({"kinds": ["HIRED"]}, PARTIES | {"outcome_event_by_company", "outcome_event_by_company_kind"}),
    ({"kinds": ["HIRED"], "agreement": f"agr_{ME}"}, {"outcome_event_by_company_kind"}),
]


@pytest.mark.parametrize(("asked", "expected"), MISSED)
async def test_what_a_subscriber_missed_is_found_among_what_it_may_see(
    connected: str, asked: dict[str, Any], expected: set[str]
) -> None:
    planner = await make_planner()
    variables = {"after": START.cursor, "kinds": None, "agreement": None} | asked
    plan = planner.prepare(
        Request(PAST, None, variables), asker(builders.viewer(ME), "https://kyoso", Budget(1000))
    ).plan
    assert isinstance(plan, Plan)
    async with db.pool().acquire() as connection, connection.transaction():
        await _rather_by_an_index(connection)
        walk = await planned(connection, plan.sql)
    ways = {each["Index Name"] for each in nodes(walk) if each.get("Relation Name") == "outcome_event"}
    assert ways == expected


async def test_no_statement_by_name_reads_a_large_table_whole(connected: str) -> None:
    """What the clock asks each minute, and verbs and pages when they are asked, costs the same on any network."""
    async with db.pool().acquire() as connection, connection.transaction():
        await _rather_by_an_index(connection)
        partial = await partial_indexes(connection)
        found = {name: read_whole(await planned(connection, text), partial) & LARGE for name, text in named()}
    assert {name: tables for name, tables in found.items() if tables and name not in ON_FULL_TABLES} == {}


async def _rather_by_an_index(connection: Any) -> None:
    for other in ("seqscan", "mergejoin", "hashjoin"):
        await connection.execute(f"set local enable_{other} = off")
