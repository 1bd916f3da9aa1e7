"""HTTP to addresses that others name: never into a network of our own, never for long, never more than a little.

The address is looked at where the connection is made, so a name that resolves to something else a moment later, a
redirect (none is followed) and a proxy from the environment (none is used) lead nowhere else.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import httpcore
import httpx

ANSWER_SECONDS = 5.0
ANSWER_BYTES_MAX = 256 * 1024
ADDRESS_CHARACTERS_MAX = 1000

_INTERNET = IPv6Network("2000::/3")
"""What of IPv6 leads to the internet. Beside it lie site-local networks and spellings of IPv4 (NAT64, SIIT)."""
_EMBEDDING = tuple(IPv6Network(each) for each in ("2002::/16", "2001::/32"))
"""IPv6 in it that a gateway would translate to an IPv4 address of its choice (6to4, Teredo)."""


class ForbiddenAddressError(Exception):
    """The address is not one that may be asked. The text is for the log."""


def checked(address: object, *, local: bool) -> str:
    """An address that may be asked at all: https and plain; `local`: http on this machine too.

    Raises ForbiddenAddressError.
    """
    if not isinstance(address, str) or not address.isascii() or len(address) > ADDRESS_CHARACTERS_MAX:
        raise ForbiddenAddressError("no address, or too long")
    try:
        parts = urlsplit(address)
        named = parts.hostname and parts.port != 0
    except ValueError:
        raise ForbiddenAddressError("not an address") from None
    if not named or "@" in parts.netloc or "#" in address or not address.isprintable() or " " in address:
        raise ForbiddenAddressError("not a plain address")
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise ForbiddenAddressError("not https")
    return address


def is_public(address: IPv4Address | IPv6Address, *, local: bool) -> bool:
    """Whether a connection may go there: to the internet, and on this machine alone to itself (`local`)."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped, local=local)
        if not address.is_loopback and (address not in _INTERNET or any(address in each for each in _EMBEDDING)):
            return False
    if address.is_loopback:
        return local
    return address.is_global and not address.is_multicast


class _Guard(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only."""

    def __init__(self, local: bool) -> None:
        self._local = local
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's interface)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError("the name does not resolve") from error
        addresses = [ip_address(each[4][0]) for each in found]
        if not addresses or not all(is_public(each, local=self._local) for each in addresses):
            raise ForbiddenAddressError("not a public address")
        return await self._inner.connect_tcp(str(addresses[0]), port, timeout, local_address, socket_options)


class _Limited(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._inner:
            size += len(part)
            if size > ANSWER_BYTES_MAX:
                raise ForbiddenAddressError("the answer is too long")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


@cache
def _authorities() -> ssl.SSLContext:
    """Whom TLS trusts, read once: it holds every other request up for 40 ms."""
    return httpx.create_ssl_context(trust_env=False)


class _Transport(httpx.AsyncHTTPTransport):
    def __init__(self, local: bool) -> None:
        super().__init__(verify=_authorities(), trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=_authorities(), network_backend=_Guard(local))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise ForbiddenAddressError("a compressed answer was not asked for")
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Limited(response.stream)
        return response


def client(*, local: bool) -> httpx.AsyncClient:
    """A client for addresses that others named; close it after use. Put `asyncio.timeout` around what it does.

    Raises ForbiddenAddressError, besides httpx's own errors, from its requests.
    """
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Kyoso"}
    return httpx.AsyncClient(
        transport=_Transport(local), timeout=ANSWER_SECONDS, follow_redirects=False, trust_env=False, headers=headers
    )
