"""Where people say what an app may do for them (RFC 6749, 3.1)."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from urllib.parse import quote

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.login import AUTHORIZE_PATH, Visitor, own_form, refused, visitor_of
from api.oauth import Door, FormError, read_query
from auth import bridge, openid, pushed, scopes, session
from auth.grants import AuthorizationCode, Consent
from auth.scopes import Scope
from auth.server import Answer, Request, Server
from models import audit, refusal
from models.client import Client
from models.db import Connection, unit_of_work
from models.member import Member
from models.openid import allowed_before, clock

CONSENT_PATH = "/oauth/consent"


async def authorize(request: HttpRequest) -> Response:
    """RFC 6749, 3.1: checks the request, has the person log in, and asks them."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    async with unit_of_work() as connection:
        server = door.server(connection)
        grant = await _checked(request, server)
        if isinstance(grant, Response):
            return grant
        first = await _without_asking(request, server, grant, visitor)
        if first or visitor.member is None:
            return first or refused(403)
        return await _consent_page(request, server, grant, visitor, visitor.member)


async def consent(request: HttpRequest) -> Response:
    """The person's answer. What they are asked is checked anew; only what they ticked is granted."""
    door: Door = request.app.state.door
    visitor = await visitor_of(request)
    form = await own_form(request, visitor.cookie, _consent_purpose(request))
    if isinstance(form, Response):
        return form
    async with unit_of_work() as connection:
        server = door.server(connection)
        grant = await _checked(request, server)
        if isinstance(grant, Response):
            return grant
        if visitor.member is None:
            return refused(403)
        if first := await _to_login(request, server, grant, visitor):
            return first
        ticked = ticked_in(form, _offered(grant, visitor.member))
        wanted = form.get("decision") == "allow"
        if wanted and not ticked:
            return await _consent_page(request, server, grant, visitor, visitor.member, empty=True)
        if not await pushed.answered(connection, read_query(request)):
            return await _answered_before(connection, read_query(request))
        allowed = Consent(visitor.member, ticked, visitor.cookie) if wanted else None
        if allowed:
            await _record_consent(connection, grant, allowed)
        answer: Answer = await bridge.call(server.create_authorization_response, grant.request, allowed, grant)
    return _redirected(answer)


async def _checked(request: HttpRequest, server: Server) -> AuthorizationCode | Response:
    """The grant that an authorization request asks for, or the answer that refuses it.

    An error goes to the client only when client and redirect URI are beyond doubt; any other is shown here.
    """
    try:
        query = read_query(request)
    except FormError as error:
        return refused(error.status)
    parameters = await pushed.parameters_of(server.connection, query)
    if parameters is None:
        return await _answered_before(server.connection, query)
    if not pushed.is_plain(parameters):
        await _record_refusal(server.connection, query, "characters that no request has")
        return refused(400)
    asked = Request("GET", server.tokens.issuer + AUTHORIZE_PATH, request.headers, dict(parameters), {})
    try:
        return await bridge.call(server.get_consent_grant, asked)
    except OAuth2Error as error:
        answer: Answer = await bridge.call(server.handle_error_response, asked, error)
        return _redirected(answer) if answer.body is None else refused(400, "client")


async def _without_asking(
    request: HttpRequest, server: Server, grant: AuthorizationCode, visitor: Visitor
) -> Response | None:
    """What an app gets before any question: a login where one is needed, or its answer where it wants no page."""
    if first := await _to_login(request, server, grant, visitor):
        return first
    if visitor.login is None or "none" not in openid.asked_of(server.tokens, grant.request).prompts:
        return None
    offered = _offered(grant, visitor.login.member)
    client = grant.request.client.row
    try:
        await openid.check_silent(server.connection, client, visitor.login, offered, grant.redirect_uri)
    except OAuth2Error as error:
        return await _refused_to_app(request, server, grant, error)
    if not await pushed.answered(server.connection, read_query(request)):
        return await _answered_before(server.connection, read_query(request))
    allowed = Consent(visitor.login.member, offered, visitor.cookie)
    return _redirected(await bridge.call(server.create_authorization_response, grant.request, allowed, grant))


async def _to_login(
    request: HttpRequest, server: Server, grant: AuthorizationCode, visitor: Visitor
) -> Response | None:
    """Where the app wants a fresher login than there is, or there is none: the way there, and back with a stamp."""
    key, query = request.app.state.door.attempt_key, request.url.query
    asked = openid.asked_of(server.tokens, grant.request)
    try:
        if not await openid.must_log_in(server.connection, asked, visitor.login, openid.stamped(key, query)):
            return None
    except OAuth2Error as error:
        return await _refused_to_app(request, server, grant, error)
    if asked.is_particular:
        query = openid.stamp(key, query, await clock(server.connection))
    again = "&again=1" if visitor.login else ""
    return page.redirect(f"/login?next={quote(f'{AUTHORIZE_PATH}?{query}', safe='')}{again}")


async def _refused_to_app(
    request: HttpRequest, server: Server, grant: AuthorizationCode, error: OAuth2Error
) -> Response:
    await pushed.answered(server.connection, read_query(request))
    error.redirect_uri, error.state = grant.redirect_uri, grant.request.payload.state
    return _redirected(await bridge.call(server.handle_error_response, grant.request, error))


async def _consent_page(
    request: HttpRequest,
    server: Server,
    grant: AuthorizationCode,
    visitor: Visitor,
    person: Member,
    *,
    empty: bool = False,
) -> Response:
    """Asks them; `empty`: once more, since they allowed it and ticked nothing."""
    client = grant.request.client.row
    again = f"{AUTHORIZE_PATH}?{request.url.query}"
    offered = _offered(grant, person)
    if not offered:
        return not_theirs(visitor, person, client, again)
    usual = harmless(offered) | await allowed_before(server.connection, client.id, person.id)
    return page.render(
        "oauth/consent.html",
        status=422 if empty else 200,
        form_targets=[page.origin_of(grant.redirect_uri)],
        client=client,
        person=person,
        groups=grouped(offered),
        ticked=frozenset[str]() if empty else usual,
        empty=empty,
        target=page.origin_of(grant.redirect_uri),
        query=request.url.query,
        token=session.form_token(visitor.cookie, _consent_purpose(request)),
        next=again,
        logout_token=session.form_token(visitor.cookie, "logout"),
    )


def _offered(grant: AuthorizationCode, person: Member) -> frozenset[str]:
    return offerable(grant.request.client.row, scopes.split(grant.request.payload.scope), person)


def offerable(client: Client, requested: Iterable[str], person: Member) -> frozenset[str]:
    """What a person may be asked for: nothing, when the app belongs to another partner or their role allows none.

    All that the client may hold when it requested nothing by name.
    """
    if client.partner_id not in (None, person.partner_id):
        return frozenset()
    return (frozenset(requested) or client.scope) & scopes.grantable(client.kind, client.scope, person.role)


def ticked_in(form: Mapping[str, str], offered: frozenset[str]) -> frozenset[str]:
    """What somebody ticked of what they were offered."""
    return frozenset(name for name in offered if f"allow {name}" in form)


def not_theirs(visitor: Visitor, person: Member, client: Client, again: str) -> Response:
    """Says that this person may allow an app nothing, and why; `again`: where to come back to with another account."""
    return page.render(
        "oauth/refused.html",
        status=403,
        why="role" if client.partner_id in (None, person.partner_id) else "partner",
        person=person,
        client=client,
        next=again,
        token=session.form_token(visitor.cookie, "logout"),
    )


def harmless(offered: frozenset[str]) -> frozenset[str]:
    """What a page may tick for the person: nothing sensitive."""
    return frozenset(scope.name for _, members in grouped(offered) for scope in members if not scope.sensitive)


def grouped(offered: frozenset[str]) -> list[tuple[tuple[str, str], list[Scope]]]:
    """Scopes as a page lists them: in the vocabulary's order, under the names of their groups."""
    asked = [scope for name, scope in (scopes.IDENTITY | scopes.VOCABULARY).items() if name in offered]
    return [(words, list(group)) for words, group in groupby(asked, lambda scope: (scope.group_ja, scope.group_en))]


async def _answered_before(connection: Connection, query: Mapping[str, str]) -> Response:
    await _record_refusal(connection, query, "request_uri unknown, answered, expired or another client's")
    return refused(400, "client")


async def _record_refusal(connection: Connection, query: Mapping[str, str], reason: str) -> None:
    named = query.get("client_id")
    await refusal.record(connection, "request.refused", client_id=named, error="invalid_request", reason=reason)


async def _record_consent(connection: Connection, grant: AuthorizationCode, given: Consent) -> None:
    await audit.record(
        connection,
        "consent.given",
        partner_id=given.member.partner_id,
        member_id=given.member.id,
        client_id=grant.request.client.row.client_id,
        scope=scopes.join(given.scope),
    )


def _redirected(answer: Answer) -> Response:
    return page.redirect(answer.headers["Location"]) if answer.body is None else refused(answer.status, "client")


def _consent_purpose(request: HttpRequest) -> str:
    return f"consent {request.url.query}"


routes: list[Route] = [
    Route(AUTHORIZE_PATH, authorize),
    Route(CONSENT_PATH, consent, methods=["POST"]),
]
