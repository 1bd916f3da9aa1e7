"""The authorization server: Authlib's grammar, this network's decisions.

One `Server` lives for one request and shares its transaction, so a refusal that must leave a trace (a reused code
revokes what grew from it) commits with the answer. What was wrong stands in the audit record; the outside is told no
more than RFC 6749 asks for.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode

from authlib.oauth2 import OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidScopeError, UnsupportedResponseTypeError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from auth import assertion, scopes
from auth.bridge import wait
from auth.dpop import InvalidProofError
from auth.signed import UnacceptableError
from auth.tokens import Tokens
from models import oauth, refusal, replay
from models.client import Client, find_client
from models.db import Connection
from models.member import Member

CONFIDENTIAL_METHODS = ("client_secret_basic", assertion.METHOD)
CLIENT_METHODS = (*CONFIDENTIAL_METHODS, "none")
REALM = "kyoso"
REASON_CHARACTERS = 200
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_PUBLIC_TEXT = {
    "invalid_client": "Client authentication failed",
    "invalid_grant": "The code or refresh token is invalid, has expired or was issued to another client",
    "invalid_scope": "A requested scope is unknown or beyond what this client may hold",
    "unauthorized_client": "This client may not use this grant type",
    "access_denied": "The request was denied",
    "authorization_pending": "The person has not answered yet: ask again",
    "slow_down": "Asked too soon: wait five seconds longer between requests from now on",
    "expired_token": "The device code has expired: begin anew",
    "invalid_target": "The requested resource or agreement is unknown",
    "login_required": "The person has to log in",
    "consent_required": "The person has to be asked",
    "interaction_required": "The person has to be asked",
}
_PROOF_ERRORS = {
    "invalid_dpop_proof": "The DPoP proof is missing or invalid",
    "use_dpop_nonce": "Sign the DPoP proof with the nonce of this answer",
}
_NO_REFUSALS = ("authorization_pending", "slow_down")  # a device that waits asks every few seconds
_NOBODYS_SECRET = oauth.digest(secrets.token_urlsafe())


@dataclass(frozen=True)
class Answer:
    """An HTTP answer without a framework. `body` is JSON, or None for a redirect to `headers["Location"]`."""

    status: int
    body: dict[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class _Payload(BasicOAuth2Payload):
    """A request's parameters, its scopes as this server reads them."""

    @property
    def scope(self) -> str | None:
        return scopes.understood(super().scope)


class Request(OAuth2Request):
    """What Authlib needs to know of an HTTP request; each parameter is known to have come once.

    `uri` is built from the configured issuer: what a client claims as Host decides nothing. `named` is the client that
    somebody who has not proven to be it says they are.
    """

    named: str | None = None

    def __init__(
        self, method: str, uri: str, headers: Mapping[str, str], query: dict[str, str], form: dict[str, str]
    ) -> None:
        super().__init__(method, uri, headers=headers)
        self.query = query
        self._form = form
        self.payload = _Payload(form if method == "POST" else query)

    @property
    def args(self) -> dict[str, str]:
        return self.query

    @property
    def form(self) -> dict[str, str]:
        return self._form


class RegisteredClient(ClientMixin):
    """A client row in the words that Authlib asks in."""

    def __init__(self, row: Client) -> None:
        self.row = row

    @property
    def client_metadata(self) -> dict[str, list[str]]:
        return {"post_logout_redirect_uris": sorted(self.row.post_logout_redirect_uris)}

    def get_client_id(self) -> str:
        return self.row.client_id

    def get_default_redirect_uri(self) -> None:
        """None: a redirect URI is always named in the request."""

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.row.redirect_uris

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.row.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.row.grant_types


class InvalidTargetError(OAuth2Error):
    """The token was asked for a resource that is not here (RFC 8707)."""

    error = "invalid_target"


class ProofError(OAuth2Error):
    """The DPoP proof was not accepted (RFC 9449, 5); `error` is `invalid_dpop_proof` or `use_dpop_nonce`."""


class Server(AuthorizationServer):
    """Authlib's server over one connection. `refresh_key` derives a family's next refresh token."""

    def __init__(self, connection: Connection, tokens: Tokens, refresh_key: bytes) -> None:
        super().__init__(scopes_supported=[*scopes.IDENTITY, *scopes.VOCABULARY])
        self.connection = connection
        self.tokens = tokens
        self.refresh_key = refresh_key
        self._headers: Mapping[str, str] = NO_STORE

    # What Authlib asks of a server -----------------------------------------------------------------------------

    def query_client(self, client_id: str) -> RegisteredClient | None:
        row = wait(find_client(self.connection, client_id))
        return RegisteredClient(row) if row else None

    def authenticate_client(
        self, request: Request, methods: Sequence[str], endpoint: str = "token"
    ) -> RegisteredClient:
        """Demands exactly one method, the one the client is registered for; always does the same work."""
        given = presented(request)
        request.named = given.client_id
        client = self.query_client(given.client_id) if given.client_id else None
        fault = self._fault(given, client.row if client else None)
        if client is None:
            raise InvalidClientError("unknown client")
        request.client = client
        if client.row.auth_method != given.method or given.method not in methods:
            raise InvalidClientError(f"authenticated by {given.method}")
        if fault:
            raise InvalidClientError(fault)
        request.auth_method = given.method
        return client

    def _fault(self, given: "Presented", client: Client | None) -> str | None:
        """What is wrong with a client's proof of itself; the same work for a client that does not exist."""
        if given.method != assertion.METHOD:
            shown = oauth.digest(given.proof)
            right = hmac.compare_digest(shown, (client.secret_hash if client else None) or _NOBODYS_SECRET)
            right |= hmac.compare_digest(shown, (client.previous_secret_hash if client else None) or _NOBODYS_SECRET)
            return None if right or given.method == "none" else "wrong secret"
        client_id, keys = given.client_id or "", (client.jwks if client else None) or assertion.NOBODYS_KEYS
        try:
            seen = assertion.verify(given.proof, client_id, keys, self.tokens.issuer)
        except UnacceptableError as error:
            return f"assertion: {error}"
        first = replay.first_use(self.connection, assertion.METHOD, client_id, seen.jti, keep_seconds=seen.keep_seconds)
        return None if wait(first) else "assertion: used twice"

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        """A redirect always says who answers (RFC 9207)."""
        location = dict(headers).get("Location")
        if location is None:
            return Answer(status, body, self._headers)
        separator = "&" if "?" in location else "?"
        issued_by = urlencode({"iss": self.tokens.issuer})
        return Answer(303, None, {**NO_STORE, "Location": f"{location}{separator}{issued_by}"})

    def handle_error_response(self, request: Request, error: OAuth2Error) -> Answer:
        """Records what was wrong and answers with no more than must be said."""
        if isinstance(error, UnsupportedResponseTypeError):
            error.response_type = request.payload.response_type  # Authlib puts a sentence there
        if error.error not in _NO_REFUSALS:
            self._record_refusal(request, error)
        error.description = (_PUBLIC_TEXT | _PROOF_ERRORS).get(str(error.error), error.description)
        if error.redirect_uri:
            return self.handle_response(*error())
        if isinstance(error, InvalidClientError):
            challenge = {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'}
            return Answer(401, dict(error.get_body()), {**NO_STORE, **challenge})
        return Answer(error.status_code, dict(error.get_body()), self._headers)

    def _record_refusal(self, request: Request, error: OAuth2Error) -> None:
        client = request.client or None
        wait(
            refusal.record(
                self.connection,
                "request.refused",
                client_id=client.row.client_id if client else request.named or request.payload.client_id,
                partner_id=client.row.partner_id if client else None,
                error=str(error.error),
                reason=str(error.description)[:REASON_CHARACTERS],
            )
        )

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Authlib announces its steps here; nobody listens."""

    # What the grants share -------------------------------------------------------------------------------------

    def check_resource(self, resource: str | None) -> None:
        """Refuses a token for a resource other than the API; raises InvalidTargetError."""
        if resource not in (None, self.tokens.resource):
            raise InvalidTargetError("another resource")

    def proven_key(self, request: Request) -> str | None:
        """The thumbprint of the key that the client shows with this request; None when it shows none.

        Raises ProofError, for a client that must show one too.
        """
        given = request.headers.get("dpop")
        if given is None:
            if request.client and request.client.row.dpop_bound:
                raise ProofError("no proof", error=InvalidProofError.error)
            return None
        self._headers = {**NO_STORE, "DPoP-Nonce": self.tokens.proofs.nonce()}
        try:
            seen = self.tokens.proofs.read(given, method=request.method, uri=request.uri)
            wait(self.tokens.proofs.use(seen, self.connection))
        except InvalidProofError as error:
            raise ProofError(error.reason, error=error.error) from error
        return seen.thumbprint

    def bounded(self, client: Client, requested: list[str]) -> frozenset[str]:
        """The scopes that are asked for, all of the client's when none is named.

        Raises InvalidScopeError for one that the client may not hold.
        """
        held = scopes.grantable(client.kind, client.scope, None)
        if not held.issuperset(requested):
            raise InvalidScopeError(f"beyond the client: {scopes.join(set(requested) - held) or 'unknown scope'}")
        return frozenset(requested) or held

    def remaining(self, client: Client, member: Member, granted: frozenset[str]) -> frozenset[str]:
        """Of what a person granted, what the client still holds and their role still allows.

        Raises InvalidScopeError when that is nothing.
        """
        left = granted & scopes.grantable(client.kind, client.scope, member.role)
        if not left:
            raise InvalidScopeError("nothing left that the client holds and the person's role allows")
        return left


@dataclass(frozen=True, slots=True)
class Presented:
    """How a client says who it is; `proof` is its secret or its assertion."""

    method: str
    client_id: str | None
    proof: str


def presented(request: Request) -> Presented:
    """The one way in which the client authenticates.

    Raises InvalidClientError when it used two, one that is not offered, or put credentials into the address.
    """
    if {"client_secret", "client_assertion", "client_id"} & request.query.keys():
        raise InvalidClientError("credentials in the query")
    if "client_secret" in request.form:
        raise InvalidClientError("a secret in the body")
    authorization = request.headers.get("authorization")
    named = request.form.get("client_id")
    if {"client_assertion", "client_assertion_type"} & request.form.keys():
        if authorization is not None:
            raise InvalidClientError("two methods")
        return _asserted(request.form, named)
    if authorization is None:
        return Presented("none", named, "")
    client_id, secret = _basic(authorization)
    if named not in (None, client_id):
        raise InvalidClientError("two client ids")
    return Presented("client_secret_basic", client_id, secret)


def _storable(client_id: str) -> str:
    """The same name, when it can be looked for. Raises InvalidClientError for what the database cannot hold."""
    if "\0" in client_id or not client_id.isascii():
        raise InvalidClientError("no client's id")
    return client_id


def _asserted(form: Mapping[str, str], named: str | None) -> Presented:
    if form.get("client_assertion_type") != assertion.ASSERTION_TYPE:
        raise InvalidClientError("another client_assertion_type")
    given = form.get("client_assertion", "")
    try:
        client_id = _storable(assertion.named_client(given))
    except UnacceptableError as error:
        raise InvalidClientError(f"assertion: {error}") from None
    if named not in (None, client_id):
        raise InvalidClientError("two client ids")
    return Presented(assertion.METHOD, client_id, given)


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClientError("not Basic")
    try:
        client_id, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise InvalidClientError("Basic without base64") from None
    return _storable(unquote_plus(client_id)), unquote_plus(secret)
