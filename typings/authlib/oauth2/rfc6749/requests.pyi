from collections.abc import Mapping
from typing import Any

class OAuth2Payload:
    data: dict[str, str]
    client_id: str | None
    response_type: str | None
    redirect_uri: str
    state: str | None
    @property
    def scope(self) -> str | None: ...

class BasicOAuth2Payload(OAuth2Payload):
    def __init__(self, payload: dict[str, str]) -> None: ...

class OAuth2Request:
    method: str
    uri: str
    headers: Mapping[str, str]
    payload: OAuth2Payload
    client: Any
    auth_method: str | None
    user: Any
    authorization_code: Any
    refresh_token: Any
    credential: Any
    scope: str
    def __init__(self, method: str, uri: str, *, headers: Mapping[str, str]) -> None: ...
    @property
    def args(self) -> dict[str, str]: ...
    @property
    def form(self) -> dict[str, str]: ...
