"""What every page for candidates shares: its language, its refusals, and how long a guesser may guess."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from asyncpg import Record
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import page
from api.letters import day
from api.oauth import FormError, read_form
from models import seal
from models.db import Connection, retried
from models.errors import Refusal, RefusalCode

Answer = Callable[[Request], Awaitable[Response]]
Find = Callable[[Connection, str], Awaitable[Record | None]]
Language = Literal["JA", "EN"]

GUESSES_MAX = 20  # wrong URLs from one address
WINDOW_SECONDS = 900.0
ADDRESSES_MAX = 10_000  # remembered at once by one worker

ITEMS = {
    "NAME": ("お名前", "Name"),
    "EMAIL": ("メールアドレス", "E-mail address"),
    "PHONE": ("電話番号", "Telephone number"),
    "PREFECTURE": ("お住まいの都道府県", "Prefecture of residence"),
    "RECOMMENDATION": ("推薦文", "Recommendation"),
    "RESUME": ("履歴書", "Résumé"),
    "STAGES": ("選考の段階", "Stages reached"),
    "OUTCOME": ("就職が決まったこと", "That you found work"),
}
"""Items of personal data as people call them."""


class Throttle:
    """Counts per address, in this worker's memory: a GET on these pages must not change the database."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, request: Request) -> None:
        """One more from this address."""
        address = page.address_of(request)
        since, count = self._current(address)
        self._counts[address] = (since, count + 1)
        self._counts.move_to_end(address)
        if len(self._counts) > ADDRESSES_MAX:
            self._counts.popitem(last=False)

    def refuses(self, request: Request) -> bool:
        """Whether this address has had enough for now."""
        return self._current(page.address_of(request))[1] >= self._most

    def _current(self, address: str) -> tuple[float, int]:
        now = time.monotonic()
        since, count = self._counts.get(address, (now, 0))
        return (since, count) if now - since < WINDOW_SECONDS else (now, 0)


class Guarded:
    """Pages behind a token. Whoever guessed too often is refused before anything is looked up."""

    def __init__(self) -> None:
        self._guesses = Throttle(GUESSES_MAX)

    def route(self, path: str, answer: Answer, **given: Any) -> Route:
        """Where such a page is."""

        async def guarded(request: Request) -> Response:
            return too_many(request) if self._guesses.refuses(request) else await answer(request)

        return Route(path, guarded, **given)

    async def find(self, connection: Connection, request: Request, by_token: Find) -> Record | Response:
        """What the token of the path stands for; a page instead, and one more guess, when it stands for nothing."""
        found = await by_token(connection, request.path_params["token"])
        if found is None:
            self._guesses.count(request)
            return unknown(request)
        return found


def language_of(request: Request) -> Language:
    """The language asked for: `?lang=` before the browser's own preference; Japanese when in doubt."""
    asked = request.query_params.get("lang", "").lower()
    if asked in ("ja", "en"):
        return "EN" if asked == "en" else "JA"
    for part in request.headers.get("accept-language", "").split(","):
        code = part.partition(";")[0].strip().lower()[:2]
        if code in ("ja", "en"):
            return "EN" if code == "en" else "JA"
    return "JA"


def show(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """A page for candidates in their language."""
    language = language_of(request)

    def say(ja: str, en: str) -> str:
        return en if language == "EN" else ja

    def in_order(names: list[str]) -> list[str]:
        return sorted(names, key=list(ITEMS).index)

    def item(name: str) -> str:
        return say(*ITEMS[name])

    def day_of(at: datetime) -> str:
        return day(at, language)

    asked = dict(request.query_params) | {"lang": "ja" if language == "EN" else "en"}
    return page.render(
        f"relay/{template}.html",
        status=status,
        language=language.lower(),
        other_url=f"?{urlencode(asked)}",
        say=say,
        day=day_of,
        item=item,
        in_order=in_order,
        **context,
    )


def again(request: Request, **words: str) -> Response:
    """Back to the same page by GET, in the same language; `words`: what else its address says."""
    return page.redirect(in_language(request, request.url.path, **words))


def in_language(request: Request, path: str, **words: str) -> str:
    """The address of one of these pages, with these words, in the language that was asked for."""
    asked = {"lang": request.query_params["lang"]} if "lang" in request.query_params else {}
    query = urlencode(words | asked)
    return f"{path}?{query}" if query else path


def gone(request: Request, *, page_url: str | None = None) -> Response:
    """The URL was good once. `page_url`: the person's own page, which lives on."""
    return show(request, "gone", status=410, page_url=page_url)


def page_url_of(request: Request, found: Record) -> str:
    """The person's own page; what that partner gave, where the URL went to an address that is not theirs."""
    own = seal.own_address(request.path_params["token"], found["addresses"])
    token = seal.page_token(found["person_id"], own=own) if own else seal.page_part_token(found["candidate_id"])
    return in_language(request, f"/relay/me/{token}")


def unknown(request: Request) -> Response:
    """No such URL; nothing says whether there ever was."""
    return show(request, "unknown", status=404)


def too_many(request: Request) -> Response:
    """Too many wrong URLs, or mails asked for, from one address."""
    answer = show(request, "too_many", status=429, minutes=int(WINDOW_SECONDS // 60))
    answer.headers["Retry-After"] = str(int(WINDOW_SECONDS))
    return answer


def chosen(text: str) -> UUID:
    """The id of something that a page of ours let people choose. Refuses INVALID for what is none."""
    try:
        return UUID(text)
    except ValueError:
        raise Refusal(RefusalCode.INVALID, ja="ページの中からお選びください。", en="Choose from the page.") from None


async def with_form(request: Request, issuer: str, act: Callable[[Mapping[str, str]], Awaitable[Response]]) -> Response:
    """Answers a POST of one of these pages; a refusal becomes a page that says what to do.

    `act` is run again where PostgreSQL undid its unit of work for another's sake: it does all else when that is done.
    The token in the path stands for the person, so a foreign page cannot forge a POST without knowing it; one that
    says it comes from elsewhere is refused all the same. Browsers that say nothing are let in: many phones do not.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin", "none") or origin not in (None, "null", issuer):
        return show(request, "refused", status=403, text=None)
    try:
        form = await read_form(request)
        return await retried(lambda: act(form))
    except FormError as error:
        return show(request, "refused", status=error.status, text=None)
    except Refusal as refusal:
        text = refusal.en if language_of(request) == "EN" else refusal.ja
        return show(request, "refused", status=409, text=text)
