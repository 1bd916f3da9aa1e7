"""Policies on one parent's page: what is settled by the parent is asked once, and the same rows are seen."""

from __future__ import annotations

import itertools
import re
from uuid import UUID

import orjson
import pytest

from api.app import make_planner
from api.asker import Budget, asker
from auth.policy import PREDICATES
from models import db
from models.db import unit_of_work
from models.terms import Sharing
from planner import Request
from planner.settle import alternatives, arms
from tests import builders

OWN_OR_SHARED = (
    "({row}.company_id = {v} or {row}.referrer_id = {v} or {row}.company_id = any(array(select s from f({v}) s)))"
)


def test_what_the_parent_settles_stands_apart():
    settled = '({parent}."id" = {v}) or ({parent}."id" = any(array(select s from f({v}) s)))'
    assert arms(OWN_OR_SHARED, "company_id", '"id"') == (
        settled,
        f"({settled}) is not true and (({{row}}.referrer_id = {{v}}))",
    )


def test_a_parent_that_settles_all_leaves_one_arm():
    assert arms("({row}.a = {v} or {row}.a = 2)", "a", '"k"') == ('({parent}."k" = {v}) or ({parent}."k" = 2)',)


def test_a_parent_that_settles_nothing_leaves_the_policy_as_it_is():
    assert arms(OWN_OR_SHARED, "job_id", '"id"') == ()
    assert arms("{row}.company_identity = 1", "company_id", '"id"') == ()


@pytest.mark.parametrize(
    ("policy", "parts"),
    [
        ("a or b and (c or d)", ["a", "b and (c or d)"]),
        ("((a or b))", ["a", "b"]),
        ("(a) or (b)", ["(a)", "(b)"]),
        ("(a or b) and (c or d)", ["(a or b) and (c or d)"]),
        ("a = ' or ''(' or b", ["a = ' or ''('", "b"]),
        ("case when a or b then c end", ["case when a or b then c end"]),
        ("order_id = 1", ["order_id = 1"]),
    ],
)
def test_an_or_is_cut_where_it_is_one(policy: str, parts: list[str]):
    assert alternatives(policy) == parts


@pytest.mark.parametrize("table", sorted(PREDICATES))
def test_arms_exclude_each_other_and_are_the_policy(table: str):
    """For every policy there is, on every column it names, whatever its alternatives say of a row."""
    policy = PREDICATES[table]
    parts = alternatives(policy)
    for column in set(re.findall(r"\{row\}\.(\w+)", policy)):
        split = arms(policy, column, "k")
        if not split:
            continue
        for truth in itertools.product((True, False), repeat=len(parts)):
            seen = [_holds(arm, parts, truth, column) for arm in split]
            assert sum(seen) == any(truth), (table, column, truth)


def _holds(arm: str, parts: list[str], truth: tuple[bool, ...], column: str) -> bool:
    text = arm
    for part, value in zip(parts, truth, strict=True):
        for spelled in (part, re.sub(rf"\{{row\}}\.{column}\b", "{parent}.k", part)):
            text = text.replace(f"({spelled})", f"({value})")
    return bool(eval(text.replace("is not true", "is not True"), {}))


async def test_statements_are_planned_once_a_connection(connected: str):
    async with db.pool().acquire() as connection:
        assert await connection.fetchval("select current_setting('plan_cache_mode')") == "force_generic_plan"
        assert await connection.fetchval("select current_setting('random_page_cost')") == "1.1"


QUESTION = """query ($of: ID!) { partner(id: $of) { ... on Company {
  referrals(first: 10) { totalCount edges { node { id } } } } } }"""


async def test_owner_sharer_referrer_and_stranger_see_their_own_rows_of_one_parent(connected: str):
    """The arms on real rows: what the parent settles for two of them, the rest of each row for another, nothing."""
    async with unit_of_work() as connection:
        owner, sharer, stranger = [await builders.company(connection, f"株式会社{n}") for n in "甲乙丙"]
        one, other = [await builders.referrer(connection, owner) for _ in range(2)]
        shared = builders.terms(sharing=[Sharing("REFERRALS", "FIELDS")])
        await builders.agreed(connection, "MUTUAL_REFERRAL", owner, sharer, given=shared)
        first = await builders.referral(connection, one, owner)
        second = await builders.referral(connection, other, owner, email="hanako@example.jp", name="佐藤 花子")
    planner, seen = await make_planner(), dict[UUID, tuple[int, set[str]]]()
    for who in (owner, sharer, one, other, stranger):
        viewer = builders.viewer(who)
        request = Request(QUESTION, None, {"of": f"par_{owner}"})
        prepared = planner.prepare(request, asker(viewer, "https://kyoso", Budget(1000)))
        answer = await planner.run(prepared, db.pool().acquire)
        page = orjson.loads(answer.body)["data"]["partner"]["referrals"]
        seen[who] = (page["totalCount"], {edge["node"]["id"] for edge in page["edges"]})
    both = {f"ref_{first}", f"ref_{second}"}
    assert "union all" in prepared.plan.sql  # pyright: ignore[reportAttributeAccessIssue]
    assert seen == {
        owner: (2, both),
        sharer: (2, both),
        one: (1, {f"ref_{first}"}),
        other: (1, {f"ref_{second}"}),
        stranger: (0, set()),
    }
