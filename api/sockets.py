"""Subscriptions over WebSocket: the protocol graphql-transport-ws, as its specification has it.

Questions and verbs may come this way too. The token comes with `connection_init`, is asked again for every message
either way, and a token that ends closes the socket (4401) within seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import structlog
from graphql import OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.connections import TOO_MANY_CONNECTIONS, TooManyConnectionsError
from api.graphql import FAILED, Endpoint, RefusedError, away, language, read_request
from api.outlet import Ended
from api.perform import Context
from api.wire import EXTENSION, Wire
from auth.tokens import Held, InvalidTokenError
from auth.viewer import Viewer
from models.db import LOST
from planner import InvalidRequestError

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
MAXIMUM_OPERATIONS = 100
MAXIMUM_MESSAGE_BYTES = 64 * 1024

BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN = 4400, 4401, 4403
TOO_BIG = 1009
INIT_TIMEOUT, OPERATION_EXISTS, TOO_MANY = 4408, 4409, 4429

ENDED = "The token has ended; connect again with a new one."

log = structlog.get_logger()


class ClosedError(Exception):
    """The conversation is over: close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Socket:
    """One conversation."""

    def __init__(self, socket: WebSocket, endpoint: Endpoint) -> None:
        self.socket, self.endpoint = socket, endpoint
        self.viewer: Viewer | None = None
        self.held: Held
        self.operations: dict[str, asyncio.Task[None]] = {}
        self.sending = asyncio.Lock()
        self.wire: Wire = socket.scope["extensions"][EXTENSION]

    async def run(self) -> None:
        """Speaks until one side closes."""
        headers = dict(self.socket.scope["headers"])
        if not _same_origin(headers.get(b"origin"), self.endpoint.issuer):
            return await self.socket.close(FORBIDDEN)
        if PROTOCOL not in self.socket.scope.get("subprotocols", []):
            await self.socket.accept()
            return await self.socket.close(4406, f"Speak {PROTOCOL}.")
        await self.socket.accept(subprotocol=PROTOCOL)
        watching: asyncio.Task[None] | None = None
        try:
            viewer = await asyncio.wait_for(self._init(), INIT_SECONDS)
            with self.endpoint.connections.one_more(viewer.caller):
                await self._send({"type": "connection_ack"})
                watching = asyncio.create_task(self._watch(asyncio.current_task()))
                while True:
                    await self._take(await self._receive())
        except TimeoutError:
            await self._close(INIT_TIMEOUT, "Connection initialisation timeout")
        except TooManyConnectionsError as too_many:
            await self._close(TOO_MANY, f"{TOO_MANY_CONNECTIONS}: {too_many}")
        except ClosedError as closed:
            await self._close(closed.code, closed.reason)
        except asyncio.CancelledError:
            if watching is None or not watching.done():
                raise
            await self._close(UNAUTHORIZED, ENDED)
        except WebSocketDisconnect:
            pass
        finally:
            tasks = [*self.operations.values(), *([watching] if watching else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _init(self) -> Viewer:
        """Who is talking, by the token of the first message."""
        while True:
            message = await self._receive()
            if message["type"] == "ping":
                await self._send({"type": "pong"})
            elif message["type"] == "connection_init":
                break
            elif message["type"] in ("subscribe", "complete"):
                raise ClosedError(UNAUTHORIZED, "Unauthorized")
            elif message["type"] != "pong":
                raise ClosedError(BAD_MESSAGE, "Unknown message type")
        payload = message.get("payload")
        held = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
        scheme, _, token = str(held.get("authorization") or "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise InvalidTokenError("no bearer token in connection_init")
            self.viewer = await self.endpoint.tokens.verify(token)
            self.held = await self.endpoint.tokens.hold(token)
        except InvalidTokenError as invalid:
            log.info("token_refused", reason=invalid.reason)
            raise ClosedError(FORBIDDEN, "Forbidden: send {authorization: 'Bearer …'} in connection_init") from None
        return self.viewer

    async def _watch(self, conversation: asyncio.Task[Any] | None) -> None:
        """Ends the conversation when its token has ended."""
        await self.endpoint.lapses.lapse(self.held)
        if conversation:
            asyncio.get_running_loop().call_soon(conversation.cancel)

    async def _take(self, message: dict[str, Any]) -> None:
        kind, key = message["type"], message.get("id")
        if kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "connection_init":
            raise ClosedError(TOO_MANY, "Too many initialisation requests")
        elif kind == "subscribe":
            self._subscribe(key, message.get("payload"))
        elif kind == "complete" and isinstance(key, str):
            task = self.operations.pop(key, None)
            if task:
                task.cancel()
        elif kind != "pong":
            raise ClosedError(BAD_MESSAGE, "Unknown message type")

    def _subscribe(self, key: object, payload: object) -> None:
        if not self.held.stands():
            raise ClosedError(UNAUTHORIZED, ENDED)
        if not isinstance(key, str) or not key:
            raise ClosedError(BAD_MESSAGE, "`id` must be text")
        if key in self.operations:
            raise ClosedError(OPERATION_EXISTS, f"Subscriber for {key} already exists")
        if len(self.operations) >= MAXIMUM_OPERATIONS:
            raise ClosedError(TOO_MANY, f"At most {MAXIMUM_OPERATIONS} operations at once")
        if not isinstance(payload, dict):
            raise ClosedError(BAD_MESSAGE, "`payload` must be an object")
        self.operations[key] = asyncio.create_task(self._operate(key, payload))  # pyright: ignore

    async def _operate(self, key: str, payload: dict[str, Any]) -> None:
        try:
            await self._answer(key, payload)
        except RefusedError as refused:
            await self._refuse(key, refused)
        except Ended as ended:
            # Written at once: a reader that takes nothing would never let it through, and finds it when it reads again.
            self.operations.pop(key, None)
            self.wire.write(orjson.dumps({"id": key, "type": "error", "payload": [ended.formatted()]}))
        except InvalidRequestError as invalid:
            await self._error(key, [error.formatted for error in invalid.errors])
        except WebSocketDisconnect:
            return
        except LOST as lost:
            log.error("database_unavailable", code=type(lost).__name__)
            await self._refuse(key, away())
        except Exception as failure:  # the answer says nothing of it; the log says its kind
            log.error("operation_failed", code=type(failure).__name__, reason=getattr(failure, "sqlstate", None))
            await self._refuse(key, RefusedError(500, "INTERNAL", FAILED))
        else:
            self.operations.pop(key, None)
            await self._send({"id": key, "type": "complete"})

    async def _answer(self, key: str, payload: dict[str, Any]) -> None:
        viewer = self.viewer
        assert viewer is not None
        request = read_request(payload)
        prepared, who = self.endpoint.prepare(request, viewer)
        answers = _Answers(key, self.wire, self.held)
        if prepared.operation is OperationType.SUBSCRIPTION:
            await self.endpoint.live.deliver(self.endpoint.planner.stream(request, who), who, viewer, answers)
            return
        context = Context(viewer, language(dict(self.socket.scope["headers"])), self.endpoint.lane.acquire)
        answer = await self.endpoint.run(prepared, context)
        self.endpoint.note(answer)
        await answers.ready()
        answers.write(answer.body)

    async def _refuse(self, key: str, refused: RefusedError) -> None:
        await self._error(key, [{"message": str(refused), "extensions": {"code": refused.code}}])

    async def _error(self, key: str, errors: list[Any]) -> None:
        self.operations.pop(key, None)
        await self._send({"id": key, "type": "error", "payload": errors})

    async def _receive(self) -> dict[str, Any]:
        frame = await self.socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1005))
        text: str | None = frame.get("text")
        if text is None:
            raise ClosedError(BAD_MESSAGE, "Send text, not bytes")
        if len(text.encode()) > MAXIMUM_MESSAGE_BYTES:
            raise ClosedError(TOO_BIG, "Message too big")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise ClosedError(BAD_MESSAGE, "Not JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):  # pyright: ignore
            raise ClosedError(BAD_MESSAGE, "`type` must be text")
        return message  # pyright: ignore

    async def _send(self, message: dict[str, Any]) -> None:
        await self._text(orjson.dumps(message, default=str).decode())

    async def _text(self, text: str) -> None:
        async with self.sending:
            await self.socket.send_text(text)

    async def _close(self, code: int, reason: str) -> None:
        if self.socket.client_state is WebSocketState.CONNECTED:
            await self.socket.close(code, reason[:120])


class _Answers:
    """The way of one operation's answers: none leaves under a token that has ended."""

    def __init__(self, key: str, wire: Wire, held: Held) -> None:
        self.wire, self.held = wire, held
        self.head = b'{"id":' + orjson.dumps(key) + b',"type":"next","payload":'

    def put(self, body: bytes) -> bool:
        return not self.held.stands() or self.wire.put(b"".join((self.head, body, b"}")))

    async def ready(self) -> None:
        await self.wire.writable.wait()

    def write(self, body: bytes) -> None:
        if self.held.stands():
            self.wire.write(b"".join((self.head, body, b"}")))


def _same_origin(origin: bytes | None, issuer: str) -> bool:
    """A browser names its origin, and only our own pages may speak; a program names none."""
    if origin is None:
        return True
    parts = urlsplit(issuer)
    return origin.decode("latin-1") == f"{parts.scheme}://{parts.netloc}"
