"""What OpenID Connect adds at the edge: userinfo, and requests that an app posts."""

from urllib.parse import urlencode

import structlog
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api import page
from api.challenge import refuses
from api.cors import CrossSite
from api.login import AUTHORIZE_PATH, refused
from api.oauth import Door, FormError, read_form
from auth.dpop import InvalidProofError, challenge
from auth.openid import userinfo
from auth.scopes import OPENID
from auth.server import NO_STORE
from auth.tokens import InvalidTokenError
from auth.viewer import Viewer
from models import openid
from models.db import pool

USERINFO_PATH = "/oauth/userinfo"
NEEDS_SCOPE = f'error="insufficient_scope", scope="{OPENID}"'

log = structlog.get_logger()


async def show(request: Request) -> Response:
    """Who the person behind an access token is, as far as its scopes cover (OpenID Connect Core, 5.3).

    The token comes in the header, as at the API.
    """
    try:
        viewer = await _viewer(request)
    except (InvalidTokenError, InvalidProofError) as error:
        log.info("token_refused", reason=error.reason)
        body = {"error": getattr(error, "code", "invalid_token"), "error_description": str(error)}
        scheme = request.headers["authorization"].partition(" ")[0].lower()
        return JSONResponse(body, 401, {**NO_STORE, **refuses(error, scheme)})
    if viewer is None:
        asks = {"WWW-Authenticate": f'Bearer realm="kyoso", {challenge()}'}
        return Response(status_code=401, headers={**NO_STORE, **asks})
    if viewer.member_id is None or OPENID not in viewer.scopes:
        body = {"error": "insufficient_scope", "error_description": f"the token was not asked for with scope {OPENID}"}
        said = f'Bearer realm="kyoso", {NEEDS_SCOPE}, {challenge()}, {NEEDS_SCOPE}'
        return JSONResponse(body, 403, {**NO_STORE, "WWW-Authenticate": said})
    async with pool().acquire() as connection:
        person = await openid.claims(connection, viewer.member_id)
    if person is None:
        gone = InvalidTokenError("the person's access has ended")
        return JSONResponse({"error": gone.code, "error_description": str(gone)}, 401, {**NO_STORE, **gone.headers})
    return JSONResponse(userinfo(person, viewer.scopes), headers=NO_STORE)


async def ask(request: Request) -> Response:
    """An authorization request that an app's page posts (OpenID Connect Core, 3.1.2.1) comes again by GET.

    From another site the form brings no cookie: only then is it known who is logged in.
    """
    try:
        return page.redirect(f"{AUTHORIZE_PATH}?{urlencode(await read_form(request))}")
    except FormError as error:
        return refused(error.status)


async def _viewer(request: Request) -> Viewer | None:
    """Who asks; None without a token. Raises InvalidTokenError or InvalidProofError."""
    door: Door = request.app.state.door
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return await door.tokens.verify(token)
    if scheme.lower() == "dpop" and token:
        proofs = request.headers.getlist("dpop")
        if len(proofs) != 1:
            raise InvalidProofError("no proof, or two")
        return await door.tokens.verify_proven(token, proofs[0], request.method, door.issuer + USERINFO_PATH)
    return None


_browsers = [Middleware(CrossSite, methods="GET, POST")]

routes: list[Route] = [
    Route(USERINFO_PATH, show, methods=["GET", "POST", "OPTIONS"], middleware=_browsers),
    Route(AUTHORIZE_PATH, ask, methods=["POST"]),
]
