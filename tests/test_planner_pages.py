"""Pages: walked from end to end in every order, through every kind of connection."""

from __future__ import annotations

from typing import Any

import pytest

from planner.codec import cursor
from tests.planner_world.compare import World, same
from tests.planner_world.fixture import judge, toy  # noqa: F401
from tests.planner_world.judge import Judge

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
            assert len(found) == len(set(found)) == page["totalCount"]
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
    company = toy.rows["partner"][0]["id"]
    asked = ASKED.replace("totalCount", "")
    text = (
        f'query($n: Int!, $a: String) {{ around(first: $n, after: $a, of: "par_{company}", depth: 3) {{ {asked} }} }}'
    )
    body, _ = await toy.ask(text, {"n": 1})
    assert "errors" not in body


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
