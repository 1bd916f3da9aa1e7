"""Logging in with a passkey (パスキー), adding one and taking one away."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import SECURITY_PATH, cookie_of, let_in, login_form, own_form, refused, target_of
from api.oauth import Door
from api.security import asked, codes_page, first_codes
from auth import passkey, session
from auth.passkey import PasskeyError
from models import passkey as passkeys
from models import refusal
from models.db import Connection, unit_of_work
from models.factor import forget_unneeded_codes
from models.member import Member, find_member
from models.passkey import NAME_CHARACTERS_MAX, Passkey

PASSKEYS_PATH = f"{SECURITY_PATH}/passkeys"
NAMELESS = "パスキー"


async def log_in(request: Request) -> Response:
    """Checks an authenticator's answer: instead of the password, or after it."""
    door: Door = request.app.state.door
    visit = cookie_of(request, "visit")
    form = await own_form(request, visit, passkey.LOGIN)
    if isinstance(form, Response):
        return form
    target = target_of(form.get("next"))
    async with unit_of_work() as connection:
        try:
            person, amr = await _proven(connection, door.issuer, visit, form)
        except PasskeyError as error:
            await refusal.record(connection, "login.refused", reason=f"passkey: {error}")
            return login_form(request, door, target, status=401, problem="passkey")
        return await let_in(request, connection, person, amr, target)


async def _proven(connection: Connection, issuer: str, visit: str, form: dict[str, str]) -> tuple[Member, list[str]]:
    """Whose passkey has answered, and what that proves. An answer uses up its question, right or wrong."""
    challenge, asked_of = await passkey.answered(connection, form.get("ticket", ""), passkey.LOGIN, visit)
    answer = form.get("credential", "")
    known = await passkeys.lock(connection, passkey.claimed(answer))
    if known is None or asked_of not in (None, known.member_id):
        raise PasskeyError("unknown, or another person's")
    sign_count, backed_up = passkey.proven(issuer, challenge, answer, known)
    person = await find_member(connection, known.member_id)
    if person is None:
        raise PasskeyError("the person's access has ended")
    await passkeys.used(connection, known.id, sign_count=sign_count, backed_up=backed_up)
    return person, _amr(known, after_password=asked_of is not None)


def _amr(known: Passkey, *, after_password: bool) -> list[str]:
    key = session.SYNCED_KEY if known.synced else session.DEVICE_KEY
    return [*([session.PASSWORD] if after_password else []), key, session.PRESENCE, session.SEVERAL]


async def add(request: Request) -> Response:
    """Registers what the authenticator made."""
    change = await asked(request)
    if isinstance(change, Response):
        return change
    who, form = change.login.member, change.form
    async with unit_of_work() as connection:
        try:
            challenge, asked_of = await passkey.answered(
                connection, form.get("ticket", ""), passkey.REGISTRATION, change.cookie
            )
            if asked_of != who.id:
                raise PasskeyError("another person's question")
            made = passkey.registered(change.door.issuer, challenge, form.get("credential", ""))
        except PasskeyError as error:
            action, reason = "security.passkey_refused", str(error)
            await refusal.record(connection, action, partner_id=who.partner_id, member_id=who.id, reason=reason)
            return refused(400, "passkey")
        name = form.get("name", "").strip()[:NAME_CHARACTERS_MAX] or NAMELESS
        added = await passkeys.add(
            connection,
            member_id=who.id,
            name=name,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            synced=made.synced,
            backed_up=made.backed_up,
            transports=made.transports,
        )
        if added is None:
            return refused(409, "passkey")
        await change.record(connection, "passkey_added")
        codes = await first_codes(connection, who.id)
    return codes_page(codes, "passkey_added")


async def remove(request: Request) -> Response:
    """Takes one away; the recovery codes with it when nothing else is left."""
    change = await asked(request)
    if isinstance(change, Response):
        return change
    who = change.login.member.id
    try:
        passkey_id = UUID(change.form.get("passkey", ""))
    except ValueError:
        return refused(400)
    async with unit_of_work() as connection:
        removed = await passkeys.remove(connection, who, passkey_id)
        if removed:
            await forget_unneeded_codes(connection, who)
            await change.record(connection, "passkey_removed")
    return page.redirect(SECURITY_PATH, "passkey_removed" if removed else "")


routes: list[Route] = [
    Route("/login/passkey", log_in, methods=["POST"]),
    Route(PASSKEYS_PATH, add, methods=["POST"]),
    Route(f"{PASSKEYS_PATH}/remove", remove, methods=["POST"]),
]
