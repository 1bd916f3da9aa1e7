"""The relay's pages: the personal URL, the company's URL, and the company's confirmation. Plain forms, no script.

GET shows and changes nothing: mail scanners open every link. The first POST (Continue) is "opened"; a POST with
ticks is the consent.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import UUID

import asyncpg
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import person_page
from api.candidate_page import (
    Guarded,
    Throttle,
    again,
    chosen,
    gone,
    language_of,
    page_url_of,
    show,
    too_many,
    unknown,
    with_form,
)
from api.settings import Settings
from models import candidate, invitation, registration, relay, seal
from models.db import Connection, queries, unit_of_work
from models.invitation import Invitation
from models.mailbox import plain_email
from models.outbox import Said
from models.registration import OFFERED_ITEMS, PURPOSE_AGENCY, PURPOSE_COMPANY, PURPOSE_TELL

TEXT_VERSION = "relay-1"
"""Of the words on `relay/choose.html` to which candidates consent. Change the words, and change this."""

MAILS_ASKED_MAX = 10  # per address and window, at the company's URL
NAME_CHARACTERS_MAX = 100


def routes(settings: Settings) -> list[Route]:
    """Every page for candidates, and the one page for the company that is asked to confirm."""
    guarded = Guarded()
    pages = _RelayPages(settings.issuer, guarded)
    return [
        *person_page.routes(settings, guarded),
        Route("/relay/c/{company}", pages.show_door),
        Route("/relay/c/{company}", pages.knock, methods=["POST"]),
        guarded.route("/relay/confirm/{token}", pages.show_confirmation),
        guarded.route("/relay/confirm/{token}", pages.confirm, methods=["POST"]),
        guarded.route("/relay/{token}", pages.show_invitation),
        guarded.route("/relay/{token}", pages.answer_invitation, methods=["POST"]),
    ]


class _RelayPages:
    def __init__(self, issuer: str, guarded: Guarded) -> None:
        self._issuer = issuer
        self._guarded = guarded
        self._mails = Throttle(MAILS_ASKED_MAX)

    async def show_invitation(self, request: Request) -> Response:
        """Whom the candidate may turn to. Before Continue a preview, after it the ticks."""
        async with unit_of_work() as connection:
            found = await self._guarded.find(connection, request, _invitation)
            if isinstance(found, Response):
                return found
            if found["dead"] or found["erased"]:
                lives_on = found["provided"] and not found["erased"]
                return gone(request, page_url=page_url_of(request, found) if lives_on else None)
            return await _offer(connection, request, found, "choose" if found["opened_at"] else "preview")

    async def answer_invitation(self, request: Request) -> Response:
        """Continue, or the candidate's choices."""

        async def act(form: Mapping[str, str]) -> Response:
            async with unit_of_work() as connection:
                found = await self._guarded.find(connection, request, _invitation)
                if isinstance(found, Response):
                    return found
                if found["dead"] or found["erased"]:
                    return gone(request)
                said = Said(by=found["company_id"], source="CANDIDATE", at=datetime.now(UTC))
                if form.get("action") == "register":
                    if missing := await _missing(connection, found, form):
                        return await _offer(connection, request, found, "choose", given=form, missing=missing)
                    await _register(connection, request, found, form, said)
                else:
                    await invitation.opened(connection, invitation_id=found["id"], said=said)
            return again(request)

        return await with_form(request, self._issuer, act)

    async def show_door(self, request: Request) -> Response:
        """The company's URL: it asks for an address, and for nothing else."""
        async with unit_of_work() as connection:
            company = await _company(connection, request)
        return show(request, "door", company=company["name"], email=None) if company else unknown(request)

    async def knock(self, request: Request) -> Response:
        """Sends the personal URL to the address given. The answer never says whether anybody knows it."""
        if self._mails.refuses(request):
            return too_many(request)

        async def act(form: Mapping[str, str]) -> Response:
            async with unit_of_work() as connection:
                company = await _company(connection, request)
                if company is None:
                    return unknown(request)
                typed = form.get("email", "")
                email = plain_email(typed)
                if email is None:
                    return show(request, "door", status=400, company=company["name"], email=typed)
                self._mails.count(request)  # before it is done: many at once count, too
                said = Said(by=company["id"], source="CANDIDATE", at=datetime.now(UTC))
                await invitation.by_company_url(
                    connection, company_id=company["id"], email=email, language=language_of(request), said=said
                )
            request.app.state.courier.wake()
            return show(request, "sent", company=company["name"])

        return await with_form(request, self._issuer, act)

    async def show_confirmation(self, request: Request) -> Response:
        """Asks the company whether it turned this person down."""
        async with unit_of_work() as connection:
            found = await self._guarded.find(connection, request, _confirmation)
            if isinstance(found, Response):
                return found
            items = await _items(connection, found)
        answered_no = request.query_params.get("answered") == "no"
        return show(request, "confirm", facts=found, items=items, answered_no=answered_no)

    async def confirm(self, request: Request) -> Response:
        """The company's yes. A no, like silence, is no confirmation: nothing is written, and a yes may follow it."""

        async def act(form: Mapping[str, str]) -> Response:
            async with unit_of_work() as connection:
                found = await self._guarded.find(connection, request, _confirmation)
                if isinstance(found, Response):
                    return found
                if form.get("answer") != "yes":
                    return again(request, answered="no")
                said = Said(by=found["company_id"], source="API", at=datetime.now(UTC))
                await relay.confirm_by_company(connection, invitation_id=found["id"], said=said)
            return again(request)

        return await with_form(request, self._issuer, act)


async def _register(
    connection: Connection,
    request: Request,
    found: asyncpg.Record,
    form: Mapping[str, str],
    said: Said,
) -> None:
    if name := _name(form):
        await candidate.keep(
            connection,
            partner_id=found["company_id"],
            person_id=found["person_id"],
            email=None,
            items={"NAME": name},
            at=said.at,
        )
    has = await _items(connection, found)
    # Without a name and an address nobody can help: these go with every tick, as the page says.
    items = [item for item in OFFERED_ITEMS if item in has and (item in ("NAME", "EMAIL") or f"item {item}" in form)]
    await registration.register(
        connection,
        invitation_id=found["id"],
        agency_ids=_ticked(form, "agency"),
        company_ids=_ticked(form, "company"),
        items=items,
        language=language_of(request),
        text_version=TEXT_VERSION,
        tell_company="tell" in form,
        said=said,
    )


def _name(form: Mapping[str, str]) -> str:
    """The name that somebody gave, as it is kept; empty when they gave blanks."""
    return candidate.plain_line(form.get("name", ""))[:NAME_CHARACTERS_MAX]


async def _missing(connection: Connection, found: asyncpg.Record, form: Mapping[str, str]) -> set[str]:
    """What a registration cannot do without and does not have: anybody to tell (CHOICE), or a name (NAME)."""
    missing = set[str]() if _ticked(form, "agency") + _ticked(form, "company") else {"CHOICE"}
    named = _name(form) or "NAME" in await _items(connection, found)
    return missing if named else missing | {"NAME"}


def _ticked(form: Mapping[str, str], kind: str) -> list[UUID]:
    return [chosen(name.removeprefix(f"{kind} ")) for name in form if name.startswith(f"{kind} ")]


async def _offer(
    connection: Connection,
    request: Request,
    found: asyncpg.Record,
    template: str,
    *,
    given: Mapping[str, str] = MappingProxyType({}),
    missing: Set[str] = frozenset(),
) -> Response:
    """Whom the candidate may turn to; `given`: what they sent, where something is `missing` from it."""
    held = Invitation(**{part.name: found[part.name] for part in fields(Invitation)})
    language = language_of(request)
    return show(
        request,
        template,
        status=409 if missing else 200,
        company=found["company"],
        until=found["expires_at"],
        page_url=page_url_of(request, found),
        offered=await registration.choices(connection, held, datetime.now(UTC)),
        kept=await _items(connection, found),
        purpose_agency=PURPOSE_AGENCY[language],
        purpose_company=PURPOSE_COMPANY[language],
        purpose_tell=PURPOSE_TELL[language],
        given=given,
        called=_name(given),
        missing=missing,
    )


async def _items(connection: Connection, found: asyncpg.Record) -> dict[str, str]:
    """What the company itself keeps of the person."""
    kept = await candidate.read_items(connection, partner_id=found["company_id"], person_id=found["person_id"])
    return next(iter(kept.values()), dict[str, str]())


async def _invitation(connection: Connection, token: str) -> asyncpg.Record | None:
    invitation_id = seal.read_relay_token(token)
    return await queries("page").invitation(connection, id=invitation_id) if invitation_id else None


async def _confirmation(connection: Connection, token: str) -> asyncpg.Record | None:
    invitation_id = seal.read_confirmation_token(token)
    return await queries("page").confirmation(connection, id=invitation_id) if invitation_id else None


async def _company(connection: Connection, request: Request) -> asyncpg.Record | None:
    slug = request.path_params["company"].replace("\0", " ")  # PostgreSQL takes no NUL, and no slug has a blank
    return await queries("page").company(connection, slug=slug)
