"""Pages: walked from end to end in every order, through every kind of connection."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any
from uuid import UUID

import pytest

from planner import Planner, Request
from planner.codec import cursor
from planner.plan import Plan
from tests.planner_world.compare import POLICIES, World, same, viewer
from tests.planner_world.fixture import judge, toy  # noqa: F401
from tests.planner_world.judge import Judge
from tests.planner_world.schema import schema

ASKED = "edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount"
ROOTS = [
    "partners(first: $n, after: $a, orderBy: NAME)", "partners(first: $n, after: $a, orderBy: NEWEST)",
    "jobs(first: $n, after: $a, orderBy: NEWEST)", "jobs(first: $n, after: $a, orderBy: OLDEST)",
    "jobs(first: $n, after: $a, orderBy: MIXED)", "jobs(first: $n, after: $a, orderBy: CLOSING)",
    "referrals(first: $n, after: $a, orderBy: STATUS)", "outcomes(first: $n, after: $a)",
    'figures(first: $n, after: $a, filter: {names: ["COUNT", "RATE"]})',
]  # fmt: skip


async def walk(toy: World, judge: Judge, text: str, path: list[str], size: int) -> list[str]:  # noqa: F811
    """All ids, page by page; each page compared with the judge's."""
    from graphql import parse

    ast = parse(text)
    after: str | None = None
    found: list[str] = []
    while True:
        variables = {"n": size, "a": after}
        body, statements = await toy.ask(text, variables)
        assert statements == 1
        assert same(body["data"], judge.answer(ast, variables).data)
        page: Any = body["data"]
        for key in path:
            page = page[key]
        found += [edge["node"]["id"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            assert len(found) == len(set(found)) == page.get("totalCount", len(found))
            return found
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("size", [2, 5])
async def test_every_order_walks_every_visible_row_once(toy: World, judge: Judge, root: str, size: int) -> None:  # noqa: F811
    found = await walk(toy, judge, f"query($n: Int!, $a: String) {{ p: {root} {{ {ASKED} }} }}", ["p"], size)
    assert len(found) > size


async def test_nested_pages_walk_through_edge_tables_and_sources(toy: World, judge: Judge) -> None:  # noqa: F811
    for job in toy.rows["job"]:
        if judge.visible("job", job):
            root = f'job(id: "job_{job["id"]}") {{ kin(first: $n, after: $a) {{ {ASKED} }} }}'
            await walk(toy, judge, f"query($n: Int!, $a: String) {{ j: {root} }}", ["j", "kin"], 1)


async def test_what_is_unique_in_its_order_is_not_ordered_by_its_key_as_well(toy: World) -> None:  # noqa: F811
    """An index that ends before the key would have PostgreSQL sort what it finds; cursors hold the key as ever."""
    for root, key in (("outcomes(first: 5)", False), ("jobs(first: 5, orderBy: NEWEST)", True)):
        plan = toy.planner.prepare(Request(f"{{ {root} {{ edges {{ cursor }} }} }}"), viewer(None)).plan
        assert isinstance(plan, Plan)
        orders = re.findall(r"order by [^()]+ limit", plan.sql)
        assert orders
        assert all(('"id"' in each) is key for each in orders), orders
    page = (await toy.ask("{ outcomes(first: 1) { edges { cursor node { id } } } }"))[0]["data"]["outcomes"]
    (edge,) = page["edges"]
    assert edge["node"]["id"].partition("_")[2] in b64decode(edge["cursor"]).decode()


@pytest.mark.parametrize("size", [1, 2])
async def test_pages_through_a_function_go_by_their_edges(toy: World, judge: Judge, size: int) -> None:  # noqa: F811
    found = 0
    for company in {row["employer_id"] for row in toy.rows["partner"]} - {None}:
        asked = ASKED.replace("totalCount", "")
        root = f'around(first: $n, after: $a, of: "par_{company}", depth: 3) {{ {asked} }}'
        found += len(await walk(toy, judge, f"query($n: Int!, $a: String) {{ p: {root} }}", ["p"], size))
    assert found > size


async def test_a_page_through_a_function_is_full_though_a_row_is_hidden(toy: World) -> None:  # noqa: F811
    """It is cut by its edges alone, before their rows are joined, only where no policy keeps anybody from a row."""
    employers = [row["employer_id"] for row in toy.rows["partner"] if row["employer_id"]]
    of = max(employers, key=employers.count)
    first, second = await ids(toy, of, 2)
    assert await ids(toy, of, 1) == [first]
    narrow = POLICIES | {"partner": f"{{row}}.id <> '{first.removeprefix('par_')}'"}
    toy.planner = Planner(schema, toy.planner.catalogue, policy=lambda name, _: narrow[name], gate=lambda _: None)
    assert await ids(toy, of, 1) == [second]


async def ids(toy: World, of: UUID, size: int) -> list[str]:  # noqa: F811
    body, _ = await toy.ask(f'{{ around(first: {size}, of: "par_{of}") {{ edges {{ node {{ id }} }} }} }}')
    return [edge["node"]["id"] for edge in body["data"]["around"]["edges"]]


async def test_a_last_row_taken_away_leaves_a_truthful_previous_page(toy: World) -> None:  # noqa: F811
    text = "query($a: String) { jobs(first: 1, after: $a) { edges { cursor } pageInfo { hasPreviousPage } } }"
    first, _ = await toy.ask(text)
    before = cursor("NEWEST", "2099-01-01 00:00:00+00", "00000000-0000-4000-8000-000000000000")
    assert (await toy.ask(text, {"a": before}))[0]["data"]["jobs"]["pageInfo"] == {"hasPreviousPage": False}
    after = first["data"]["jobs"]["edges"][0]["cursor"]
    assert (await toy.ask(text, {"a": after}))[0]["data"]["jobs"]["pageInfo"] == {"hasPreviousPage": True}


@pytest.mark.parametrize("size", [0, 101, -1, 2**31 - 1])
async def test_a_page_size_out_of_range_is_refused(toy: World, size: int) -> None:  # noqa: F811
    text = "query($n: Int!) { jobs(first: $n) { totalCount edges { cursor } } }"
    by_variable, statements = await toy.ask(text, {"n": size})
    by_literal, _ = await toy.ask(f"{{ jobs(first: {size}) {{ totalCount }} }}")
    assert statements == 0
    for body in (by_variable, by_literal):
        assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_PAGE"]


@pytest.mark.parametrize("forged", ["", "x", "bm90IGpzb24=", cursor("OLDEST", "a", "b"), cursor("NEWEST", "a")])
async def test_a_cursor_of_another_list_is_refused(toy: World, forged: str) -> None:  # noqa: F811
    body, _ = await toy.ask("query($a: String) { jobs(first: 1, after: $a) { edges { cursor } } }", {"a": forged})
    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_CURSOR"]


async def test_a_cursor_whose_values_do_not_parse_is_a_bad_value(toy: World) -> None:  # noqa: F811
    forged = cursor("NEWEST", "no instant", "no key")
    body, _ = await toy.ask("query($a: String) { jobs(first: 1, after: $a) { edges { cursor } } }", {"a": forged})
    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_VALUE"]


async def test_page_sizes_settle_on_generic_plans(toy: World) -> None:  # noqa: F811
    text = (
        "query($n: Int!) { partners(first: $n) { edges { node { name ... on Company { jobs(first: $n)"
        " { edges { node { title company { name } } } pageInfo { hasNextPage } } } } } } }"
    )
    for _ in range(3):
        for size in (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100):
            await toy.ask(text, {"n": size})
    rows = await toy.connection.fetch(
        "select generic_plans as generic, custom_plans as custom from pg_prepared_statements"
        """ where starts_with(statement, 'select convert_to(''{"data"')"""
    )
    assert sorted((row["custom"], row["generic"]) for row in rows) == [(3, 0), (5, 1), (5, 1), (5, 1), (5, 1), (5, 4)]
