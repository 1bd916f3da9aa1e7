"""`POST /ats/{system}/{integration}`: webhooks of applicant-tracking systems (採用管理システム).

A delivery is verified, stored encrypted and answered with 200; the courier applies it right after. So the sender
never waits for our work, a failure of ours costs no delivery, and repeats and retries have one place. Each is verified
and encrypted as it comes; those that come while the disk is waited for are stored together, in one statement and one
commit, and each is answered after it. A system is one adapter, one file: it verifies, names the delivery, and reads it
into the facts of `api.intake`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

import orjson
import structlog
from starlette.types import Message, Receive, Scope, Send

from api import ats_greenhouse
from api.body import read_body
from api.gather import Gathering
from api.graphql import CLIENT_GONE, RETRY_SECONDS
from api.intake import Fact, Named
from api.integration import Integrations, Trusted
from api.leave import GoneError
from models import delivery, seal
from models.db import LOST, one_statement
from models.delivery import Arrived

DELIVERY_BYTES_MAX = 1024 * 1024
EVENT_ID_CHARACTERS_MAX = 200
NOBODY = b"no such integration"  # the secret that an unknown address is checked against: the same work, the same answer

PATH = "/ats/"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, as it is sent."""

    start: Message
    body: Message

    async def send(self, send: Send) -> None:
        await send(self.start)
        await send(self.body)


def _said(status: int, code: str, text: str, **headers: str) -> Answer:
    body = orjson.dumps({"code": code, "message": text})
    said = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    fields = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in said.items()]
    start: Message = {"type": "http.response.start", "status": status, "headers": fields}
    return Answer(start, {"type": "http.response.body", "body": body})


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

    def verify(self, secret: bytes, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Whether the sender knows the secret; compares in constant time."""
        ...

    def name(self, headers: Mapping[bytes, bytes], body: bytes, document: dict[str, Any]) -> Named | None:
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
    integration: str
    headers: Mapping[bytes, bytes] = field(repr=False)
    body: bytes = field(repr=False)


class Door:
    """`POST /ats/{system}/{integration}`, as a bare ASGI endpoint: 200 once a delivery is safe on disk.

    It catches its own failures and bounds its own bodies. `wake` is called when there is something to apply,
    and told whether they come faster than the disk takes them.
    """

    def __init__(self, wake: Callable[[bool], None]) -> None:
        self._wake = wake
        self._integrations = Integrations()
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
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        system, _, integration = scope["path"].removeprefix(PATH).partition("/")
        if not integration or "/" in integration:
            return NOT_FOUND
        if scope["method"] != "POST":
            return NOT_ALLOWED
        body = await read_body(receive, DELIVERY_BYTES_MAX)
        if body is None:
            return TOO_LARGE
        return await self._admit(Knock(system.upper(), integration, dict(scope["headers"]), body))

    async def _admit(self, knock: Knock) -> Answer:
        """200 once it is safe on disk, also a repeat and an action unknown here; 401 for a wrong signature and, in the
        same words and after the same work, for an address that is no integration; 400 for what is no delivery.
        """
        address = (knock.system, knock.integration)
        trusted = self._integrations.remembered(address)
        looked = trusted is None
        if looked:
            trusted = await self._integrations.look(address)
        while True:
            heard = _hear(knock, trusted)
            if isinstance(heard, Arrived):
                if await self._arrivals.take(heard):
                    log.info("delivery stored", action=heard.action)
                    return STORED
            elif looked:
                return heard
            now = await self._integrations.look(address)
            if now == trusted:
                break
            trusted, looked = now, True  # its secret was replaced meanwhile, or it was disconnected
        if isinstance(heard, Arrived):
            log.info("delivery known", action=heard.action)
            return STORED
        return heard

    async def _store(self, arrived: Sequence[Arrived]) -> list[bool]:
        async with one_statement() as connection:
            fresh = await delivery.store(connection, arrived)
        if fresh:
            self._wake(len(arrived) > 1 or self._arrivals.behind)
        return [each.id in fresh for each in arrived]


def _hear(knock: Knock, trusted: Trusted | None) -> Answer | Arrived:
    adapter = ADAPTERS.get(knock.system)
    secret = trusted.secret if trusted else NOBODY
    if adapter is None or not adapter.verify(secret, knock.headers, knock.body) or trusted is None:
        return UNSIGNED
    document = _document(knock.body)
    named = adapter.name(knock.headers, knock.body, document) if document is not None else None
    if named is None:
        return UNPARSEABLE
    event_id = (named.event_id or seal.content_index(trusted.id, knock.body))[:EVENT_ID_CHARACTERS_MAX]
    return delivery.arrived(
        trusted.id,
        trusted.secret_sealed,
        event_id=event_id,
        action=named.action,
        subject=named.subject,
        body=knock.body,
    )


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(body)
    except ValueError:
        return None
    return cast(dict[str, Any], document) if isinstance(document, dict) else None
