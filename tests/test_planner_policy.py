"""Policies: no table without one, none that bakes a viewer in, and hidden rows change no byte."""

from __future__ import annotations

import re
from typing import Any

import pytest

from planner import DeclarationError, Planner, Request
from planner.engine import InvalidRequestError
from planner.plan import Plan
from tests.planner_world.compare import POLICIES, World, viewer
from tests.planner_world.fixture import toy  # noqa: F401
from tests.planner_world.schema import schema

QUERY = "{ referrals(first: 50) { totalCount edges { node { id job { id kin(first: 5) { totalCount } } } } } }"


@pytest.mark.parametrize("table", sorted(POLICIES))
async def test_every_reachable_table_has_a_policy(toy: World, table: str) -> None:  # noqa: F811
    """proof 3.2: take one away and the schema no longer compiles."""
    assert await toy.planner.check(toy.connection, [frozenset()]) > 30
    poorer = Planner(
        schema, toy.planner.catalogue, policy=lambda name, _: None if name == table else POLICIES.get(name),
        gate=lambda _: None,
    )  # fmt: skip
    with pytest.raises(DeclarationError, match=f"'{table}' has no policy"):
        await poorer.check(toy.connection, [frozenset()])


async def test_the_catalogue_reaches_no_table_without_a_policy(toy: World) -> None:  # noqa: F811
    """proof 3.2: every relation that declarations name is decided."""
    reached = {home.name for home in toy.planner.catalogue.homes.values()} | set(toy.planner.catalogue.relations)
    assert reached - set(POLICIES) == {"figures"} or reached - set(POLICIES) == set()


async def test_two_viewers_share_one_plan_and_see_different_rows(toy: World) -> None:  # noqa: F811
    bodies = [await toy.ask(QUERY, who=viewer(partner["id"])) for partner in toy.rows["partner"][:6]]
    assert toy.planner.compiled == 1
    assert len({str(each) for each in bodies}) > 1


async def test_of_a_row_that_everybody_sees_the_id_needs_no_reading(toy: World) -> None:  # noqa: F811
    """A link's key is on this side. It is told without the row only where no policy keeps anybody from that row."""
    text = "{ jobs(first: 50) { edges { node { company { id } } } } }"
    prepared = toy.planner.prepare(Request(text), viewer(toy.rows["partner"][0]["id"]))
    assert isinstance(prepared.plan, Plan)
    assert '"partner"' not in prepared.plan.sql
    told = _companies(await toy.ask(text))
    assert told < {f"par_{row['id']}" for row in toy.rows["partner"]}
    assert _companies(await toy.ask(text.replace("{ id }", "{ id __typename }"))) == told
    hidden = min(told)
    narrow = POLICIES | {"partner": f"{{row}}.id <> '{hidden.removeprefix('par_')}'"}
    toy.planner = Planner(schema, toy.planner.catalogue, policy=lambda name, _: narrow[name], gate=lambda _: None)
    assert _companies(await toy.ask(text)) == told - {hidden}


def _companies(answer: tuple[dict[str, Any], int]) -> set[str]:
    return {edge["node"]["company"]["id"] for edge in answer[0]["data"]["jobs"]["edges"] if edge["node"]}


async def test_a_link_to_a_person_is_the_viewers_own_row(toy: World) -> None:  # noqa: F811
    text = "{ referrals(first: 100) { edges { node { id candidate { id } } } } }"
    candidates = {row["id"]: row for row in toy.rows["candidate"]}
    links = {f"ref_{row['id']}": row["candidate_id"] for row in toy.rows["referral"]}
    found = 0
    for partner in toy.rows["partner"]:
        body, _ = await toy.ask(text, who=viewer(partner["id"]))
        for edge in body["data"]["referrals"]["edges"]:
            linked = candidates.get(links[edge["node"]["id"]])
            own = [
                f"can_{row['id']}" for row in candidates.values()
                if linked and row["person_id"] == linked["person_id"] and row["partner_id"] == partner["id"]
            ]  # fmt: skip
            shown = edge["node"]["candidate"]
            assert ([shown["id"]] if shown else []) == own
            found += len(own)
    assert found > 50


async def test_a_plan_holds_no_value_of_a_viewer(toy: World) -> None:  # noqa: F811
    who = viewer(toy.rows["partner"][0]["id"])
    plan = toy.planner.prepare(Request(QUERY), who).plan
    assert isinstance(plan, Plan)
    assert str(who.values["partner"]) not in plan.sql + repr(plan)
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", plan.sql) is None


async def test_rows_that_are_hidden_change_no_byte(toy: World) -> None:  # noqa: F811
    who = viewer(toy.rows["partner"][0]["id"])
    text = (
        "{ jobs(first: 50) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id kin(first: 9)"
        " { totalCount edges { weight node { title } } } firstOutcomes { id } } } } outcomes(first: 2) { totalCount"
        " pageInfo { hasNextPage } } }"
    )
    before = await toy.ask(text, who=who)
    await toy.connection.execute("reset role")
    await toy.connection.execute(
        "delete from kinship where secret; delete from outcome where secret;"
        "delete from kinship where other_id in (select id from job where hidden and company_id <> $1::uuid)".replace(
            "$1", f"'{who.values['partner']}'"
        )
    )
    await toy.connection.execute("set role world_reader")
    assert await toy.ask(text, who=who) == before


async def test_a_standing_that_the_gate_refuses_gets_no_plan(toy: World) -> None:  # noqa: F811
    from graphql import FieldNode, GraphQLError, ValidationRule

    class Gate(ValidationRule):
        def enter_field(self, node: FieldNode, *_args: object) -> None:
            if node.name.value == "jobs":
                self.report_error(GraphQLError("jobs are not yours", node))

    def gate(standing: Any) -> type[ValidationRule] | None:
        return None if "jobs" in standing else Gate

    planner = Planner(schema, toy.planner.catalogue, policy=lambda name, _: POLICIES[name], gate=gate)
    rich, poor = viewer(toy.rows["partner"][0]["id"]), viewer(toy.rows["partner"][0]["id"])
    rich.standing = frozenset({"jobs"})
    request = Request("{ jobs(first: 1) { totalCount } }")
    planner.prepare(request, rich)
    with pytest.raises(InvalidRequestError, match="jobs are not yours"):
        planner.prepare(request, poor)
    planner.prepare(Request("{ viewer { login } }"), poor)


async def test_a_plan_of_one_standing_is_never_served_to_another(toy: World) -> None:  # noqa: F811
    """The same text, variables and partner under other scopes, in turns, from one warm planner."""

    def policy(name: str, standing: Any) -> str:
        return POLICIES[name] if "jobs" in standing or name != "job" else "false"

    planner = Planner(schema, toy.planner.catalogue, policy=policy, gate=lambda _: None)
    request = Request("query ($n: Int!) { jobs(first: $n) { totalCount } }", None, {"n": 5})
    standings = [frozenset({"jobs"}), frozenset({"jobs", "more"}), frozenset({"more"}), frozenset[str]()]
    told: dict[frozenset[str], set[bytes]] = {}
    for turn in range(3):
        for standing in standings if turn % 2 else reversed(standings):
            who = viewer(toy.rows["partner"][0]["id"])
            who.standing = standing
            answer = await planner.run(planner.prepare(request, who), toy.acquire)
            told.setdefault(standing, set()).add(answer.body)
    assert planner.compiled == len(standings)
    seen, hidden = told[standings[0]] | told[standings[1]], told[standings[2]] | told[standings[3]]
    assert hidden == {b'{"data":{"jobs":{"totalCount":0}}}'}
    assert len(seen) == 1
    assert seen != hidden
