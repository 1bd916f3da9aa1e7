"""Evil strings, evil names, evil numbers: data stays data, and names stay names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.planner_world.compare import World
from tests.planner_world.fixture import toy  # noqa: F401
from tests.planner_world.rows import EVIL

MORE = ("{row}", "{viewer.partner}", "$1::uuid", "\x011\x01", "' or true --", '") from job; --', "}}", "\\'")


async def _tables(toy: World) -> list[Any]:  # noqa: F811
    return [await toy.connection.fetchval(f'select count(*) from "{name}"') for name in ("job", "partner", "referral")]


@pytest.mark.parametrize("evil", [*EVIL, *MORE])
async def test_evil_strings_are_only_strings(toy: World, evil: str) -> None:  # noqa: F811
    before = await _tables(toy)
    expected = sum(1 for row in toy.rows["partner"] if row["name"].startswith(evil))
    literal = json.dumps(evil, ensure_ascii=False)
    for text, variables in (
        (f"{{ partners(first: 1, filter: {{nameStartsWith: {literal}}}) {{ totalCount }} }}", None),
        ("query($s: String) { partners(first: 1, filter: {nameStartsWith: $s}) { totalCount } }", {"s": evil}),
        ("query($f: PartnerFilter) { partners(first: 1, filter: $f) { totalCount } }", {"f": {"nameStartsWith": evil}}),
    ):
        assert (await toy.ask(text, variables))[0] == {"data": {"partners": {"totalCount": expected}}}
    text = (
        "query($i: ID!, $n: String!, $r: [_Any!]!) { node(id: $i) { id } nodes(ids: [$i]) { id }"
        " company(number: $n) { id } partner(id: $i) { id } _entities(representations: $r) { __typename } }"
    )
    representations = [
        {"__typename": evil, "id": evil},
        {"__typename": "Company", "number": evil},
        {"__typename": "Job", "id": f"job_{evil}"},
    ]
    body, statements = await toy.ask(text, {"i": f"par_{evil}", "n": evil, "r": representations})
    assert body["data"] == {"node": None, "nodes": [None], "company": None, "partner": None, "_entities": [None] * 3}
    assert statements == 1
    assert await _tables(toy) == before


async def test_nul_and_lone_surrogates_are_bad_values(toy: World) -> None:  # noqa: F811
    text = "query($s: String) { partners(first: 1, filter: {nameStartsWith: $s}) { totalCount } }"
    for evil in ("a\0b", "\ud800"):
        body, _ = await toy.ask(text, {"s": evil})
        assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_VALUE"]
    body, _ = await toy.ask("query($i: ID!) { node(id: $i) { id } }", {"i": "par_\0"})
    assert body == {"data": {"node": None}}


@pytest.mark.parametrize(
    "alias", ["t9", "j", "i", "r", "e0", "n", "c", "u", "g", "o", "k", "same", "more", "cs", "data", "row", "_1"]
)
async def test_an_alias_like_the_planners_own_is_only_a_key(toy: World, alias: str) -> None:  # noqa: F811
    text = (
        f"{{ jobs(first: 2) {{ edges {{ {alias}: cursor node {{ {alias}: title company {{ {alias}: name"
        f" ... on Company {{ {alias}2: number }} }} kin(first: 2) {{ pageInfo {{ {alias}: hasNextPage }}"
        f" {alias}: edges {{ weight node {{ {alias}: title }} }} }} }} }} }} }}"
    )
    plain = text.replace(f"{alias}:", "key:").replace(f"{alias}2:", "key2:")
    ours, _ = await toy.ask(text)
    theirs, _ = await toy.ask(plain)
    assert "errors" not in ours
    renamed = json.dumps(ours["data"]).replace(f'"{alias}2"', '"key2"').replace(f'"{alias}"', '"key"')
    assert renamed == json.dumps(theirs["data"])


@pytest.mark.parametrize("length", [62, 63, 64, 65, 200])
async def test_a_long_alias_is_kept_whole(toy: World, length: int) -> None:  # noqa: F811
    a, b = "x" * length, "x" * (length - 1) + "y"
    body, _ = await toy.ask(
        f"{{ {a}: viewer {{ login }} jobs(first: 1) {{ {a}: edges {{ {a}: node {{ {a}: title {b}: titleAgain"
        f" company {{ {a}: name {b}: id }} }} }} pageInfo {{ {a}: hasNextPage {b}: hasPreviousPage }} }} }}"
    )
    job = body["data"]["jobs"][a][0][a]
    assert list(job) == [a, b, "company"]
    assert job[a] == job[b]
    assert list(job["company"]) == [a, b]
    assert body["data"]["jobs"]["pageInfo"] == {a: True, b: False}


async def test_a_selection_of_many_fields_stays_below_postgresqls_limit(toy: World) -> None:  # noqa: F811
    fields = " ".join(f"a{number}: name" for number in range(200))
    body, _ = await toy.ask(f"{{ partners(first: 1) {{ edges {{ node {{ {fields} }} }} }} }}")
    assert len(body["data"]["partners"]["edges"][0]["node"]) == 200
