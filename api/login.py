"""The page where people log in."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.oauth import Door, FormError, read_form
from auth import session
from models import audit, member, openid
from models.db import pool, unit_of_work
from models.member import Login, Member

AUTHORIZE_PATH = "/oauth/authorize"
SESSIONS_PATH = "/sessions"
DEVICE_PATH = "/device"
_ASKING = (f"{AUTHORIZE_PATH}?", f"{DEVICE_PATH}?user_code=")
VISIT_BYTES = 16
EMAIL_CHARACTERS_MAX = 254


@dataclass(frozen=True)
class Visitor:
    """The browser's session, and who is logged in with it."""

    cookie: str
    login: Login | None

    @property
    def member(self) -> Member | None:
        return self.login.member if self.login else None


async def show_login(request: HttpRequest) -> Response:
    """The login form; for somebody who is logged in, who they are, unless they are asked to prove it `again`."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    target = target_of(request.query_params.get("next"))
    if visitor.login and "again" in request.query_params:
        return _login_form(request, door, target, email=visitor.login.email)
    if visitor.member:
        return page.redirect(target) if target else account_page(visitor, visitor.member)
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
    target = target_of(form.get("next"))
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
        opened = await member.open_session(connection, person.id, [session.PASSWORD])
        before = request.cookies.get(_cookie(door, "session"), "")
        await openid.carry(connection, person.id, old=before, fresh=opened)
        await member.close_session(connection, before)
        await audit.record(connection, "login.accepted", partner_id=person.partner_id, member_id=person.id)
    answer = page.redirect(target or "/login")
    _keep(answer, door, "session", opened, member.SESSION_SECONDS)
    return answer


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


def account_page(
    visitor: Visitor, person: Member, asked: Mapping[str, str] | None = None, *, app: str = "", target: str = ""
) -> Response:
    """Who is logged in, and the button that ends it.

    `asked` goes along with that button; `app`: who asks for it, and `target`: where it leads then.
    """
    return page.render(
        "oauth/account.html",
        form_targets=[page.origin_of(target)] if target else [],
        person=person,
        token=session.form_token(visitor.cookie, "logout"),
        asked=asked or {},
        app=app,
    )


def refused(status: int, why: str = "form") -> Response:
    """A page that says what can be done; never where a parameter was wrong, and never a redirect."""
    return page.render("oauth/refused.html", status=status, why=why, person=None, client=None, next="", token="")


async def visitor_of(request: HttpRequest) -> Visitor:
    """Whose browser this is."""
    cookie = request.cookies.get(_cookie(request.app.state.door, "session"), "")
    if not cookie:
        return Visitor("", None)
    async with pool().acquire() as connection:
        return Visitor(cookie, await member.login_of_session(connection, cookie))


def target_of(given: Any) -> str:
    """Where to go after the login: only back to a page of ours that needs one, never to another site."""
    known = isinstance(given, str) and (given in (SESSIONS_PATH, DEVICE_PATH) or given.startswith(_ASKING))
    return given if known else ""


def _cookie(door: Door, word: str) -> str:
    return session.cookie_name(word, https=door.https)


def end_here(answer: Response, door: Door) -> None:
    """Lets the browser forget its session."""
    answer.delete_cookie(_cookie(door, "session"), secure=door.https, httponly=True, samesite="lax")


def _keep(answer: Response, door: Door, word: str, value: str, life_seconds: int | None) -> None:
    answer.set_cookie(
        _cookie(door, word), value, max_age=life_seconds, secure=door.https, httponly=True, samesite="lax"
    )


routes: list[Route] = [
    Route("/login", show_login),
    Route("/login", log_in, methods=["POST"]),
]
