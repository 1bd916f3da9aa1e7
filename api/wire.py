"""uvicorn's WebSocket with one word more: a message that is written without waiting.

ASGI's `send` costs a task a switch for every message, and hides how much of what was sent is still untaken. Fan-out
needs neither: it writes to a thousand sockets in turn, and leaves whoever does not read.
"""

from __future__ import annotations

from asyncio import BaseTransport
from socket import SO_SNDBUF, SOL_SOCKET
from struct import pack

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.outlet import WAITING_BYTES

EXTENSION = "kyoso.wire"
"""Under which name an application finds it among the extensions of its scope."""
KERNEL_BYTES = 32 * 1024
"""What the kernel may hold for one connection beside it, as text; it takes twice as much, and left alone megabytes."""
COLLECTED_BYTES = 8 * 1024
CLOSE_SECONDS = 10.0
TEXT = 0x81
"""The first byte of a text message that is whole."""


class Wire(WebSocketsSansIOProtocol):
    """One connection. Its buffer holds WAITING_BYTES, or one message that is larger."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        # Below this the loop collects what is written in one turn; above it the kernel is asked at once.
        self.transport.set_write_buffer_limits(high=COLLECTED_BYTES)
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_SNDBUF, KERNEL_BYTES)

    async def run_asgi(self) -> None:
        self.scope.setdefault("extensions", {})[EXTENSION] = self  # type: ignore[typeddict-item]
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            # Their headers would stay as long as the connection: 2 KB of the 32 that it keeps.
            del self.request, self.response

    def put(self, text: bytes) -> bool:
        """Writes a text message without waiting. False, and nothing written, when too much is still untaken."""
        waiting = self.transport.get_write_buffer_size()
        if waiting and waiting + len(text) > WAITING_BYTES:
            return False
        self.write(text)
        return True

    def write(self, text: bytes) -> None:
        """Writes a text message without waiting, whatever waits already."""
        if self.close_sent or self.transport.is_closing():
            return
        # A server's frame is its length before its text; the library's general way takes four times as long to say so.
        size = len(text)
        if size < 126:
            head = bytes((TEXT, size))
        elif size < 65_536:
            head = pack("!BBH", TEXT, 126, size)
        else:
            head = pack("!BBQ", TEXT, 127, size)
        self.transport.write(head + text)

    def keepalive_timeout(self) -> None:
        """Gives a peer that answers no ping up. One that reads nothing would keep a closing transport for ever."""
        super().keepalive_timeout()
        self.loop.call_later(CLOSE_SECONDS, self.transport.abort)
