"""L, the limit: the same questions as hand-written endpoints, on the same server, driver and database, without GraphQL.

Whoever asks is given when the process starts; there is no token to verify, no document to look up and no cost to
count, which favours L. The one mutation is hand-written too: `bench.limit_write`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.settings import from_environment
from bench import limit_write
from models import db, named, seal

QUERIES = Path(__file__).with_name("queries")
POOL = 16

Endpoint = Callable[[Request], Awaitable[Response]]


def sql(name: str = "limit") -> Any:
    return named.statements(QUERIES / f"{name}.sql")


def application(url: str, viewer: UUID, search_path: str = "public") -> Starlette:
    """`GET /q1?of=…` to `/q5?of=…` for one viewer, Q4 with `first` and `last`, days that begin a month; `POST /q6` and
    `/q7` with GraphQL's variables."""
    queries = sql()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        settings = {"role": db.APP_ROLE, "timezone": "UTC", "search_path": search_path, **db.PLANNING}
        app.state.pool = await asyncpg.create_pool(
            **db.credentials(url),
            min_size=2,
            max_size=POOL,
            connection_class=db.Pooled,
            server_settings=settings,
            max_cached_statement_lifetime=0,
        )
        yield
        await app.state.pool.close()

    def reading(name: str) -> Endpoint:
        ask = getattr(queries, name)

        async def endpoint(request: Request) -> Response:
            asked = request.query_params
            values: dict[str, Any] = {"viewer": viewer, "of": asked["of"]}
            if name == "q4":
                values |= {month: date.fromisoformat(asked[month]) for month in ("first", "last")}
            async with request.app.state.pool.acquire() as connection:
                text = await ask(connection, **values)
            return Response(text, media_type="application/json")

        return endpoint

    async def entities(request: Request) -> Response:
        asked = orjson.loads(await request.body())["representations"]
        kinds, ids = [one["__typename"] for one in asked], [one["id"].partition("_")[2] for one in asked]
        async with request.app.state.pool.acquire() as connection:
            text = await queries.q6(connection, viewer=viewer, kinds=kinds, ids=ids)
        return Response(text, media_type="application/json")

    async def submit(request: Request) -> Response:
        asked = orjson.loads(await request.body())["input"]
        async with request.app.state.pool.acquire() as connection, connection.transaction():
            text = await limit_write.submit(connection, queries, viewer, asked)
        return Response(text, media_type="application/json")

    routes = [Route(f"/{name}", reading(name)) for name in ("q1", "q2", "q3", "q4", "q5")]
    routes += [Route("/q6", entities, methods=["POST"]), Route("/q7", submit, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    from api.cli.serve import SERVER_OPTIONS

    _, asking, path, port = sys.argv
    told = from_environment()
    seal.use(told.master_key)
    uvicorn.run(application(told.database_url, UUID(asking), path), port=int(port), **SERVER_OPTIONS)
