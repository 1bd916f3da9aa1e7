"""「連携アプリ」: what a person has allowed which app, and how they take it back."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.consent import grouped
from api.login import ALLOWED_PATH, own_form, refused, visitor_of
from api.oauth import Door
from auth import session
from auth.tokens import REVOCATION_KEPT_SECONDS
from models import allowed, audit
from models.db import pool, retried, unit_of_work
from models.member import Member


async def show(request: Request) -> Response:
    """Every app that the person has allowed something, in the words in which they did."""
    visitor = await visitor_of(request)
    if visitor.member is None:
        return page.redirect(f"/login?next={ALLOWED_PATH}")
    async with pool().acquire() as connection:
        found = await allowed.listed(connection, visitor.member.id)
    return page.render(
        "oauth/allowed.html",
        apps=[(each, grouped(each.scope)) for each in found],
        person=visitor.member,
        day=page.day,
        done=request.query_params.get("done"),
        token=session.form_token(visitor.cookie, "allowed"),
    )


async def end(request: Request) -> Response:
    """Ends one app with its tokens, at once. It needs no fresh login: nobody gains by it."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    form = await own_form(request, visitor.cookie, "allowed")
    if isinstance(form, Response):
        return form
    if (who := visitor.member) is None:
        return refused(403)
    ended = await retried(lambda: _ended(who, form.get("client", "")))
    for grant_id in ended:
        door.tokens.forget(grant_id)
    return page.redirect(ALLOWED_PATH, "app_ended" if ended else "")


async def _ended(who: Member, client_id: str) -> list[UUID]:
    async with unit_of_work() as connection:
        ended = await allowed.end(connection, who.id, client_id, keep_seconds=REVOCATION_KEPT_SECONDS)
        if ended:
            action = "consent.withdrawn"
            await audit.record(connection, action, partner_id=who.partner_id, member_id=who.id, client_id=client_id)
    return ended


routes: list[Route] = [Route(ALLOWED_PATH, show), Route(ALLOWED_PATH, end, methods=["POST"])]
