"""Browser programs on other sites (Cross-Origin Resource Sharing): those of registered clients, and never with cookies.

A site is let in when a client has codes sent there; what is public is open to every site. Pages with cookies answer
no other site at all: they do not come through here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import asyncpg
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models import origin
from models.db import LOST, pool

FRESH_SECONDS = 60.0
AGAIN_SECONDS = 2.0
"""A site that is not known may belong to a client of a moment ago: the database is asked at most this often."""
PREFLIGHT_SECONDS = 600
ALLOWED_HEADERS = b"authorization, content-type, dpop"
EXPOSED_HEADERS = b"dpop-nonce, www-authenticate, retry-after"
_PORTS = {"http": 80, "https": 443}
_AWAY = (*LOST, asyncpg.PostgresError)


class Origins:
    """Where the clients live that may call from a browser, as this worker knows it."""

    def __init__(self, issuer: str) -> None:
        self._own = issuer.encode()
        self._known: frozenset[bytes] = frozenset()
        self._read_at = -math.inf

    def is_own(self, site: bytes) -> bool:
        """Whether it is our own: its programs need no leave."""
        return site == self._own

    async def hold(self, site: bytes) -> bool:
        """Whether a registered client lives there. While the database is away, what was known is believed."""
        age = time.monotonic() - self._read_at
        if age > FRESH_SECONDS or (site not in self._known and age > AGAIN_SECONDS):
            self._read_at = time.monotonic()  # first: others meanwhile need not ask too
            try:
                async with pool().acquire() as connection:
                    found = await origin.redirect_uris(connection)
            except _AWAY:
                return site in self._known
            self._known = frozenset(site_of(uri) for uri in found)
        return site in self._known


def site_of(uri: str) -> bytes:
    """Scheme, host and port of an address as a browser writes them in `Origin`."""
    parts = urlsplit(uri)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port not in (None, _PORTS.get(parts.scheme)) else ""
    return f"{parts.scheme}://{host}{port}".encode()


async def cross_site(
    origins: Origins, headers: Mapping[bytes, bytes], method: str, send: Send, methods: bytes
) -> Send | None:
    """The way of an answer to a request with an `Origin`; None when it was a preflight, which is answered then.

    To a site where no client lives the answer goes as it is, and the browser keeps it from the program.
    """
    site = headers[b"origin"]
    if origins.is_own(site):
        return send
    leave = await origins.hold(site)
    if method == "OPTIONS" and b"access-control-request-method" in headers:
        await _preflight(send, [(b"access-control-allow-origin", site), (b"vary", b"origin")] if leave else [], methods)
        return None
    if not leave:
        return send
    told = [
        (b"access-control-allow-origin", site),
        (b"access-control-expose-headers", EXPOSED_HEADERS),
        (b"vary", b"origin"),
    ]

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *told]
        await send(message)

    return answer


class CrossSite:
    """One route that registered clients call from browsers; `methods` as a preflight is told them."""

    def __init__(self, app: ASGIApp, methods: str) -> None:
        self.app, self.methods = app, methods.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(Headers(scope=scope).raw)
        way: Send | None = send
        if b"origin" in headers:
            way = await cross_site(scope["app"].state.door.origins, headers, scope["method"], send, self.methods)
        if way and scope["method"] == "OPTIONS":
            await _respond(way, 405, [(b"allow", self.methods)])
        elif way:
            await self.app(scope, receive, way)


class Public:
    """One route that every site may read; its handler says so, and preflights are answered here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await _preflight(send, [(b"access-control-allow-origin", b"*")], b"GET")
        else:
            await self.app(scope, receive, send)


async def _preflight(send: Send, leave: list[tuple[bytes, bytes]], methods: bytes) -> None:
    if not leave:
        await _respond(send, 403, [(b"vary", b"origin")])
        return
    told = [
        (b"access-control-allow-methods", methods),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
    ]
    await _respond(send, 204, [*leave, *told])


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, (b"cache-control", b"no-store")]}
    )
    await send({"type": "http.response.body", "body": b""})
