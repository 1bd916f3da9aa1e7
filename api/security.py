"""「ログインと安全」: where people change how they prove who they are. Every change asks for a fresh login."""

from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import SECURITY_PATH, login_again, own_form, refused, visitor_of
from api.oauth import Door
from auth import passkey, session
from auth.tokens import REVOCATION_KEPT_SECONDS
from models import audit, member, oauth, totp
from models import passkey as passkeys
from models.db import Connection, pool, unit_of_work
from models.factor import factors
from models.member import Login
from models.passkey import NAME_CHARACTERS_MAX, PASSKEYS_MAX
from models.password import CHARACTERS_MAX, CHARACTERS_MIN, WeakPasswordError


@dataclass(frozen=True, slots=True)
class Change:
    """A change that somebody who has just proven themselves asks for by a form of ours."""

    door: Door
    login: Login
    cookie: str
    form: dict[str, str]

    async def record(self, connection: Connection, action: str) -> None:
        """Its line in the audit record."""
        who = self.login.member
        await audit.record(connection, f"security.{action}", partner_id=who.partner_id, member_id=who.id)


async def asked(request: Request, purpose: str = "security", path: str = SECURITY_PATH) -> Change | Response:
    """The change, or the answer that refuses it: another's form, or a login of too long ago.

    `purpose`: of the form's token; `path`: of the page with the form, to which a fresh login leads back.
    """
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    form = await own_form(request, visitor.cookie, purpose)
    if isinstance(form, Response):
        return form
    if visitor.login is None:
        return refused(403)
    if not session.is_fresh(visitor.login.auth_time):
        return page.redirect(login_again(path, unsent=True))
    return Change(door, visitor.login, visitor.cookie, form)


async def show(request: Request) -> Response:
    """What somebody logs in with."""
    visitor = await visitor_of(request)
    if visitor.login is None:
        return page.redirect(f"/login?next={SECURITY_PATH}")
    return await _page(request, visitor.login, visitor.cookie)


async def change_password(request: Request) -> Response:
    """A new password; every other browser and every app is out, since whoever knew the old one may have let them in."""
    change = await asked(request)
    if isinstance(change, Response):
        return change
    fresh, who = change.form.get("password", ""), change.login.member
    if fresh != change.form.get("repeated", ""):
        return await _page(request, change.login, change.cookie, status=422, problem="DIFFERENT")
    try:
        password_hash = await member.hash_password(fresh, (change.login.email, who.name, who.partner_name))
    except WeakPasswordError as error:
        return await _page(request, change.login, change.cookie, status=422, problem=error.why)
    async with unit_of_work() as connection:
        if not await member.change_password(connection, who.id, password_hash, session=change.cookie):
            return refused(403)
        because = "the password was changed"
        await oauth.revoke_grants_of_member(connection, who.id, because, keep_seconds=REVOCATION_KEPT_SECONDS)
        await change.record(connection, "password_changed")
    change.door.tokens.forget(who.id)
    return page.redirect(SECURITY_PATH, "password")


async def renew_recovery_codes(request: Request) -> Response:
    """New recovery codes in place of the old ones, shown once."""
    change = await asked(request)
    if isinstance(change, Response):
        return change
    async with unit_of_work() as connection:
        if not (await factors(connection, change.login.member.id)).any:
            return page.redirect(SECURITY_PATH)
        made = await totp.make_recovery_codes(connection, change.login.member.id)
        await change.record(connection, "recovery_codes_made")
    return codes_page(made)


async def first_codes(connection: Connection, member_id: UUID) -> list[str]:
    """Recovery codes for somebody who has just set up their first factor; none for others."""
    known = await factors(connection, member_id)
    return [] if known.recovery_codes else await totp.make_recovery_codes(connection, member_id)


def codes_page(made: list[str], done: str = "") -> Response:
    """Shows new recovery codes, once; where there are none, straight back to hear what was `done`."""
    return page.render("oauth/recovery_codes.html", codes=made) if made else page.redirect(SECURITY_PATH, done)


async def _page(request: Request, login: Login, cookie: str, *, status: int = 200, problem: str = "") -> Response:
    door: Door = request.app.state.door
    who = login.member
    async with pool().acquire() as connection:
        known = await factors(connection, who.id)
        keys = await passkeys.of_member(connection, who.id)
        browsers = len(await member.sessions(connection, who.id, cookie))
    fresh = session.is_fresh(login.auth_time)
    question = None
    if fresh and len(keys) < PASSKEYS_MAX:
        question = passkey.registration_question(
            door.issuer, cookie, keys, member_id=who.id, email=login.email, name=who.name
        )
    return page.render(
        "oauth/security.html",
        status=status,
        script=question is not None,
        login=login,
        fresh=fresh,
        again=login_again(SECURITY_PATH),
        known=known,
        keys=[(each, page.day(each.created_at), each.last_used_at and page.day(each.last_used_at)) for each in keys],
        browsers=browsers,
        possible=passkey.is_possible(door.issuer),
        passkey=question,
        problem=problem,
        done="" if problem else request.query_params.get("done"),
        least=CHARACTERS_MIN,
        most=CHARACTERS_MAX,
        name_most=NAME_CHARACTERS_MAX,
        token=session.form_token(cookie, "security"),
    )


routes: list[Route] = [
    Route(SECURITY_PATH, show),
    Route(f"{SECURITY_PATH}/password", change_password, methods=["POST"]),
    Route(f"{SECURITY_PATH}/codes", renew_recovery_codes, methods=["POST"]),
]
