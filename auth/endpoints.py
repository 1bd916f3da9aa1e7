"""Revocation (RFC 7009) and introspection (RFC 7662)."""

from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from auth import scopes
from auth.bridge import wait
from auth.server import CLIENT_METHODS, CONFIDENTIAL_METHODS, RegisteredClient, Request, Server
from auth.tokens import REVOCATION_KEPT_SECONDS, InvalidTokenError
from models import audit, oauth

EndpointAnswer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class Revocation(RevocationEndpoint):
    """A client gives a token back. A refresh token takes its whole grant with it, an access token only itself."""

    server: Server
    CLIENT_AUTH_METHODS = CLIENT_METHODS

    def create_endpoint_response(self, request: Request) -> EndpointAnswer:
        client, token = _asked(self, request)
        if not self._revoke_refresh_token(token, client):
            self._revoke_access_token(token, client)
        return 200, {}, []

    def _revoke_refresh_token(self, token: str, client: RegisteredClient) -> bool:
        facts = wait(oauth.refresh_token_facts(self.server.connection, oauth.digest(token)))
        if facts is None:
            return False
        if facts["client_id"] != client.row.client_id:
            raise InvalidGrantError("another client's refresh token")
        self._end(facts["grant_id"], client, "grant.revoked", facts["member_id"])
        return True

    def _revoke_access_token(self, token: str, client: RegisteredClient) -> None:
        try:
            claims = self.server.tokens.claims(token)
        except InvalidTokenError:
            return  # RFC 7009, 2.2: an invalid token is already what the client wants it to be
        if claims["client_id"] != client.row.client_id:
            raise InvalidGrantError("another client's access token")
        self._end(UUID(claims["jti"]), client, "token.revoked", None)

    def _end(self, subject: UUID, client: RegisteredClient, action: str, member_id: UUID | None) -> None:
        connection = self.server.connection
        if action == "grant.revoked":
            because = "revoked by the client"
            wait(oauth.revoke_grant(connection, subject, because, keep_seconds=REVOCATION_KEPT_SECONDS))
        else:
            wait(oauth.revoke_subject(connection, subject, keep_seconds=REVOCATION_KEPT_SECONDS))
        self.server.tokens.forget(subject)
        wait(
            audit.record(
                connection,
                action,
                partner_id=client.row.partner_id,
                member_id=member_id,
                client_id=client.row.client_id,
                subject=str(subject),
            )
        )


class Introspection(IntrospectionEndpoint):
    """Whether a token lives and what it allows: told to confidential clients, about tokens of their own partner."""

    server: Server
    CLIENT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def create_endpoint_response(self, request: Request) -> EndpointAnswer:
        client, token = _asked(self, request)
        facts = self._refresh_token(token, client) or self._access_token(token, client)
        return 200, facts or {"active": False}, []

    def _refresh_token(self, token: str, client: RegisteredClient) -> dict[str, Any] | None:
        facts = wait(oauth.refresh_token_facts(self.server.connection, oauth.digest(token)))
        if facts is None or not facts["active"] or facts["client_id"] != client.row.client_id:
            return None
        return {
            "active": True,
            "token_type": "refresh_token",
            "client_id": facts["client_id"],
            "scope": scopes.join(facts["scope"]),
            "sub": str(facts["member_id"]),
            "iss": self.server.tokens.issuer,
            "iat": int(facts["issued_at"].timestamp()),
            "exp": int(facts["expires_at"].timestamp()),
        }

    def _access_token(self, token: str, client: RegisteredClient) -> dict[str, Any] | None:
        try:
            viewer, claims = wait(self.server.tokens.read(token, self.server.connection))
        except InvalidTokenError:
            return None
        if viewer.client_id != client.row.client_id and viewer.partner_id != client.row.partner_id:
            return None
        return {"active": True, "token_type": "DPoP" if "cnf" in claims else "Bearer", **claims}


def _asked(endpoint: Revocation | Introspection, request: Request) -> tuple[RegisteredClient, str]:
    """Who asks, and about which token."""
    client: RegisteredClient = endpoint.authenticate_endpoint_client(request)
    token = request.form.get("token")
    if not token:
        raise InvalidRequestError("token is missing")
    return client, token
