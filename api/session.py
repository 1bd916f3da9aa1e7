"""Where a person is logged in, and how they end it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import SESSIONS_PATH, own_form, refused, visitor_of
from auth import session
from models import audit, member
from models.db import pool, unit_of_work


async def show(request: Request) -> Response:
    """Every session of the person, the one of this browser marked."""
    visitor = await visitor_of(request)
    if visitor.member is None:
        return page.redirect(f"/login?next={SESSIONS_PATH}")
    async with pool().acquire() as connection:
        found = await member.sessions(connection, visitor.member.id, visitor.cookie)
    return page.render(
        "oauth/sessions.html",
        sessions=[(each, page.minute(each.started_at)) for each in found],
        done=request.query_params.get("done"),
        token=session.form_token(visitor.cookie, "sessions"),
        logout_token=session.form_token(visitor.cookie, "logout"),
    )


async def end(request: Request) -> Response:
    """Ends one session, or all others, at once."""
    visitor = await visitor_of(request)
    form = await own_form(request, visitor.cookie, "sessions")
    if isinstance(form, Response):
        return form
    if (who := visitor.member) is None:
        return refused(403)
    async with unit_of_work() as connection:
        if "session" in form:
            closed = int(await member.close_one(connection, who.id, form["session"]))
        else:
            closed = await member.close_others(connection, who.id, visitor.cookie)
        if closed:
            await audit.record(
                connection, "login.ended", partner_id=who.partner_id, member_id=who.id, sessions=str(closed)
            )
    return page.redirect(SESSIONS_PATH, "logged_out" if closed else "")


routes: list[Route] = [Route(SESSIONS_PATH, show), Route(SESSIONS_PATH, end, methods=["POST"])]
