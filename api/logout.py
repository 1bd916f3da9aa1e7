"""Where people log out: by themselves, or because an app of theirs asks for it (OpenID Connect RP-Initiated Logout)."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import Visitor, account_page, end_here, is_own, refused, target_of, visitor_of
from api.oauth import Door, FormError, read_form, read_query
from auth import bridge, session
from auth.logout import PARAMETERS, EndSessionRequest
from auth.server import Request
from models import audit, member
from models.db import unit_of_work

LOGOUT_PATH = "/logout"


async def show(request: HttpRequest) -> Response:
    """Asks before logging out: a link alone ends nothing, unless it brings an ID token of whoever is logged in."""
    visitor = await visitor_of(request)
    try:
        asked = await _asked(request, read_query(request))
    except FormError as error:
        return refused(error.status)
    except OAuth2Error:
        return refused(400, "client")
    who = visitor.member
    if asked.id_token_claims and (who is None or asked.id_token_claims["sub"] == str(who.id)):
        return await _ended(request, visitor, asked.redirect_uri or "/login")
    if who is None:
        return page.redirect("/login")
    if asked.client is None:
        return account_page(visitor, who)
    kept = {name: value for name, value in asked.request.payload.data.items() if name in PARAMETERS}
    kept = {**kept, "client_id": asked.client.row.client_id}
    kept.pop("id_token_hint", None)
    return page.render(
        "oauth/logout.html",
        form_targets=[page.origin_of(asked.redirect_uri)] if asked.redirect_uri else [],
        client=asked.client.row,
        person=who,
        asked=kept,
        token=session.form_token(visitor.cookie, "logout"),
    )


async def log_out(request: HttpRequest) -> Response:
    """Ends the session, here and in the database, and with it every app's tokens that grew from it.

    An app may post its request too; coming from another site it brings no cookie, so it is asked to come again by GET.
    """
    try:
        form = await read_form(request)
        if "token" not in form:
            known = {name: form[name] for name in PARAMETERS if name in form}
            return page.redirect(f"{LOGOUT_PATH}?{urlencode(known)}")
        visitor = await visitor_of(request)
        if not is_own(request, form, visitor.cookie, "logout"):
            return refused(403)
        asked = await _asked(request, form)
    except FormError as error:
        return refused(error.status)
    except OAuth2Error:
        return refused(400, "client")
    target = target_of(form.get("next"))
    again = f"/login?next={quote(target, safe='')}" if target else "/login"
    return await _ended(request, visitor, asked.redirect_uri or again)


async def _asked(request: HttpRequest, sent: Mapping[str, str]) -> EndSessionRequest:
    """What an app asks for, if one does. Raises OAuth2Error."""
    door: Door = request.app.state.door
    asked = Request("GET", door.issuer + LOGOUT_PATH, request.headers, dict(sent), {})
    async with unit_of_work() as connection:
        server = door.server(connection)
        return await bridge.call(server.validate_endpoint_request, "end_session", asked)


async def _ended(request: HttpRequest, visitor: Visitor, target: str) -> Response:
    async with unit_of_work() as connection:
        if (who := visitor.member) and await member.close_session(connection, visitor.cookie):
            await audit.record(connection, "login.ended", partner_id=who.partner_id, member_id=who.id)
    answer = page.redirect(target)
    end_here(answer, request.app.state.door)
    return answer


routes: list[Route] = [Route(LOGOUT_PATH, show), Route(LOGOUT_PATH, log_out, methods=["POST"])]
