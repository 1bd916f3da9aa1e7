"""Who hears of an event together, who never does, and what a subscription says when its agreement ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api import live
from api.live import Live
from api.place import START
from api.subscriber import Group
from models import agreement
from models.db import unit_of_work
from tests import builders
from tests.builders import said
from tests.conversation import Conversation, conversation
from tests.served import ALL, Served, running
from tests.test_live import EVENTS, Pair, happen, heard, ids, listeners, pair, subscription, taken

__all__ = ["pair", "running"]


async def test_a_subscription_to_an_agreement_is_closed_when_it_ends(served: Served, pair: Pair) -> None:
    """proof 2.10: whoever asked for one agreement is told that it ended, and where they stood; others hear on."""
    query = "subscription ($agreement: ID) { outcomeEvents(agreement: $agreement) { cursor event { id } } }"
    named = {"agreement": f"agr_{pair.agreement}"}
    async with (
        conversation(served, await served.token(pair.friend)) as friend,
        conversation(served, await served.token(pair.company)) as company,
        served.http.stream(
            "POST",
            "/graphql",
            json={"query": query, "variables": named},
            headers={"Authorization": f"Bearer {await served.token(pair.friend)}", "Accept": "text/event-stream"},
        ) as stream,
    ):
        await friend.subscribe(query, "filtered", **named)
        await friend.subscribe(query, "all")
        await company.subscribe(query, **named)
        assert {(await friend.said())["id"] for _ in range(2)} == {"filtered", "all"}  # their first bookmarks
        await company.said()
        lines = (line async for line in stream.aiter_lines() if line)
        assert [await anext(lines) for _ in range(2)][1].endswith('"event":null}}}')
        before = f"evt_{await happen(pair.company, 1)}"
        told = [await friend.said() for _ in range(2)]
        assert {each["id"] for each in told} == {"filtered", "all"}
        first = told[0]["payload"]["data"]["outcomeEvents"]
        assert first["event"]["id"] == before
        assert ids(await heard(company, 1)) == [before]
        async with unit_of_work() as connection:
            reason = {"agreement_id": pair.agreement, "reason": "確認のため"}
            await agreement.suspend(connection, said=said(pair.company), **reason)
        async with asyncio.timeout(30):
            for talk, key in ((friend, "filtered"), (company, "1")):
                ended = await talk.said()
                assert (ended["id"], ended["type"]) == (key, "error")
                extensions = ended["payload"][0]["extensions"]
                assert extensions == {"code": "AGREEMENT_ENDED", "cursor": first["cursor"]}
            rest = [line async for line in lines]
        assert json.loads(rest[1].removeprefix("data: "))["data"]["outcomeEvents"]["event"]["id"] == before
        assert json.loads(rest[3].removeprefix("data: "))["errors"][0]["extensions"] == extensions
        assert rest[4:] == ["event: complete", "data:"]
        await happen(pair.company, 2)
        own = f"evt_{await happen(pair.friend, 3)}"
        assert ids(await heard(friend, 1)) == [own]
        # An agreement that gives nothing is silent, as one that is not there: it may begin to give later.
        await company.subscribe(query, **named)
        await listeners(served, 2)
        async with unit_of_work() as connection:
            await agreement.resume(connection, said=said(pair.company), agreement_id=pair.agreement)
        again = f"evt_{await happen(pair.company, 4)}"
        assert ids(await heard(company, 1)) == [again]


async def test_equal_documents_of_unequal_viewers_are_never_one_group(served: Served, pair: Pair) -> None:
    """Each hears what it alone may hear: partner, scopes, filters and what is asked decide together."""
    async with unit_of_work() as connection:
        stranger = await builders.company(connection, "株式会社よそ")
    poor = ("events:subscribe", "outcomes:read", "network:read")
    talks: dict[str, Conversation] = {}
    wanted: dict[str, tuple[UUID, Any, dict[str, Any]]] = {
        "friend": (pair.friend, ALL, {}),
        "again": (pair.friend, ALL, {}),
        "poor": (pair.friend, poor, {}),
        "hired": (pair.friend, ALL, {"kinds": ["HIRED"]}),
        "filtered": (pair.friend, ALL, {"agreement": f"agr_{pair.agreement}"}),
        "company": (pair.company, ALL, {}),
        "stranger": (stranger, ALL, {}),
    }
    query = """subscription ($kinds: [OutcomeKind!], $agreement: ID) {
      outcomeEvents(kinds: $kinds, agreement: $agreement) { cursor sentAt event { id } } }"""
    async with AsyncExitStack() as stack:
        for name, (partner_id, scope, variables) in wanted.items():
            token = await served.token(partner_id, scope)
            talks[name] = await stack.enter_async_context(conversation(served, token))
            await talks[name].subscribe(query, **variables)
            assert (await talks[name].next())["event"] is None
        sizes = sorted(len(group.members) for group in served.app.state.endpoint.live.groups.values())
        assert sizes == [1, 1, 1, 1, 1, 2]
        shared, own = await happen(pair.company, 1), await happen(stranger, 2)
        for name in ("friend", "again", "poor", "filtered", "company"):
            assert ids(await heard(talks[name], 1)) == [f"evt_{shared}"]
        # Had the stranger been told of the first, it would have come first.
        assert ids(await heard(talks["stranger"], 1)) == [f"evt_{own}"]
        for name in ("hired", "friend", "company"):
            await talks[name].send(type="ping")
            assert await talks[name].said() == {"type": "pong"}


async def test_an_agreement_that_ends_during_a_replay_ends_it_there(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """proof 4.10: what was read while it was shared, and waited for its reader until it no longer was, is not told."""
    monkeypatch.setattr(live, "STALE_SECONDS", 0.0)
    expected = [await happen(pair.company, number) for number in range(3)]
    own = await happen(pair.friend, 9)
    backlog, serving = await subscription(served, pair, START.cursor)
    got = await taken(backlog, 1)
    async with unit_of_work() as connection:
        reason = {"agreement_id": pair.agreement, "reason": "確認のため"}
        await agreement.suspend(connection, said=said(pair.company), **reason)
    got += await taken(backlog, 1)
    serving.cancel()
    assert ids(got) == [f"evt_{expected[0]}", f"evt_{own}"]


TWO = """subscription ($kinds: [OutcomeKind!]) {
  outcomeEvents(kinds: $kinds, bookmarkSeconds: 1) { cursor event { id } } }"""


@asynccontextmanager
async def three_groups(served: Served, pair: Pair) -> AsyncIterator[tuple[Conversation, Conversation, str]]:
    """The friend, who subscribed as `all` and as `some`, the company, and the cursor that `some` was given."""
    async with (
        conversation(served, await served.token(pair.friend)) as friend,
        conversation(served, await served.token(pair.company)) as company,
    ):
        await friend.subscribe(TWO, "some", kinds=["APPLICATION_RECEIVED"])
        first = await friend.next()
        await friend.subscribe(TWO, "all")
        await company.subscribe(TWO)
        await friend.next()
        await company.next()
        yield friend, company, first["cursor"]


async def by_key(talk: Conversation) -> dict[str, Any]:
    """The next message of each of the friend's two subscriptions that is no bookmark."""
    found: dict[str, Any] = {}
    while len(found) < 2:
        message = await talk.said()
        if message["type"] == "error" or message["payload"]["data"]["outcomeEvents"]["event"]:
            found[message["id"]] = message
    return found


async def test_a_statement_that_fails_ends_its_own_group_alone(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = Live._encode

    async def fails(self: Live, group: Group, *given: Any, **named: Any) -> Any:
        if group.wish.kinds:
            raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")
        return await encode(self, group, *given, **named)

    async with three_groups(served, pair) as (friend, company, cursor):
        monkeypatch.setattr(Live, "_encode", fails)
        event = f"evt_{await happen(pair.company, 1)}"
        told = await by_key(friend)
        assert told["all"]["payload"]["data"]["outcomeEvents"]["event"]["id"] == event
        assert told["some"]["type"] == "error"
        assert told["some"]["payload"][0]["extensions"] == {"code": "INTERRUPTED", "cursor": cursor}
        assert ids(await heard(company, 1)) == [event]
        again = f"evt_{await happen(pair.company, 2)}"
        assert ids(await heard(friend, 1)) == ids(await heard(company, 1)) == [again]
        monkeypatch.undo()
        await friend.subscribe(EVENTS, "some", after=cursor, kinds=["APPLICATION_RECEIVED"])
        assert ids(await heard(friend, 2)) == [event, again]


async def test_nobody_waits_for_a_group_whose_statement_takes_long(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it is not told in time it resumes, in order and without a gap."""
    encode, enough = Live._encode, asyncio.Event()

    async def lingers(self: Live, group: Group, *given: Any, **named: Any) -> Any:
        if group.wish.kinds:
            await enough.wait()
        return await encode(self, group, *given, **named)

    monkeypatch.setattr(live, "ENCODED_SECONDS", 3600.0)
    monkeypatch.setattr(Live, "_encode", lingers)
    async with three_groups(served, pair) as (friend, company, _):
        events = [f"evt_{await happen(pair.company, number)}" for number in range(3)]
        assert ids(await heard(company, 3)) == events
        assert ids(await heard(friend, 3)) == events
        await company.next()  # a bookmark: all of the reader's work is done, and the group's is not
        enough.set()
        assert ids(await heard(friend, 3)) == events
        enough.clear()
        monkeypatch.setattr(live, "ENCODED_SECONDS", 0.1)
        last = f"evt_{await happen(pair.company, 3)}"
        assert ids(await heard(company, 1)) == [last]
        told = await by_key(friend)
        assert told["some"]["payload"][0]["extensions"]["code"] == "INTERRUPTED"
        monkeypatch.undo()
        cursor = told["some"]["payload"][0]["extensions"]["cursor"]
        await friend.subscribe(EVENTS, "some", after=cursor, kinds=["APPLICATION_RECEIVED"])
        assert ids(await heard(friend, 1)) == [last]


async def test_a_partner_with_many_slow_groups_leaves_others_their_turn(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many statements of one partner's take long, others are told meanwhile."""
    encode, enough = Live._encode, asyncio.Event()

    async def lingers(self: Live, group: Group, *given: Any, **named: Any) -> Any:
        if group.wish.kinds:
            await enough.wait()
        return await encode(self, group, *given, **named)

    monkeypatch.setattr(live, "ENCODED_SECONDS", 3600.0)
    monkeypatch.setattr(Live, "_encode", lingers)
    others = ("HIRED", "REJECTED", "WITHDRAWN", "HIRE_REVERTED", "RETENTION_CHECKED", "PLACED")
    async with three_groups(served, pair) as (friend, company, _):
        for other in others:
            await friend.subscribe(TWO, other, kinds=["APPLICATION_RECEIVED", other])
        await listeners(served, 3 + len(others))
        event = f"evt_{await happen(pair.company, 1)}"
        async with asyncio.timeout(20):
            assert ids(await heard(company, 1)) == [event]
            assert (await company.next())["event"] is None  # nor do their bookmarks wait
        enough.set()
        told = dict[str, str]()
        while len(told) < 2 + len(others):  # and theirs are told in the end, all of them
            message = await friend.said()
            found = message["payload"]["data"]["outcomeEvents"]["event"]
            if found:
                told[message["id"]] = found["id"]
        assert set(told.values()) == {event}


async def test_bookmarks_of_one_group_do_not_wait_for_another(
    served: Served, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BOOKMARK_SECONDS", (1, 300))
    mark = Live._mark

    async def fails(self: Live, group: Group, members: Any) -> None:
        if group.wish.kinds:
            raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")
        await mark(self, group, members)

    async with three_groups(served, pair) as (friend, company, _):
        monkeypatch.setattr(Live, "_mark", fails)
        assert [(await friend.said())["id"] for _ in range(2)] == ["all", "all"]
        assert (await company.next())["event"] is None
