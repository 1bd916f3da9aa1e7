"""WebSocket: the protocol graphql-transport-ws by its book, with questions and verbs too."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import websockets

from api import sockets
from auth import tokens
from models.client import create_client
from models.db import unit_of_work
from tests import builders
from tests.conversation import conversation
from tests.served import ALL, Served, running, serving

__all__ = ["running"]

EVENTS = "subscription { outcomeEvents { cursor } }"
LOGIN = "{ viewer { login } }"
VERB = """mutation { postJob(input: {clientMutationId: "1", title: "設計", requirements: "CAD",
  prefecture: TOKYO}) { job { title } } }"""


@pytest.fixture
async def company(served: Served) -> UUID:
    async with unit_of_work() as connection:
        return await builders.company(connection)


@pytest.fixture
async def token(served: Served, company: UUID) -> str:
    return await served.token(company)


BEGUN: list[tuple[int, list[Any]]] = [
    (4400, ["{"]),
    (4400, [b"\xff\x00"]),
    (4400, [b'{"type": "ping"}']),
    (4400, [[]]),
    (4400, [{"id": "1"}]),
    (4400, [{"type": "start", "id": "1"}]),
    (4400, [{"type": "subscribe", "payload": {"query": LOGIN}}]),
    (4400, [{"type": "subscribe", "id": "", "payload": {"query": LOGIN}}]),
    (4400, [{"type": "subscribe", "id": "1"}]),
    (4409, [{"type": "subscribe", "id": "1", "payload": {"query": EVENTS}}] * 2),
    (4429, [{"type": "connection_init"}]),
    (4429, [{"type": "subscribe", "id": str(n), "payload": {"query": EVENTS}} for n in range(101)]),
    (1009, [{"type": "ping", "payload": "x" * 70_000}]),
]


async def test_a_broken_conversation_closes_with_its_code(served: Served, token: str) -> None:
    for code, messages in BEGUN:
        async with conversation(served, token) as talk:
            for message in messages:
                await talk.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
            assert await talk.closed() == code, messages[:1]
    # Whatever was said: others are answered as before.
    async with conversation(served, token) as talk:
        await talk.subscribe(LOGIN)
        assert (await talk.said())["type"] == "next"


async def test_a_conversation_begins_with_a_token(served: Served, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[tuple[int, dict[str, Any]]] = [
        (4401, {"type": "subscribe", "id": "1", "payload": {"query": LOGIN}}),
        (4400, {"type": "start"}),
        (4403, {"type": "connection_init"}),
        (4403, {"type": "connection_init", "payload": []}),
        (4403, {"type": "connection_init", "payload": {"authorization": "Bearer x.y.z"}}),
        (4403, {"type": "connection_init", "payload": {"authorization": token}}),
    ]
    for code, message in before:
        async with conversation(served) as talk:
            await talk.send(**message)
            assert await talk.closed() == code, message
    async with conversation(served, subprotocols=["graphql-ws"]) as talk:
        assert await talk.closed() == 4406
    for origin in ("https://evil.example", "null"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with conversation(served, origin=origin):
                pass
        assert refused.value.response.status_code == 403
    async with conversation(served, token, origin=served.issuer):
        pass
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.2)
    async with conversation(served) as talk:
        assert await talk.closed() == 4408


async def test_a_client_holds_so_many_connections_and_stands_in_nobodys_way(database: str, tmp_path: Path) -> None:
    """Sockets and event streams together, whatever its token; what it closes is free for it again."""
    async with serving(database, tmp_path, client_connections=3) as served:
        async with unit_of_work() as connection:
            one, two = await builders.company(connection), await builders.company(connection)
        token, other = await served.token(one), await served.token(two)
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        streaming = partial(served.http.stream, "POST", "/graphql", json={"query": EVENTS}, headers=headers)
        async with conversation(served, token) as first, conversation(served, token), streaming() as stream:
            assert stream.status_code == 200
            async with conversation(served) as third:
                await third.send(type="connection_init", payload={"authorization": f"Bearer {token}"})
                assert await third.closed() == 4429
                assert (
                    third.socket.close_reason
                    == "TOO_MANY_CONNECTIONS: A client holds 3 at most at once; close one first."
                )
            async with streaming() as refused:
                (error,) = json.loads(await refused.aread())["errors"]
                assert (refused.status_code, error["extensions"]["code"]) == (429, "TOO_MANY_CONNECTIONS")
            async with conversation(served, other) as talk:
                await talk.subscribe(LOGIN)
                assert (await talk.said())["type"] == "next"
            await first.subscribe(LOGIN)
            assert (await first.said())["type"] == "next"
        async with asyncio.timeout(60):
            while served.app.state.endpoint.connections.open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        async with conversation(served, token), streaming() as stream:
            assert stream.status_code == 200


async def test_questions_verbs_and_errors_share_a_conversation(served: Served, company: UUID, token: str) -> None:
    async with conversation(served) as talk:
        await talk.send(type="ping")
        assert await talk.said() == {"type": "pong"}
        await talk.init(token)
        await talk.send(type="ping", payload={"any": "thing"})
        assert await talk.said() == {"type": "pong"}
        await talk.send(type="pong")

        await talk.subscribe("{ viewer { partner { id } } }", "question")
        assert await talk.said() == {
            "id": "question",
            "type": "next",
            "payload": {"data": {"viewer": {"partner": {"id": f"par_{company}"}}}},
        }
        assert await talk.said() == {"id": "question", "type": "complete"}

        for _ in range(2):
            await talk.subscribe(VERB, "verb")
            assert (await talk.next("postJob")) == {"job": {"title": "設計"}}
            assert await talk.said() == {"id": "verb", "type": "complete"}

        for text, code in (
            ("{ nothing }", "BAD_REQUEST"),
            ("{", "BAD_REQUEST"),
            (" ", "BAD_REQUEST"),
            ("{ partners(first: 0) { totalCount } }", "BAD_PAGE"),
        ):
            await talk.subscribe(text, "wrong")
            wrong = await talk.said()
            assert (wrong["id"], wrong["type"]) == ("wrong", "error")
            assert wrong["payload"][0]["message"]
            assert wrong["payload"][0]["extensions"]["code"] == code

        # A subscription that its client has completed is gone, and its id is free.
        await talk.subscribe(EVENTS, "events")
        await talk.send(type="complete", id="events")
        await talk.send(type="complete", id="never there")
        await talk.subscribe(LOGIN, "events")
        assert (await talk.said())["type"] == "next"
    async with unit_of_work() as connection:
        assert await connection.fetchval("select count(*) from job") == 1


async def test_a_scope_is_asked_of_a_subscription(served: Served, company: UUID) -> None:
    poor = await served.token(company, ("outcomes:read",))
    async with conversation(served, poor) as talk:
        await talk.subscribe(EVENTS)
        refused = await talk.said()
        assert refused["type"] == "error"
        assert refused["payload"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


async def test_a_revoked_token_ends_the_conversation_and_the_stream(served: Served, company: UUID) -> None:
    """proof 2.10: closed, though nothing happens: over WebSocket with 4401, over SSE by an error and its end."""
    async with unit_of_work() as connection:
        client = await create_client(connection, name="test", scope=ALL, partner_id=company)
    auth = (client.client_id, client.client_secret or "")
    answer = await served.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=auth)
    token = answer.json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    async with (
        conversation(served, token) as talk,
        served.http.stream("POST", "/graphql", json={"query": EVENTS}, headers=headers) as stream,
    ):
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        told = (line async for line in stream.aiter_lines() if line)
        await talk.subscribe(EVENTS)
        assert await anext(told) == "event: next"
        assert (await talk.said())["type"] == "next"
        revoked = await served.http.post("/oauth/revoke", data={"token": token}, auth=auth)
        assert revoked.status_code == 200
        await talk.subscribe(VERB, "late")
        async with asyncio.timeout(30):
            assert await talk.closed() == 4401
            rest = [line async for line in told]
            assert json.loads(rest[2].removeprefix("data: "))["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
            assert (rest[1], rest[3:]) == ("event: next", ["event: complete", "data:"])
    assert (await served.post(LOGIN, token)).status_code == 401
    async with unit_of_work() as connection:
        assert await connection.fetchval("select count(*) from job") == 0


async def test_an_expired_token_ends_the_conversation(
    served: Served, company: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """proof 2.10: a token is good until it expires, and so is what was begun with it."""
    monkeypatch.setattr(tokens, "ACCESS_TOKEN_SECONDS", 5)
    token = await served.token(company)
    async with conversation(served, token) as talk:
        await talk.subscribe(EVENTS)
        assert (await served.post(LOGIN, token)).status_code == 200
        async with asyncio.timeout(5 + 30):
            assert await talk.closed() == 4401
    assert (await served.post(LOGIN, token)).status_code == 401
