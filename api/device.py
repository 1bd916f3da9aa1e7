"""Where a device asks for its codes (RFC 8628), and the page where a person types one and answers."""

from urllib.parse import quote

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api import page
from api.consent import grouped, harmless, not_theirs, offerable, ticked_in
from api.login import DEVICE_PATH, Visitor, is_own, refused, visitor_of
from api.oauth import Door, FormError, answered, read_form
from auth import scopes, session
from auth.device import read_user_code, shown_user_code, user_hash
from auth.server import NO_STORE
from models import attempt, audit, device, refusal
from models.client import Client, find_client
from models.db import Connection, unit_of_work
from models.device import Waiting
from models.member import Member

AUTHORIZATION_PATH = "/oauth/device_authorization"
MEMBER_GUESSES_MAX, ADDRESS_GUESSES_MAX = 20, 60
"""Codes typed within models.attempt.WINDOW_SECONDS, by one person and from one address: 20⁸ could be."""
ADDRESS_REQUESTS_MAX = 300
"""Codes asked for from one address in the same time."""


async def ask(request: HttpRequest) -> Response:
    """RFC 8628, 3.1: the two codes of a device."""
    door: Door = request.app.state.door
    address = session.attempt_key(door.attempt_key, "devices", page.address_of(request))
    async with unit_of_work() as connection:
        many = await attempt.count(connection, address) > ADDRESS_REQUESTS_MAX
    if many:
        body = {"error": "slow_down", "error_description": "Too many devices from this address: wait some minutes"}
        return JSONResponse(body, 429, {**NO_STORE, "Retry-After": str(attempt.WINDOW_SECONDS)})
    return await answered(request, lambda server, asked: server.create_endpoint_response("device_authorization", asked))


async def show(request: HttpRequest) -> Response:
    """The form for the code. A code in the address fills it in and no more: a link alone asks nobody anything."""
    visitor = await visitor_of(request)
    letters = read_user_code(request.query_params.get("user_code", ""))
    if visitor.member is None:
        again = f"{DEVICE_PATH}?user_code={shown_user_code(letters)}" if letters else DEVICE_PATH
        return page.redirect(f"/login?next={quote(again, safe='')}")
    return _form(visitor, shown=shown_user_code(letters) if letters else "")


async def submit(request: HttpRequest) -> Response:
    """First the code, then the answer to what the device asks."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    try:
        form = await read_form(request)
    except FormError as error:
        return refused(error.status)
    typed = form.get("user_code", "")
    letters = read_user_code(typed)
    purpose = _purpose(letters) if "decision" in form else DEVICE_PATH
    if not is_own(request, form, visitor.cookie, purpose) or visitor.member is None:
        return refused(403)
    async with unit_of_work() as connection:
        if await _guessed_too_often(request, connection, visitor.member):
            whose, who = visitor.member.partner_id, visitor.member.id
            await refusal.record(
                connection, "device.throttled", partner_id=whose, member_id=who, reason="too many codes"
            )
            return _form(visitor, shown=typed, problem="throttled", status=429)
        code = user_hash(door.tokens.keyring.user_code_key, letters or "")
        asked = await device.waiting(connection, code)
        client = await find_client(connection, asked.client_id) if asked else None
        if letters is None or asked is None or client is None:
            return await _unknown(connection, visitor, visitor.member, typed)
        if "decision" not in form:
            return _question(visitor, visitor.member, client, asked, letters)
        ticked = ticked_in(form, offerable(client, asked.scope, visitor.member))
        wanted = form["decision"] == "allow"
        if wanted and not ticked:
            return _question(visitor, visitor.member, client, asked, letters, empty=True)
        allowed = ticked if wanted else None
        if not await device.answer(connection, code, visitor.member.id, allowed):
            return await _unknown(connection, visitor, visitor.member, typed)
        await _record(connection, visitor.member, client, allowed)
    return page.render("oauth/device_done.html", client=client, allowed=allowed is not None)


async def _guessed_too_often(request: HttpRequest, connection: Connection, person: Member) -> bool:
    """Counts this code before it is looked up, so that guesses side by side are counted too."""
    door: Door = request.app.state.door
    by_person = session.attempt_key(door.attempt_key, "codes of member", str(person.id))
    from_address = session.attempt_key(door.attempt_key, "codes from address", page.address_of(request))
    counted = await attempt.count(connection, by_person), await attempt.count(connection, from_address)
    return counted[0] > MEMBER_GUESSES_MAX or counted[1] > ADDRESS_GUESSES_MAX


async def _unknown(connection: Connection, visitor: Visitor, person: Member, typed: str) -> Response:
    await refusal.record(
        connection,
        "device.refused",
        partner_id=person.partner_id,
        member_id=person.id,
        reason="a code that is unknown, answered or expired",
    )
    return _form(visitor, shown=typed, problem="unknown", status=400)


async def _record(connection: Connection, person: Member, client: Client, allowed: frozenset[str] | None) -> None:
    await audit.record(
        connection,
        "consent.refused" if allowed is None else "consent.given",
        partner_id=person.partner_id,
        member_id=person.id,
        client_id=client.client_id,
        scope=scopes.join(allowed or ()),
        by="device",
    )


def _form(visitor: Visitor, *, shown: str, problem: str = "", status: int = 200) -> Response:
    answer = page.render(
        "oauth/device.html",
        status=status,
        user_code=shown,
        problem=problem,
        minutes=attempt.WINDOW_SECONDS // 60,
        token=session.form_token(visitor.cookie, DEVICE_PATH),
    )
    if status == 429:
        answer.headers["Retry-After"] = str(attempt.WINDOW_SECONDS)
    return answer


def _question(
    visitor: Visitor, person: Member, client: Client, asked: Waiting, letters: str, *, empty: bool = False
) -> Response:
    """What the device asks; `empty`: once more, since they allowed it and ticked nothing."""
    offered = offerable(client, asked.scope, person)
    if not offered:
        return not_theirs(visitor, person, client, DEVICE_PATH)
    return page.render(
        "oauth/device_question.html",
        status=422 if empty else 200,
        client=client,
        person=person,
        groups=grouped(offered),
        ticked=frozenset[str]() if empty else harmless(offered),
        empty=empty,
        user_code=shown_user_code(letters),
        token=session.form_token(visitor.cookie, _purpose(letters)),
        logout_token=session.form_token(visitor.cookie, "logout"),
        next=DEVICE_PATH,
    )


def _purpose(letters: str | None) -> str:
    """The answer's form is good for the code that was shown with it, and for no other."""
    return f"{DEVICE_PATH} {letters}"


routes: list[Route] = [
    Route(AUTHORIZATION_PATH, ask, methods=["POST"]),
    Route(DEVICE_PATH, show),
    Route(DEVICE_PATH, submit, methods=["POST"]),
]
