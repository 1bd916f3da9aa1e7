from collections.abc import Sequence
from typing import Any

from authlib.oauth2.rfc6749.grants import BaseGrant

DEVICE_CODE_GRANT_TYPE: str

class DeviceAuthorizationEndpoint:
    CLIENT_AUTH_METHODS: Sequence[str]
    EXPIRES_IN: int
    INTERVAL: int
    server: Any
    def authenticate_client(self, request: Any) -> Any: ...

class DeviceCodeGrant(BaseGrant): ...
