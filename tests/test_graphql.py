"""GraphQL over HTTP, on the running application: methods, media types, limits, and what is said when it cannot be."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from structlog.testing import capture_logs

from api import postgres as embedded
from models import db
from models.db import unit_of_work
from tests import builders
from tests.conftest import PLACE
from tests.served import Served, running, serving

__all__ = ["running"]

SPOKEN = "application/graphql-response+json"
LOGIN = "{ viewer { login } }"
POST_JOB = """mutation ($key: ID!) { postJob(input: {clientMutationId: $key, title: "設計", requirements: "CAD",
  prefecture: TOKYO}) { job { id } } }"""


class Door:
    """Requests as they come: any method, any bytes."""

    def __init__(self, served: Served, token: str) -> None:
        self.served, self.token = served, token

    async def send(
        self,
        body: bytes | Mapping[str, Any] | None = None,
        *,
        method: str = "POST",
        path: str = "/graphql",
        **headers: str,
    ) -> httpx.Response:
        given = {"authorization": f"Bearer {self.token}", "content-type": "application/json", "accept": SPOKEN}
        given |= {name.replace("_", "-"): text for name, text in headers.items()}
        content = json.dumps(body).encode() if isinstance(body, Mapping) else body
        wanted = {name: text for name, text in given.items() if text}
        return await self.served.http.request(method, path, content=content, headers=wanted)

    async def get(self, **query: str) -> httpx.Response:
        return await self.send(method="GET", path=f"/graphql?{urlencode(query)}", content_type="")


@pytest.fixture
async def door(served: Served) -> Door:
    async with unit_of_work() as connection:
        company = await builders.company(connection, "株式会社青空")
    return Door(served, await served.token(company))


def code(answer: httpx.Response) -> str:
    """The code of the only error of an answer that has no data."""
    body = answer.json()
    assert "data" not in body, body
    return body["errors"][0]["extensions"]["code"]


async def test_methods_and_media_types(door: Door) -> None:
    """As the specification of GraphQL over HTTP has them."""
    spoken = await door.send({"query": LOGIN})
    assert (spoken.status_code, spoken.headers["content-type"]) == (200, f"{SPOKEN}; charset=utf-8")
    plain = await door.send({"query": LOGIN}, accept="application/json")
    assert (plain.status_code, plain.headers["content-type"]) == (200, "application/json; charset=utf-8")
    anything = await door.send({"query": LOGIN}, accept="")
    assert anything.headers["content-type"] == "application/json; charset=utf-8"
    assert (await door.send({"query": LOGIN}, content_type="application/json; charset=utf-8")).status_code == 200
    assert (await door.get(query=LOGIN)).json() == spoken.json()

    for given in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/json; charset=utf-16",
    ):
        refused = await door.send({"query": LOGIN}, content_type=given)
        assert (refused.status_code, code(refused)) == (415, "UNSUPPORTED_MEDIA_TYPE"), given
    unacceptable = await door.send({"query": LOGIN}, accept="text/html")
    assert (unacceptable.status_code, code(unacceptable)) == (406, "NOT_ACCEPTABLE")
    for method in ("PUT", "DELETE", "PATCH"):
        refused = await door.send({"query": LOGIN}, method=method)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")


async def test_a_get_asks_and_never_acts(door: Door) -> None:
    assert (
        await door.get(query="query ($n: Int!) { partners(first: $n) { totalCount } }", variables='{"n": 1}')
    ).json() == {"data": {"partners": {"totalCount": 1}}}
    refused = await door.get(query=POST_JOB, variables='{"key": "1"}')
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert code(refused) == "METHOD_NOT_ALLOWED"
    async with unit_of_work() as connection:
        assert await connection.fetchval("select count(*) from job") == 0
    subscription = await door.get(query="subscription { outcomeEvents { cursor } }")
    assert (subscription.status_code, code(subscription)) == (406, "NOT_ACCEPTABLE")
    assert (await door.get(query=f"{{ {'a' * 17_000} }}")).status_code == 414
    for path in ("/graphql", "/graphql?query=%FF", "/graphql?" + "a=1&" * 9, "/graphql?query=%7B&variables=%7B"):
        answer = await door.send(method="GET", path=path, content_type="")
        assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST"), path


UNREADABLE = {
    "nothing": b"",
    "not JSON": b"{",
    "a number": b"1",
    "null": b"null",
    "several operations": json.dumps([{"query": LOGIN}] * 2).encode(),
    "invalid UTF-8": b'{"query": "\xff"}',
    "half a pair": b'{"query": "{ viewer { login } } # \\ud800"}',
    "deep JSON": b'{"query": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "a number of 4,000 digits": json.dumps({"query": LOGIN, "variables": {"n": 10**4000}}).encode(),
    "no query": b'{"variables": {}}',
    "empty query": b'{"query": "  "}',
    "query is no text": b'{"query": {"a": 1}}',
    "variables are no object": json.dumps({"query": LOGIN, "variables": [1]}).encode(),
    "name is no text": json.dumps({"query": LOGIN, "operationName": 1}).encode(),
}


async def test_what_cannot_be_read_is_refused(door: Door) -> None:
    for name, body in UNREADABLE.items():
        for accept in (SPOKEN, "application/json"):
            answer = await door.send(body, accept=accept)
            assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST"), name
    too_large = await door.send({"query": LOGIN, "extensions": {"x": "x" * 300_000}})
    assert (too_large.status_code, code(too_large)) == (413, "TOO_LARGE")
    assert door.served.statements == []


UNANSWERABLE: dict[str, tuple[dict[str, Any], str]] = {
    "syntax": ({"query": "{ viewer"}, "BAD_REQUEST"),
    "unknown field": ({"query": "{ viewr { login } }"}, "BAD_REQUEST"),
    "unknown operation": ({"query": f"query a {LOGIN}", "operationName": "b"}, "BAD_REQUEST"),
    "which operation": ({"query": f"query a {LOGIN} query b {LOGIN}"}, "BAD_REQUEST"),
    "only a fragment": ({"query": "fragment a on Viewer { login }"}, "BAD_REQUEST"),
    "a missing variable": ({"query": "query ($n: Int!) { partners(first: $n) { totalCount } }"}, "BAD_REQUEST"),
    "a huge number": (
        {"query": "query ($n: Int!) { partners(first: $n) { totalCount } }", "variables": {"n": 10**30}},
        "BAD_REQUEST",
    ),
    "a huge literal": ({"query": f"{{ partners(first: {'9' * 4000}) {{ totalCount }} }}"}, "BAD_REQUEST"),
    "a page of none": ({"query": "{ partners(first: 0) { totalCount } }"}, "BAD_PAGE"),
    "a page too long": ({"query": "{ partners(first: 101) { totalCount } }"}, "BAD_PAGE"),
    "a damaged cursor": ({"query": '{ partners(first: 1, after: "x") { edges { cursor } } }'}, "BAD_CURSOR"),
    "NUL": (
        {"query": "query ($n: String) { partners(first: 1, filter: {nameStartsWith: $n}) { totalCount } }",
         "variables": {"n": "a\0b"}},
        "BAD_VALUE",
    ),
    "too deep": ({"query": "{ node(id: 1) " + "{ ... on Partner " * 600 + "{ id }" + " }" * 601}, "BAD_REQUEST"),
    "too many aliases": ({"query": "{ viewer { " + " ".join(f"a{n}: login" for n in range(201)) + " } }"}, "TOO_LARGE"),
    "too many ids": (
        {"query": "query ($i: [ID!]!) { nodes(ids: $i) { id } }", "variables": {"i": ["par_1"] * 101}},
        "BAD_VALUE",
    ),
}  # fmt: skip


async def test_what_cannot_be_answered_is_a_request_error(door: Door) -> None:
    """400 in the media type of its own, 200 in plain JSON; no data either way, and never a word of SQL."""
    for name, (body, expected) in UNANSWERABLE.items():
        spoken, plain = await door.send(body), await door.send(body, accept="application/json")
        assert (spoken.status_code, plain.status_code) == (400, 200), (name, spoken.text)
        assert spoken.json() == plain.json()
        errors = spoken.json()["errors"]
        assert "data" not in spoken.json()
        assert all(error["message"] for error in errors)
        assert {error["extensions"]["code"] for error in errors} == {expected}, (name, errors)
        for word in ("select ", "syntax error at", "asyncpg", "Traceback"):
            assert word not in spoken.text, name


async def test_what_a_client_claims_as_host_redirects_nobody(door: Door) -> None:
    sent = await door.send(method="GET", path="/login/", host="evil.example")
    assert (sent.status_code, sent.headers["location"]) == (307, f"{door.served.issuer}/login")


async def test_who_is_not_known_learns_nothing(door: Door) -> None:
    for authorization in ("", "Bearer", "Bearer x.y.z", "Basic abc", f"Bearer {door.token[:-4]}AAAA"):
        answer = await door.send({"query": "{ __schema { types { name } } }"}, authorization=authorization)
        assert (answer.status_code, code(answer)) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "types" not in answer.text


async def test_the_budget_is_truthful_and_each_caller_has_their_own(database: str, tmp_path: Path) -> None:
    """`throttle` tells what is left after this very question; who has spent all is told when to come back."""
    ask = "{ viewer { throttle { maximum available restoreRate } } }"
    async with serving(database, tmp_path, cost_budget=1) as served:
        async with unit_of_work() as connection:
            one, other = await builders.company(connection), await builders.company(connection)
        first = (await served.ask(one, ask))["viewer"]["throttle"]
        assert first == {"maximum": 10, "available": first["available"], "restoreRate": 1}
        assert first["available"] < 10
        door = Door(served, await served.token(one))
        async with asyncio.timeout(60):  # less quickly asked, it would come back while it is spent
            while (refused := await door.send({"query": ask})).status_code == 200:
                pass
        assert (refused.status_code, code(refused)) == (429, "THROTTLED")
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert (await served.ask(other, ask))["viewer"]["throttle"]["available"] == first["available"]


async def test_a_database_that_is_away_is_said_and_comes_back() -> None:
    """Questions and verbs alike get 503 with Retry-After, never a wrong 200; afterwards all is as before."""
    directory = Path(tempfile.mkdtemp(prefix="kyoso-away-", dir=PLACE))
    server = embedded.start(directory / "postgres", embedded.FORGETFUL)
    door_way = directory / "sockets"  # each start makes a new place for its socket; this address stays
    door_way.symlink_to(server.sockets)
    url = f"postgresql://postgres@/postgres?host={door_way}"
    await db.migrate(url)
    # Kept, not drawn: structlog's own picture of each traceback would take a quarter of a second.
    with capture_logs():
        await away_and_back(url, server, door_way)
    shutil.rmtree(directory)


async def away_and_back(url: str, server: embedded.Postgres, door_way: Path) -> None:
    async with serving(url, door_way.parent) as served:
        async with unit_of_work() as connection:
            company = await builders.company(connection)
        door = Door(served, await served.token(company))
        assert (await door.send({"query": LOGIN})).status_code == 200
        await asyncio.to_thread(server.stop)
        for _ in range(20):  # every connection of the pool learns of it by itself
            for body in ({"query": LOGIN}, {"query": POST_JOB, "variables": {"key": "1"}}):
                answer = await door.send(body)
                assert (answer.status_code, code(answer)) == (503, "UNAVAILABLE"), answer.text
                assert answer.headers["retry-after"] == "2"
        assert (await served.http.get("/healthz")).status_code == 200
        assert (await served.http.get("/readyz")).status_code == 503
        server = await asyncio.to_thread(embedded.start, server.data, embedded.FORGETFUL)
        door_way.unlink()  # noqa: ASYNC240  (once)
        door_way.symlink_to(server.sockets)  # noqa: ASYNC240
        async with asyncio.timeout(60):
            # Whoever comes again as told to: where cores are short, the first connection may take too long.
            while (done := await door.send({"query": POST_JOB, "variables": {"key": "1"}})).status_code == 503:  # noqa: ASYNC110
                await asyncio.sleep(float(done.headers["retry-after"]))
        assert "data" in done.json(), done.text
        assert done.json()["data"]["postJob"]["job"]["id"].startswith("job_"), done.text
        async with unit_of_work() as connection:
            assert await connection.fetchval("select count(*) from job") == 1
    await asyncio.to_thread(server.stop)
