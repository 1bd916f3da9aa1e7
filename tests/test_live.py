"""Live outcomes: nothing lost over breaks and restarts, nothing told to who may not know, one encoding for all."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from api import live, outlet
from api.asker import asker
from api.live import Live
from api.outlet import Backlog, Ended
from api.place import START
from api.subscriber import Subscriber
from models import agreement, db
from models.db import unit_of_work
from models.news import follow
from models.outbox import CHANNEL
from models.terms import Sharing
from planner import Planner, Request
from planner.codec import cursor
from tests import builders
from tests.builders import said
from tests.conversation import Conversation, conversation
from tests.served import Served, running, serving

__all__ = ["running"]

EVENTS = """subscription ($after: String, $kinds: [OutcomeKind!], $agreement: ID) {
  outcomeEvents(after: $after, kinds: $kinds, agreement: $agreement)
  { cursor live event { id kind company { id } } } }"""
POLL = """query ($after: String, $kinds: [OutcomeKind!], $agreement: ID) {
  outcomes(first: 100, after: $after, filter: {kinds: $kinds, agreementId: $agreement})
  { edges { cursor node { id kind company { id } } } } }"""
SHARED = (Sharing("APPLICATIONS", "FIELDS"),)


PATIENCE_SECONDS = 60.0


class Pair:
    """A company, and a friend with whom it shares applications."""

    def __init__(self, company: UUID, friend: UUID, agreement_id: UUID) -> None:
        self.company, self.friend, self.agreement = company, friend, agreement_id


@pytest.fixture
async def pair(served: Served) -> Pair:
    return await made()


async def made() -> Pair:
    async with unit_of_work() as connection:
        company, friend = await builders.company(connection), await builders.company(connection, "株式会社みどり")
        given = builders.terms(sharing=SHARED)
        agreement_id = await builders.agreed(connection, "INFORMATION_SHARING", company, friend, given=given)
    return Pair(company, friend, agreement_id)


async def happen(company: UUID, number: int) -> UUID:
    """An application is received; gives the event's id."""
    async with unit_of_work() as connection:
        application_id = await builders.application(connection, company, f"person{number}@example.jp")
        return await connection.fetchval("select id from outcome_event where application_id = $1", application_id)


def ids(deliveries: list[dict[str, Any]]) -> list[str]:
    return [each["event"]["id"] for each in deliveries if each["event"]]


async def heard(talk: Conversation, number: int) -> list[dict[str, Any]]:
    """So many deliveries of events, whatever bookmarks come between them."""
    found: list[dict[str, Any]] = []
    while len(found) < number:
        delivery = await talk.next()
        if delivery["event"]:
            found.append(delivery)
    return found


async def listeners(served: Served, number: int) -> None:
    """Returns when so many subscriptions are live."""
    while len(served.app.state.endpoint.live.subscribers) != number:  # noqa: ASYNC110  (nothing tells of it)
        await asyncio.sleep(0.01)


async def test_a_client_resumes_over_a_restart_without_a_gap(database: str, tmp_path: Path) -> None:
    """gql, the Python client, over its own transport: what happened before, during and after a restart, once each."""
    expected: list[str] = []
    got: list[dict[str, Any]] = []

    async def happens(company: UUID, *numbers: int) -> None:
        for number in numbers:
            expected.append(f"evt_{await happen(company, number)}")  # noqa: PERF401

    async def listen(issuer: str, token: str, amount: int) -> None:
        transport = WebsocketsTransport(
            issuer.replace("http://", "ws://") + "/graphql", init_payload={"authorization": f"Bearer {token}"}
        )
        after = got[-1]["cursor"] if got else None
        async with Client(transport=transport, fetch_schema_from_transport=False) as session:
            query = gql(EVENTS)
            query.variable_values = {"after": after}
            async for delivery in session.subscribe(query):
                if delivery["outcomeEvents"]["event"]:
                    got.append(delivery["outcomeEvents"])
                if len(got) >= amount:
                    return

    async with serving(database, tmp_path) as served:
        pair = await made()
        port = int(served.issuer.rpartition(":")[2])
        token = await served.token(pair.friend)
        listening = asyncio.create_task(listen(served.issuer, token, 2))
        await listeners(served, 1)
        await happens(pair.company, 1, 2)
        await asyncio.wait_for(listening, 60)
        await happens(pair.company, 3)

    await db.connect(database)
    await happens(pair.company, 4)
    await db.disconnect()
    async with serving(database, tmp_path, port=port) as served:
        listening = asyncio.create_task(listen(served.issuer, token, 6))
        await happens(pair.company, 5, 6)
        await asyncio.wait_for(listening, 60)
    assert ids(got) == expected
    assert [each["live"] for each in got][:4] == [True, True, False, False]
    assert len({each["cursor"] for each in got}) == 6


async def test_poll_and_subscription_share_their_cursors_and_filters(served: Served, pair: Pair) -> None:
    async with unit_of_work() as connection:
        other = await builders.company(connection, "株式会社ほか")
        given = builders.terms(sharing=SHARED)
        await builders.agreed(connection, "INFORMATION_SHARING", other, pair.friend, given=given)
        counts = builders.terms(sharing=(Sharing("APPLICATIONS", "COUNTS_ONLY"),))
        figures = await builders.agreed(connection, "ALLIANCE", pair.company, pair.friend, given=counts)
    for number in range(3):
        await happen(pair.company, number)
        await happen(other, number)
    own = await happen(pair.friend, 9)
    for variables in (
        {},
        {"kinds": ["APPLICATION_RECEIVED"]},
        {"kinds": ["HIRED"]},
        {"agreement": f"agr_{pair.agreement}"},
        {"agreement": f"agr_{figures}"},  # counts only: it gives no record
        {"agreement": "par_junk"},
    ):
        polled = (await served.ask(pair.friend, POLL, variables))["outcomes"]["edges"]
        async with conversation(served, await served.token(pair.friend)) as talk:
            start = START.cursor
            await talk.subscribe(EVENTS, after=start, **variables)
            told = await heard(talk, len(polled))
            assert [(each["cursor"], each["event"]) for each in told] == [
                (each["cursor"], each["node"]) for each in polled
            ]
            for each in told[:2]:
                rest = (await served.ask(pair.friend, POLL, {**variables, "after": each["cursor"]}))["outcomes"]
                assert rest["edges"] == polled[told.index(each) + 1 :]
    everything = (await served.ask(pair.friend, POLL))["outcomes"]["edges"]
    assert len(everything) == 7
    assert everything[-1]["node"]["id"] == f"evt_{own}"
    under = (await served.ask(pair.friend, POLL, {"agreement": f"agr_{pair.agreement}"}))["outcomes"]["edges"]
    assert {each["node"]["company"]["id"] for each in under} == {f"par_{pair.company}", f"par_{pair.friend}"}
    assert (await served.ask(pair.friend, POLL, {"agreement": f"agr_{figures}"}))["outcomes"]["edges"] == []
    assert (await served.ask(pair.friend, POLL, {"agreement": "par_junk"}))["outcomes"]["edges"] == []


async def test_equal_documents_are_encoded_once_and_alike(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[object] = []
    encode = Planner.encode

    async def counted(self: Planner, bound: Any, *rest: Any) -> Any:
        encoded.append(bound.group)
        return await encode(self, bound, *rest)

    monkeypatch.setattr(Planner, "encode", counted)
    token = await served.token(pair.friend)
    query = "subscription { outcomeEvents { cursor sentAt event { kind } } }"
    async with (
        conversation(served, token) as one,
        conversation(served, token) as two,
        conversation(served, await served.token(pair.company)) as three,
    ):
        for talk in (one, two, three):
            await talk.subscribe(query)
            await talk.next()
        encoded.clear()
        await happen(pair.company, 1)
        first, second = await one.text(), await two.text()
        assert first == second
        assert json.loads(await three.text())["payload"]["data"]["outcomeEvents"]["event"]
        assert len(encoded) == 2  # once for the two who see the same, once for the company


async def test_a_suspended_agreement_stops_its_events_with_that_commit(served: Served, pair: Pair) -> None:
    """proof 2.10: what happens after the suspension is told to the company and not to its former reader."""
    async with (
        conversation(served, await served.token(pair.friend)) as friend,
        conversation(served, await served.token(pair.company)) as company,
    ):
        for talk in (friend, company):
            await talk.subscribe(EVENTS)
        await listeners(served, 2)
        before = await happen(pair.company, 1)
        assert ids(await heard(friend, 1)) == [f"evt_{before}"]
        async with unit_of_work() as connection:
            reason = {"agreement_id": pair.agreement, "reason": "確認のため"}
            await agreement.suspend(connection, said=said(pair.company), **reason)
        hidden = await happen(pair.company, 2)
        own = await happen(pair.friend, 3)
        assert ids(await heard(friend, 1)) == [f"evt_{own}"]  # the hidden one would have come before
        assert ids(await heard(company, 2)) == [f"evt_{before}", f"evt_{hidden}"]
        # Nor does the replay tell it.
        await friend.subscribe(EVENTS, "2", after=START.cursor)
        assert ids(await heard(friend, 1)) == [f"evt_{own}"]


async def subscription(served: Served, pair: Pair, after: str | None) -> tuple[Backlog, asyncio.Task[None]]:
    """A subscription of the friend, and the task that serves it: nobody takes the answers."""
    endpoint, backlog = served.app.state.endpoint, Backlog()
    viewer = await endpoint.tokens.verify(await served.token(pair.friend))
    who = asker(viewer, served.issuer, endpoint.budget)
    stream = endpoint.planner.stream(Request(EVENTS, None, {"after": after}), who)
    return backlog, asyncio.create_task(endpoint.live.deliver(stream, who, viewer, backlog))


async def taken(backlog: Backlog, number: int) -> list[dict[str, Any]]:
    """So many answers that tell of an event."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        async for body in backlog.taken():
            delivery = json.loads(body)["data"]["outcomeEvents"]
            if delivery["event"]:
                found.append(delivery)
            if len(found) == number:
                break
    return found


async def test_who_does_not_keep_up_is_closed_with_a_cursor_and_loses_nothing(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "WAITING_BYTES", 2_000)
    backlog, serving = await subscription(served, pair, None)
    await listeners(served, 1)
    expected = [f"evt_{await happen(pair.company, number)}" for number in range(12)]
    with pytest.raises(Ended) as ended:
        await asyncio.wait_for(serving, 60)
    assert ended.value.code == "TOO_SLOW"
    assert served.app.state.endpoint.live.groups == {}
    backlog.end()
    said = [json.loads(body)["data"]["outcomeEvents"] async for body in backlog.taken()]
    got = [each for each in said if each["event"]]
    assert 1 < len(got) < 12
    assert ended.value.cursor == got[-1]["cursor"]
    rest, serving = await subscription(served, pair, ended.value.cursor)
    got += await taken(rest, 12 - len(got))
    serving.cancel()
    assert ids(got) == expected


async def test_what_happens_during_the_replay_is_told_after_it(served: Served, pair: Pair) -> None:
    """The reader, at work for another, took it before the subscriber joined: only the second look closes that gap."""
    _, other = await subscription(served, pair, None)
    await listeners(served, 1)
    expected = [await happen(pair.company, 1), await happen(pair.company, 2)]
    backlog, serving = await subscription(served, pair, START.cursor)
    live = served.app.state.endpoint.live
    while not backlog._waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    # The second answer waits for the first to be taken: it is still being told of the past.
    assert len(live.subscribers) == 1
    expected.append(await happen(pair.company, 3))
    while live.handed.event_id != expected[-1]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    got = await taken(backlog, 3)
    await listeners(served, 2)
    expected.append(await happen(pair.company, 4))
    got += await taken(backlog, 1)
    serving.cancel()
    other.cancel()
    assert ids(got) == [f"evt_{each}" for each in expected]
    assert [each["live"] for each in got] == [False, False, False, True]


async def test_who_comes_first_hears_nothing_of_what_nobody_heard(served: Served, pair: Pair) -> None:
    """Where nobody listens nothing is taken; it is not kept for whoever comes next either."""
    for number in range(2):
        await happen(pair.company, 2 * number)
        backlog, serving = await subscription(served, pair, None)
        await listeners(served, 1)
        after = await happen(pair.company, 2 * number + 1)
        assert ids(await taken(backlog, 1)) == [f"evt_{after}"]
        serving.cancel()
        await listeners(served, 0)


async def test_a_worker_listens_from_its_first_subscriber_on(served: Served, pair: Pair) -> None:
    """Before, no event wakes it, whoever writes them."""

    sessions = "select count(*) from pg_stat_activity where datname = current_database() and query ilike $1"
    watching = await asyncpg.connect(**db.credentials(served.database))
    try:
        await happen(pair.company, 1)
        assert await watching.fetchval(sessions, f"listen %{CHANNEL}%") == 0
        async with conversation(served, await served.token(pair.friend)) as talk:
            await talk.subscribe(EVENTS)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await watching.fetchval(sessions, f"listen %{CHANNEL}%") != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    finally:
        await watching.close()


BROKEN = (asyncpg.InternalClientError("unknown protocol state"), AttributeError("'NoneType' has no attribute 'decode'"))
"""What asyncpg has said of connections that broke, besides its errors of the database."""


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: type(each).__name__)
async def test_whoever_follows_goes_on_after_any_failure(served: Served, broken: Exception) -> None:
    """Else revocations elsewhere are never heard again, nor is anybody told of events."""
    looks = asyncio.Queue[int]()

    async def look() -> None:
        looks.put_nowait(looks.qsize())
        if looks.qsize() == 1:
            raise broken

    following = asyncio.create_task(follow(served.database, CHANNEL, look, poll_seconds=0.05))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while looks.qsize() < 3 and not following.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not following.done()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: type(each).__name__)
async def test_bookmarks_go_on_after_any_failure(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    monkeypatch.setattr(live, "BOOKMARK_SECONDS", (1, 300))
    failures = [broken]
    mark = Live._mark

    async def fails_once(self: Live, *given: Any) -> None:
        if failures:
            raise failures.pop()
        await mark(self, *given)

    async with conversation(served, await served.token(pair.company)) as talk:
        await talk.subscribe("subscription { outcomeEvents(bookmarkSeconds: 1) { cursor live event { id } } }")
        await talk.next()
        monkeypatch.setattr(Live, "_mark", fails_once)
        assert (await talk.next())["event"] is None
    assert failures == []


async def test_with_the_first_message_a_subscriber_hears_and_can_resume(served: Served, pair: Pair) -> None:
    """Who has nothing to read yet is told so at once: what happens after that is told, or can be asked for again."""
    missed = await happen(pair.company, 1)
    async with conversation(served, await served.token(pair.friend)) as talk:
        await talk.subscribe(EVENTS)
        first = await talk.next()
        assert (first["event"], first["live"]) == (None, True)
        heard_of = await happen(pair.company, 2)
        assert ids([await talk.next()]) == [f"evt_{heard_of}"]
    async with conversation(served, await served.token(pair.friend)) as talk:
        await talk.subscribe(EVENTS, after=first["cursor"])
        assert ids([await talk.next()]) == [f"evt_{heard_of}"]
        await talk.subscribe(EVENTS, "2", after=START.cursor)
        assert ids(await heard(talk, 2)) == [f"evt_{missed}", f"evt_{heard_of}"]


async def test_a_bookmark_says_that_nothing_was_missed(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BOOKMARK_SECONDS", (1, 300))
    hidden = await happen(pair.friend, 1)  # not for the company, but behind the bookmark all the same
    async with conversation(served, await served.token(pair.company)) as talk:
        await talk.subscribe("subscription { outcomeEvents(bookmarkSeconds: 1) { cursor live event { id } } }")
        bookmark = await talk.next()
        while (await served.ask(pair.friend, POLL, {"after": bookmark["cursor"]}))["outcomes"]["edges"]:
            bookmark = await talk.next()
        assert bookmark == {"cursor": bookmark["cursor"], "live": True, "event": None}
        after = await happen(pair.company, 2)
    assert hidden != after
    async with conversation(served, await served.token(pair.company)) as talk:
        await talk.subscribe(EVENTS, after=bookmark["cursor"])
        assert ids(await heard(talk, 1)) == [f"evt_{after}"]


async def test_a_cursor_that_is_none_is_refused(served: Served, pair: Pair) -> None:
    async with conversation(served, await served.token(pair.company)) as talk:
        nowhere = cursor("RECORDED_ASC", "9" * 20, "1", str(UUID(int=1)))
        for damaged in ("x", "WyJOQU1FX0FTQyIsIjEiXQ==", cursor("RECORDED_ASC", "1", "x", "y"), nowhere):
            await talk.subscribe(EVENTS, after=damaged)
            refused = await talk.said()
            assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "BAD_CURSOR")


async def test_server_sent_events_are_one_line_each(served: Served, pair: Pair) -> None:
    """Lists come from PostgreSQL with line breaks, which would cut an event in two."""
    for number in range(2):
        async with unit_of_work() as connection:
            await builders.rejected(connection, pair.company, f"sse{number}@example.jp")
    query = """subscription ($after: String) { outcomeEvents(after: $after) { event { kind
      application { events(first: 5) { edges { node { kind } } } } } } }"""
    body = {"query": query, "variables": {"after": START.cursor}}
    headers = {"Authorization": f"Bearer {await served.token(pair.company)}", "Accept": "text/event-stream"}
    got: list[Any] = []
    async with served.http.stream("POST", "/graphql", json=body, headers=headers) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                got.append(json.loads(line.removeprefix("data: "))["data"]["outcomeEvents"]["event"])
            else:
                assert line in ("", "event: next")
            if len(got) == 4:
                break
    assert [each["kind"] for each in got] == ["APPLICATION_RECEIVED", "REJECTED"] * 2
    assert all(len(each["application"]["events"]["edges"]) == 2 for each in got)
    await listeners(served, 0)  # who has left is forgotten, though nothing happens
    refused = await served.http.post("/graphql", json={**body, "variables": {"after": "x"}}, headers=headers)
    assert refused.json()["errors"][0]["extensions"]["code"] == "BAD_CURSOR"


async def test_a_stream_that_fails_says_so_and_where_it_stood(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it looks like a subscription that is over, and nobody resumes it."""
    event = await happen(pair.company, 1)
    past = Live._past

    async def fails_then(self: Live, subscriber: Subscriber, *given: Any) -> Any:
        if subscriber.place is not START and subscriber.place.event_id == event:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return (await past(self, subscriber, *given))[0], True

    monkeypatch.setattr(Live, "_past", fails_then)
    token = await served.token(pair.friend)
    body = {"query": EVENTS, "variables": {"after": START.cursor}}
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    lines = [line for line in (await served.http.post("/graphql", json=body, headers=headers)).text.split("\n") if line]
    told, ended = (json.loads(lines[number].removeprefix("data: ")) for number in (1, 3))
    delivery = told["data"]["outcomeEvents"]
    assert ids([delivery]) == [f"evt_{event}"]
    assert ended["errors"][0]["extensions"] == {"code": "INTERRUPTED", "cursor": delivery["cursor"]}
    assert lines[4:] == ["event: complete", "data:"]
    async with conversation(served, token) as talk:
        await talk.subscribe(EVENTS, after=START.cursor)
        assert ids([await talk.next()]) == [f"evt_{event}"]
        assert (await talk.said())["payload"][0]["extensions"] == ended["errors"][0]["extensions"]
