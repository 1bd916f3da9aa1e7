"""GraphQL over HTTP (the specification's draft of 2025), as a bare ASGI endpoint: nothing between it and the planner.

POST with JSON, or GET for questions. A client that accepts `application/graphql-response+json` gets 400 for a
request that could not be run; for plain JSON every well-formed request answers 200. Subscriptions go over WebSocket
(`api.sockets`) or, with `Accept: text/event-stream`, as server-sent events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import orjson
import structlog
from graphql import OperationType
from starlette.types import Message, Receive, Scope, Send

from api.asker import Asker, Budget, asker
from api.live import Live, Overflow
from api.perform import Context, perform
from auth.tokens import InvalidTokenError, Tokens
from auth.viewer import Viewer
from models.db import pool
from planner import Answer, InvalidRequestError, Planner, Prepared, Request, body

MAXIMUM_BODY_BYTES = 256 * 1024
MAXIMUM_QUERY_STRING_BYTES = 16 * 1024
RETRY_SECONDS = 2

GRAPHQL_JSON = b"application/graphql-response+json; charset=utf-8"
JSON = b"application/json; charset=utf-8"

log = structlog.get_logger()


class RefusedError(Exception):
    """A request that is answered before the planner sees it: HTTP status, code and what to do."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers or {}


class Endpoint:
    """`/graphql` over HTTP. `planner`, `live` and `tokens` are set when the application has started."""

    def __init__(self, issuer: str, budget: Budget) -> None:
        self.issuer, self.budget = issuer, budget
        self.planner: Planner
        self.live: Live
        self.tokens: Tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        media = GRAPHQL_JSON if b"application/graphql-response+json" in headers.get(b"accept", b"") else JSON
        try:
            viewer = await self.viewer(headers)
            request = await _request(scope, headers, receive)
            context = Context(viewer, _language(headers))
            prepared, who = self.prepare(request, viewer)
            if scope["method"] == "GET" and prepared.operation is not OperationType.QUERY:
                raise RefusedError(405, "METHOD_NOT_ALLOWED", "A mutation needs POST.", {"Allow": "POST"})
            if prepared.operation is OperationType.SUBSCRIPTION:
                return await self._events(request, who, viewer, headers, send)
            answer = await self.planner.run(prepared, pool().acquire, context, perform)
            self.note(answer)
            await respond(send, 200, answer.body, media)
        except RefusedError as refused:
            await _refuse(send, refused, media)
        except InvalidRequestError as invalid:
            # Plain JSON promises 200 for every well-formed request; the media type of its own can say more.
            await respond(send, 400 if media is GRAPHQL_JSON else 200, body(invalid), media)
        except (
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
            asyncpg.InterfaceError,
            OSError,
        ) as lost:
            log.error("database_unavailable", code=type(lost).__name__)
            busy = RefusedError(503, "UNAVAILABLE", "The database is away; try again shortly.", _retry())
            await _refuse(send, busy, media)

    async def viewer(self, headers: Mapping[bytes, bytes]) -> Viewer:
        """Who asks. Raises RefusedError(401) with the challenge of RFC 6750."""
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RefusedError(401, "UNAUTHENTICATED", "Send an access token: Authorization: Bearer …", _challenge())
        try:
            return await self.tokens.verify(token)
        except InvalidTokenError as invalid:
            log.info("token_refused", reason=invalid.reason)
            raise RefusedError(401, "UNAUTHENTICATED", str(invalid), {"WWW-Authenticate": invalid.challenge}) from None

    def prepare(self, request: Request, viewer: Viewer) -> tuple[Prepared, Asker]:
        """Plans a request and takes its cost out of the client's budget.

        Raises InvalidRequestError, and RefusedError(429) when the budget is spent.
        """
        who = asker(viewer, self.issuer, self.budget)
        prepared = self.planner.prepare(request, who)
        if not self.budget.spend(viewer.client_id, prepared.cost):
            missing = prepared.cost - self.budget.available(viewer.client_id)
            seconds = max(1, -(-missing // self.budget.restore_rate))
            raise RefusedError(
                429,
                "THROTTLED",
                f"This costs {prepared.cost}; ask `viewer {{ throttle }}` for your budget and try again later.",
                {"Retry-After": str(seconds)},
            )
        return prepared, who

    def note(self, answer: Answer) -> None:
        """Logs what failed behind an answer, by its kind alone: a message may carry a caller's value."""
        for failure in answer.failures:
            log.error("operation_failed", code=type(failure).__name__, reason=getattr(failure, "sqlstate", None))

    async def _events(
        self, request: Request, who: Asker, viewer: Viewer, headers: Mapping[bytes, bytes], send: Send
    ) -> None:
        if b"text/event-stream" not in headers.get(b"accept", b""):
            raise RefusedError(406, "NOT_ACCEPTABLE", "Subscribe over WebSocket, or accept text/event-stream.")
        token = headers[b"authorization"].decode("latin-1").partition(" ")[2]
        deliveries = self.live.subscribe(self.planner.stream(request, who), who, viewer)
        started = False
        try:
            async for event in deliveries:
                await self.tokens.verify(token)
                if not started:
                    await send(_start(200, b"text/event-stream; charset=utf-8", {"Cache-Control": "no-store"}))
                    started = True
                await send(
                    {"type": "http.response.body", "body": b"event: next\ndata: " + event + b"\n\n", "more_body": True}
                )
        except (InvalidTokenError, Overflow):
            pass  # the stream ends; the client resumes after its last cursor
        if not started:
            await send(_start(200, b"text/event-stream; charset=utf-8", {"Cache-Control": "no-store"}))
        await send({"type": "http.response.body", "body": b"event: complete\ndata:\n\n", "more_body": False})


async def _request(scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Request:
    method = scope["method"]
    if method == "POST":
        media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media != b"application/json":
            raise RefusedError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json.")
        return read_request(_json(await _body(receive)))
    if method == "GET":
        text: bytes = scope["query_string"]
        if len(text) > MAXIMUM_QUERY_STRING_BYTES:
            raise RefusedError(414, "TOO_LARGE", "The address is too long; use POST.")
        pairs: dict[str, Any] = dict(parse_qsl(text.decode("latin-1"), max_num_fields=8))
        for name in ("variables", "extensions"):
            if name in pairs:
                pairs[name] = _json(pairs[name].encode())
        return read_request(pairs)
    raise RefusedError(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for questions.", {"Allow": "GET, POST"})


def read_request(document: object) -> Request:
    """A GraphQL request out of parsed JSON. Raises RefusedError(400)."""
    if isinstance(document, list):
        raise RefusedError(400, "BAD_REQUEST", "One operation a request: arrays are not accepted.")
    if not isinstance(document, dict):
        raise RefusedError(400, "BAD_REQUEST", "The body must be a JSON object with a `query`.")
    found: dict[str, Any] = document
    query, name, variables = found.get("query"), found.get("operationName"), found.get("variables")
    if not isinstance(query, str) or not query.strip():
        raise RefusedError(400, "BAD_REQUEST", "`query` must hold the text of a GraphQL document.")
    if name is not None and not isinstance(name, str):
        raise RefusedError(400, "BAD_REQUEST", "`operationName` must be text.")
    if variables is not None and not isinstance(variables, dict):
        raise RefusedError(400, "BAD_REQUEST", "`variables` must be an object.")
    return Request(query, name or None, variables or {})


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "BAD_REQUEST", "The request broke off.")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > MAXIMUM_BODY_BYTES:
            raise RefusedError(413, "TOO_LARGE", f"A request may have {MAXIMUM_BODY_BYTES} bytes at most.")
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedError(400, "BAD_REQUEST", "This is not JSON in UTF-8.") from None


async def respond(send: Send, status: int, body: bytes, media: bytes, extra: Mapping[str, str] | None = None) -> None:
    """Sends one whole answer."""
    await send(_start(status, media, {"Content-Length": str(len(body)), "Cache-Control": "no-store", **(extra or {})}))
    await send({"type": "http.response.body", "body": body})


def _start(status: int, media: bytes, extra: Mapping[str, str]) -> Message:
    headers = [(b"content-type", media), *((name.lower().encode(), text.encode()) for name, text in extra.items())]
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _refuse(send: Send, refused: RefusedError, media: bytes) -> None:
    error = {"message": str(refused), "extensions": {"code": refused.code}}
    await respond(send, refused.status, orjson.dumps({"errors": [error]}), media, refused.headers)


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def _language(headers: Mapping[bytes, bytes]) -> str:
    wishes = headers.get(b"accept-language", b"").lower()
    japanese, english = wishes.find(b"ja"), wishes.find(b"en")
    return "ja" if japanese >= 0 and (english < 0 or japanese < english) else "en"


def _challenge() -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="kyoso"'}


def _retry() -> dict[str, str]:
    return {"Retry-After": str(RETRY_SECONDS)}
