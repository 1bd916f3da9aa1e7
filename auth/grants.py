"""Programs acting for themselves, and people letting them: authorization code with PKCE, refresh with rotation."""

import base64
import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc7636 import CodeChallenge

from auth import scopes
from auth.bridge import wait
from auth.device import DeviceAuthorization, DeviceGrant
from auth.endpoints import Introspection, Revocation
from auth.exchange import Exchange
from auth.grant import GRANT_SECONDS, REFRESH_TOKEN_SECONDS, Grant, TokenAnswer
from auth.logout import EndSession
from auth.openid import Identity
from auth.server import CLIENT_METHODS, CONFIDENTIAL_METHODS, RegisteredClient, Request, Server
from auth.tokens import REVOCATION_KEPT_SECONDS, Tokens
from models import oauth
from models.client import Client
from models.db import Connection, uuid7
from models.member import Member
from models.oauth import Code, RefreshToken

CODE_SECONDS = 60
CODE_BYTES = 32
REFRESH_GRACE_SECONDS = 10  # in which a lost answer may be asked for again

S256_CHALLENGE = THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allowed a client on the consent page."""

    member: Member
    scope: frozenset[str]
    session: str
    """The secret id of the login session in which they did."""


class ClientCredentials(Grant, grants.ClientCredentialsGrant):
    """A partner's backend acting for itself (RFC 6749, 4.4)."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def create_token_response(self) -> TokenAnswer:
        requested = scopes.split(self.request.payload.scope)
        scope = self.server.bounded(self.request.client.row, requested)
        alone = scope - scopes.IDENTITY_SCOPES
        if not alone or (requested and alone != scope):
            raise InvalidScopeError("nobody logs in here")
        return self.answer(None, alone, None, None)


class AuthorizationCode(Grant, grants.AuthorizationCodeGrant):
    """A person lets a client act for them (RFC 6749, 4.1, with RFC 7636 and RFC 9700)."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    def generate_authorization_code(self) -> str:
        return secrets.token_urlsafe(CODE_BYTES)

    def save_authorization_code(self, code: str, request: Request) -> None:
        consent: Consent = request.user
        wait(
            oauth.save_code(
                self.server.connection,
                code_hash=oauth.digest(code),
                client=request.client.row.id,
                member_id=consent.member.id,
                redirect_uri=request.payload.redirect_uri,
                scope=consent.scope,
                code_challenge=request.payload.data["code_challenge"],
                dpop_jkt=request.payload.data.get("dpop_jkt"),
                life_seconds=CODE_SECONDS,
                nonce=request.payload.data.get("nonce"),
                session=consent.session if scopes.OPENID in consent.scope else None,
            )
        )

    def bound_key(self) -> str | None:
        return self.request.authorization_code.row.dpop_jkt

    def query_authorization_code(self, code: str, client: RegisteredClient) -> "_StoredCode | None":
        row = wait(oauth.find_code(self.server.connection, oauth.digest(code)))
        if row is None or row.client != client.row.id:
            return None
        return _StoredCode(row)

    def create_token_response(self) -> TokenAnswer:
        """Claims the code with one statement: of any number at once, one caller gets the grant."""
        code: Code = self.request.authorization_code.row
        connection = self.server.connection
        client: Client = self.request.client.row
        # A public client has nothing but the key to show that a refresh token is its own (RFC 9449, 5).
        bound_to = self.key if client.auth_method == "none" else None
        grant_id = wait(oauth.redeem_code(connection, code, dpop_jkt=bound_to, life_seconds=GRANT_SECONDS))
        if grant_id is None:
            raise InvalidGrantError(self._used_twice(code))
        return self.first_answer(code.member_id, code.scope, grant_id)

    def _used_twice(self, code: Code) -> str:
        """One of the two has stolen it: what grew from the first use ends. Returns the reason for the record."""
        because = "code used twice"
        revoke = oauth.revoke_grant_of_code(self.server.connection, code, because, keep_seconds=REVOCATION_KEPT_SECONDS)
        grant_id = wait(revoke)
        if grant_id is None:
            return "code expired or its grant already revoked"
        self.server.tokens.forget(grant_id)
        return because


class Refresh(Grant, grants.RefreshTokenGrant):
    """Rotation with families (RFC 9700, 4.14.2).

    The next token is derived from the one presented, so that a client whose answer was lost, and twenty callers at
    once, get the same child: a lineage never forks. Any other second use ends the family.
    """

    def bound_key(self) -> str | None:
        return self.request.refresh_token.row.dpop_jkt

    def authenticate_refresh_token(self, refresh_token: str) -> "_StoredRefreshToken | None":
        row = wait(
            oauth.lock_refresh_token(
                self.server.connection, oauth.digest(refresh_token), grace_seconds=REFRESH_GRACE_SECONDS
            )
        )
        return _StoredRefreshToken(row) if row and not row.revoked and not row.expired else None

    def create_token_response(self) -> TokenAnswer:
        row: RefreshToken = self.request.refresh_token.row
        child_id = self._child(row)
        client: Client = self.request.client.row
        member = self.person(row.member_id)
        requested = scopes.split(self.request.payload.scope)  # Authlib refused any wider
        asked = self.server.bounded(client, requested) if requested else row.scope
        scope = self.server.remaining(client, member, asked)
        child = derived(self.server.refresh_key, self.request.form["refresh_token"], child_id)
        if not row.used:
            wait(
                oauth.add_refresh_token(
                    self.server.connection,
                    token_id=child_id,
                    token_hash=oauth.digest(child),
                    grant_id=row.grant_id,
                    parent_id=row.id,
                    life_seconds=REFRESH_TOKEN_SECONDS,
                )
            )
        return self.answer(member, scope, row.grant_id, child)

    def _child(self, row: RefreshToken) -> UUID:
        """The id of the token that follows: a new one, or the one whose answer was lost."""
        if not row.used:
            return uuid7()
        child_id = wait(oauth.unused_child(self.server.connection, row.id)) if row.within_grace else None
        if child_id is None:
            because = "refresh token used twice"
            revoke = oauth.revoke_grant(
                self.server.connection, row.grant_id, because, keep_seconds=REVOCATION_KEPT_SECONDS
            )
            wait(revoke)
            self.server.tokens.forget(row.grant_id)
            raise InvalidGrantError(because)
        return child_id


class ProofKey(CodeChallenge):
    """PKCE without its loopholes: a challenge is demanded from every client, and S256 is the only method."""

    def validate_code_challenge(self, grant: AuthorizationCode, redirect_uri: str) -> None:
        grant.server.check_resource(grant.request.payload.data.get("resource"))
        challenge = grant.request.payload.data.get("code_challenge", "")
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge_method must be S256")
        if not S256_CHALLENGE.fullmatch(challenge):
            raise InvalidRequestError("code_challenge must be 43 characters of base64url")
        thumbprint = grant.request.payload.data.get("dpop_jkt")
        if thumbprint is not None and not THUMBPRINT.fullmatch(thumbprint):
            raise InvalidRequestError("dpop_jkt must be 43 characters of base64url")

    def get_authorization_code_challenge(self, authorization_code: "_StoredCode") -> str:
        return authorization_code.row.code_challenge

    def get_authorization_code_challenge_method(self, authorization_code: "_StoredCode") -> str:
        return "S256"


class _StoredCode:
    def __init__(self, row: Code) -> None:
        self.row = row

    def get_redirect_uri(self) -> str:
        return self.row.redirect_uri

    def get_scope(self) -> str:
        return scopes.join(self.row.scope)


class _StoredRefreshToken:
    def __init__(self, row: RefreshToken) -> None:
        self.row = row

    def check_client(self, client: RegisteredClient) -> bool:
        return self.row.client == client.row.id

    def get_scope(self) -> str:
        return scopes.join(self.row.scope)


def derived(refresh_key: bytes, parent: str, child_id: UUID) -> str:
    """A family's next token: nobody has it without the server's key and the token before."""
    made = hmac.new(refresh_key, parent.encode() + child_id.bytes, sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def server(connection: Connection, tokens: Tokens, refresh_key: bytes) -> Server:
    """The authorization server for one request, with every grant and endpoint that it offers."""
    made = Server(connection, tokens, refresh_key)
    made.register_grant(ClientCredentials)
    made.register_grant(AuthorizationCode, [ProofKey(), Identity()])
    made.register_grant(Refresh)
    made.register_grant(Exchange)
    made.register_grant(DeviceGrant)
    made.register_endpoint(DeviceAuthorization)
    made.register_endpoint(EndSession)
    made.register_endpoint(Revocation)
    made.register_endpoint(Introspection)
    return made
