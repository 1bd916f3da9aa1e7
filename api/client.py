"""Where partners register their own clients and look after them (RFC 7591 and 7592)."""

from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.oauth import Door
from auth import client
from auth.client import MetadataError, NotAdminError
from auth.server import NO_STORE, REALM
from auth.tokens import InvalidTokenError
from models import refusal
from models.db import unit_of_work

PATH = "/oauth/register"
BODY_BYTES_MAX = 32 * 1024


async def register(request: Request) -> Response:
    """RFC 7591, 3.1: with an access token of the partner's administrator."""

    async def work(door: Door, token: str, address: str) -> Response:
        viewer = await door.tokens.verify(token)
        document = await _document(request)
        async with unit_of_work() as connection:
            return JSONResponse(await client.register(connection, viewer, document, address), 201, NO_STORE)

    return await _answered(request, work)


async def read(request: Request) -> Response:
    """RFC 7592, 2.1."""

    async def work(_: Door, token: str, address: str) -> Response:
        async with unit_of_work() as connection:
            return JSONResponse(await client.read(connection, _named(request), token, address), headers=NO_STORE)

    return await _answered(request, work)


async def change(request: Request) -> Response:
    """RFC 7592, 2.2."""

    async def work(door: Door, token: str, address: str) -> Response:
        document = await _document(request)
        async with unit_of_work() as connection:
            told = await client.change(connection, _named(request), token, document, address, door.tokens)
        return JSONResponse(told, headers=NO_STORE)

    return await _answered(request, work)


async def remove(request: Request) -> Response:
    """RFC 7592, 2.3."""

    async def work(door: Door, token: str, _: str) -> Response:
        async with unit_of_work() as connection:
            await client.remove(connection, _named(request), token, door.tokens)
        return Response(status_code=204, headers=NO_STORE)

    return await _answered(request, work)


async def _answered(request: Request, work: Callable[[Door, str, str], Awaitable[Response]]) -> Response:
    door: Door = request.app.state.door
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return Response(status_code=401, headers={**NO_STORE, "WWW-Authenticate": f'Bearer realm="{REALM}"'})
    try:
        return await work(door, token, door.issuer + PATH)
    except InvalidTokenError as error:
        await _record_refusal(request, error.code, error.reason)
        return JSONResponse({"error": error.code}, 401, {**NO_STORE, **error.headers})
    except NotAdminError:
        await _record_refusal(request, "insufficient_scope", f"no {client.ADMIN_SCOPE}")
        said = f'Bearer error="insufficient_scope", scope="{client.ADMIN_SCOPE}"'
        return JSONResponse({"error": "insufficient_scope"}, 403, {**NO_STORE, "WWW-Authenticate": said})
    except MetadataError as error:
        await _record_refusal(request, error.error, str(error))
        return JSONResponse({"error": error.error, "error_description": str(error)}, 400, NO_STORE)


async def _record_refusal(request: Request, error: str, reason: str) -> None:
    named: str = request.path_params.get("client_id", "")
    async with unit_of_work() as connection:
        await refusal.record(connection, "client.refused", client_id=named, error=error, reason=reason)


async def _document(request: Request) -> object:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise MetadataError(f"the body may have {BODY_BYTES_MAX} bytes")
    try:
        return orjson.loads(bytes(body))
    except orjson.JSONDecodeError:
        raise MetadataError("the body is not JSON in UTF-8") from None


def _named(request: Request) -> str:
    client_id: str = request.path_params["client_id"]
    if not client_id.isalnum():
        raise InvalidTokenError("no client's id")
    return client_id


routes: list[Route] = [
    Route(PATH, register, methods=["POST"]),
    Route(PATH + "/{client_id}", read, methods=["GET"]),
    Route(PATH + "/{client_id}", change, methods=["PUT"]),
    Route(PATH + "/{client_id}", remove, methods=["DELETE"]),
]
