"""A candidate's own pages: what was provided to whom, a referral to confirm, one question about a selection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import mail as post
from api.candidate_page import Find, Guarded, again, chosen, gone, language_of, page_url_of, show, with_form
from api.settings import Settings
from models import candidate, consent, handover, mail, outcome, referral, relay, seal
from models.db import Connection, queries, unit_of_work
from models.errors import Refusal, RefusalCode
from models.outbox import Said

COMMENT_CHARACTERS_MAX = 1_000
SCORES = {"1", "2", "3", "4", "5"}


def routes(settings: Settings, guarded: Guarded) -> list[Route]:
    """The pages behind a person's, a referral's and a survey's token."""
    pages = _PersonPages(settings, guarded)
    return [
        guarded.route("/relay/me/{token}", pages.show_person),
        guarded.route("/relay/me/{token}", pages.answer_person, methods=["POST"]),
        guarded.route("/referral/{token}", pages.show_referral),
        guarded.route("/referral/{token}", pages.answer_referral, methods=["POST"]),
        guarded.route("/survey/{token}", pages.show_survey),
        guarded.route("/survey/{token}", pages.answer_survey, methods=["POST"]),
    ]


class _PersonPages:
    def __init__(self, settings: Settings, guarded: Guarded) -> None:
        self._settings = settings
        self._guarded = guarded

    async def show_person(self, request: Request) -> Response:
        """Every provision record about the person (開示), and the ways to end one or all (利用停止・消去).

        `?withdraw=` and `?erase=ask` ask first: what ends then does not come back.
        """
        async with unit_of_work() as connection:
            found = await self._guarded.find(connection, request, _person)
            if isinstance(found, Response):
                return found
            if found["erased"]:
                return show(request, "erased")
            records = await _records(connection, found)
        whole, ending = found["given_by"] is None, request.query_params.get("withdraw")
        if whole and "erase" in request.query_params:
            return show(request, "erase")
        for record in records:
            if record.ended_at is None and str(record.consent_id) == ending:
                return show(request, "withdraw", record=record)
        return show(request, "me", records=records, whole=whole)

    async def answer_person(self, request: Request) -> Response:
        """Withdraws one consent, or erases the person everywhere, once they have said that they are sure."""

        async def act(connection: Connection, found: asyncpg.Record, form: Mapping[str, str]) -> list[UUID]:
            erased: list[UUID] = []
            if form.get("sure") != "yes":
                return erased
            if form.get("action") == "erase" and found["given_by"] is None:
                await _withdraw(connection, found, None)
                erased = await mail.of_person(connection, found["id"])
                await candidate.erase(connection, found["id"])
            elif form.get("action") == "withdraw":
                await _withdraw(connection, found, chosen(form.get("consent", "")))
            return erased

        return await self._answer(request, _person, act)

    async def show_referral(self, request: Request) -> Response:
        """Who would recommend the person to whom, and what would be given."""
        async with unit_of_work() as connection:
            found = await self._guarded.find(connection, request, _referral)
            if isinstance(found, Response):
                return found
            if found["status"] == "EXPIRED" or (found["status"] == "SUBMITTED" and found["over"]):
                return gone(request)
            whose = {name: found[name] for name in ("referrer_id", "company_id", "person_id", "consent_id")}
            items = await referral.items_of(connection, **whose)
        return show(
            request,
            "referral",
            facts=found,
            items=items,
            purpose=referral.PURPOSE[language_of(request)],
            page_url=page_url_of(request, found),
        )

    async def answer_referral(self, request: Request) -> Response:
        """The person's yes or no."""

        async def act(connection: Connection, found: asyncpg.Record, form: Mapping[str, str]) -> None:
            answer = form.get("answer")
            if answer not in ("yes", "no"):
                raise Refusal(
                    RefusalCode.INVALID, ja="「受ける」か「受けない」をお選びください。", en="Answer yes or no."
                )
            said = Said(by=found["referrer_id"], source="CANDIDATE", at=datetime.now(UTC))
            await referral.confirm(
                connection,
                said=said,
                referral_id=found["id"],
                confirmed=answer == "yes",
                language=language_of(request),
            )

        return await self._answer(request, _referral, act)

    async def show_survey(self, request: Request) -> Response:
        """One question, 1 to 5, and room for a comment."""
        async with unit_of_work() as connection:
            found = await self._guarded.find(connection, request, _survey)
            if isinstance(found, Response):
                return found
        return show(request, "survey", facts=found)

    async def answer_survey(self, request: Request) -> Response:
        """The person's answer; it is given once."""

        async def act(connection: Connection, found: asyncpg.Record, form: Mapping[str, str]) -> None:
            if form.get("score") not in SCORES:
                raise Refusal(RefusalCode.INVALID, ja="1から5のどれかをお選びください。", en="Choose from 1 to 5.")
            comment = form.get("comment", "").strip()[:COMMENT_CHARACTERS_MAX] or None
            await outcome.answer_survey(connection, survey_id=found["id"], score=int(form["score"]), comment=comment)

        return await self._answer(request, _survey, act)

    async def _answer(
        self,
        request: Request,
        find: Find,
        verb: Callable[[Connection, asyncpg.Record, Mapping[str, str]], Awaitable[Sequence[UUID] | None]],
    ) -> Response:
        """Answers a form by `verb`, which may give mails whose files go when it is done."""

        async def act(form: Mapping[str, str]) -> Response:
            async with unit_of_work() as connection:
                found = await self._guarded.find(connection, request, find)
                if isinstance(found, Response):
                    return found
                erased = await verb(connection, found, form)
            post.erase(self._settings, erased or ())
            request.app.state.courier.wake()
            return again(request)

        return await with_form(request, self._settings.issuer, act)


async def _records(connection: Connection, found: asyncpg.Record) -> list[consent.Record]:
    """What was provided about a person, or may be; on one partner's part of the page, what that partner gave, and what
    others may tell it, or told."""
    records, whose = await consent.records(connection, found["id"]), found["given_by"]
    return [
        record
        for record in records
        if whose in (None, record.giver_id) or (record.news and record.receiver_id == whose)
    ]


async def _withdraw(connection: Connection, found: asyncpg.Record, only: UUID | None) -> None:
    """Ends one consent, or every one; a handover that still waits for its agency ends with it."""
    given = [each for each in await _records(connection, found) if each.ended_at is None]
    ending = [each for each in given if only in (None, each.consent_id)]
    await handover.hold_for_withdrawal(connection, [each.consent_id for each in ending])
    for record in ending:
        said = Said(by=record.giver_id, source="CANDIDATE", at=datetime.now(UTC))
        ended = await consent.withdraw(connection, said=said, person_id=found["id"], consent_id=record.consent_id)
        await relay.withdrawn(connection, consent_ids=ended, said=said)


async def _person(connection: Connection, token: str) -> asyncpg.Record | None:
    person_id, candidate_id = seal.read_page_token(token), seal.read_page_part_token(token)
    if person_id is None and candidate_id is None:
        return None
    found = await queries("page").person(connection, id=person_id, candidate_id=candidate_id)
    if found is None or found["given_by"] or found["erased"] or seal.own_address(token, found["addresses"]):
        return found
    return None  # it came by a letter to an address that is not theirs any more


async def _referral(connection: Connection, token: str) -> asyncpg.Record | None:
    referral_id = seal.read_referral_token(token)
    return await queries("page").referral(connection, id=referral_id) if referral_id else None


async def _survey(connection: Connection, token: str) -> asyncpg.Record | None:
    survey_id = seal.read_survey_token(token)
    return await queries("page").survey(connection, id=survey_id) if survey_id else None
