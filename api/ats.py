"""`POST /ats/{system}/{integration}`: webhooks of applicant-tracking systems (採用管理システム).

A delivery is verified, stored encrypted and answered with 200; the courier applies it right after. So the sender
never waits for our work, a failure of ours costs no delivery, and repeats and retries have one place. Those that come
while the disk is waited for are stored together: one commit for all, and each is answered after it. A system is
one adapter, one file: it verifies, names the delivery, and reads it into the facts of `api.intake`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import ats_greenhouse
from api.gather import Gathering
from api.graphql import CLIENT_GONE, LOST, RETRY_SECONDS
from api.intake import Fact, Named
from api.leave import GoneError
from models import delivery, seal
from models.db import unit_of_work
from models.delivery import Arrived

DELIVERY_BYTES_MAX = 1024 * 1024
EVENT_ID_CHARACTERS_MAX = 200
NOBODY = b"no such integration"  # the secret that an unknown address is checked against: the same work, the same answer

PATH = "/ats/"

log = structlog.get_logger()


def _said(status: int, code: str, text: str, **headers: str) -> Response:
    body = orjson.dumps({"code": code, "message": text})
    return Response(
        body, status, {name.replace("_", "-"): value for name, value in headers.items()}, "application/json"
    )


STORED = _said(200, "STORED", "Stored.")
UNPARSEABLE = _said(400, "UNPARSEABLE", "The body is not a delivery of this system.")
UNSIGNED = _said(401, "SIGNATURE", "The signature does not match: check the address and the secret key.")
NOT_FOUND = _said(404, "NOT_FOUND", "An address has a system and an integration: /ats/greenhouse/….")
NOT_ALLOWED = _said(405, "METHOD_NOT_ALLOWED", "A delivery is sent by POST.", Allow="POST")
TOO_LARGE = _said(413, "TOO_LARGE", f"A delivery has at most {DELIVERY_BYTES_MAX} bytes.")
GONE = _said(CLIENT_GONE, "GONE", "The client has gone.")
FAILED = _said(500, "INTERNAL", "This failed on our side; send it again.")
AWAY = _said(503, "UNAVAILABLE", "The database is away; send it again shortly.", Retry_After=str(RETRY_SECONDS))
"""What is answered; the same bytes to whoever asks."""


class Adapter(Protocol):
    """One applicant-tracking system."""

    def verify(self, secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the sender knows the secret; compares in constant time."""
        ...

    def name(self, headers: Mapping[str, str], body: bytes, document: dict[str, Any]) -> Named | None:
        """The delivery's name; None when the document is not one of this system's."""
        ...

    def read(self, document: dict[str, Any], received_at: datetime) -> list[Fact]:
        """The facts told; none when the delivery is of no concern here."""
        ...


ADAPTERS: dict[str, Adapter] = {"GREENHOUSE": ats_greenhouse}  # pyright: ignore[reportAssignmentType]


@dataclass(frozen=True, slots=True)
class Knock:
    """One webhook as it came, before anybody knows whether it may come in."""

    system: str
    integration_id: UUID | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Door:
    """`POST /ats/{system}/{integration}`, as a bare ASGI endpoint: 200 once a delivery is safe on disk.

    It catches its own failures and bounds its own bodies. `wake` is called when there is something to apply,
    and told whether more waits to be stored.
    """

    def __init__(self, wake: Callable[[bool], None]) -> None:
        self._wake = wake
        self._arrivals = Gathering(self._store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except GoneError:
            answer = GONE
        except LOST as lost:
            log.error("database_unavailable", code=type(lost).__name__)
            answer = AWAY
        except Exception as failure:  # the sender comes again; the log says what kind of failure it was
            log.error("delivery not stored", exc_info=failure)
            answer = FAILED
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        address = scope["path"].removeprefix(PATH).split("/")
        if len(address) != 2:
            return NOT_FOUND
        if scope["method"] != "POST":
            return NOT_ALLOWED
        body = await _body(receive)
        if body is None:
            return TOO_LARGE
        system, integration = address
        return await self._arrivals.take(Knock(system.upper(), _uuid(integration), Headers(scope=scope), body))

    async def _store(self, knocks: Sequence[Knock]) -> list[Response]:
        answers = await store(knocks)
        if STORED in answers:
            self._wake(self._arrivals.behind)
        return answers


async def store(knocks: Sequence[Knock]) -> list[Response]:
    """Stores the deliveries that came together, in one transaction, and answers each.

    200 once it is safe on disk, also a repeat and an action unknown here; 401 for a wrong signature and, in the same
    words, for an address that is no integration; 400 for what is no delivery.
    """
    async with unit_of_work() as connection:
        known = await delivery.integrations(connection, [knock.integration_id for knock in knocks])
        heard = [_hear(knock, known.get((knock.integration_id, knock.system))) for knock in knocks]
        arrived = [each for _, each in heard if each is not None]
        fresh = await delivery.store(connection, arrived) if arrived else set[UUID]()
    for each in arrived:
        log.info("delivery stored" if each.id in fresh else "delivery known", action=each.action)
    return [answer for answer, _ in heard]


def _hear(knock: Knock, found: delivery.Integration | None) -> tuple[Response, Arrived | None]:
    adapter = ADAPTERS.get(knock.system)
    secret = seal.unseal(found.secret_sealed, context=found.id.bytes) if found else NOBODY
    if adapter is None or not adapter.verify(secret, knock.headers, knock.body) or found is None:
        return UNSIGNED, None
    document = _document(knock.body)
    named = adapter.name(knock.headers, knock.body, document) if document is not None else None
    if named is None:
        return UNPARSEABLE, None
    event_id = named.event_id[:EVENT_ID_CHARACTERS_MAX]
    return STORED, Arrived(found.id, event_id, named.action, named.subject, knock.body)


async def _body(receive: Receive) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > DELIVERY_BYTES_MAX:
            return None
        if not message.get("more_body"):
            return b"".join(chunks)


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(body)
    except ValueError:
        return None
    return cast(dict[str, Any], document) if isinstance(document, dict) else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
