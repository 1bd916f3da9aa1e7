"""Limits, cost, cache bounds, and how many statements a read takes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from planner import InvalidRequestError, Limits, Planner, Request
from tests.planner_world.compare import World, policy, viewer
from tests.planner_world.fixture import toy  # noqa: F401
from tests.planner_world.schema import schema


def _planner(toy: World, **limits: Any) -> Planner:  # noqa: F811
    bound = replace(Limits(), **limits)
    return Planner(schema, toy.planner.catalogue, policy=policy, gate=lambda _: None, limits=bound)


def _refused(planner: Planner, text: str, variables: dict[str, Any] | None = None) -> str:
    from uuid import UUID

    with pytest.raises(InvalidRequestError) as refused:
        planner.prepare(Request(text, None, variables), viewer(UUID(int=1)))
    error = refused.value.errors[0]
    code = str((error.extensions or {})["code"])
    return error.message if code == "BAD_REQUEST" else code


async def test_each_limit_holds_at_one_above_and_not_at_the_limit(toy: World) -> None:  # noqa: F811
    node = "{ jobs(first: 1) { edges { node { title } } } }"
    assert _refused(_planner(toy, depth=3), node) == "TOO_LARGE"
    _planner(toy, depth=4).prepare(Request(node), viewer(toy.rows["partner"][0]["id"]))
    assert _refused(_planner(toy, aliases=1), "{ a: clock b: clock }") == "TOO_LARGE"
    assert (
        _refused(_planner(toy, directives=1), "{ clock @skip(if: true) viewer @skip(if: true) { login } }")
        == "TOO_LARGE"
    )
    assert _refused(_planner(toy, characters=9), "{  clock  }") == "TOO_LARGE"
    assert "token" in _refused(_planner(toy, tokens=3), "{ clock viewer { login } }").lower()
    assert _refused(_planner(toy, fields_per_set=1), "{ viewer { login scopes } }") == "TOO_LARGE"
    assert _refused(_planner(toy, fields=2), "{ viewer { login scopes } }") == "TOO_LARGE"
    assert _refused(_planner(toy, statement_bytes=100), node) == "TOO_LARGE"
    assert _refused(_planner(toy, binds=1), "{ viewer { login scopes partner { id } } }") == "TOO_LARGE"
    assert _refused(_planner(toy, cost=1), "{ jobs(first: 2) { edges { node { id } } } }") == "TOO_COSTLY"


async def test_at_most_a_hundred_entities(toy: World) -> None:  # noqa: F811
    ids = [f"job_{row['id']}" for row in toy.rows["job"]] * 4
    text = "query($i: [ID!]!) { nodes(ids: $i) { id } }"
    body, _ = await toy.ask(text, {"i": ids[:101]})
    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_VALUE"]
    body, statements = await toy.ask(text, {"i": ids[:100]})
    assert len(body["data"]["nodes"]) == 100
    assert statements == 1


async def test_one_node_and_a_hundred_cost_one_statement_each(toy: World) -> None:  # noqa: F811
    ids = [f"job_{row['id']}" for row in toy.rows["job"]] + [f"par_{row['id']}" for row in toy.rows["partner"]]
    inner = "id ... on Job { company { name } kin(first: 2) { edges { node { title } } } } ... on Partner { name }"
    for count in (1, 2, 44):
        _, statements = await toy.ask(f"query($i: [ID!]!) {{ nodes(ids: $i) {{ {inner} }} }}", {"i": ids[:count]})
        assert statements == 1
    seen: list[str] = []
    toy.connection.add_query_logger(lambda record: seen.append(record.query))
    _, statements = await toy.ask(f"query($i: ID!) {{ node(id: $i) {{ {inner} }} }}", {"i": ids[0]})
    await asyncio.sleep(0)
    assert statements == len(seen) == 1


async def test_the_cost_counts_every_object_with_the_sizes_asked(toy: World) -> None:  # noqa: F811
    text = (
        "query($n: Int!) { jobs(first: $n) { totalCount edges { node { company { name } kin(first: 2)"
        " { edges { node { id } } } } } } }"
    )
    who = viewer(toy.rows["partner"][0]["id"])
    for size in (1, 7, 50):
        # per job: the job, its company, two kin; and 2 for the count
        assert toy.planner.prepare(Request(text, None, {"n": size}), who).cost == size * (1 + 1 + 2) + 2
    assert toy.planner.compiled == 3


async def test_the_cache_is_bounded_in_bytes_under_many_texts(toy: World) -> None:  # noqa: F811
    planner = _planner(toy, cache_bytes=200_000)
    who = viewer(toy.rows["partner"][0]["id"])
    for number in range(1_000):
        planner.prepare(Request(f"{{ a{number}: viewer {{ login }} }}"), who)
    assert planner.cache.weight <= 200_000
    assert 5 < len(planner.cache) < 60


async def test_one_document_keeps_few_shapes(toy: World) -> None:  # noqa: F811
    planner = _planner(toy, shapes_per_document=8)
    who = viewer(toy.rows["partner"][0]["id"])
    text = (
        "query("
        + ", ".join(f"$b{n}: Boolean!" for n in range(6))
        + ") { viewer { login "
        + " ".join(f"a{n}: login @include(if: $b{n})" for n in range(6))
        + " } }"
    )
    for bits in range(64):
        prepared = planner.prepare(Request(text, None, {f"b{n}": bool(bits >> n & 1) for n in range(6)}), who)
        assert len(prepared.question.plans) <= 8
    assert planner.compiled == 64


async def test_what_cannot_change_the_statement_makes_no_new_plan(toy: World) -> None:  # noqa: F811
    who = viewer(toy.rows["partner"][0]["id"])
    text = (
        "query($s: String, $i: ID!, $n: Int!, $r: [_Any!]!) { node(id: $i) { id } _entities(representations: $r)"
        " { __typename } jobs(first: $n, filter: {titleContains: $s}) { totalCount } }"
    )
    for number in range(20):
        representations = [{"__typename": f"Made{number}", "id": "x"}, {"__typename": "Job", f"made{number}": "x"}]
        variables = {"s": f"x{number}", "i": f"made{number}_up", "n": 30 + number, "r": representations}
        toy.planner.prepare(Request(text, None, variables), who)
    assert toy.planner.compiled == 1


async def test_fragments_that_double_are_entered_once_a_group(toy: World) -> None:  # noqa: F811
    text = (
        "{ viewer { ...F0 } }"
        + "".join(f" fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40))
        + " fragment F40 on Viewer { login }"
    )
    assert (await toy.ask(text))[0] == {"data": {"viewer": {"login": "me"}}}


async def test_fragments_that_double_at_the_root_are_entered_once_for_what_graphql_core_answers(toy: World) -> None:  # noqa: F811
    text = (
        "{ ...F0 }"
        + "".join(f" fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40))
        + " fragment F40 on Query { clock a: __schema { queryType { name } } x: __typename ...F41 }"
        + " fragment F41 on Query { a: __schema { queryType { kind } } b: clock @skip(if: true) }"
    )
    body, _ = await toy.ask(text)
    assert list(body["data"]) == ["clock", "a", "x"]
    assert body["data"]["a"] == {"queryType": {"name": "Query", "kind": "OBJECT"}}


async def test_introspection_and_resolvers_are_laid_beside_the_plan(toy: World) -> None:  # noqa: F811
    body, statements = await toy.ask("{ clock viewer { login } __schema { queryType { name } } x: __typename }")
    assert list(body["data"]) == ["clock", "viewer", "__schema", "x"]
    assert body["data"]["__schema"] == {"queryType": {"name": "Query"}}
    assert statements == 1
    assert (await toy.ask("{ _service { sdl } }"))[0]["data"]["_service"]["sdl"] == schema.as_str()
