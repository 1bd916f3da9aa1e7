"""How PostgreSQL walks to an answer: an index leads to each large table that a read looks at.

The tables here are empty, and PostgreSQL rather reads an empty table, or joins all of it, than its index. So it is told
not to; what is asked then is whether an index can serve at all. What it chooses on a large network, `./kyoso bench
plans` shows. The links of Q5 are walked inside a function: see `tests/test_links.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from api.app import ALL_SCOPES, make_planner
from api.asker import Budget, asker
from auth.viewer import Viewer
from models import db
from planner import Request
from planner.plan import Plan

LARGE = frozenset(
    {
        *("partner", "job", "candidate", "consent", "provision", "referral", "application", "handover"),
        *("hire", "contribution", "outcome_event", "kpi_month"),
    }
)
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
    "names": '{ partners(first: 20, filter: { nameStartsWith: "さく" }) { edges { node { id name } } } }',
}
ALL = [{"__typename": name, "id": f"{prefix}_{ME}"} for name, prefix in
       (("Company", "par"), ("Application", "app"), ("Contribution", "ctb"))]  # fmt: skip


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


def _ways(plan: dict[str, Any]) -> dict[str, list[str]]:
    """Large table -> how it is read where that is not along an index, from a key."""
    found: dict[str, list[str]] = {}
    for each in _nodes(plan):
        table = each.get("Relation Name")
        if table in LARGE and not (each.get("Index Cond") or each.get("Recheck Cond")):
            found.setdefault(table, []).append(each["Node Type"])
    return found


async def test_an_index_leads_to_every_large_table(connected: str) -> None:
    planner = await make_planner()
    asking = asker(_viewer(), "https://kyoso", Budget(1000))
    found: dict[str, dict[str, list[str]]] = {}
    async with db.pool().acquire() as connection, connection.transaction():
        for other in ("seqscan", "mergejoin", "hashjoin"):
            await connection.execute(f"set local enable_{other} = off")
        for name, text in READS.items():
            variables = {"of": OF, "all": ALL} if "$all" in text else {"of": OF} if "$of" in text else {}
            plan = planner.prepare(Request(text, None, variables), asking).plan
            assert isinstance(plan, Plan)
            found[name] = _ways(await _walk(connection, plan))
    assert found == {name: {} for name in READS}


async def _walk(connection: Any, plan: Plan) -> dict[str, Any]:
    await connection.execute(f"prepare walk as {plan.sql}")
    nothing = ", ".join(["null"] * len(plan.binds))
    told = await connection.fetchval(f"explain (format json) execute walk{f'({nothing})' if nothing else ''}")
    await connection.execute("deallocate walk")
    found = orjson.loads(told)[0]["Plan"]
    assert any(each.get("Relation Name") in LARGE for each in _nodes(found)), "none of the large tables is read"
    return found


def _viewer() -> Viewer:
    return Viewer(
        partner_id=ME, kind="COMPANY", login="test", client_id="test", scopes=ALL_SCOPES,
        expires_at=datetime.max.replace(tzinfo=UTC), member_id=None, token_id="test",
    )  # fmt: skip
