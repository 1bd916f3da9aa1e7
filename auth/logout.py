"""RP-initiated logout (OpenID Connect): who asks for it, of whom, and where they may be sent afterwards."""

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oidc.rpinitiated import EndSessionEndpoint, EndSessionRequest

from auth import openid
from auth.keys import ALGORITHM
from auth.server import RegisteredClient, Request, Server
from auth.signed import UnacceptableError

PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


class EndSession(EndSessionEndpoint):
    """Checks what an app sends. Ending the session is the page's, once it is clear that the person means it."""

    server: Server

    def validate_request(self, request: Request) -> EndSessionRequest:
        hint = request.payload.data.get("id_token_hint")
        try:
            if hint is not None:
                openid.hinted(self.server.tokens, hint)
        except UnacceptableError as error:
            raise InvalidRequestError("id_token_hint is no ID token of ours") from error
        return super().validate_request(request)

    def get_server_jwks(self) -> dict[str, Any]:
        return self.server.tokens.keyring.jwks()

    def get_algorithms(self) -> list[str]:
        return [ALGORITHM]

    def is_post_logout_redirect_uri_legitimate(
        self, request: Request, post_logout_redirect_uri: str, client: RegisteredClient, logout_hint: str | None
    ) -> bool:
        """Without an ID token the person is asked first; the address is the client's own, to the letter."""
        return True


__all__ = ["PARAMETERS", "EndSession", "EndSessionRequest"]
