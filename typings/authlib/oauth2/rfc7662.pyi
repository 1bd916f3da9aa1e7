from collections.abc import Sequence
from typing import Any

class IntrospectionEndpoint:
    CLIENT_AUTH_METHODS: Sequence[str]
    server: Any
    def authenticate_endpoint_client(self, request: Any) -> Any: ...
    def create_endpoint_response(self, request: Any) -> tuple[int, Any, list[tuple[str, str]]] | None: ...
