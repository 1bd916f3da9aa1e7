"""Subscriptions as server-sent events, as the protocol graphql-sse has them: one operation a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import orjson
from starlette.types import Receive, Send

from api.outlet import Backlog, Ended, Outlet
from planner import InvalidRequestError, body

HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
LAPSED = {
    "message": "The token has ended; subscribe again with a new one, after the last cursor.",
    "extensions": {"code": "UNAUTHENTICATED"},
}


async def stream(
    deliver: Callable[[Outlet], Awaitable[None]], receive: Receive, send: Send, *, until: Coroutine[None, None, None]
) -> None:
    """Sends deliveries until the server ends them, the reader leaves, or `until` returns: the token has ended.

    The protocol has no word for why a stream ended: where there is something to say, a last answer says it.
    """
    backlog = Backlog()
    try:
        delivering = _deliver(deliver(backlog), backlog)
    except BaseException:
        until.close()
        raise
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    writing = asyncio.create_task(_write(backlog, send))
    lapse = asyncio.create_task(until)
    ends = {writing, asyncio.create_task(_gone(receive)), lapse}
    tasks = {*ends, asyncio.create_task(delivering)}
    try:
        ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if lapse in ended:  # what waited to be written is not: only this may leave under a token that has ended
        await _next(orjson.dumps({"errors": [LAPSED]}), send)
    await send({"type": "http.response.body", "body": b"event: complete\ndata:\n\n", "more_body": False})


async def _deliver(deliveries: Awaitable[None], backlog: Backlog) -> None:
    try:
        await deliveries
    except Ended as ended:
        backlog.write(orjson.dumps({"errors": [ended.formatted()]}))
    except InvalidRequestError as invalid:
        backlog.write(body(invalid))
    finally:
        backlog.end()


async def _write(backlog: Backlog, send: Send) -> None:
    async for data in backlog.taken():
        await _next(data, send)


async def _next(data: bytes, send: Send) -> None:
    # PostgreSQL breaks lines between the items of a list, and a line break ends a field of an event.
    line = data.replace(b"\n", b" ")
    event = b"event: next\ndata: " + line + b"\n\n"
    await send({"type": "http.response.body", "body": event, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
