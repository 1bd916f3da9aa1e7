"""What every grant shares: who asks, the key they show, the answer and its line in the audit record."""

import secrets
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidGrantError

from auth import openid, scopes
from auth.bridge import wait
from auth.server import CLIENT_METHODS, Request, Server
from models import audit, oauth
from models.client import Client, note_use
from models.db import uuid7
from models.member import Member, find_member

REFRESH_TOKEN_BYTES = 32
REFRESH_TOKEN_SECONDS = 14 * 24 * 3600
GRANT_SECONDS = 90 * 24 * 3600  # after which a person logs in again

TokenAnswer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class Grant(grants.BaseGrant):
    """A grant with this network's answers; stands before Authlib's own class in the order of bases."""

    server: Server
    request: Request
    key: str | None
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    def validate_requested_scope(self) -> None:
        self.server.bounded(self.request.client.row, scopes.split(self.request.payload.scope))

    def validate_token_request(self) -> None:
        super().validate_token_request()
        self.server.check_resource(self.request.form.get("resource"))
        self.key = self.server.proven_key(self.request)
        if self.key != (self.bound_key() or self.key):
            raise InvalidGrantError("bound to another key")

    def bound_key(self) -> str | None:
        """The thumbprint of the key that what was presented is bound to, if it is."""
        return None

    def first_answer(self, member_id: UUID, granted: frozenset[str], grant_id: UUID) -> TokenAnswer:
        """The first tokens of what a person has just granted, with the refresh token that its family grows from."""
        client: Client = self.request.client.row
        member = self.person(member_id)
        scope = self.server.remaining(client, member, granted)
        refresh_token = None
        if "refresh_token" in client.grant_types:
            refresh_token = secrets.token_urlsafe(REFRESH_TOKEN_BYTES)
            wait(
                oauth.add_refresh_token(
                    self.server.connection,
                    token_id=uuid7(),
                    token_hash=oauth.digest(refresh_token),
                    grant_id=grant_id,
                    parent_id=None,
                    life_seconds=REFRESH_TOKEN_SECONDS,
                )
            )
        return self.answer(member, scope, grant_id, refresh_token)

    def answer(
        self,
        member: Member | None,
        scope: frozenset[str],
        grant_id: UUID | None,
        refresh_token: str | None,
        ends_by: int | None = None,
        agreement_id: UUID | None = None,
    ) -> TokenAnswer:
        """The success of the token endpoint, with its line in the audit record."""
        client: Client = self.request.client.row
        wait(note_use(self.server.connection, client))
        issued = self.server.tokens.issue(
            client, member, scope, grant_id, bound_to=self.key, ends_by=ends_by, agreement_id=agreement_id
        )
        wait(
            audit.record(
                self.server.connection,
                "token.issued",
                partner_id=member.partner_id if member else client.partner_id,
                member_id=member.id if member else None,
                client_id=client.client_id,
                grant_id=grant_id,
                grant_type=str(self.GRANT_TYPE),
                token_id=str(issued.token_id),
                scope=scopes.join(scope),
                agreement_id=str(agreement_id) if agreement_id else None,
            )
        )
        body: dict[str, Any] = {
            "access_token": issued.access_token,
            "token_type": "DPoP" if self.key else "Bearer",
            "expires_in": issued.expires_in,
            "scope": scopes.join(scope),
        }
        if refresh_token:
            body["refresh_token"] = refresh_token
        if member and grant_id and scopes.OPENID in scope:
            first = self.GRANT_TYPE != "refresh_token"
            body["id_token"] = openid.id_token(
                self.server, client, member.id, grant_id, issued.access_token, first=first
            )
        return 200, body, self.TOKEN_RESPONSE_HEADER

    def person(self, member_id: UUID) -> Member:
        """Who granted this; their access may have ended since."""
        member = wait(find_member(self.server.connection, member_id))
        if member is None:
            raise InvalidGrantError("the person's access has ended")
        return member
