"""Many WebSocket subscribers in one thread: the cheapest client that still reads every message.

It asks the kernel for whoever has something, reads, and counts events; nothing is decoded. Loopback only.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost")
AT_ONCE = 25
"""Conversations that are begun together: a server's queue of new connections is not what is measured."""
SECONDS = 60.0
CHUNK_BYTES = 256 * 1024
TEXT, PING, PONG = 0x1, 0x9, 0xA
BOOKMARK = b'"event":null'
"""What an answer says that tells of no event: it is not counted."""
ERRORS = b',"errors":['


@dataclass(slots=True)
class Listener:
    """One conversation: its socket, the answers that came, what is still half read, and what ended it."""

    socket: socket.socket
    messages: int = 0
    due: int = 0
    """How many answers whoever listens has waited for."""
    begun: bool = False
    rest: bytes = b""
    last: bytes = b""
    """The latest answer."""
    ended: bytes = b""


class Listeners:
    """Subscribers of one server, each with its own conversation."""

    def __init__(self) -> None:
        self.all: dict[int, Listener] = {}
        self._ready = select.epoll()

    def begin(
        self, url: str, number: int, subscription: Mapping[str, object], tokens: list[str], *, window: int | None = None
    ) -> None:
        """Opens so many conversations with this request each; they take the tokens in turn.

        `window`: how many bytes the kernel takes for a listener that does not read, when fewer than it likes.
        """
        parts = urlsplit(url)
        if parts.hostname not in LOOPBACK:
            raise ValueError("load is for this machine only")
        address = (parts.hostname, parts.port or 80)
        key = b64encode(b"sixteen bytes ..").decode()
        hello = (
            f"GET /graphql HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        ).encode()
        subscribe = {"type": "subscribe", "payload": subscription}
        for start in range(0, number, AT_ONCE):
            these = range(start, min(start + AT_ONCE, number))
            opened = [_connection(address, window) for _ in these]
            for one in opened:
                one.sendall(hello)
            for one in opened:
                _until(one, b"\r\n\r\n")
            for place, one in zip(these, opened, strict=True):
                bearer = {"authorization": f"Bearer {tokens[place % len(tokens)]}"}
                one.sendall(_frame(json.dumps({"type": "connection_init", "payload": bearer}).encode()))
            for one in opened:
                _until(one, b"connection_ack")
            for place, one in zip(these, opened, strict=True):
                one.sendall(_frame(json.dumps({**subscribe, "id": f"{place:036d}"}).encode()))
                one.sendall(_frame(b'{"type":"ping"}'))
            for one in opened:
                each = self.all[one.fileno()] = Listener(one)
                while not each.begun:  # the first answers of a replay may come before the pong, and with it
                    self._read(each)
                one.setblocking(False)
                self._ready.register(one.fileno(), select.EPOLLIN)
            for descriptor, _ in self._ready.poll(0):  # the first are pinged before the last have come
                self._read(self.all[descriptor])

    def hear(self, messages: int, *, seconds: float = SECONDS) -> list[float]:
        """When each listener had so many answers more than were waited for before, in the clock of `time.perf_counter`.

        Raises RuntimeError when somebody waits in vain.
        """
        for each in self.all.values():
            each.due += messages
        times = [time.perf_counter() for each in self.all.values() if each.messages >= each.due]
        for number, before in self._reading(seconds, lambda: len(times) < len(self.all)):
            if before < self.all[number].due <= self.all[number].messages:
                times.append(time.perf_counter())
        return times

    def hear_out(self, *, seconds: float = SECONDS) -> list[bytes]:
        """Reads until the server has ended every subscription; gives what it said, each time."""
        for _ in self._reading(seconds, lambda: not all(each.ended for each in self.all.values())):
            pass
        return [each.ended for each in self.all.values()]

    def _reading(self, seconds: float, goes_on: Callable[[], bool]) -> Iterator[tuple[int, int]]:
        """Whoever has read something, and how many answers it had before."""
        deadline = time.perf_counter() + seconds
        while goes_on():
            ready = self._ready.poll(max(0.0, deadline - time.perf_counter()), len(self.all))
            if not ready:
                said = next((each.ended for each in self.all.values() if each.ended), b"nothing")
                raise RuntimeError(f"listeners waited in vain; the server said {said.decode(errors='replace')}")
            for number, _ in ready:
                before = self.all[number].messages
                self._read(self.all[number])
                yield number, before

    def _read(self, each: Listener) -> None:
        came = each.socket.recv(CHUNK_BYTES)
        if not came:
            raise RuntimeError(f"the server closed a conversation; it said {each.ended.decode(errors='replace')}")
        data, start = each.rest + came if each.rest else came, 0
        while len(data) - start >= 2:
            length, head = data[start + 1], start + 2
            if length == 126:
                length, head = int.from_bytes(data[start + 2 : start + 4]), start + 4
            elif length == 127:
                length, head = int.from_bytes(data[start + 2 : start + 10]), start + 10
            if len(data) < head + length:
                break
            kind, text = data[start] & 0xF, data[head : head + length]
            if kind == PING:
                each.socket.sendall(_frame(text, PONG))
            elif kind == TEXT and b'"next"' in text[:80] and ERRORS not in text:
                if BOOKMARK not in text:
                    each.messages += 1
                    each.last = text
            elif text.startswith(b'{"type":"pong"'):
                each.begun = True
            else:
                each.ended = each.ended or text
            start = head + length
        each.rest = data[start:]

    def close(self) -> None:
        """Leaves, without a word."""
        for each in self.all.values():
            each.socket.close()
        self._ready.close()


@contextmanager
def listening(
    url: str, number: int, query: str, tokens: list[str], *, window: int | None = None, **variables: object
) -> Generator[Listeners]:
    """So many subscribers, for as long as the block lasts."""
    listeners = Listeners()
    try:
        listeners.begin(url, number, {"query": query, "variables": variables}, tokens, window=window)
        yield listeners
    finally:
        listeners.close()


def _connection(address: tuple[str, int], window: int | None) -> socket.socket:
    opened = socket.socket()
    if window is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)  # before the handshake, which announces it
    opened.settimeout(SECONDS)
    opened.connect(address)
    return opened


def _frame(payload: bytes, kind: int = TEXT) -> bytes:
    # A client must mask; a mask of zeros leaves the payload as it is.
    size = len(payload)
    length = (
        struct.pack("!BB", 0x80 | kind, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x80 | kind, 0xFE, size)
    )
    return length + bytes(4) + payload


def _until(one: socket.socket, word: bytes) -> bytes:
    found = b""
    while word not in found:
        came = one.recv(CHUNK_BYTES)
        if not came:
            raise RuntimeError(f"the server closed a conversation that began: {found!r}")
        found += came
    return found
