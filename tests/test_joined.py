"""Answers over HTTP: head and body in one write, and nothing that waits for longer than a turn of the loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from api.joined import Http, Joined


class Written:
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("closed")


@asynccontextmanager
async def connected(app: ASGIApp) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to this application, under uvicorn."""
    server = uvicorn.Server(uvicorn.Config(app, http=Http, port=0, log_config=None, lifespan="off"))
    listener = server.config.bind_socket()
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110  (uvicorn tells by this flag alone)
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def test_what_is_written_in_one_turn_goes_together() -> None:
    written = Written()
    joined = Joined(cast(Any, written), asyncio.get_running_loop())
    joined.write(b"head, ")
    assert written.told == []
    joined.write(b"body")
    assert written.told == [b"head, body"]
    joined.write(b"alone")
    await asyncio.sleep(0)
    assert written.told == [b"head, body", b"alone"]
    joined.write(b"last")
    joined.close()
    await asyncio.sleep(0)
    assert written.told == [b"head, body", b"alone", b"last", "closed"]


async def test_a_head_is_there_before_the_body_that_comes_later() -> None:
    seen = asyncio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await seen.wait()
        await send({"type": "http.response.body", "body": b"body"})

    async with connected(app) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        seen.set()
        assert await reader.readexactly(4) == b"body"


async def test_who_asks_before_sending_a_body_is_told_to_go_on() -> None:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body})

    async with connected(app) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.read()).endswith(b"4\r\nbody\r\n0\r\n\r\n")
