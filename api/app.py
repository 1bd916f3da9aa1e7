"""The application: every door, and what runs behind them for as long as it lives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from api import (
    allowed,
    ats,
    client,
    closed,
    consent,
    courier,
    developer,
    device,
    graphiql,
    identity_provider,
    joining,
    login,
    logout,
    oauth,
    openid,
    page,
    passkey,
    relay_page,
    second,
    security,
    session,
    team,
    totp,
)
from api.asker import VIEWER_TYPES, Budget
from api.connections import Connections
from api.front import GRAPHQL_PATH, Front
from api.graphql import Endpoint
from api.live import Live
from api.log import AccessLog
from api.settings import Settings
from api.sockets import Socket
from auth.confined import ONE_AGREEMENT
from auth.gate import Standing, gate
from auth.keys import Keyring
from auth.policy import policy
from auth.scopes import VOCABULARY
from models import db, seal
from models.lane import Lane
from models.replica import Replicas, refuse_early_answers
from planner import Catalogue, Planner
from schema.build import schema
from schema.scalars import SQL_TYPES

MAXIMUM_BODY_BYTES = 1024 * 1024
"""Of any request; a Greenhouse webhook with many custom fields is the largest that is expected."""

SESSION: Mapping[str, str] = {"kyoso.partner_id": "partner"}
"""Set, for the one statement that reads personal data, from the viewer's values: row-level security asks it."""


async def make_planner() -> Planner:
    """The planner over the connected database. Refuses to start where schema and database disagree."""
    graph = schema()
    async with db.pool().acquire() as connection:
        catalogue = await Catalogue.load(connection, graph, viewer=VIEWER_TYPES, scalars=SQL_TYPES)
        planner = Planner(graph, catalogue, policy=policy, gate=gate, session=SESSION)
        await planner.check(connection, standings=[ALL_SCOPES, ALL_SCOPES | {ONE_AGREEMENT}])
    return planner


ALL_SCOPES: Standing = frozenset(VOCABULARY)


async def rehearse(settings: Settings) -> None:
    """Starts whatever may refuse to start (login, keys, schema over database) and ends it again.

    Raises what stands in the way: a worker could only log its type, since an exception may quote what people typed.
    """
    try:
        await db.connect(settings.database_url, pool_max=1, pooled=settings.pooled)
        async with db.unit_of_work() as connection:
            await Keyring(settings.master_key).load(connection)
        await make_planner()
        if settings.replica_urls:
            await refuse_early_answers()
    finally:
        await db.disconnect()


def create_app(settings: Settings) -> Starlette:
    """The whole application for one worker. It connects when it starts, not when it is made."""
    endpoint = Endpoint(settings.issuer, Budget(settings.cost_budget), Connections(settings.client_connections))

    async def socket(websocket: WebSocket) -> None:
        await Socket(websocket, endpoint).run()

    def delivered(behind: bool) -> None:
        app.state.courier.wake_to_apply(behind)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        seal.use(settings.master_key)
        async with AsyncExitStack() as stack:
            await db.connect(settings.database_url, pooled=settings.pooled)
            stack.push_async_callback(db.disconnect)
            if settings.replica_urls:
                replicas = Replicas(settings.replica_urls).running(settings.session_url)
                endpoint.replicas = await stack.enter_async_context(replicas)
            endpoint.tokens = await stack.enter_async_context(oauth.running(app, settings))
            endpoint.origins = app.state.door.origins
            endpoint.planner = await make_planner()
            endpoint.lane = Lane(db.pool())
            stack.push_async_callback(endpoint.lane.close)
            endpoint.live = Live(endpoint.planner)
            await stack.enter_async_context(endpoint.live.running(settings.session_url))
            app.state.courier = await stack.enter_async_context(courier.running(settings))
            app.state.settings, app.state.endpoint = settings, endpoint
            yield

    app = Front(
        endpoint,
        ats.Door(delivered),
        settings.issuer,
        routes=[
            Route(GRAPHQL_PATH, endpoint),
            Route("/", _home),
            Route("/healthz", _healthy),
            Route("/readyz", _ready),
            WebSocketRoute(GRAPHQL_PATH, socket),
            *oauth.routes,
            *client.routes,
            *login.routes,
            *identity_provider.routes,
            *consent.routes,
            *developer.routes,
            *logout.routes,
            *openid.routes,
            *device.routes,
            *second.routes,
            *passkey.routes,
            *security.routes,
            *team.routes,
            *joining.routes,
            *totp.routes,
            *session.routes,
            *allowed.routes,
            *page.routes,
            *graphiql.routes(settings),
            *relay_page.routes(settings),
        ],
        lifespan=lifespan,
        exception_handlers=closed.handlers,
        middleware=[Middleware(AccessLog)],
        max_body_size=MAXIMUM_BODY_BYTES,
    )
    return app


async def _home(_: Request) -> Response:
    return RedirectResponse("/graphiql")


async def _healthy(_: Request) -> Response:
    """The process answers; it says nothing about the database, so a restart is not asked for in vain."""
    return JSONResponse({"status": "ok"})


async def _ready(_: Request) -> Response:
    """The database answers too; a balancer sends traffic only then."""
    try:
        async with db.pool().acquire(timeout=1) as connection:
            await connection.fetchval("select 1", timeout=1)
    except (*db.LOST, asyncpg.PostgresError):
        return JSONResponse({"status": "unavailable"}, status_code=503, headers={"Retry-After": "2"})
    return JSONResponse({"status": "ready"})


__all__: list[str] = ["create_app", "make_planner"]
