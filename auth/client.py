"""What a partner may register as a client of its own, and how it looks after it (RFC 7591 and 7592).

The initial access token is an access token with `partner:admin`, which only a partner's ADMIN can grant. What is
registered never holds more than that token does, and never `partner:admin`: a stolen token registers no registrar.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from auth import assertion, scopes
from auth.server import CLIENT_METHODS
from auth.signed import UnacceptableError
from auth.tokens import REVOCATION_KEPT_SECONDS, InvalidTokenError, Tokens
from auth.viewer import NOBODY, Viewer
from models import audit, client, oauth
from models.client import DEVICE_GRANT, Client, Credentials, checked_redirect_uri, create_client
from models.db import Connection

ADMIN_SCOPE = "partner:admin"
CLIENTS_MAX = 100
"""Of one partner."""
NAME_CHARACTERS_MAX = 100
REDIRECT_URIS_MAX = 10
REGISTRATION_TOKEN_BYTES = 32
GRANT_TYPES = ("authorization_code", DEVICE_GRANT, "refresh_token", "client_credentials")
_OURS_TO_SAY = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)


class MetadataError(Exception):
    """What was sent cannot be registered; the text names the member first and says what to change.

    `error` is RFC 7591's.
    """

    def __init__(self, message: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(message)
        self.error = error


class NotAdminError(Exception):
    """The access token does not allow registering clients."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a client says of itself, checked. `method` is how it authenticates."""

    name: str
    method: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    grant_types: list[str]
    scope: list[str]
    jwks: list[dict[str, Any]] | None
    dpop_bound: bool


async def register(connection: Connection, viewer: Viewer, document: object, address: str) -> dict[str, Any]:
    """Registers a client of the viewer's partner; returns what it is told, its secrets only now.

    `address`: of the registration endpoint. Raises NotAdminError and MetadataError.
    """
    if ADMIN_SCOPE not in viewer.scopes or viewer.partner_id == NOBODY:
        raise NotAdminError
    asked = checked(document, viewer.standing - {ADMIN_SCOPE})
    token = secrets.token_urlsafe(REGISTRATION_TOKEN_BYTES)
    made = await add(connection, viewer.partner_id, asked, token)
    await _record(connection, "client.registered", viewer, made.client_id)
    told = _told(made.client_id, asked, token, address)
    return told | ({"client_secret": made.client_secret, "client_secret_expires_at": 0} if made.client_secret else {})


async def add(
    connection: Connection, partner_id: UUID, asked: Metadata, registration_token: str | None = None
) -> Credentials:
    """A new client of a partner. Raises MetadataError when the partner has CLIENTS_MAX."""
    if await client.count(connection, partner_id) >= CLIENTS_MAX:
        raise MetadataError(f"a partner has {CLIENTS_MAX} clients at most: delete one that is not used")
    return await create_client(
        connection,
        name=asked.name,
        scope=asked.scope,
        partner_id=partner_id,
        redirect_uris=asked.redirect_uris,
        post_logout_redirect_uris=asked.post_logout_redirect_uris,
        public=asked.method == "none",
        jwks=asked.jwks,
        dpop_bound=asked.dpop_bound,
        grant_types=asked.grant_types,
        registration_token=registration_token,
    )


async def read(connection: Connection, client_id: str, token: str, address: str) -> dict[str, Any]:
    """What is registered. Raises InvalidTokenError."""
    row = await _owned(connection, client_id, token)
    return _told(client_id, _metadata(row), token, address)


async def change(
    connection: Connection, client_id: str, token: str, document: object, address: str, tokens: Tokens
) -> dict[str, Any]:
    """Replaces what is registered: scopes can shrink and not grow, the way to authenticate stays, and who acts too.

    Where they shrink, every access token of the client ends, in every worker. Raises InvalidTokenError and
    MetadataError.
    """
    row = await _owned(connection, client_id, token)
    sent = _object(document)
    if sent.get("client_id") != client_id or any(name in sent for name in _OURS_TO_SAY):
        raise MetadataError(f"send client_id as registered, and none of {', '.join(_OURS_TO_SAY)}")
    if "client_secret" in sent and oauth.digest(str(sent["client_secret"])) != row.secret_hash:
        raise MetadataError("client_secret is not the current one: leave it out")
    asked = checked(sent, row.scope)
    if asked.method != row.auth_method:
        raise MetadataError("token_endpoint_auth_method cannot change: register a new client")
    if "client_credentials" in set(asked.grant_types) - row.grant_types:
        # Its scopes were granted for people to allow within their roles, not for the whole partner.
        raise MetadataError("grant_types cannot gain client_credentials: register a new client")
    await client.change(
        connection,
        client_id,
        name=asked.name,
        redirect_uris=asked.redirect_uris,
        post_logout_redirect_uris=asked.post_logout_redirect_uris,
        grant_types=asked.grant_types,
        scope=asked.scope,
        jwks=asked.jwks,
        dpop_bound=asked.dpop_bound,
    )
    if not row.scope.issubset(asked.scope):
        await oauth.revoke_subject(connection, row.id, keep_seconds=REVOCATION_KEPT_SECONDS)
        tokens.forget(row.id)
    await audit.record(connection, "client.changed", partner_id=row.partner_id, client_id=client_id)
    return _told(client_id, asked, token, address)


async def remove(connection: Connection, client_id: str, token: str, tokens: Tokens) -> None:
    """Ends the client with all its tokens, in every worker. Raises InvalidTokenError."""
    row = await _owned(connection, client_id, token)
    await client.remove(connection, row, keep_seconds=REVOCATION_KEPT_SECONDS)
    tokens.forget(row.id)
    await audit.record(connection, "client.removed", partner_id=row.partner_id, client_id=client_id)


def checked(document: object, allowed: Iterable[str]) -> Metadata:
    """Client metadata of RFC 7591, 2, within these scopes; what is not known here is left aside.

    Raises MetadataError.
    """
    sent = _object(document)
    if "software_statement" in sent:
        raise MetadataError("no software statement is trusted here: leave it out", "unapproved_software_statement")
    if "jwks_uri" in sent:
        raise MetadataError("keys are not fetched: send them as jwks")
    method = sent.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in CLIENT_METHODS:
        raise MetadataError(f"token_endpoint_auth_method is one of {', '.join(CLIENT_METHODS)}")
    name = sent.get("client_name")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name.strip()) <= NAME_CHARACTERS_MAX:
        raise MetadataError(f"client_name has 1 to {NAME_CHARACTERS_MAX} characters: people read it when they log in")
    bound = sent.get("dpop_bound_access_tokens", False)
    if not isinstance(bound, bool):
        raise MetadataError("dpop_bound_access_tokens is true or false")
    grant_types = _grant_types(sent, method)
    people = "authorization_code" in grant_types
    return Metadata(
        name=name.strip(),
        method=method,
        redirect_uris=_redirect_uris(sent, "redirect_uris", people),
        post_logout_redirect_uris=_redirect_uris(sent, "post_logout_redirect_uris", people, least=0),
        grant_types=grant_types,
        scope=_scope(sent, frozenset(allowed) | (scopes.IDENTITY_SCOPES if people else frozenset[str]())),
        jwks=_keys(sent, method),
        dpop_bound=bound,
    )


def _object(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise MetadataError("send a JSON object")
    return cast("dict[str, Any]", document)


def _texts(sent: dict[str, Any], name: str, default: list[str]) -> list[str]:
    found = sent.get(name, default)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in cast("list[Any]", found)):
        raise MetadataError(f"{name} is a list of texts")
    return list(dict.fromkeys(cast("list[str]", found)))


def _grant_types(sent: dict[str, Any], method: str) -> list[str]:
    grant_types = _texts(sent, "grant_types", ["authorization_code"])
    if not grant_types or not set(grant_types) <= set(GRANT_TYPES):
        raise MetadataError(f"grant_types are some of {', '.join(GRANT_TYPES)}")
    people = "authorization_code" in grant_types
    if "refresh_token" in grant_types and not people and DEVICE_GRANT not in grant_types:
        raise MetadataError("refresh_token goes with authorization_code or a device's code")
    if "client_credentials" in grant_types and method == "none":
        raise MetadataError("client_credentials needs a client that authenticates")
    if _texts(sent, "response_types", ["code"] if people else []) != (["code"] if people else []):
        raise MetadataError('response_types is ["code"] with authorization_code, and [] without')
    return grant_types


def _redirect_uris(sent: dict[str, Any], name: str, people: bool, least: int = 1) -> list[str]:
    uris = _texts(sent, name, [])
    if not (least if people else 0) <= len(uris) <= (REDIRECT_URIS_MAX if people else 0):
        said = f"{name} has {least} to {REDIRECT_URIS_MAX} addresses with authorization_code, and none without"
        raise MetadataError(said, "invalid_redirect_uri")
    try:
        return [checked_redirect_uri(uri) for uri in uris]
    except ValueError as error:
        raise MetadataError(f"{name}: {error}", "invalid_redirect_uri") from error


def _scope(sent: dict[str, Any], allowed: frozenset[str]) -> list[str]:
    named = sent.get("scope")
    asked = scopes.split(named) if isinstance(named, str) else []
    if not asked or not allowed.issuperset(asked):
        raise MetadataError(f"scope names some of: {scopes.join(allowed)}")
    return asked


def _keys(sent: dict[str, Any], method: str) -> list[dict[str, Any]] | None:
    if (method == assertion.METHOD) != ("jwks" in sent):
        raise MetadataError("jwks goes with private_key_jwt, and only with it")
    try:
        return assertion.checked_keys(sent["jwks"]) if "jwks" in sent else None
    except UnacceptableError as error:
        raise MetadataError(f"jwks: {error}") from error


def _told(client_id: str, said: Metadata, token: str, address: str) -> dict[str, Any]:
    """What every answer holds (RFC 7592, 3), `token`: which looks after the client, as the caller has it."""
    words: dict[str, Any] = {
        "client_id": client_id,
        "client_name": said.name,
        "token_endpoint_auth_method": said.method,
        "redirect_uris": said.redirect_uris,
        "post_logout_redirect_uris": said.post_logout_redirect_uris,
        "grant_types": said.grant_types,
        "response_types": ["code"] if "authorization_code" in said.grant_types else [],
        "scope": scopes.join(said.scope),
        "dpop_bound_access_tokens": said.dpop_bound,
        "registration_access_token": token,
        "registration_client_uri": f"{address}/{client_id}",
    }
    return words | ({"jwks": {"keys": said.jwks}} if said.jwks else {})


def _metadata(row: Client) -> Metadata:
    return Metadata(
        name=row.name,
        method=row.auth_method,
        redirect_uris=sorted(row.redirect_uris),
        post_logout_redirect_uris=sorted(row.post_logout_redirect_uris),
        grant_types=[name for name in GRANT_TYPES if name in row.grant_types],
        scope=sorted(row.scope),
        jwks=row.jwks,
        dpop_bound=row.dpop_bound,
    )


async def _owned(connection: Connection, client_id: str, token: str) -> Client:
    row = await client.registered(connection, client_id, token)
    if row is None:
        raise InvalidTokenError("not this client's registration token")
    return row


async def _record(connection: Connection, action: str, viewer: Viewer, client_id: str) -> None:
    await audit.record(
        connection,
        action,
        partner_id=viewer.partner_id,
        member_id=viewer.member_id,
        client_id=client_id,
        by_client=viewer.client_id,
    )
