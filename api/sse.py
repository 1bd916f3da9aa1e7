"""Subscriptions as server-sent events, as the protocol graphql-sse has them: one operation a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing

import structlog
from starlette.types import Receive, Send

from api.live import Overflow
from planner import InvalidRequestError, body

HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]

log = structlog.get_logger()


async def stream(
    deliveries: AsyncGenerator[bytes], receive: Receive, send: Send, *, until: Coroutine[None, None, None]
) -> None:
    """Sends deliveries until they end, the reader leaves, or `until` returns: the token has ended.

    The reader resumes after its last cursor; the protocol has no word for why a stream ended.
    """
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    sending, gone = asyncio.create_task(_send(deliveries, send)), asyncio.create_task(_gone(receive))
    tasks = {sending, gone, asyncio.create_task(until)}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if not sending.cancelled() and (failure := sending.exception()):
        log.error("operation_failed", code=type(failure).__name__, reason=getattr(failure, "sqlstate", None))
    await send({"type": "http.response.body", "body": b"event: complete\ndata:\n\n", "more_body": False})


async def _send(deliveries: AsyncGenerator[bytes], send: Send) -> None:
    async with aclosing(deliveries):
        try:
            async for event in deliveries:
                await send(_event(event))
        except InvalidRequestError as invalid:
            await send(_event(body(invalid)))
        except Overflow:
            return


def _event(data: bytes) -> dict[str, object]:
    # PostgreSQL breaks lines between the items of a list, and a line break ends a field of an event.
    line = data.replace(b"\n", b" ")
    return {"type": "http.response.body", "body": b"event: next\ndata: " + line + b"\n\n", "more_body": True}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
