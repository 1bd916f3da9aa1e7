"""The pages where people log in, say what an app may do for them, and log out."""

import secrets
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.oauth import Door, FormError, read_form, read_query
from auth import bridge, pushed, scopes, session
from auth.grants import AuthorizationCode, Consent
from auth.server import Answer, Request, Server
from models import audit, member
from models.audit import Connection
from models.db import pool, unit_of_work
from models.member import Member

AUTHORIZE_PATH = "/oauth/authorize"
SESSIONS_PATH = "/sessions"
VISIT_BYTES = 16
EMAIL_CHARACTERS_MAX = 254


@dataclass(frozen=True)
class Visitor:
    """The browser's session, and who is logged in with it."""

    cookie: str
    member: Member | None


async def show_login(request: HttpRequest) -> Response:
    """The login form; for somebody who is logged in, who they are."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    target = _target(request.query_params.get("next"))
    if visitor.member:
        return page.redirect(target) if target else _account(visitor, visitor.member)
    return _login_form(request, door, target)


async def log_in(request: HttpRequest) -> Response:
    """Checks address and password, counting first, and opens a session under a new secret."""
    door: Door = request.app.state.door
    visit = request.cookies.get(_cookie(door, "visit"), "")
    try:
        form = await read_form(request)
    except FormError as error:
        return refused(error.status)
    if not page.from_our_page(request, door.issuer) or not session.is_form_token(form.get("token", ""), visit, "login"):
        return refused(403)
    email, password = form.get("email", "")[:EMAIL_CHARACTERS_MAX], form.get("password", "")
    target = _target(form.get("next"))
    account = session.attempt_key(door.attempt_key, "account", member.folded(email))
    address = session.attempt_key(door.attempt_key, "address", page.address_of(request))
    async with unit_of_work() as connection:
        on_account = await member.count_attempt(connection, account)
        from_address = await member.count_attempt(connection, address)
        if on_account > session.ACCOUNT_ATTEMPTS_MAX or from_address > session.ADDRESS_ATTEMPTS_MAX:
            await audit.record(connection, "login.throttled")
            return _login_form(request, door, target, status=429, problem="throttled", email=email)
    async with pool().acquire() as connection:
        person = await member.check_password(connection, email, password[: member.PASSWORD_CHARACTERS_MAX])
    async with unit_of_work() as connection:
        if person is None:
            await audit.record(connection, "login.refused")
            return _login_form(request, door, target, status=401, problem="wrong", email=email)
        await member.forgive_attempts(connection, account=account, address=address)
        opened = await member.open_session(connection, person.id)
        await audit.record(connection, "login.accepted", partner_id=person.partner_id, member_id=person.id)
    answer = page.redirect(target or "/login")
    _keep(answer, door, "session", opened, member.SESSION_SECONDS)
    return answer


async def show_logout(request: HttpRequest) -> Response:
    """Asks before logging out: a link alone ends nothing."""
    visitor = await visitor_of(request)
    return _account(visitor, visitor.member) if visitor.member else page.redirect("/login")


async def log_out(request: HttpRequest) -> Response:
    """Ends the session, here and in the database."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    try:
        form = await read_form(request)
    except FormError as error:
        return refused(error.status)
    token = form.get("token", "")
    if not page.from_our_page(request, door.issuer) or not session.is_form_token(token, visitor.cookie, "logout"):
        return refused(403)
    async with unit_of_work() as connection:
        if visitor.member and await member.close_session(connection, visitor.cookie):
            who = visitor.member
            await audit.record(connection, "login.ended", partner_id=who.partner_id, member_id=who.id)
    target = _target(form.get("next"))
    answer = page.redirect(f"/login?next={quote(target, safe='')}" if target else "/login")
    answer.delete_cookie(_cookie(door, "session"), secure=door.https, httponly=True, samesite="lax")
    return answer


async def authorize(request: HttpRequest) -> Response:
    """RFC 6749, 3.1: checks the request, has the person log in, and asks them."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    async with unit_of_work() as connection:
        server = door.server(connection)
        grant = await _checked(request, server)
        if isinstance(grant, Response):
            return grant
        if visitor.member is None:
            asked = f"{AUTHORIZE_PATH}?{request.url.query}"
            return page.redirect(f"/login?next={quote(asked, safe='')}")
        return await _consent_page(request, server, grant, visitor, visitor.member)


async def consent(request: HttpRequest) -> Response:
    """The person's answer. What they are asked is checked anew; only what they ticked is granted."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    try:
        form = await read_form(request)
    except FormError as error:
        return refused(error.status)
    purpose = _consent_purpose(request)
    token = form.get("token", "")
    if not page.from_our_page(request, door.issuer) or not session.is_form_token(token, visitor.cookie, purpose):
        return refused(403)
    async with unit_of_work() as connection:
        server = door.server(connection)
        grant = await _checked(request, server)
        if isinstance(grant, Response):
            return grant
        if visitor.member is None:
            return refused(403)
        if not await pushed.answered(connection, read_query(request)):
            return refused(400, "client")
        offered = _offered(server, grant, visitor.member)
        ticked = frozenset(name for name in offered if f"allow {name}" in form)
        allowed = Consent(visitor.member, ticked) if form.get("decision") == "allow" and ticked else None
        if allowed:
            await _record_consent(connection, grant, allowed)
        answer: Answer = await bridge.call(server.create_authorization_response, grant.request, allowed, grant)
    return _redirected(answer)


async def _checked(request: HttpRequest, server: Server) -> AuthorizationCode | Response:
    """The grant that an authorization request asks for, or the answer that refuses it.

    An error goes to the client only when client and redirect URI are beyond doubt; any other is shown here.
    """
    try:
        query = read_query(request)
    except FormError as error:
        return refused(error.status)
    parameters = await pushed.parameters_of(server.connection, query)
    if parameters is None:
        return refused(400, "client")
    if not pushed.is_plain(parameters):
        return refused(400)
    asked = Request("GET", server.tokens.issuer + AUTHORIZE_PATH, request.headers, dict(parameters), {})
    try:
        return await bridge.call(server.get_consent_grant, asked)
    except OAuth2Error as error:
        answer: Answer = await bridge.call(server.handle_error_response, asked, error)
        return _redirected(answer) if answer.body is None else refused(400, "client")


async def _consent_page(
    request: HttpRequest, server: Server, grant: AuthorizationCode, visitor: Visitor, person: Member
) -> Response:
    client = grant.request.client.row
    again = f"{AUTHORIZE_PATH}?{request.url.query}"
    offered = _offered(server, grant, person)
    if not offered:
        return page.render(
            "oauth/refused.html",
            status=403,
            why="role" if client.partner_id in (None, person.partner_id) else "partner",
            person=person,
            client=client,
            next=again,
            token=session.form_token(visitor.cookie, "logout"),
        )
    asked = [scope for name, scope in scopes.VOCABULARY.items() if name in offered]
    groups = [
        (words, list(members)) for words, members in groupby(asked, lambda scope: (scope.group_ja, scope.group_en))
    ]
    return page.render(
        "oauth/consent.html",
        form_targets=[page.origin_of(grant.redirect_uri)],
        client=client,
        person=person,
        groups=groups,
        target=page.origin_of(grant.redirect_uri),
        query=request.url.query,
        token=session.form_token(visitor.cookie, _consent_purpose(request)),
        next=again,
        logout_token=session.form_token(visitor.cookie, "logout"),
    )


def _offered(server: Server, grant: AuthorizationCode, person: Member) -> frozenset[str]:
    """What the person may be asked for: nothing, when the app belongs to another partner or their role allows none."""
    client = grant.request.client.row
    if client.partner_id not in (None, person.partner_id):
        return frozenset()
    requested = frozenset(scopes.split(grant.request.payload.scope)) or client.scope
    return requested & scopes.grantable(client.kind, client.scope, person.role)


async def _record_consent(connection: Connection, grant: AuthorizationCode, given: Consent) -> None:
    await audit.record(
        connection,
        "consent.given",
        partner_id=given.member.partner_id,
        member_id=given.member.id,
        client_id=grant.request.client.row.client_id,
        scope=scopes.join(given.scope),
    )


def _login_form(
    request: HttpRequest, door: Door, target: str, *, status: int = 200, problem: str = "", email: str = ""
) -> Response:
    known = request.cookies.get(_cookie(door, "visit"))
    visit = known or secrets.token_urlsafe(VISIT_BYTES)
    answer = page.render(
        "oauth/login.html",
        status=status,
        token=session.form_token(visit, "login"),
        next=target,
        problem=problem,
        email=email,
        minutes=member.ATTEMPT_WINDOW_SECONDS // 60,
    )
    if not known:
        _keep(answer, door, "visit", visit, None)
    if status == 429:
        answer.headers["Retry-After"] = str(member.ATTEMPT_WINDOW_SECONDS)
    return answer


def _account(visitor: Visitor, person: Member) -> Response:
    return page.render("oauth/account.html", person=person, token=session.form_token(visitor.cookie, "logout"), next="")


def refused(status: int, why: str = "form") -> Response:
    """A page that says what can be done; never where a parameter was wrong, and never a redirect."""
    return page.render("oauth/refused.html", status=status, why=why, person=None, client=None, next="", token="")


def _redirected(answer: Answer) -> Response:
    return page.redirect(answer.headers["Location"]) if answer.body is None else refused(answer.status, "client")


async def visitor_of(request: HttpRequest) -> Visitor:
    """Whose browser this is."""
    cookie = request.cookies.get(_cookie(request.app.state.door, "session"), "")
    if not cookie:
        return Visitor("", None)
    async with pool().acquire() as connection:
        return Visitor(cookie, await member.member_of_session(connection, cookie))


def _consent_purpose(request: HttpRequest) -> str:
    return f"consent {request.url.query}"


def _target(given: Any) -> str:
    """Where to go after the login: only back to a page of ours that needs one, never to another site."""
    return (
        given if isinstance(given, str) and (given.startswith(f"{AUTHORIZE_PATH}?") or given == SESSIONS_PATH) else ""
    )


def _cookie(door: Door, word: str) -> str:
    return session.cookie_name(word, https=door.https)


def _keep(answer: Response, door: Door, word: str, value: str, life_seconds: int | None) -> None:
    answer.set_cookie(
        _cookie(door, word), value, max_age=life_seconds, secure=door.https, httponly=True, samesite="lax"
    )


routes: list[Route] = [
    Route("/login", show_login),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", show_logout),
    Route("/logout", log_out, methods=["POST"]),
    Route(AUTHORIZE_PATH, authorize),
    Route("/oauth/consent", consent, methods=["POST"]),
]
