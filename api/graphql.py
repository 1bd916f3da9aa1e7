"""GraphQL over HTTP (the specification's draft of 2025), as a bare ASGI endpoint: nothing between it and the planner.

POST with JSON, or GET for questions. A client that accepts `application/graphql-response+json` gets 400 for a
request that could not be run, and 403 for one that lacks scopes; for plain JSON every well-formed request answers 200.
Subscriptions go over WebSocket (`api.sockets`) or, with `Accept: text/event-stream`, as server-sent events.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson
import structlog
from graphql import OperationType
from starlette.types import Receive, Scope, Send

from api import sse
from api.asker import Asker, Budget, asker
from api.body import read_body
from api.challenge import asks, lacking, refuses, repeats
from api.connections import TOO_MANY_CONNECTIONS, Connections, TooManyConnectionsError
from api.cors import Origins, cross_site
from api.lapse import Lapses
from api.leave import Clock, GoneError
from api.live import Live
from api.perform import Context, perform
from auth.dpop import InvalidProofError
from auth.tokens import InvalidTokenError, Tokens
from auth.viewer import Viewer
from models import lane
from models.db import LOST, settled_together
from models.lane import Lane
from models.replica import Replicas
from planner import Answer, InvalidRequestError, Planner, Prepared, Request, body

MAXIMUM_BODY_BYTES = 256 * 1024
MAXIMUM_QUERY_STRING_BYTES = 16 * 1024
MAXIMUM_QUERY_FIELDS = 8
RETRY_SECONDS = 2
CLIENT_GONE = 499
"""Nobody reads it; the log does. No registered status says that the client closed the request."""
SPELLINGS_KEPT = 128
"""Clients send the same few headers again and again: what was read out of one is kept."""

GRAPHQL_JSON = b"application/graphql-response+json; charset=utf-8"
JSON = b"application/json; charset=utf-8"
NOT_STORED = (b"cache-control", b"no-store")
ACCEPTABLE = (
    b"application/graphql-response+json",
    b"application/json",
    b"text/event-stream",
    b"application/*",
    b"*/*",
)

FAILED = "This failed on our side; try again, and tell us if it stays so."

log = structlog.get_logger()


class RefusedError(Exception):
    """A request that is answered before the planner sees it: HTTP status, code and what to do."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers or {}


class Endpoint:
    """`/graphql` over HTTP. `planner`, `live`, `tokens` and `lane` are set when the application has started."""

    def __init__(self, issuer: str, budget: Budget, connections: Connections) -> None:
        self.issuer, self.budget, self.connections = issuer, budget, connections
        self.lapses, self.clock = Lapses(), Clock()
        self.planner: Planner
        self.live: Live
        self.tokens: Tokens
        self.lane: Lane
        self._verbs = asyncio.Semaphore(lane.VERBS_AT_ONCE)
        self.origins: Origins
        self.replicas: Replicas | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if b"origin" in headers:
            way = await cross_site(self.origins, headers, scope["method"], send, b"GET, POST")
            if way is None:
                return None
            send = way
        accept = headers.get(b"accept", b"*/*")
        media = _media(accept) or JSON
        try:
            if _media(accept) is None:
                raise RefusedError(406, "NOT_ACCEPTABLE", "Accept application/graphql-response+json.")
            if len(headers) < len(scope["headers"]) and repeats(scope["headers"]):
                raise RefusedError(400, "BAD_REQUEST", "Send one Authorization header, and one DPoP header at most.")
            viewer = await self.viewer(headers, scope["method"])
            request = await _request(scope, headers, receive)
            context = Context(viewer, language(headers), self.lane.acquire)
            prepared, who = self.prepare(request, viewer)
            operation = prepared.operation
            if operation is OperationType.QUERY:
                with self.clock.watch(receive):
                    answer = await self.run(prepared, context)
            elif operation is OperationType.SUBSCRIPTION:
                return await self._events(request, who, viewer, accept, headers, receive, send)
            elif scope["method"] == "GET":
                raise RefusedError(405, "METHOD_NOT_ALLOWED", "A mutation needs POST.", {"Allow": "POST"})
            else:
                answer = await self.run(prepared, context)
            if answer.failures:
                self.note(answer)
            await respond(send, 200, answer.body, media)
        except RefusedError as refused:
            await _refuse(send, refused, media)
        except InvalidRequestError as invalid:
            # Plain JSON promises 200 for every well-formed request; the media type of its own can say more.
            asked = lacking(invalid, self.issuer)
            status = (403 if asked else 400) if media is GRAPHQL_JSON else 200
            await respond(send, status, body(invalid), media, asked or {})
        except GoneError:
            await _refuse(send, RefusedError(CLIENT_GONE, "GONE", "The client has gone."), media)
        except LOST as lost:
            log.error("database_unavailable", code=type(lost).__name__)
            await _refuse(send, away(), media)
        except Exception as failure:  # the answer says nothing of it; the log says its kind
            log.error("operation_failed", code=type(failure).__name__, reason=getattr(failure, "sqlstate", None))
            await _refuse(send, RefusedError(500, "INTERNAL", FAILED), media)

    async def viewer(self, headers: Mapping[bytes, bytes], method: str) -> Viewer:
        """Who asks. Raises RefusedError(401) with the challenges of RFC 6750 and RFC 9449."""
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        known = scheme.lower()
        if known not in ("bearer", "dpop") or not token:
            what = "Send an access token: Authorization: Bearer …"
            raise RefusedError(401, "UNAUTHENTICATED", what, asks(self.issuer))
        try:
            if known == "bearer":
                return await self.tokens.verify(token)
            return await self.tokens.verify_proven(token, headers.get(b"dpop", b"").decode("latin-1"), method)
        except (InvalidTokenError, InvalidProofError) as invalid:
            log.info("token_refused", reason=invalid.reason)
            raise RefusedError(401, "UNAUTHENTICATED", str(invalid), refuses(invalid, known, self.issuer)) from None

    def prepare(self, request: Request, viewer: Viewer) -> tuple[Prepared, Asker]:
        """Plans a request and takes its cost out of the client's budget.

        Raises InvalidRequestError, and RefusedError(429) when the budget is spent.
        """
        who = asker(viewer, self.issuer, self.budget)
        prepared = self.planner.prepare(request, who)
        left = self.budget.spend(viewer.caller, prepared.cost)
        if left is None:
            missing = prepared.cost - self.budget.available(viewer.caller)
            seconds = max(1, -(-missing // self.budget.restore_rate))
            raise RefusedError(
                429,
                "THROTTLED",
                f"This costs {prepared.cost}; ask `viewer {{ throttle }}` for your budget and try again later.",
                {"Retry-After": str(seconds)},
            )
        who.values["budget_available"] = left
        return prepared, who

    async def run(self, prepared: Prepared, context: Context) -> Answer:
        """Answers a question, on a replica where it may lag, which nothing about a person may; or has verbs act.

        Raises TimeoutError when every connection that there is for it stays taken.
        """
        if prepared.operation is OperationType.MUTATION:
            async with settled_together():  # with its turn given on: waiting for replicas needs no connection
                return await self._act(prepared, context)
        if self.replicas is None or prepared.personal:
            return await self.planner.run(prepared, self.lane.acquire, context)
        return await self.replicas.ask(lambda acquire: self.planner.run(prepared, acquire, context), self.lane.acquire)

    async def _act(self, prepared: Prepared, context: Context) -> Answer:
        async with asyncio.timeout(lane.WAIT_SECONDS):
            await self._verbs.acquire()
        try:
            return await self.planner.run(prepared, self.lane.acquire, context, perform)
        finally:
            self._verbs.release()

    def note(self, answer: Answer) -> None:
        """Logs what failed behind an answer, by its kind alone: a message may carry a caller's value.

        Raises what says that the database is away: such an answer is none.
        """
        for failure in answer.failures:
            if isinstance(failure, LOST):
                raise failure
            log.error("operation_failed", code=type(failure).__name__, reason=getattr(failure, "sqlstate", None))

    async def _events(
        self,
        request: Request,
        who: Asker,
        viewer: Viewer,
        accept: bytes,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        if b"text/event-stream" not in accept.lower():
            raise RefusedError(406, "NOT_ACCEPTABLE", "Subscribe over WebSocket, or accept text/event-stream.")
        token = headers[b"authorization"].decode("latin-1").partition(" ")[2]
        deliver = partial(self.live.deliver, self.planner.stream(request, who), who, viewer)
        held = await self.tokens.hold(token)
        try:
            with self.connections.one_more(viewer.caller):
                await sse.stream(deliver, receive, send, until=self.lapses.lapse(held))
        except TooManyConnectionsError as too_many:
            raise RefusedError(429, TOO_MANY_CONNECTIONS, str(too_many)) from None


async def _request(scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Request:
    method = scope["method"]
    if method == "POST":
        if not _is_json(headers.get(b"content-type", b"")):
            raise RefusedError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json in UTF-8.")
        text = await read_body(receive, MAXIMUM_BODY_BYTES)
        if text is None:
            raise RefusedError(413, "TOO_LARGE", f"A request may have {MAXIMUM_BODY_BYTES} bytes at most.")
        return read_request(_json(text))
    if method == "GET":
        query: bytes = scope["query_string"]
        if len(query) > MAXIMUM_QUERY_STRING_BYTES:
            raise RefusedError(414, "TOO_LARGE", "The address is too long; use POST.")
        try:
            found = parse_qsl(query.decode("ascii"), max_num_fields=MAXIMUM_QUERY_FIELDS, errors="strict")
        except ValueError:
            raise RefusedError(400, "BAD_REQUEST", "The address does not hold a request in UTF-8.") from None
        pairs: dict[str, Any] = dict(found)
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
    found = cast("dict[str, Any]", document)
    query, name, variables = found.get("query"), found.get("operationName"), found.get("variables")
    if not isinstance(query, str) or not query.strip():
        raise RefusedError(400, "BAD_REQUEST", "`query` must hold the text of a GraphQL document.")
    if name is not None and not isinstance(name, str):
        raise RefusedError(400, "BAD_REQUEST", "`operationName` must be text.")
    if variables is not None and not isinstance(variables, dict):
        raise RefusedError(400, "BAD_REQUEST", "`variables` must be an object.")
    return Request(query, name or None, cast("dict[str, Any]", variables or {}))


@lru_cache(SPELLINGS_KEPT)
def _is_json(content_type: bytes) -> bool:
    said = content_type.lower()
    charset = re.search(rb"charset=\"?([^\s;\"]+)", said)
    media = said.partition(b";")[0].strip()
    return media == b"application/json" and (charset is None or charset[1] in (b"utf-8", b"utf8"))


@lru_cache(SPELLINGS_KEPT)
def _media(accept: bytes) -> bytes | None:
    """The media type of the answer; None when the client accepts none that we have."""
    said = accept.lower()
    if b"application/graphql-response+json" in said:
        return GRAPHQL_JSON
    return JSON if any(each in said for each in ACCEPTABLE) else None


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedError(400, "BAD_REQUEST", "This is not JSON in UTF-8.") from None


async def respond(
    send: Send, status: int, body: bytes, media: bytes, extra: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Sends one whole answer."""
    headers = [(b"content-type", media), (b"content-length", b"%d" % len(body)), NOT_STORED]
    for name, text in extra.items():
        headers.append((name.lower().encode(), text.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, refused: RefusedError, media: bytes) -> None:
    error = {"message": str(refused), "extensions": {"code": refused.code}}
    await respond(send, refused.status, orjson.dumps({"errors": [error]}), media, refused.headers)


def language(headers: Mapping[bytes, bytes]) -> str:
    """In which language refusals speak to this client: `ja` or `en`."""
    wishes = headers.get(b"accept-language")
    return "en" if wishes is None else _language(wishes)


@lru_cache(SPELLINGS_KEPT)
def _language(accept_language: bytes) -> str:
    wishes = accept_language.lower()
    japanese, english = wishes.find(b"ja"), wishes.find(b"en")
    return "ja" if japanese >= 0 and (english < 0 or japanese < english) else "en"


def away() -> RefusedError:
    """The refusal while the database is away: nothing of the request stands, or its key makes a retry safe."""
    return RefusedError(
        503, "UNAVAILABLE", "The database is away; try again shortly.", {"Retry-After": str(RETRY_SECONDS)}
    )
