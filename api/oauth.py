"""OAuth over HTTP: metadata, keys, token, revocation and introspection. The pages for people are in `api.login`."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api import page
from api.cors import CrossSite, Origins, Public
from api.settings import Settings
from auth import bridge, device, exchange, grants, openid, pushed, scopes, session, signed
from auth.identity_provider import Providers
from auth.keys import ALGORITHM, Keyring, derive
from auth.server import CLIENT_METHODS, CONFIDENTIAL_METHODS, NO_STORE, Answer, Request, Server
from auth.tokens import Tokens
from models.client import put_product_client
from models.db import Connection, unit_of_work

FORM_BYTES_MAX = 16 * 1024
FORM_FIELDS_MAX = 40
QUERY_CHARACTERS_MAX = 8 * 1024
PUBLIC_SECONDS = 300
PUBLIC = {"Cache-Control": f"public, max-age={PUBLIC_SECONDS}", "Access-Control-Allow-Origin": "*"}
FORM_TYPE = "application/x-www-form-urlencoded"
GRAPHIQL_CLIENT = "graphiql"
READ, ASK = ("GET", "OPTIONS"), ("POST", "OPTIONS")


class FormError(Exception):
    """A form or query that cannot be read as one; `status` says how to answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Door:
    """What the handlers need, made once when the application starts."""

    def __init__(self, settings: Settings) -> None:
        self.issuer = settings.issuer
        self.https = settings.issuer.startswith("https:")
        self.origins = Origins(settings.issuer)
        self.tokens = Tokens(settings.issuer, Keyring(settings.master_key))
        self.refresh_key = derive(settings.master_key, "refresh tokens")
        self.attempt_key = derive(settings.master_key, "login attempts")
        self.providers = Providers(settings.issuer, local=settings.is_local)

    def server(self, connection: Connection) -> Server:
        """The authorization server for one request."""
        return grants.server(connection, self.tokens, self.refresh_key)


@asynccontextmanager
async def running(app: Starlette, settings: Settings) -> AsyncGenerator[Tokens]:
    """Opens the authorization server for as long as the application runs; needs a connected database.

    Leaves `app.state.tokens` for whoever verifies tokens.
    """
    door = Door(settings)
    app.state.door = door
    app.state.tokens = door.tokens
    async with door.tokens.running(settings.session_url):
        await ensure_graphiql_client(settings.issuer)
        yield door.tokens


async def ensure_graphiql_client(issuer: str) -> None:
    """The product's own GraphiQL page as a public client: created, or brought up to date."""
    async with unit_of_work() as connection:
        await put_product_client(
            connection,
            client_id=GRAPHIQL_CLIENT,
            name="GraphiQL",
            redirect_uris=[f"{issuer}/graphiql/callback"],
            scope=scopes.PARTNER_SCOPES,
        )


async def read_form(request: HttpRequest) -> dict[str, str]:
    """The form of a POST, each field once. `;` separates nothing; what is too big is not read to its end.

    Raises FormError.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise FormError(400, f"the body must be {FORM_TYPE}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise FormError(413, f"the body may have {FORM_BYTES_MAX} bytes")
    return parse(bytes(body).decode("ascii", "replace"))


def read_query(request: HttpRequest) -> dict[str, str]:
    """The query parameters, each once.

    Raises FormError.
    """
    if len(request.url.query) > QUERY_CHARACTERS_MAX:
        raise FormError(414, f"the query may have {QUERY_CHARACTERS_MAX} characters")
    return parse(request.url.query)


def parse(text: str) -> dict[str, str]:
    """Form-encoded text as a dictionary (RFC 6749, 3.1 and 3.2: a parameter without a value is left out).

    Raises FormError when a parameter is repeated or there are too many.
    """
    try:
        pairs = parse_qsl(text, max_num_fields=FORM_FIELDS_MAX, errors="strict")
    except UnicodeDecodeError:
        raise FormError(400, "a parameter is not UTF-8") from None
    except ValueError:
        raise FormError(413, f"there may be {FORM_FIELDS_MAX} parameters") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise FormError(400, "a parameter is repeated")
    if "\0" in text or "%00" in text:
        raise FormError(400, "a parameter contains NUL")
    return fields


async def token(request: HttpRequest) -> Response:
    """RFC 6749, 3.2."""
    return await answered(request, lambda server, asked: server.create_token_response(asked))


async def push(request: HttpRequest) -> Response:
    """RFC 9126."""
    door: Door = request.app.state.door
    address = session.attempt_key(door.attempt_key, "pushed", page.address_of(request))
    return await answered(request, lambda server, asked: pushed.push(server, asked, address))


async def revoke(request: HttpRequest) -> Response:
    """RFC 7009."""
    return await answered(request, lambda server, asked: server.create_endpoint_response("revocation", asked))


async def introspect(request: HttpRequest) -> Response:
    """RFC 7662."""
    return await answered(request, lambda server, asked: server.create_endpoint_response("introspection", asked))


async def answered(request: HttpRequest, work: Callable[[Server, Request], Answer]) -> Response:
    """What the authorization server says to a form, in one transaction."""
    door: Door = request.app.state.door
    try:
        if len(request.headers.getlist("dpop")) > 1:
            raise FormError(400, "a header is repeated")
        asked = Request(
            "POST", door.issuer + request.url.path, request.headers, read_query(request), await read_form(request)
        )
    except FormError as error:
        body = {"error": "invalid_request", "error_description": str(error)}
        return JSONResponse(body, error.status, NO_STORE)
    async with unit_of_work() as connection:
        answer = await bridge.call(work, door.server(connection), asked)
    return JSONResponse(answer.body, answer.status, dict(answer.headers))


async def jwks(request: HttpRequest) -> Response:
    """RFC 7517: the public keys, those that will sign next included."""
    door: Door = request.app.state.door
    return JSONResponse(door.tokens.keyring.jwks(), headers=PUBLIC)


async def metadata(request: HttpRequest) -> Response:
    """RFC 8414, and OpenID Connect Discovery in the same words."""
    issuer = request.app.state.door.issuer
    methods, algorithms = list(CLIENT_METHODS), list(signed.ALGORITHMS)
    body: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "require_pushed_authorization_requests": False,
        "registration_endpoint": f"{issuer}/oauth/register",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": [*scopes.IDENTITY, *scopes.VOCABULARY],
        "response_types_supported": ["code"],
        "response_modes_supported": [openid.RESPONSE_MODE],
        "grant_types_supported": [
            "authorization_code",
            "client_credentials",
            "refresh_token",
            device.DEVICE_CODE_GRANT_TYPE,
            exchange.Exchange.GRANT_TYPE,
        ],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": list(CONFIDENTIAL_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "protected_resources": [f"{issuer}/graphql"],
        "access_token_signing_alg_values_supported": [ALGORITHM],
        "ui_locales_supported": ["ja", "en"],
    }
    return JSONResponse(body | openid.metadata(issuer), headers=PUBLIC)


async def protected_resource(request: HttpRequest) -> Response:
    """RFC 9728: which authorization server guards the API, for clients that were only told the API's address."""
    tokens: Tokens = request.app.state.door.tokens
    body: dict[str, Any] = {
        "resource": tokens.resource,
        "resource_name": "Kyoso 共創",
        "authorization_servers": [tokens.issuer],
        "scopes_supported": list(scopes.VOCABULARY),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(signed.ALGORITHMS),
        "dpop_bound_access_tokens_required": False,
    }
    return JSONResponse(body, headers=PUBLIC)


_everybody = [Middleware(Public)]
_browsers = [Middleware(CrossSite, methods="POST")]

routes: list[Route] = [
    Route("/.well-known/oauth-protected-resource/graphql", protected_resource, methods=READ, middleware=_everybody),
    Route("/.well-known/oauth-authorization-server", metadata, methods=READ, middleware=_everybody),
    Route("/.well-known/openid-configuration", metadata, methods=READ, middleware=_everybody),
    Route("/.well-known/jwks.json", jwks, methods=READ, middleware=_everybody),
    Route("/oauth/token", token, methods=ASK, middleware=_browsers),
    Route("/oauth/par", push, methods=ASK, middleware=_browsers),
    Route("/oauth/revoke", revoke, methods=ASK, middleware=_browsers),
    Route("/oauth/introspect", introspect, methods=["POST"]),
]
