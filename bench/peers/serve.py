"""Runs N or S as their users would: Strawberry's own ASGI application under uvicorn.

`python -m bench.peers.serve naive|batched VIEWER SEARCH_PATH PORT`; the database and key come as Kyoso's settings do.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from strawberry.asgi import GraphQL
from tortoise import Tortoise

from api.cli.serve import SERVER_OPTIONS
from api.settings import from_environment
from bench.peers.batched import Batched, Row
from bench.peers.naive import Naive
from bench.peers.roots import schema
from bench.peers.rows import Rows
from models import db, seal

POOL = 16
SHARING = "select s from shared_with($1, 'OUTCOMES') s"


class Peer(GraphQL[Any, Any]):
    """Strawberry's application with rows of its own for each request."""

    rows: Callable[[], Rows]

    async def get_context(self, request: Any, response: Any) -> Any:
        return self.rows()


def application(kind: str, url: str, viewer: UUID, search_path: str) -> Starlette:
    peer = Peer(schema, graphql_ide=None)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        settings = {"timezone": "UTC", "search_path": search_path, "jit": "off"}
        pool = await asyncpg.create_pool(
            **db.credentials(url), min_size=2, max_size=POOL, server_settings=settings, record_class=Row
        )
        sharing = {row["s"] for row in await pool.fetch(SHARING, viewer)}
        if kind == "naive":
            await pool.close()
            configuration = db.configuration(url, role=None, pool_max=POOL)
            credentials = configuration["connections"]["default"]["credentials"]
            credentials["server_settings"] = settings
            configuration["apps"] = {"bench": {"models": ["bench.peers.tables"], "default_connection": "default"}}
            await Tortoise.init(config=configuration, _enable_global_fallback=True)
            peer.rows = lambda: Naive(viewer, sharing)
        else:
            peer.rows = lambda: Batched(pool, viewer, sharing)
        yield
        await Tortoise.close_connections() if kind == "naive" else await pool.close()

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/healthz", healthy), Route("/graphql", peer)], lifespan=lifespan)


if __name__ == "__main__":
    _, asked, asking, path, port = sys.argv
    told = from_environment()
    seal.use(told.master_key)
    uvicorn.run(application(asked, told.database_url, UUID(asking), path), port=int(port), **SERVER_OPTIONS)
