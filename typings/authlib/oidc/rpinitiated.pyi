from typing import Any

class EndSessionRequest:
    request: Any
    client: Any
    id_token_claims: dict[str, Any] | None
    redirect_uri: str | None

class EndSessionEndpoint:
    server: Any
    def validate_request(self, request: Any) -> EndSessionRequest: ...
