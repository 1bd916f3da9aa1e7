"""L, the limit: the five reads as hand-written endpoints, on the same server, driver and database, without GraphQL.

Whoever asks is given when the process starts; there is no token to verify, no document to look up and no cost to
count, which favours L.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import aiosql
import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models import db

QUERIES = Path(__file__).with_name("queries")
POOL = 16


def sql() -> Any:
    return cast(Any, aiosql).from_path(QUERIES / "limit.sql", "asyncpg", mandatory_parameters=False)


def application(url: str, viewer: UUID) -> Starlette:
    """`GET /q1?of=…` to `/q5?of=…` for one viewer; Q4 also takes `first` and `last`, days that begin a month."""
    named = sql()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        settings = {"role": db.APP_ROLE, "timezone": "UTC", **db.PLANNING}
        app.state.pool = await asyncpg.create_pool(
            **db.credentials(url),
            min_size=2,
            max_size=POOL,
            connection_class=db.Connection,
            server_settings=settings,
            max_cached_statement_lifetime=0,
        )
        yield
        await app.state.pool.close()

    def answering(name: str) -> Route:
        ask = getattr(named, name)

        async def endpoint(request: Request) -> Response:
            asked = request.query_params
            values: dict[str, Any] = {"viewer": viewer, "of": asked["of"]}
            if name == "q4":
                values |= {month: date.fromisoformat(asked[month]) for month in ("first", "last")}
            async with request.app.state.pool.acquire() as connection:
                text = await ask(connection, **values)
            return Response(text, media_type="application/json")

        return Route(f"/{name}", endpoint)

    return Starlette(routes=[answering(name) for name in ("q1", "q2", "q3", "q4", "q5")], lifespan=lifespan)


if __name__ == "__main__":
    from api.cli.serve import SERVER_OPTIONS

    _, database, asking, port = sys.argv
    uvicorn.run(application(database, UUID(asking)), port=int(port), **SERVER_OPTIONS)
