"""Token exchange (RFC 8693): a backend turns its token into one that a browser may hold.

The new token holds fewer scopes, ends sooner and never later than the first, is bound to the same key where that one is
bound, and comes without a refresh token. It can be for one person of the partner (`requested_subject`, within their
role) and for one agreement (`agreement`, see `auth.confined`). It only narrows what the client holds already, so every
client that authenticates may ask for it.
"""

import time
from typing import Any
from uuid import UUID

import structlog
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidRequestError, InvalidScopeError

from auth import confined, scopes
from auth.bridge import wait
from auth.grant import Grant, TokenAnswer
from auth.policy import visible
from auth.server import CONFIDENTIAL_METHODS, InvalidTargetError, Request
from auth.tokens import InvalidTokenError
from auth.viewer import Viewer
from models.agreement import in_force
from models.member import Member, find_by_email
from planner.codec import read_key

TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGED_SECONDS_MAX = 120
AGREEMENT_PREFIX = "agr"
"""Of an agreement's id, as the API gives it."""

log = structlog.get_logger()


class _Grammar(grants.BaseGrant, grants.TokenEndpointMixin):
    """Authlib knows no token exchange: these are its words."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
    request: Request

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        form = self.request.form
        if form.get("subject_token_type") != TOKEN_TYPE:
            raise InvalidRequestError("subject_token_type must be an access token")
        if form.get("requested_token_type", TOKEN_TYPE) != TOKEN_TYPE:
            raise InvalidRequestError("requested_token_type can only be an access token")
        if form.keys() & {"actor_token", "actor_token_type"}:
            raise InvalidRequestError("nobody acts for another here: leave actor_token out")


class Exchange(Grant, _Grammar):
    """The client's own access token for a lesser one."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL_METHODS
    _viewer: Viewer
    _claims: dict[str, Any]

    def validate_token_request(self) -> None:
        super().validate_token_request()
        self.server.check_resource(self.request.form.get("audience"))

    def bound_key(self) -> str | None:
        self._viewer, self._claims = self._subject()
        return self._claims["cnf"]["jkt"] if "cnf" in self._claims else None

    def create_token_response(self) -> TokenAnswer:
        member = self._member()
        agreement_id = self._agreement()
        asked = frozenset(scopes.split(self.request.payload.scope))
        if not asked:
            raise InvalidScopeError("an exchange names the scopes that it keeps")
        held = self._viewer.standing
        if member:
            held &= scopes.expand(scopes.ROLE_SCOPES[member.role])
        if not asked <= held:
            raise InvalidScopeError("beyond the token that was exchanged, or the person's role")
        if agreement_id and not asked <= confined.SCOPES:
            raise InvalidScopeError("a token for one agreement only reads what it shares")
        ends_by = min(self._claims["exp"], int(time.time()) + EXCHANGED_SECONDS_MAX)
        grant_id = UUID(self._claims["grant_id"]) if "grant_id" in self._claims else None
        status, body, headers = self.answer(member, asked, grant_id, None, ends_by, agreement_id)
        return status, {**body, "issued_token_type": TOKEN_TYPE}, headers

    def _member(self) -> Member | None:
        """For whom the new token is: the person behind the first, or the one of its partner whom the backend names."""
        named = self.request.form.get("requested_subject")
        if self._viewer.member_id:
            if named is not None:
                raise InvalidRequestError("the token is one person's already")
            return self.person(self._viewer.member_id)
        if named is None:
            return None
        member = wait(find_by_email(self.server.connection, named))
        if member is None or member.partner_id != self._viewer.partner_id:
            raise InvalidRequestError("requested_subject is nobody of this partner")
        return member

    def _agreement(self) -> UUID | None:
        """To which agreement the new token is confined; a confined token never leaves its own.

        Raises InvalidTargetError for one that is not in force, or not this partner's: both look the same.
        """
        first, named = self._viewer.agreement_id, self.request.form.get("agreement")
        if named is None:
            return first
        key = read_key(named, AGREEMENT_PREFIX, "uuid")
        connection = self.server.connection
        found = key and wait(visible(connection, "agreement", UUID(key), self._viewer.partner_id))
        if not found or not wait(in_force(connection, found["id"])) or first not in (None, found["id"]):
            raise InvalidTargetError("no agreement in force of this partner")
        return found["id"]

    def _subject(self) -> tuple[Viewer, dict[str, Any]]:
        """The token to exchange: alive, and this client's own."""
        try:
            viewer, claims = wait(
                self.server.tokens.read(self.request.form.get("subject_token", ""), self.server.connection)
            )
            if viewer.client_id != self.request.client.row.client_id:
                raise InvalidTokenError("another client's token")
        except InvalidTokenError as error:
            log.info("subject_token_refused", reason=error.reason)
            raise InvalidRequestError("the subject token is invalid, has expired or is another client's") from None
        return viewer, claims
