"""The page where people log in."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import structlog
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.browser import called
from api.oauth import Door, FormError, read_form
from auth import passkey, session
from auth.identity_provider import FEDERATED
from models import attempt, audit, identity_provider, member, openid, refusal
from models.db import Connection, pool, unit_of_work
from models.factor import factors
from models.member import Login, Member
from models.password import CHARACTERS_MAX

AUTHORIZE_PATH = "/oauth/authorize"
SESSIONS_PATH = "/sessions"
ALLOWED_PATH = "/allowed"
SECURITY_PATH = "/security"
TEAM_PATH = "/team"
SECOND_PATH, SECOND = "/login/second", "second"
KNOWN = "known"
DEVICE_PATH = "/device"
DEVELOPER_PATH = "/developer"
NEW_CLIENT_PATH = f"{DEVELOPER_PATH}/new"
_PAGES = (SESSIONS_PATH, ALLOWED_PATH, SECURITY_PATH, TEAM_PATH, DEVICE_PATH, DEVELOPER_PATH, NEW_CLIENT_PATH)
_ASKING = (f"{AUTHORIZE_PATH}?", f"{DEVICE_PATH}?user_code=")
VISIT_BYTES = 16
EMAIL_CHARACTERS_MAX = 254
BUSY_SECONDS = 5
"""When to come again where too many log in at once."""
ELSEWHERE = "the organisation demands its own account"

log = structlog.get_logger()


@dataclass(frozen=True)
class Visitor:
    """The browser's session, and who is logged in with it."""

    cookie: str
    login: Login | None

    @property
    def member(self) -> Member | None:
        return self.login.member if self.login else None


async def show_login(request: HttpRequest) -> Response:
    """The login form; for somebody who is logged in, who they are, unless they are asked to prove it `again`.

    `again=unsent`: what they sent was not done, since their login was of too long ago.
    """
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    target = target_of(request.query_params.get("next"))
    if visitor.login and "again" in request.query_params:
        why = "unsent" if request.query_params["again"] == "unsent" else "again"
        return login_form(request, door, target, problem=why, email=visitor.login.email)
    if visitor.member:
        return page.redirect(target) if target else account_page(visitor, visitor.member)
    return login_form(request, door, target)


def login_again(path: str, *, unsent: bool = False) -> str:
    """Where somebody proves anew who they are, to come back to `path`; `unsent`: what they sent there was not done."""
    return f"/login?again={'unsent' if unsent else '1'}&next={path}"


async def log_in(request: HttpRequest) -> Response:
    """Checks address and password, counting first, and opens a session under a new secret."""
    door: Door = request.app.state.door
    visit = cookie_of(request, "visit")
    form = await own_form(request, visit, "login")
    if isinstance(form, Response):
        return form
    email, target = form.get("email", "")[:EMAIL_CHARACTERS_MAX], target_of(form.get("next"))
    account = session.attempt_key(door.attempt_key, "account", member.folded(email))
    address = session.attempt_key(door.attempt_key, "address", page.address_of(request))
    trier = trier_of(request, account)
    try:
        with member.place_to_check():
            stored = await _counted(email, trier=trier, address=address)
            right = stored and await member.check_password(stored, form.get("password", "")[:CHARACTERS_MAX])
    except member.BusyError:
        return login_form(request, door, target, status=503, problem="busy", email=email)
    if stored is None:
        return login_form(request, door, target, status=429, problem="throttled", email=email)
    async with unit_of_work() as connection:
        person = await member.with_password(connection, right) if right else None
        if person is None or await identity_provider.is_required(connection, person.partner_id):
            await _record_refusal(connection, "login.refused", email, ELSEWHERE if person else "wrong password")
            return login_form(request, door, target, status=401, problem="wrong", email=email)
        if (await factors(connection, person.id)).any:
            passed = session.ticket(SECOND, visit, member=str(person.id), account=account.hex())
            answer = page.redirect(f"{SECOND_PATH}?next={quote(target, safe='')}")
            keep(answer, door, SECOND, passed, session.TICKET_SECONDS)
            return answer
        await attempt.forgive(connection, trier, address=address)
        answer = await let_in(request, connection, person, [session.PASSWORD], target)
    know_browser(answer, door, account)
    return answer


async def _counted(email: str, *, trier: bytes, address: bytes) -> member.StoredPassword | None:
    """Counts an attempt: what to hold the password against, None after too many.

    No connection is held while that is worked out: there are fewer of them than people who may log in at once.
    """
    async with unit_of_work() as connection:
        on_account = await attempt.count(connection, trier)
        from_address = await attempt.count(connection, address)
        if on_account <= session.ACCOUNT_ATTEMPTS_MAX and from_address <= session.ADDRESS_ATTEMPTS_MAX:
            return await member.stored_password(connection, email)
        many = "on one account" if on_account > session.ACCOUNT_ATTEMPTS_MAX else "from one address"
        await _record_refusal(connection, "login.throttled", email, f"too many {many}")
        return None


def trier_of(request: HttpRequest, account: bytes) -> bytes:
    """Under which key a password for an account is counted: this browser's, where its person has logged in before."""
    door: Door = request.app.state.door
    browser = session.browser_of(cookie_of(request, KNOWN), account)
    return session.attempt_key(door.attempt_key, KNOWN, browser.hex()) if browser else account


def know_browser(answer: Response, door: Door, account: bytes) -> None:
    """After a login by password: guesses that others make at this account do not keep this browser out."""
    keep(answer, door, KNOWN, session.known_browser(account), session.KNOWN_SECONDS)


async def let_in(
    request: HttpRequest,
    connection: Connection,
    person: Member,
    amr: Sequence[str],
    target: str,
    auth_time: datetime | None = None,
) -> Response:
    """Opens a session under a new secret for somebody who has proven themselves by all that is demanded of them.

    It replaces the session that this browser had. `amr` as in RFC 8176; `target` from `target_of`; `auth_time`: when
    they proved it, if that was not here and now. Whose partner demands its own provider comes in no other way.
    """
    door: Door = request.app.state.door
    if FEDERATED not in amr and await identity_provider.is_required(connection, person.partner_id):
        await refusal.record(
            connection, "login.refused", partner_id=person.partner_id, member_id=person.id, reason=ELSEWHERE
        )
        return login_form(request, door, target, status=401, problem="company_only")
    browser = called(request.headers.get("user-agent", ""))
    opened = await member.open_session(connection, person.id, amr, auth_time, browser=browser)
    before = cookie_of(request, "session")
    await openid.carry(connection, person.id, old=before, fresh=opened)
    await member.close_session(connection, before)
    await audit.record(
        connection, "login.accepted", partner_id=person.partner_id, member_id=person.id, amr=" ".join(amr)
    )
    answer = page.redirect(target or "/login")
    keep(answer, door, "session", opened, member.SESSION_SECONDS)
    return answer


async def _record_refusal(connection: Connection, action: str, email: str, reason: str) -> None:
    """Whose login was refused and why; an address that nobody logs in with stays out of the record."""
    known = await member.find_by_email(connection, email)
    if known is None:
        await refusal.record(connection, action, reason=f"{reason}: nobody has this address")
    else:
        await refusal.record(connection, action, partner_id=known.partner_id, member_id=known.id, reason=reason)


def login_form(
    request: HttpRequest, door: Door, target: str, *, status: int = 200, problem: str = "", email: str = ""
) -> Response:
    """The page with the form; `problem`: what was wrong with the last attempt, or why there is to be another."""
    known = cookie_of(request, "visit")
    visit = known or secrets.token_urlsafe(VISIT_BYTES)
    answer = page.render(
        "oauth/login.html",
        status=status,
        token=session.form_token(visit, "login"),
        next=target,
        problem=problem,
        email=email,
        minutes=attempt.WINDOW_SECONDS // 60,
        script=passkey.is_possible(door.issuer),
        passkey=passkey.login_question(door.issuer, visit),
        passkey_token=session.form_token(visit, passkey.LOGIN),
    )
    if not known:
        keep(answer, door, "visit", visit, None)
    pauses = {429: attempt.WINDOW_SECONDS, 503: BUSY_SECONDS}
    if status in pauses:
        answer.headers["Retry-After"] = str(pauses[status])
    return answer


def account_page(visitor: Visitor, person: Member) -> Response:
    """Who is logged in, what they may look after, and the button that ends it."""
    return page.render("oauth/account.html", person=person, token=session.form_token(visitor.cookie, "logout"))


def refused(status: int, why: str = "form") -> Response:
    """A page that says what can be done; never where a parameter was wrong, and never a redirect."""
    return page.render("oauth/refused.html", status=status, why=why, person=None, client=None, next="", token="")


async def own_form(request: HttpRequest, cookie: str, purpose: str) -> dict[str, str] | Response:
    """The form of a page that we rendered for this cookie and this purpose, or the answer that refuses any other."""
    try:
        form = await read_form(request)
    except FormError as error:
        return refused(error.status)
    return form if is_own(request, form, cookie, purpose) else refused(403)


def is_own(request: HttpRequest, form: Mapping[str, str], cookie: str, purpose: str) -> bool:
    """Whether a form was sent from our own page, the one rendered for this cookie and this purpose.

    A token for no cookie at all is one that anybody can make.
    """
    door: Door = request.app.state.door
    known = bool(cookie) and session.is_form_token(form.get("token", ""), cookie, purpose)
    ours = page.from_our_page(request, door.issuer)
    if not (known and ours):
        reason = "another form's token" if ours else "not sent by our page"
        log.info("form_refused", path=request.url.path, reason=reason)
    return known and ours


async def visitor_of(request: HttpRequest) -> Visitor:
    """Whose browser this is."""
    cookie = cookie_of(request, "session")
    if not cookie:
        return Visitor("", None)
    async with pool().acquire() as connection:
        return Visitor(cookie, await member.login_of_session(connection, cookie))


def target_of(given: Any) -> str:
    """Where to go after the login: only back to a page of ours that needs one, never to another site."""
    known = isinstance(given, str) and (given in _PAGES or given.startswith(_ASKING))
    return given if known else ""


def _cookie(door: Door, word: str) -> str:
    return session.cookie_name(word, https=door.https)


def cookie_of(request: HttpRequest, word: str) -> str:
    """What the browser keeps for us under this word; empty when nothing."""
    return request.cookies.get(_cookie(request.app.state.door, word), "")


def end_here(answer: Response, door: Door, word: str = "session") -> None:
    """Lets the browser forget its session, or what else it keeps for us."""
    answer.delete_cookie(_cookie(door, word), secure=door.https, httponly=True, samesite="lax")


def keep(answer: Response, door: Door, word: str, value: str, life_seconds: int | None) -> None:
    """Gives the browser a cookie that no script reads; without a life it ends with the browser."""
    answer.set_cookie(
        _cookie(door, word), value, max_age=life_seconds, secure=door.https, httponly=True, samesite="lax"
    )


routes: list[Route] = [
    Route("/login", show_login),
    Route("/login", log_in, methods=["POST"]),
]
