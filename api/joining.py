"""Where administrators invite people, and where the invited come by the link in their mail."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import SECURITY_PATH, TEAM_PATH, let_in, refused
from api.oauth import Door, FormError, read_form
from api.security import asked
from api.team import is_administrator, team_page
from auth import session
from models import attempt, audit, joining, seal
from models.db import Connection, pool, unit_of_work
from models.joining import NAME_CHARACTERS_MAX, Joining, KnownAddressError
from models.member import Hash, find_member, hash_password
from models.password import CHARACTERS_MAX, CHARACTERS_MIN, WeakPasswordError

INVITATIONS_MAX = 10
"""Letters that one partner may have written within models.attempt.WINDOW_SECONDS."""


async def invite(request: Request) -> Response:
    """Sends somebody the link."""
    asks = await asked(request, "team", TEAM_PATH)
    if isinstance(asks, Response):
        return asks
    who, form = asks.login.member, asks.form
    if not is_administrator(asks.login):
        return refused(403, "administrator")
    written = session.attempt_key(asks.door.attempt_key, "invitations", str(who.partner_id))
    role, language = form.get("role", ""), "EN" if form.get("language") == "EN" else "JA"
    try:
        async with unit_of_work() as connection:
            if await attempt.count(connection, written) > INVITATIONS_MAX:
                return await team_page(asks.login, asks.cookie, status=429, problem="MANY", given=form)
            await joining.invite(
                connection,
                partner_id=who.partner_id,
                invited_by=who.id,
                email=form.get("email", ""),
                role=role,
                language=language,
            )
            await audit.record(connection, "member.invited", partner_id=who.partner_id, member_id=who.id, role=role)
    except KnownAddressError:
        return await team_page(asks.login, asks.cookie, status=409, problem="KNOWN", given=form)
    except ValueError:
        return await team_page(asks.login, asks.cookie, status=422, problem="ADDRESS", given=form)
    return page.redirect(TEAM_PATH, "invited")


async def withdraw(request: Request) -> Response:
    """Ends an invitation that was not used."""
    asks = await asked(request, "team", TEAM_PATH)
    if isinstance(asks, Response):
        return asks
    if not is_administrator(asks.login):
        return refused(403, "administrator")
    try:
        joining_id = UUID(asks.form.get("invitation", ""))
    except ValueError:
        return refused(400)
    who = asks.login.member
    async with unit_of_work() as connection:
        withdrawn = await joining.withdraw(connection, partner_id=who.partner_id, joining_id=joining_id)
        if withdrawn:
            action = "member.invitation_withdrawn"
            await audit.record(connection, action, partner_id=who.partner_id, member_id=who.id)
    return page.redirect(TEAM_PATH, "withdrawn" if withdrawn else "")


async def show(request: Request) -> Response:
    """Who invites whom, and what is needed to come. It changes nothing: mail scanners open links."""
    async with pool().acquire() as connection:
        invited = await _invited(request, connection)
    return _form(invited) if invited else refused(404, "invitation")


async def join(request: Request) -> Response:
    """A name and a password, and the person is in."""
    door: Door = request.app.state.door
    try:
        form = await read_form(request)
    except FormError as error:
        return refused(error.status)
    if not page.from_our_page(request, door.issuer):
        return refused(403)
    name, password = form.get("name", ""), form.get("password", "")
    async with pool().acquire() as connection:
        invited = await _invited(request, connection)
    if invited is None:
        return refused(404, "invitation")
    if password != form.get("repeated", ""):
        return _form(invited, status=422, problem="DIFFERENT", name=name)
    try:
        password_hash = await hash_password(password, (invited.email, name, invited.partner_name))
        return await _joined(request, name, password_hash)
    except WeakPasswordError as error:
        return _form(invited, status=422, problem=error.why, name=name)
    except KnownAddressError:
        return refused(409, "known")
    except ValueError:
        return _form(invited, status=422, problem="NAME")


async def _joined(request: Request, name: str, password_hash: Hash) -> Response:
    async with unit_of_work() as connection:
        invited = await _invited(request, connection)
        if invited is None:
            return refused(404, "invitation")
        member_id = await joining.accept(connection, invited, name=name, password_hash=password_hash)
        await audit.record(
            connection, "member.joined", partner_id=invited.partner_id, member_id=member_id, role=invited.role
        )
        person = await find_member(connection, member_id)
        if person is None:
            return refused(404, "invitation")
        return await let_in(request, connection, person, [session.PASSWORD], f"{SECURITY_PATH}?done=joined")


async def _invited(request: Request, connection: Connection) -> Joining | None:
    joining_id = seal.read_joining_token(request.path_params["token"])
    return await joining.find(connection, joining_id) if joining_id else None


def _form(invited: Joining, *, status: int = 200, problem: str = "", name: str = "") -> Response:
    return page.render(
        "oauth/join.html",
        status=status,
        invited=invited,
        problem=problem,
        called=name,
        name_most=NAME_CHARACTERS_MAX,
        least=CHARACTERS_MIN,
        most=CHARACTERS_MAX,
    )


routes: list[Route] = [
    Route(f"{TEAM_PATH}/invitations", invite, methods=["POST"]),
    Route(f"{TEAM_PATH}/invitations/withdraw", withdraw, methods=["POST"]),
    Route("/join/{token}", show),
    Route("/join/{token}", join, methods=["POST"]),
]
