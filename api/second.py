"""The page after the password, for people who have set up a second factor."""

from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import SECOND, SECOND_PATH, cookie_of, end_here, know_browser, let_in, own_form, target_of, trier_of
from api.oauth import Door
from auth import passkey, session
from auth import totp as codes
from models import attempt, refusal, totp
from models import passkey as passkeys
from models.db import Connection, pool, unit_of_work
from models.factor import Factors, factors
from models.member import Member, find_member

CODE_ATTEMPTS_MAX = 5
"""Codes that may be tried on one account within models.attempt.WINDOW_SECONDS: of a million, three are right."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Whoever has shown their password in this browser. `account`: the key of the attempts on it."""

    person: Member
    account: bytes


async def show(request: Request) -> Response:
    """Asks for a code or a passkey."""
    async with pool().acquire() as connection:
        passed = await _passed(request, connection)
        if passed is None:
            return page.redirect("/login")
        return await _form(request, connection, passed.person, target_of(request.query_params.get("next")))


async def prove(request: Request) -> Response:
    """Checks a code of the app, or a recovery code, counting first; each is good once."""
    door: Door = request.app.state.door
    form = await own_form(request, cookie_of(request, "visit"), SECOND)
    if isinstance(form, Response):
        return form
    target, at = target_of(form.get("next")), "recovery" if "recovery" in form else "code"
    async with unit_of_work() as connection:
        passed = await _passed(request, connection)
        if passed is None:
            return page.redirect("/login")
        person = passed.person
        attempts = session.attempt_key(door.attempt_key, SECOND, str(person.id))
        whose, who = person.partner_id, person.id
        if await attempt.count(connection, attempts) > CODE_ATTEMPTS_MAX:
            await refusal.record(
                connection, "login.throttled", partner_id=whose, member_id=who, reason="too many codes"
            )
            return await _form(request, connection, person, target, status=429, problem="throttled", at=at)
        amr = await _proof(connection, person.id, form)
        if amr is None:
            await refusal.record(connection, "login.refused", partner_id=whose, member_id=who, reason="second factor")
            return await _form(request, connection, person, target, status=401, problem="wrong", at=at)
        address = session.attempt_key(door.attempt_key, "address", page.address_of(request))
        await attempt.forgive(connection, trier_of(request, passed.account), attempts, address=address)
        answer = await let_in(request, connection, person, amr, target)
    end_here(answer, door, SECOND)
    know_browser(answer, door, passed.account)
    return answer


async def _passed(request: Request, connection: Connection) -> Passed | None:
    facts = session.read_ticket(cookie_of(request, SECOND), SECOND, cookie_of(request, "visit"))
    person = await find_member(connection, UUID(facts["member"])) if facts else None
    return Passed(person, bytes.fromhex(facts["account"])) if facts and person else None


async def _proof(connection: Connection, member_id: UUID, form: dict[str, str]) -> list[str] | None:
    """What was proven; None when the code is wrong or was used."""
    if "recovery" in form:
        right = await totp.use_recovery_code(connection, member_id, form["recovery"])
        return [session.PASSWORD, session.SEVERAL] if right else None
    secret = await totp.secret(connection, member_id)
    step = codes.step_of(secret, form.get("code", "")) if secret else None
    if step is None or not await totp.use_step(connection, member_id, step):
        return None
    return [session.PASSWORD, session.CODE, session.SEVERAL]


async def _form(
    request: Request,
    connection: Connection,
    person: Member,
    target: str,
    *,
    status: int = 200,
    problem: str = "",
    at: str = "code",
) -> Response:
    """The page; `problem`: what was wrong with what was typed, and `at` which field."""
    door: Door = request.app.state.door
    visit = cookie_of(request, "visit")
    known: Factors = await factors(connection, person.id)
    question = None
    if known.passkeys:
        allowed = await passkeys.of_member(connection, person.id)
        question = passkey.login_question(door.issuer, visit, allowed, member_id=person.id)
    answer = page.render(
        "oauth/login_second.html",
        status=status,
        script=question is not None,
        token=session.form_token(visit, SECOND),
        next=target,
        problem=problem,
        at=at if known.app else "recovery",
        minutes=attempt.WINDOW_SECONDS // 60,
        known=known,
        passkey=question,
        passkey_token=session.form_token(visit, passkey.LOGIN),
    )
    if status == 429:
        answer.headers["Retry-After"] = str(attempt.WINDOW_SECONDS)
    return answer


routes: list[Route] = [Route(SECOND_PATH, show), Route(SECOND_PATH, prove, methods=["POST"])]
