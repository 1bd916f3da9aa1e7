"""The application's front: what programs ask again and again over HTTP meets none of the layers that pages need."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from api.ats import PATH as ATS_PATH
from api.log import AccessLog

GRAPHQL_PATH = "/graphql"


class Front(Starlette):
    """Starlette, but `graphql` and `ats` answer what is theirs: routing among sixty addresses and the layers of
    middleware take 20 to 160 µs a request, by the address's place in the list.

    They catch their own failures and bound their own bodies, which is what those layers would do for them.
    """

    def __init__(self, graphql: ASGIApp, ats: ASGIApp, issuer: str, **rest: Any) -> None:
        super().__init__(**rest)
        self._graphql, self._ats = AccessLog(graphql), AccessLog(ats)
        self._site = urlsplit(issuer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == GRAPHQL_PATH:
            await self._graphql(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(ATS_PATH):
            await self._ats(scope, receive, send)
        else:
            await super().__call__(self._at_home(scope), receive, send)

    def _at_home(self, scope: Scope) -> Scope:
        """The request as if sent to the issuer: Starlette writes into redirects whatever a client claims as Host."""
        if scope["type"] != "http":
            return scope
        headers = [(name, text) for name, text in scope["headers"] if name != b"host"]
        return {**scope, "scheme": self._site.scheme, "headers": [*headers, (b"host", self._site.netloc.encode())]}
