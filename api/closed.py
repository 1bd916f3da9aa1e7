"""What is answered where no handler answers: no such address, no such method, the database away, or a failure of ours.

Browsers get a page in both languages; programs get what they can read.
"""

from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from api import page
from api.consent import CONSENT_PATH
from api.graphql import RETRY_SECONDS
from api.login import AUTHORIZE_PATH, DEVELOPER_PATH, SECURITY_PATH, TEAM_PATH
from auth.server import NO_STORE
from models.db import LOST

PROGRAMS, PEOPLES = ("/oauth/", "/.well-known/"), (AUTHORIZE_PATH, CONSENT_PATH)
"""Whose addresses are programs', whatever they accept, and which of those are people's all the same."""
WITH_FORMS = ("/login", SECURITY_PATH, TEAM_PATH, DEVELOPER_PATH)
"""Pages whose forms are sent to addresses below theirs."""
AWAY = {"error": "temporarily_unavailable", "error_description": "The database is away; try again shortly."}

log = structlog.get_logger()


async def no_door(request: Request, error: Exception) -> Response:
    """404 and 405. Who reloads what a form was sent to is led back to the form's page."""
    assert isinstance(error, HTTPException)
    if not _by_browser(request):
        return PlainTextResponse(error.detail, error.status_code, error.headers)
    above = f"/{request.url.path.split('/')[1]}"
    if error.status_code == 405 and request.method == "GET" and above in WITH_FORMS:
        return page.redirect(above)
    answer = page.render("closed.html", status=error.status_code, why=error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def away(request: Request, error: Exception) -> Response:
    """503, since the database is away: nothing of the request stands."""
    if request.scope["type"] != "http":  # of a WebSocket, whose own end says it
        raise error
    log.error("database_unavailable", code=type(error).__name__)
    retry = {"Retry-After": str(RETRY_SECONDS)}
    if not _by_browser(request):
        return JSONResponse(AWAY, 503, {**NO_STORE, **retry})
    answer = page.render("closed.html", status=503, why=503)
    answer.headers.update(retry)
    return answer


async def failed(request: Request, _: Exception) -> Response:
    """500. The server writes what failed to the log."""
    if not _by_browser(request):
        return PlainTextResponse("Internal Server Error", 500)
    return page.render("closed.html", status=500, why=500)


def _by_browser(request: Request) -> bool:
    path = request.url.path
    programs = path.startswith(PROGRAMS) and path not in PEOPLES
    return not programs and "text/html" in request.headers.get("accept", "")


handlers: dict[Any, Any] = {404: no_door, 405: no_door, 500: failed, **dict.fromkeys(LOST, away)}
"""By status or exception, as Starlette asks for them."""
