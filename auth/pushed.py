"""Pushed authorization requests (RFC 9126): what an app asks for travels from server to server, not in an address."""

import re
import secrets
from collections.abc import Mapping

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from auth.bridge import wait
from auth.server import CLIENT_METHODS, NO_STORE, Answer, Request, Server
from models import attempt, pushed
from models.db import Connection

REFERENCE = "urn:ietf:params:oauth:request_uri:"
REFERENCE_BYTES = 32
LIFE_SECONDS = 540  # in which the person logs in and answers; FAPI 2.0 wants less than 600
UNPROVEN_MAX = 300
"""Requests kept from one address within models.attempt.WINDOW_SECONDS for clients that prove nothing: anybody sends
those."""

# RFC 6749, appendix A: these are printable ASCII without quotes, and Authlib's errors can say nothing else.
_PLAIN = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*")
_PLAIN_PARAMETERS = ("response_type", "client_id", "redirect_uri", "scope")
_STATE = re.compile(r"[\x20-\x7E]*")  # an app's own text, quotes and all (appendix A.5)
_CREDENTIALS = ("client_assertion", "client_assertion_type")


def is_plain(parameters: Mapping[str, str]) -> bool:
    """Whether an authorization request is written in the characters that it may have."""
    plain = all(_PLAIN.fullmatch(parameters.get(name, "")) for name in _PLAIN_PARAMETERS)
    return plain and _STATE.fullmatch(parameters.get("state", "")) is not None


def push(server: Server, asked: Request, address: bytes) -> Answer:
    """Authenticates the client, checks the request as the authorization endpoint would, and keeps it.

    `address`: under which requests from where this one comes from are counted.
    """
    try:
        client = server.authenticate_client(asked, CLIENT_METHODS, "pushed_authorization_request").row
        if "request_uri" in asked.form or not is_plain(asked.form):
            raise InvalidRequestError("the request cannot be pushed")
        parameters = {name: value for name, value in asked.form.items() if name not in _CREDENTIALS}
        parameters["client_id"] = client.client_id
        key = server.proven_key(asked) if "dpop" in asked.headers else None
        if key and parameters.setdefault("dpop_jkt", key) != key:
            raise InvalidRequestError("dpop_jkt is another key than the proof's")
        endpoint = f"{server.tokens.issuer}/oauth/authorize"
        server.get_consent_grant(Request("GET", endpoint, asked.headers, parameters, {}))
    except OAuth2Error as error:
        error.redirect_uri = None  # it is the client itself that asks
        return server.handle_error_response(asked, error)
    if client.auth_method == "none" and wait(attempt.count(server.connection, address)) > UNPROVEN_MAX:
        body = {"error": "temporarily_unavailable", "error_description": "Too many requests from this address"}
        return Answer(429, body, {**NO_STORE, "Retry-After": str(attempt.WINDOW_SECONDS)})
    reference = REFERENCE + secrets.token_urlsafe(REFERENCE_BYTES)
    wait(pushed.add(server.connection, reference, client.id, parameters, life_seconds=LIFE_SECONDS))
    return Answer(201, {"request_uri": reference, "expires_in": LIFE_SECONDS}, NO_STORE)


async def parameters_of(connection: Connection, query: Mapping[str, str]) -> Mapping[str, str] | None:
    """What an authorization request asks for: what was pushed, and then nothing else of the address, or the address.

    None when the reference is unknown, used, expired or another client's.
    """
    if "request_uri" not in query:
        return query
    return await pushed.find(connection, query["request_uri"], query.get("client_id", ""))


async def answered(connection: Connection, query: Mapping[str, str]) -> bool:
    """Uses a pushed request up; False when it was used meanwhile. A request that was not pushed has nothing to use."""
    return "request_uri" not in query or await pushed.claim(connection, query["request_uri"])
