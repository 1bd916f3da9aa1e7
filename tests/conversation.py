"""One WebSocket conversation in graphql-transport-ws, message by message."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets

from tests.served import Served

PROTOCOL = "graphql-transport-ws"
SECONDS = 60
"""How long a test waits for a message before it gives up."""


class Conversation:
    """Sends and receives; `said` is a message that came."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def init(self, token: str) -> None:
        """Begins as a client does."""
        await self.send(type="connection_init", payload={"authorization": f"Bearer {token}"})
        assert await self.said() == {"type": "connection_ack"}

    async def send(self, **message: Any) -> None:
        """Sends one message."""
        await self.socket.send(json.dumps(message))

    async def subscribe(self, query: str, key: str = "1", **variables: Any) -> None:
        """Asks an operation of any kind."""
        await self.send(id=key, type="subscribe", payload={"query": query, "variables": variables})

    async def text(self) -> str:
        """The next message, as it came."""
        async with asyncio.timeout(SECONDS):
            return str(await self.socket.recv())

    async def said(self) -> dict[str, Any]:
        """The next message."""
        return json.loads(await self.text())

    async def next(self, field: str = "outcomeEvents") -> dict[str, Any]:
        """What the next delivery says."""
        message = await self.said()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"][field]

    async def closed(self) -> int:
        """The code with which the other side closes, whatever it says before."""
        async with asyncio.timeout(SECONDS):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code


@asynccontextmanager
async def conversation(served: Served, token: str | None = None, **given: Any) -> AsyncIterator[Conversation]:
    """A conversation; begun, when a token is given."""
    url = served.issuer.replace("http://", "ws://") + "/graphql"
    options = {"subprotocols": [PROTOCOL], "compression": None, "open_timeout": SECONDS, **given}
    async with websockets.connect(url, **options) as socket:
        talk = Conversation(socket)
        if token:
            await talk.init(token)
        yield talk
