"""「メンバー」: where a partner's administrators see who may log in for it, change roles, take lost factors away and
end an access."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import TEAM_PATH, login_again, refused, visitor_of
from api.security import Change, asked
from auth import session
from auth.tokens import REVOCATION_KEPT_SECONDS
from models import audit, joining, team
from models.db import Connection, pool, unit_of_work
from models.member import ROLES, Login
from models.team import LastAdministratorError

CHANGES = {"role": "role_changed", "reset": "factors_reset", "end": "access_ended"}
"""What an administrator may do, and what was done then, in the audit record (after `member.`) and on the page."""


async def show(request: Request) -> Response:
    """Everybody of the partner, for its administrators."""
    visitor = await visitor_of(request)
    if visitor.login is None:
        return page.redirect(f"/login?next={TEAM_PATH}")
    return await team_page(visitor.login, visitor.cookie, done=request.query_params.get("done", ""))


async def change(request: Request) -> Response:
    """Another role for somebody, no second factor any more, or the end of their access: at once and in every app."""
    asks = await asked(request, "team", TEAM_PATH)
    if isinstance(asks, Response):
        return asks
    action = asks.form.get("action", "")
    try:
        member_id = UUID(asks.form.get("member", ""))
        if not is_administrator(asks.login):
            return refused(403, "administrator")
        if action not in CHANGES:
            return refused(400)
        async with unit_of_work() as connection:
            changed = await _changed(connection, asks, action, member_id)
    except LastAdministratorError:
        return await team_page(asks.login, asks.cookie, status=409, problem="LAST")
    except ValueError:
        return refused(400)
    if not changed:
        return page.redirect(TEAM_PATH)
    asks.door.tokens.forget(member_id)
    return page.redirect(TEAM_PATH, CHANGES[action])


async def _changed(connection: Connection, asks: Change, action: str, member_id: UUID) -> bool:
    who, role = asks.login.member, ""
    whose = {"partner_id": who.partner_id, "member_id": member_id}
    if action == "end":
        changed = await team.end_access(connection, **whose, keep_seconds=REVOCATION_KEPT_SECONDS)
    elif action == "reset":
        if member_id == who.id:  # whoever still has it takes it away at /security
            return False
        language = "EN" if asks.form.get("language") == "EN" else "JA"
        changed = await team.reset_factors(connection, **whose, language=language, keep_seconds=REVOCATION_KEPT_SECONDS)
    else:
        role = asks.form.get("role", "")
        changed = await team.change_role(connection, **whose, role=role, keep_seconds=REVOCATION_KEPT_SECONDS)
    if changed:
        said, by = f"member.{CHANGES[action]}", str(who.id)
        await audit.record(connection, said, partner_id=who.partner_id, member_id=member_id, by=by, role=role)
    return changed


def is_administrator(login: Login) -> bool:
    """Whether they look after the people of their partner."""
    return login.member.role == "ADMIN"


async def team_page(
    login: Login,
    cookie: str,
    *,
    status: int = 200,
    problem: str = "",
    given: Mapping[str, str] = MappingProxyType({}),
    done: str = "",
) -> Response:
    """The partner's people and invitations. `problem`: why the invitation that was `given`, or another change, was not
    made; `done`: what was."""
    who = login.member
    if not is_administrator(login):
        return refused(403, "administrator")
    async with pool().acquire() as connection:
        found = await team.colleagues(connection, who.partner_id)
        invited = await joining.standing(connection, who.partner_id)
    return page.render(
        "oauth/team.html",
        status=status,
        login=login,
        people=found,
        invited=[(each, page.day(each.expires_at)) for each in invited],
        roles=ROLES,
        fresh=session.is_fresh(login.auth_time),
        again=login_again(TEAM_PATH),
        problem=problem,
        given={"email": "", "role": "RECRUITER", "language": "JA"} | dict(given),
        done=done,
        token=session.form_token(cookie, "team"),
    )


routes: list[Route] = [Route(TEAM_PATH, show), Route(TEAM_PATH, change, methods=["POST"])]
