"""Where people who develop for a partner look after its clients: see, create, give new secrets, delete."""

import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.consent import grouped
from api.login import DEVELOPER_PATH, NEW_CLIENT_PATH, login_again, visitor_of
from api.security import Change, asked
from auth import developer, scopes, session
from auth.client import CLIENTS_MAX, NAME_CHARACTERS_MAX, REDIRECT_URIS_MAX, MetadataError
from auth.developer import NotYoursError, TwoSecretsError
from models import client, replay
from models.client import DEVICE_GRANT, Listed
from models.db import pool, unit_of_work
from models.member import SESSION_SECONDS, Member

FORM_BYTES = 16
PEOPLE = ["authorization_code", "refresh_token"]
KINDS: dict[str, dict[str, Any]] = {
    "program": {"token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"]},
    "signer": {"token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"]},
    "web": {"token_endpoint_auth_method": "client_secret_basic", "grant_types": PEOPLE},
    "app": {"token_endpoint_auth_method": "none", "grant_types": PEOPLE},
    "device": {"token_endpoint_auth_method": "none", "grant_types": [DEVICE_GRANT, "refresh_token"]},
}
"""What a client can be, as people choose it, and what that means in client metadata."""
TAKEN_BY = {"redirect_uris": ("web", "app"), "post_logout_redirect_uris": ("web", "app"), "jwks": ("signer",)}
"""Which kinds have something to fill in here."""


async def show(request: Request) -> Response:
    """The partner's clients, and what this person may do with each."""
    visitor = await visitor_of(request)
    if visitor.login is None:
        return page.redirect(f"/login?next={DEVELOPER_PATH}")
    person = visitor.login.member
    if person.role not in developer.ROLES:
        return _shut()
    return await _clients_page(visitor.cookie, person, done=request.query_params.get("done", ""))


async def show_new(request: Request) -> Response:
    """The form for a new client; sending it asks for a fresh login, so that is asked for before it is filled in."""
    visitor = await visitor_of(request)
    if visitor.login is None or not session.is_fresh(visitor.login.auth_time):
        return page.redirect(login_again(NEW_CLIENT_PATH))
    person = visitor.login.member
    if person.role not in developer.ROLES:
        return _shut()
    return _form(visitor.cookie, person, {"kind": "program", "form": secrets.token_urlsafe(FORM_BYTES)})


async def create(request: Request) -> Response:
    """Registers a client, once a form however often it is sent, and tells its secret, once."""

    async def work(change: Change, person: Member) -> Response:
        form = change.form
        if problem := unfit(form):
            return _form(change.cookie, person, form, problem=problem)
        try:
            async with unit_of_work() as connection:
                words = ("developer", str(person.id), form.get("form", ""))
                if not await replay.first_use(connection, *words, keep_seconds=SESSION_SECONDS):
                    return page.redirect(DEVELOPER_PATH)
                made = await developer.create(connection, person, document(form))
        except MetadataError as error:
            return _form(change.cookie, person, form, problem=_field(error))
        return _told(form["name"].strip(), made.client_id, made.client_secret, made=True)

    return await _answered(request, work, NEW_CLIENT_PATH)


async def rotate(request: Request) -> Response:
    """A new secret, told once; the one before opens for a day."""

    async def work(change: Change, person: Member) -> Response:
        try:
            async with unit_of_work() as connection:
                found = await developer.owned(connection, person, change.form.get("client", ""))
                secret = await developer.rotate(connection, found, person)
        except TwoSecretsError:
            return await _clients_page(change.cookie, person, status=409, problem="secrets")
        return _told(found.name, found.client_id, secret, made=False)

    return await _answered(request, work)


async def end_previous(request: Request) -> Response:
    """Ends the secret before at once."""

    async def work(change: Change, person: Member) -> Response:
        async with unit_of_work() as connection:
            found = await developer.owned(connection, person, change.form.get("client", ""))
            await developer.end_previous(connection, found, person)
        return page.redirect(DEVELOPER_PATH, "secret_ended")

    return await _answered(request, work)


async def remove(request: Request) -> Response:
    """Ends a client with all its tokens at once."""

    async def work(change: Change, person: Member) -> Response:
        async with unit_of_work() as connection:
            found = await developer.owned(connection, person, change.form.get("client", ""))
            await developer.remove(connection, found, person, change.door.tokens)
        return page.redirect(DEVELOPER_PATH, "client_removed")

    return await _answered(request, work)


def unfit(form: dict[str, str]) -> str:
    """The problem with what was filled in or ticked and means nothing for the kind: it is not left aside in silence."""
    kind = form.get("kind", "")
    for field, kinds in TAKEN_BY.items():
        if form.get(field, "").strip() and kind not in kinds:
            return f"{field} unfit"
    alone = "client_credentials" in KINDS.get(kind, {}).get("grant_types", ())
    return "scope unfit" if alone and any(f"allow {name}" in form for name in scopes.IDENTITY_SCOPES) else ""


def document(form: dict[str, str]) -> dict[str, Any]:
    """What the form says, as client metadata (RFC 7591). Raises MetadataError for a kind that is not offered."""
    kind = form.get("kind", "")
    if kind not in KINDS:
        raise MetadataError("kind is one of those on the page")
    named = [name.removeprefix("allow ") for name in form if name.startswith("allow ")]
    said = KINDS[kind] | {
        "client_name": form.get("name", ""),
        "scope": " ".join(named),
        "dpop_bound_access_tokens": "dpop" in form,
    }
    for field in ("redirect_uris", "post_logout_redirect_uris"):
        if kind in TAKEN_BY[field]:
            said[field] = form.get(field, "").split()
    if kind in TAKEN_BY["jwks"]:
        said["jwks"] = _json(form.get("jwks", ""))
    return said


async def _answered(
    request: Request, work: Callable[[Change, Member], Awaitable[Response]], path: str = DEVELOPER_PATH
) -> Response:
    """Does what the form of the page at `path` asks, for somebody who may and has just proven themselves."""
    change = await asked(request, "developer", path)
    if isinstance(change, Response):
        return change
    person = change.login.member
    if person.role not in developer.ROLES:
        return _shut()
    try:
        return await work(change, person)
    except NotYoursError:
        return await _clients_page(change.cookie, person, status=404, problem="absent")


def _shut() -> Response:
    return page.render("developer/refused.html", status=403)


async def _clients_page(
    cookie: str, person: Member, *, status: int = 200, problem: str = "", done: str = ""
) -> Response:
    async with pool().acquire() as connection:
        found = await client.listed(connection, person.partner_id)
    held = developer.held_by(person)
    return page.render(
        "developer/clients.html",
        status=status,
        clients=[(each, _kind(each), held.issuperset(each.scope)) for each in found],
        problem=problem,
        done=done,
        person=person,
        full=len(found) >= CLIENTS_MAX,
        most=CLIENTS_MAX,
        day=page.day,
        minute=page.minute,
        scope=scopes.join,
        token=session.form_token(cookie, "developer"),
    )


def _form(cookie: str, person: Member, given: dict[str, str], problem: str = "") -> Response:
    held = developer.held_by(person)
    return page.render(
        "developer/new.html",
        status=400 if problem else 200,
        groups=grouped(held),
        ticked={name for name in held if given.get(f"allow {name}")},
        given=defaultdict(str, given),
        problem=problem,
        name_characters=NAME_CHARACTERS_MAX,
        uris=REDIRECT_URIS_MAX,
        token=session.form_token(cookie, "developer"),
    )


def _told(name: str, client_id: str, secret: str | None, *, made: bool) -> Response:
    """The one page that shows a secret."""
    return page.render("developer/secret.html", called=name, client_id=client_id, secret=secret, made=made)


def _kind(of: Listed) -> str:
    """Which of KINDS comes closest: a client made elsewhere may be two at once."""
    if DEVICE_GRANT in of.grant_types:
        return "device"
    if of.auth_method == "none":
        return "app"
    if "authorization_code" in of.grant_types:
        return "web"
    return "signer" if of.auth_method == "private_key_jwt" else "program"


def _field(error: MetadataError) -> str:
    """The form's field that an error speaks of."""
    named = str(error).partition(" ")[0].rstrip(":")
    if named in TAKEN_BY:
        return named
    return {"client_name": "name", "scope": "scope", "a": "full"}.get(named, "form")


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MetadataError("jwks: this is not JSON") from None


routes: list[Route] = [
    Route(DEVELOPER_PATH, show),
    Route(NEW_CLIENT_PATH, show_new),
    Route(NEW_CLIENT_PATH, create, methods=["POST"]),
    Route(f"{DEVELOPER_PATH}/secret", rotate, methods=["POST"]),
    Route(f"{DEVELOPER_PATH}/previous", end_previous, methods=["POST"]),
    Route(f"{DEVELOPER_PATH}/delete", remove, methods=["POST"]),
]
