"""`POST /ats/{system}/{connection}`: webhooks of applicant-tracking systems (採用管理システム).

A delivery is verified, stored encrypted and answered with 200; the courier applies it right after. So the sender
never waits for our work, a failure of ours costs no delivery, and repeats and retries have one place. A system is
one adapter, one file: it verifies, names the delivery, and reads it into the facts of `api.intake`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import ats_greenhouse
from api.intake import Fact, Named
from api.settings import Settings
from models import delivery, seal
from models.db import unit_of_work

DELIVERY_BYTES_MAX = 1024 * 1024
EVENT_ID_CHARACTERS_MAX = 200
NOBODY = b"no such integration"  # the secret that an unknown address is checked against: the same work, the same answer

log = structlog.get_logger()


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


def routes(_settings: Settings) -> list[Route]:
    """The webhook endpoint of every system."""
    return [Route("/ats/{system}/{connection}", receive, methods=["POST"], name="ats")]


async def receive(request: Request) -> Response:
    """Stores one delivery.

    200 once it is safe on disk, also a repeat and an action unknown here; 401 for a wrong signature and, in the same
    words, for an address that is no integration; 400 for what is no delivery; 413 above DELIVERY_BYTES_MAX.
    """
    body = await _body(request)
    if body is None:
        return _answer(413, "TOO_LARGE", f"A delivery has at most {DELIVERY_BYTES_MAX} bytes.")
    system = request.path_params["system"].upper()
    adapter = ADAPTERS.get(system)
    async with unit_of_work() as connection:
        found = await delivery.integration(connection, _uuid(request.path_params["connection"]), system)
        secret = seal.unseal(found.secret_sealed, context=found.id.bytes) if found else NOBODY
        if adapter is None or not adapter.verify(secret, request.headers, body) or found is None:
            return _answer(401, "SIGNATURE", "The signature does not match: check the address and the secret key.")
        document = _document(body)
        named = adapter.name(request.headers, body, document) if document is not None else None
        if named is None:
            return _answer(400, "UNPARSEABLE", "The body is not a delivery of this system.")
        fresh = await delivery.store(
            connection,
            integration_id=found.id,
            event_id=named.event_id[:EVENT_ID_CHARACTERS_MAX],
            action=named.action,
            subject=named.subject,
            body=body,
        )
    log.info("delivery stored" if fresh else "delivery known", action=named.action)
    request.app.state.courier.wake()
    return _answer(200, "STORED", "Stored.")


async def _body(request: Request) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > DELIVERY_BYTES_MAX:
            return None
        chunks.append(chunk)
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


def _answer(status: int, code: str, text: str) -> Response:
    return Response(orjson.dumps({"code": code, "message": text}), status, media_type="application/json")
