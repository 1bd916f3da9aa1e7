"""Nulls where none is promised, and values that Python finishes."""

from __future__ import annotations

from typing import Any

from tests.planner_world.compare import Context, World, viewer
from tests.planner_world.fixture import toy  # noqa: F401


async def _set(toy: World, statement: str) -> None:  # noqa: F811
    await toy.connection.execute("reset role")
    await toy.connection.execute(statement)
    await toy.connection.execute("set role world_reader")


async def test_a_null_leaf_goes_up_to_the_nearest_place_that_may_be_null(toy: World) -> None:  # noqa: F811
    await _set(toy, "update partner set level = null, joined_at = '2099-01-01' where kind = 'SCHOOL'")
    text = "{ partners(first: 1, orderBy: NEWEST) { edges { node { ... on School { level } name } } totalCount } }"
    body, statements = await toy.ask(text)
    assert body["data"] == {"partners": {"edges": [{"node": None}], "totalCount": 14}}
    (error,) = body["errors"]
    assert error["path"] == ["partners", "edges", 0, "node", "level"]
    assert error["locations"] == [{"line": 1, "column": 72}]
    assert error["extensions"] == {"code": "INTERNAL"}
    assert statements == 1


async def test_objects_of_equal_keys_are_told_apart(toy: World) -> None:  # noqa: F811
    await _set(toy, "update partner set level = null, joined_at = '2099-01-01' where kind = 'SCHOOL'")
    kinds = "\n... on Company { level: loud }\n... on School { level }"
    text = f"{{ partners(first: 1, orderBy: NEWEST) {{ edges {{ node {{{kinds} }} }} }} }}"
    body, statements = await toy.ask(text)
    (error,) = body["errors"]
    assert error["locations"] == [{"line": 3, "column": 17}]
    text = "query ($ids: [ID!]!) { nodes(ids: $ids) {\n... on Job { level: title }\n... on School { level } } }"
    job = toy.rows["job"][0]["id"]
    school = next(row["id"] for row in toy.rows["partner"] if row["kind"] == "SCHOOL")
    body, _ = await toy.ask(text, {"ids": [f"job_{job}", f"par_{school}"]})
    (error,) = body["errors"]
    assert (error["path"], error["locations"]) == (["nodes", 1, "level"], [{"line": 3, "column": 17}])
    assert statements == 1


async def test_a_null_item_takes_its_list(toy: World) -> None:  # noqa: F811
    await _set(toy, "update partner set moods = array['a', null], joined_at = '2099-01-01' where number = 'N0'")
    body, _ = await toy.ask('{ company(number: "N0") { name moods } }')
    assert body["data"]["company"]["moods"] is None
    assert body["errors"][0]["path"] == ["company", "moods", 1]


async def test_a_hidden_row_behind_a_promise_takes_its_object(toy: World) -> None:  # noqa: F811
    await _set(toy, "update job set hidden = true")
    await _set(toy, "update referral set job_id = (select id from job where company_id <> referral.company_id limit 1)")
    body, _ = await toy.ask("{ referrals(first: 100) { edges { node { sureJob { title } } } } }")
    assert all(error["path"][-1] == "sureJob" for error in body["errors"])
    assert {str(edge) for edge in body["data"]["referrals"]["edges"]} >= {"{'node': None}"}


async def test_a_null_at_a_required_root_takes_everything(toy: World) -> None:  # noqa: F811
    await _set(toy, "delete from mail; update partner set employer_id = null")
    body, _ = await toy.ask("{ viewer { partner { name } } clock }", who=_stranger(toy))
    assert body["data"] is None
    assert [error["path"] for error in body["errors"]] == [["viewer", "partner"]]


async def test_a_finisher_is_called_once_for_all_and_never_when_not_asked(toy: World) -> None:  # noqa: F811
    await _set(toy, "update job set title = 'plain'")
    context = Context()
    await toy.ask("{ jobs(first: 50) { edges { node { title } } } }", context=context)
    assert context.calls == []
    text = (
        "{ a: jobs(first: 5) { edges { node { shouted } } }"
        " b: jobs(first: 7) { edges { node { x: shouted insisted } } } }"
    )
    body, statements = await toy.ask(text, context=context)
    assert context.calls == [("shout", 5 + 2 * 7)]
    assert statements == 1
    assert body["data"]["b"]["edges"][0]["node"] == {"x": "PLAIN!", "insisted": "PLAIN!"}


async def test_a_finisher_that_fails_is_an_error_at_each_of_its_places(toy: World) -> None:  # noqa: F811
    await _set(toy, "update job set title = e'\\u2028', hidden = false")
    body, _ = await toy.ask("{ jobs(first: 2) { edges { node { shouted } } } }")
    assert body["data"]["jobs"]["edges"] == [{"node": {"shouted": None}}] * 2
    assert [error["path"][2] for error in body["errors"]] == [0, 1]
    body, _ = await toy.ask("{ jobs(first: 1) { edges { node { title insisted } } } }")
    assert body["data"]["jobs"]["edges"] == [{"node": None}]


async def test_personal_values_need_the_viewer_in_the_session(toy: World) -> None:  # noqa: F811
    text = "{ referrals(first: 100) { edges { node { candidate { id personal { n: name __typename email } } } } } }"
    seen: list[Any] = []
    for partner in toy.rows["partner"]:
        body, statements = await toy.ask(text, who=viewer(partner["id"]))
        assert statements == 2
        edges = body["data"]["referrals"]["edges"]
        seen += [edge["node"]["candidate"] for edge in edges if edge["node"]["candidate"]]
    assert any(each["personal"] for each in seen)
    assert all(list(each["personal"]) == ["n", "__typename", "email"] for each in seen if each["personal"])
    assert await toy.connection.fetchval("select current_setting('world.partner_id', true)") in (None, "")
    assert await toy.connection.fetchval("select count(*) from personal_item") == 0


def _stranger(toy: World) -> Any:  # noqa: F811
    from uuid import UUID

    return viewer(UUID(int=1))
