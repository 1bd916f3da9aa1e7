"""Mutations: the payload is read in the verb's own transaction; events: planned once, encoded once a group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from planner import Answer, InvalidRequestError, Read, Request
from tests.planner_world.compare import Context, World, viewer
from tests.planner_world.fixture import toy  # noqa: F401
from tests.planner_world.schema import PostJobInput

POST = (
    "mutation($a: PostJobInput!, $b: PostJobInput!) { one: postJob(input: $a) { clientMutationId message"
    " userErrors { code path } job { title openings } ... on Payload { __typename } } two: postJob(input: $b)"
    " { job { title } } }"
)


class RefusalError(Exception):
    """The verb's own failure."""


async def _post(toy: World, given: PostJobInput) -> Mapping[str, Any]:  # noqa: F811
    if given.title == "refused":
        refusal = {"code": "INVALID", "message": "no", "path": ["input", "title"]}
        return {"client_mutation_id": given.client_mutation_id, "user_errors": [refusal]}
    row = toy.rows["job"][0]
    key = uuid4()
    await toy.connection.execute(
        "insert into job select ($1::uuid), company_id, $2, status, $3, ratio, salary, budget, opened_at, closes_on,"
        " false, terms, low, high from job where id = $4",
        key, given.title, given.openings, row["id"],
    )  # fmt: skip
    if given.title == "fails":
        raise RefusalError
    return {"client_mutation_id": given.client_mutation_id, "user_errors": [], "job_id": key, "message": "posted"}


async def _mutate(toy: World, text: str, variables: dict[str, Any]) -> dict[str, Any]:  # noqa: F811
    await toy.connection.execute("reset role; grant insert on job to world_reader; set role world_reader")

    async def perform(verb: Any, context: Any, given: Any, read: Read) -> Answer:
        async with toy.connection.transaction():
            answer = await read(await verb(context, given), toy.connection)
            assert answer is not None
            return answer

    context = Context(post_job=lambda given: _post(toy, given))
    body, _ = await toy.ask(text, variables, context=context, perform=perform)
    return body


def _input(title: str, **more: Any) -> dict[str, Any]:
    return {"clientMutationId": f"c-{title}", "title": title, **more}


async def test_a_payload_sees_what_its_verb_wrote(toy: World) -> None:  # noqa: F811
    body = await _mutate(toy, POST, {"a": _input("first", openings=3), "b": _input("second")})
    assert body == {
        "data": {
            "one": {
                "clientMutationId": "c-first", "message": "posted", "userErrors": [],
                "job": {"title": "first", "openings": 3}, "__typename": "JobPayload",
            },
            "two": {"job": {"title": "second"}},
        }
    }  # fmt: skip
    assert await toy.connection.fetchval("select count(*) from job where title in ('first', 'second')") == 2


async def test_a_refusal_is_data(toy: World) -> None:  # noqa: F811
    body = await _mutate(toy, POST, {"a": _input("refused"), "b": _input("second")})
    assert body["data"]["one"]["userErrors"] == [{"code": "INVALID", "path": ["input", "title"]}]
    assert body["data"]["one"]["job"] is None
    assert body["data"]["two"] == {"job": {"title": "second"}}


async def test_a_second_verb_that_fails_leaves_the_first_committed(toy: World) -> None:  # noqa: F811
    body = await _mutate(toy, POST, {"a": _input("first"), "b": _input("fails")})
    assert body["data"]["one"]["job"] == {"title": "first", "openings": 1}
    assert body["data"]["two"] is None
    (error,) = body["errors"]
    assert (error["path"], error["extensions"]) == (["two"], {"code": "INTERNAL"})
    assert await toy.connection.fetchval("select count(*) from job where title = 'first'") == 1
    assert await toy.connection.fetchval("select count(*) from job where title = 'fails'") == 0


async def test_a_payload_that_cannot_be_read_rolls_its_verb_back(toy: World) -> None:  # noqa: F811
    text = (
        "mutation($a: PostJobInput!) { postJob(input: $a) { job { id"
        ' kin(first: 1, filter: {titleContains: "\\u0000"}) { totalCount } } } }'
    )
    body = await _mutate(toy, text, {"a": _input("first")})
    assert body["data"] == {"postJob": None}
    assert body["errors"][0]["extensions"] == {"code": "BAD_VALUE"}
    assert await toy.connection.fetchval("select count(*) from job where title = 'first'") == 0


async def test_a_refused_selection_runs_no_verb(toy: World) -> None:  # noqa: F811
    text = (
        "mutation($a: PostJobInput!) { a: postJob(input: $a) { job { title } }"
        " b: postJob(input: $a) { job { kin(first: 0) { totalCount } } } }"
    )
    body = await _mutate(toy, text, {"a": _input("first")})
    assert [error["extensions"]["code"] for error in body["errors"]] == ["BAD_PAGE"]
    assert "data" not in body
    assert await toy.connection.fetchval("select count(*) from job where title = 'first'") == 0


EVENTS = "subscription { outcomes { cursor live outcome { kind referral { note company { name } } } } }"


async def test_events_are_planned_once_and_encoded_once_for_all_who_see_the_same(toy: World) -> None:  # noqa: F811
    viewers = [viewer(partner["id"]) for partner in toy.rows["partner"]]
    streams = [(who, toy.planner.stream(Request(EVENTS), who)) for who in viewers]
    assert toy.planner.compiled == 1
    outcomes = [row["id"] for row in toy.rows["outcome"]]
    for number in range(1_000):
        row = {"cursor": f"c{number}", "outcome_id": outcomes[number % len(outcomes)], "live": True}
        groups = {toy.planner.bind(stream, row, who).group for who, stream in streams[:2]}
        assert 1 <= len(groups) <= 2
    assert toy.planner.compiled == 1
    row = {"cursor": "c", "outcome_id": outcomes[0], "live": False}
    bodies: dict[Any, set[bytes]] = {}
    for who, stream in streams * 2:
        bound = toy.planner.bind(stream, row, who)
        bodies.setdefault(bound.group, set()).add((await toy.planner.encode(bound, toy.acquire)).body)
    assert len(bodies) == len(viewers)
    assert all(len(each) == 1 for each in bodies.values())
    (first, *_) = bodies.values()
    assert json.loads(next(iter(first)))["data"]["outcomes"]["cursor"] == "c"


async def test_viewers_without_a_say_in_the_answer_share_one_group(toy: World) -> None:  # noqa: F811
    text = "subscription { outcomes { cursor outcome { kind } } }"
    groups = {
        toy.planner.bind(toy.planner.stream(Request(text), who), {"cursor": "c", "live": True}, who).group
        for who in (viewer(partner["id"]) for partner in toy.rows["partner"])
    }
    assert len(groups) == 1


async def test_a_bookmark_is_an_event_without_an_outcome(toy: World) -> None:  # noqa: F811
    who = viewer(toy.rows["partner"][0]["id"])
    bound = toy.planner.bind(toy.planner.stream(Request(EVENTS), who), {"cursor": "c", "live": True}, who)
    answer = await toy.planner.encode(bound, toy.acquire)
    assert json.loads(answer.body) == {"data": {"outcomes": {"cursor": "c", "live": True, "outcome": None}}}
    assert answer.statements == 1


async def test_a_query_is_no_subscription(toy: World) -> None:  # noqa: F811
    with pytest.raises(InvalidRequestError, match="not a subscription"):
        toy.planner.stream(Request("{ clock }"), viewer(toy.rows["partner"][0]["id"]))
