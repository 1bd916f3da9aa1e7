"""The body of a request, as the bare ASGI endpoints read it: whole, and never larger than they allow."""

from __future__ import annotations

from starlette.types import Receive

from api.leave import GoneError


async def read_body(receive: Receive, bytes_max: int) -> bytes | None:
    """The whole body; None when it has more than `bytes_max`. Raises GoneError when the client leaves before."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            return None
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
