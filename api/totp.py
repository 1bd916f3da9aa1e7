"""Where people set up an authenticator app (認証アプリ), and take it away."""

import segno
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import SECURITY_PATH, login_again, visitor_of
from api.oauth import Door
from api.security import asked, codes_page, first_codes
from auth import session
from auth import totp as codes
from models import attempt, totp
from models.db import pool, unit_of_work
from models.factor import factors, forget_unneeded_codes
from models.member import Login

APP_PATH = f"{SECURITY_PATH}/app"
SETTING_UP = "app"
CONFIRMATIONS_MAX = 10
SECRET_GROUP_CHARACTERS = 4
QR_SCALE, QR_BORDER = 5, 4  # pixels a module; modules of white around, as readers need them


async def show(request: Request) -> Response:
    """A new secret as a picture and as text; nothing is stored until a code has shown that the app has it."""
    visitor = await visitor_of(request)
    if visitor.login is None or not session.is_fresh(visitor.login.auth_time):
        return page.redirect(login_again(SECURITY_PATH))
    async with pool().acquire() as connection:
        if (await factors(connection, visitor.login.member.id)).app:
            return page.redirect(SECURITY_PATH)
    return _form(visitor.login, visitor.cookie, codes.new_secret())


async def confirm(request: Request) -> Response:
    """Keeps the secret once a code of it was given."""
    change = await asked(request)
    if isinstance(change, Response):
        return change
    member_id = change.login.member.id
    facts = session.read_ticket(change.form.get("secret", ""), SETTING_UP, change.cookie)
    if facts is None:
        return page.redirect(APP_PATH)
    door: Door = change.door
    async with unit_of_work() as connection:
        tried = await attempt.count(connection, session.attempt_key(door.attempt_key, SETTING_UP, str(member_id)))
        step = codes.step_of(facts["secret"], change.form.get("code", ""))
        if step is None or tried > CONFIRMATIONS_MAX:
            return _form(change.login, change.cookie, facts["secret"], status=422)
        if not await totp.add(connection, member_id, facts["secret"], step):
            return page.redirect(SECURITY_PATH)
        await change.record(connection, "app_added")
        made = await first_codes(connection, member_id)
    return codes_page(made, "app_added")


async def remove(request: Request) -> Response:
    """Takes the app away; the recovery codes with it when nothing else is left."""
    change = await asked(request)
    if isinstance(change, Response):
        return change
    async with unit_of_work() as connection:
        removed = await totp.remove(connection, change.login.member.id)
        if removed:
            await forget_unneeded_codes(connection, change.login.member.id)
            await change.record(connection, "app_removed")
    return page.redirect(SECURITY_PATH, "app_removed" if removed else "")


def _form(login: Login, cookie: str, secret: str, *, status: int = 200) -> Response:
    address = codes.address(secret, issuer="Kyoso", account=login.email)
    picture = segno.make(address, micro=False).svg_inline(
        scale=QR_SCALE, border=QR_BORDER, dark="#000", light="#fff", omitsize=True
    )
    groups = range(0, len(secret), SECRET_GROUP_CHARACTERS)
    return page.render(
        "oauth/security_app.html",
        status=status,
        problem=status != 200,
        picture=picture,
        address=address,
        spelled=" ".join(secret[start : start + SECRET_GROUP_CHARACTERS] for start in groups),
        secret=session.ticket(SETTING_UP, cookie, secret=secret),
        token=session.form_token(cookie, "security"),
    )


routes: list[Route] = [
    Route(APP_PATH, show),
    Route(APP_PATH, confirm, methods=["POST"]),
    Route(f"{APP_PATH}/remove", remove, methods=["POST"]),
]
