"""Where people log in with the account that they have at their own organisation (会社のアカウント)."""

import secrets
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import EMAIL_CHARACTERS_MAX, cookie_of, let_in, login_form, own_form, refused, target_of, visitor_of
from api.oauth import Door, FormError, read_query
from auth import session
from auth.identity_provider import ProviderError, Sent
from auth.openid import ASKED_AT
from models import attempt, identity_provider, refusal
from models.db import unit_of_work
from models.identity_provider import Provider

COMPANY_PATH = "/login/company"
STATE_BYTES = 32


async def begin(request: Request) -> Response:
    """Sends the browser to the provider that the address's domain belongs to. Whether anybody has it is not looked at.

    By a page, not a redirect: browsers hold a form's redirects against our own `form-action`.
    """
    door: Door = request.app.state.door
    visit = cookie_of(request, "visit")
    form = await own_form(request, visit, "login")
    if isinstance(form, Response):
        return form
    email, target = form.get("email", "")[:EMAIL_CHARACTERS_MAX].strip(), target_of(form.get("next"))
    if "@" not in email:
        return login_form(request, door, target, status=400, problem="company_address", email=email)
    address = session.attempt_key(door.attempt_key, "address", page.address_of(request))
    async with unit_of_work() as connection:
        if await attempt.count(connection, address) > session.ADDRESS_ATTEMPTS_MAX:
            await refusal.record(connection, "login.throttled", reason="too many from one address")
            return login_form(request, door, target, status=429, problem="throttled", email=email)
        provider = await identity_provider.of_email(connection, email)
    if provider is None:
        return login_form(request, door, target, status=400, problem="company_unknown", email=email)
    sent = Sent(secrets.token_urlsafe(STATE_BYTES), door.attempt_key)
    again = f"&{ASKED_AT}=" in target or (await visitor_of(request)).login is not None
    try:
        where = await door.providers.address(provider, sent, email=email, fresh=again)
    except ProviderError as error:
        return await _failed(request, provider, error.reason, target, email)
    async with unit_of_work() as connection:
        await identity_provider.begin(connection, provider, state=sent.state, browser=visit, target=target)
    return page.render("oauth/company.html", address=where, host=page.origin_of(where))


async def finish(request: Request) -> Response:
    """The browser comes back, with what the provider says of who it is."""
    door: Door = request.app.state.door
    visit = cookie_of(request, "visit")
    try:
        query = read_query(request)
    except FormError as error:
        return refused(error.status)
    async with unit_of_work() as connection:
        provider = await identity_provider.find(connection, UUID(str(request.path_params["provider_id"])))
        if provider is None:
            return refused(400)
        state = query.get("state", "")
        target = await identity_provider.finish(connection, provider, state=state, browser=visit)
    if target is None:
        return await _failed(request, provider, "a state that this browser has not, or used up", "")
    try:
        vouched = await door.providers.vouched(provider, Sent(state, door.attempt_key), query)
    except ProviderError as error:
        return await _failed(request, provider, error.reason, target)
    account = session.attempt_key(door.attempt_key, "account", vouched.email)
    address = session.attempt_key(door.attempt_key, "address", page.address_of(request))
    async with unit_of_work() as connection:
        person = await identity_provider.person(connection, provider, vouched.subject, vouched.email)
        if person:
            await attempt.forgive(connection, account, address=address)
            return await let_in(request, connection, person, vouched.amr, target, vouched.auth_time)
    return await _failed(request, provider, "nobody here, or another subject's", target)


async def _failed(request: Request, provider: Provider, reason: str, target: str, email: str = "") -> Response:
    """Why stands in the record, for the partner's administrator to ask for; the page does not say it."""
    async with unit_of_work() as connection:
        await refusal.record(
            connection, "login.refused", partner_id=provider.partner_id, reason=f"identity provider: {reason}"
        )
    door: Door = request.app.state.door
    return login_form(request, door, target_of(target), status=401, problem="company_failed", email=email)


routes: list[Route] = [
    Route(COMPANY_PATH, begin, methods=["POST"]),
    Route(f"{COMPANY_PATH}/{{provider_id:uuid}}", finish),
]
