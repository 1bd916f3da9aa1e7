"""Many WebSocket subscribers in one thread: the cheapest client that still reads every message.

It asks the kernel for whoever has something, reads, and counts messages; nothing is decoded. Loopback only.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost")
AT_ONCE = 100
"""Conversations that are begun together: a server's queue of new connections is not what is measured."""
SECONDS = 60.0
CHUNK_BYTES = 256 * 1024
TEXT, PING, PONG = 0x1, 0x9, 0xA


@dataclass(slots=True)
class Listener:
    """One conversation: its socket, the messages that came, and what is still half read."""

    socket: socket.socket
    messages: int = 0
    rest: bytes = b""


class Listeners:
    """Subscribers of one server, each with its own conversation."""

    def __init__(self) -> None:
        self.all: dict[int, Listener] = {}
        self._ready = select.epoll()
        self.refused = b""
        """The first message that was no delivery: why a server ended a subscription."""

    def begin(self, url: str, number: int, query: str, tokens: list[str]) -> None:
        """Opens so many conversations, each subscribed; they take the tokens in turn."""
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
        subscribe = {"type": "subscribe", "payload": {"query": query}}
        for start in range(0, number, AT_ONCE):
            these = range(start, min(start + AT_ONCE, number))
            opened = [socket.create_connection(address, SECONDS) for _ in these]
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
                _until(one, b"pong")
                one.setblocking(False)
                self.all[one.fileno()] = Listener(one)
                self._ready.register(one.fileno(), select.EPOLLIN)

    def hear(self, messages: int, *, seconds: float = SECONDS) -> list[float]:
        """When each listener had so many more messages, in the clock of `time.perf_counter`.

        Raises RuntimeError when somebody waits in vain.
        """
        goal = {number: each.messages + messages for number, each in self.all.items()}
        times: list[float] = []
        deadline = time.perf_counter() + seconds
        while len(times) < len(goal):
            ready = self._ready.poll(max(0.0, deadline - time.perf_counter()), len(goal))
            if not ready:
                raise RuntimeError(f"{len(goal) - len(times)} of {len(goal)} listeners waited in vain {self.refused!r}")
            for number, _ in ready:
                each = self.all[number]
                before = each.messages
                self._read(each)
                if before < goal[number] <= each.messages:
                    times.append(time.perf_counter())
        return times

    def _read(self, each: Listener) -> None:
        came = each.socket.recv(CHUNK_BYTES)
        if not came:
            raise RuntimeError(f"the server closed a conversation {self.refused!r}")
        data, start = each.rest + came if each.rest else came, 0
        while len(data) - start >= 2:
            length, head = data[start + 1], start + 2
            if length == 126:
                length, head = int.from_bytes(data[start + 2 : start + 4]), start + 4
            elif length == 127:
                length, head = int.from_bytes(data[start + 2 : start + 10]), start + 10
            if len(data) < head + length:
                break
            kind = data[start] & 0xF
            if kind == TEXT:
                each.messages += 1
                if not self.refused and b'"next"' not in data[head : head + 70]:
                    self.refused = data[head : head + length]
            elif kind == PING:
                each.socket.sendall(_frame(data[head : head + length], PONG))
            else:
                self.refused = self.refused or data[head : head + length]
            start = head + length
        each.rest = data[start:]

    def close(self) -> None:
        """Leaves, without a word."""
        for each in self.all.values():
            each.socket.close()
        self._ready.close()


@contextmanager
def listening(url: str, number: int, query: str, tokens: list[str]) -> Iterator[Listeners]:
    """So many subscribers, for as long as the block lasts."""
    listeners = Listeners()
    try:
        listeners.begin(url, number, query, tokens)
        yield listeners
    finally:
        listeners.close()


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
