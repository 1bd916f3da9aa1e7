"""The peer of the live events: a subscription as one would first write it in Strawberry, a queue for each subscriber.

It reads no database, verifies no token and asks no policy, which favours it. `POST /happen/3` makes three events.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL

CURSOR = "WyJSRUNPUkRFRF9BU0MiLCI3NTQiLCIxMiIsIjAxOWFhMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMCJd"


@strawberry.type
class Company:
    id: strawberry.ID
    name: str


@strawberry.type
class OutcomeEvent:
    id: strawberry.ID
    kind: str
    occurred_at: datetime
    company: Company


@strawberry.type
class OutcomeDelivery:
    cursor: str
    live: bool
    sent_at: datetime
    event: OutcomeEvent | None


queues: set[asyncio.Queue[OutcomeDelivery]] = set()


@strawberry.type
class Query:
    ready: bool = True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def outcome_events(self) -> AsyncGenerator[OutcomeDelivery, None]:
        queue: asyncio.Queue[OutcomeDelivery] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)


async def happen(request: Request) -> Response:
    """So many events, for everybody."""
    for number in range(int(request.path_params["number"])):
        now = datetime.now(UTC)
        company = Company(id=strawberry.ID("par_019a0000-0000-7000-8000-000000000000"), name="東京ものづくり協議会")
        event_id = strawberry.ID(f"evt_019a0000-0000-7000-8000-{number:012d}")
        event = OutcomeEvent(id=event_id, kind="HIRED", occurred_at=now, company=company)
        delivery = OutcomeDelivery(cursor=CURSOR, live=True, sent_at=now, event=event)
        for queue in queues:
            queue.put_nowait(delivery)
    return Response(status_code=204)


async def ready(_: Request) -> Response:
    return Response()


def application() -> Starlette:
    graphql = GraphQL[None, None](strawberry.Schema(Query, subscription=Subscription))
    return Starlette(
        routes=[
            Route("/happen/{number:int}", happen, methods=["POST"]),
            Route("/healthz", ready),
            WebSocketRoute("/graphql", graphql),
        ]
    )


if __name__ == "__main__":
    uvicorn.run(application(), port=int(sys.argv[1]), log_level="error", ws_per_message_deflate=False)
