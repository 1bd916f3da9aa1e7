"""Clients (プログラム): made, found, listed, changed, given new secrets, ended; and when each was last used."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from models.db import Connection, queries, uuid7
from models.oauth import digest, revoke_subject

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
CLIENT_ID_BYTES = 12
CLIENT_SECRET_BYTES = 32
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USE_NOTED_SECONDS = 3600  # a client's last use is written down once in so long
SECRET_OVERLAP_SECONDS = 24 * 3600
"""How long the secret before still opens after a new one was made."""

PORTS = range(1, 2**16)
_SITE = re.compile(r"([\w.-]+|\[[\da-f:.]+\])(:(?P<port>\d{1,5}))?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Client:
    """A program that may ask for tokens. `partner_id` is None for the operator's and the product's own.

    `previous_secret_hash`: of the secret before, while it still opens. `used_lately`: within USE_NOTED_SECONDS.
    """

    id: UUID
    client_id: str
    kind: str
    partner_id: UUID | None
    partner_kind: str | None
    name: str
    auth_method: str
    secret_hash: bytes | None
    jwks: list[dict[str, Any]] | None
    dpop_bound: bool
    redirect_uris: frozenset[str]
    post_logout_redirect_uris: frozenset[str]
    grant_types: frozenset[str]
    scope: frozenset[str]
    previous_secret_hash: bytes | None
    used_lately: bool


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a new client is told, once. `client_secret` is None for a public client and for one with keys."""

    client_id: str
    client_secret: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A client as people see it, without anything that opens.

    `secret_made_at` is None without a secret; `previous_ends_at`: until when the secret before still opens.
    """

    client_id: str
    name: str
    auth_method: str
    grant_types: list[str]
    redirect_uris: list[str]
    scope: list[str]
    dpop_bound: bool
    created_at: datetime
    last_used_at: datetime | None
    secret_made_at: datetime | None
    previous_ends_at: datetime | None


async def create_client(
    connection: Connection,
    *,
    name: str,
    scope: Iterable[str],
    partner_id: UUID | None,
    redirect_uris: Iterable[str] = (),
    post_logout_redirect_uris: Iterable[str] = (),
    devices: bool = False,
    public: bool = False,
    jwks: list[dict[str, Any]] | None = None,
    dpop_bound: bool = False,
    grant_types: Iterable[str] | None = None,
    registration_token: str | None = None,
) -> Credentials:
    """Registers a client: of a partner, or the operator's when `partner_id` is None.

    With redirect URIs people can log in to it, with `devices` they can let a device of theirs in; a confidential
    client (`public` false) can also act for itself.
    With `jwks`, public keys that were checked, it proves itself by signing instead of with a secret.
    `dpop_bound`: it gets tokens only with a proof of the key that they are bound to (RFC 9449).
    `grant_types`: instead of all that go with the rest. `registration_token`: with which it is looked after.
    Raises ValueError for a redirect URI that codes must not travel to, and asyncpg.CheckViolationError for what no
    client may be, such as a partner's client with `network:admin`.
    """
    uris = [checked_redirect_uri(uri) for uri in redirect_uris]
    method = "none" if public else "private_key_jwt" if jwks else "client_secret_basic"
    secret = None if method != "client_secret_basic" else secrets.token_urlsafe(CLIENT_SECRET_BYTES)
    if grant_types is None:
        people = [*(["authorization_code"] if uris else []), *([DEVICE_GRANT] if devices else [])]
        people += ["refresh_token"] if people else []
        grant_types = people if public else [*people, "client_credentials"]
    credentials = Credentials(secrets.token_hex(CLIENT_ID_BYTES), secret)
    await queries("client").add_client(
        connection,
        id=uuid7(),
        client_id=credentials.client_id,
        kind="OPERATOR" if partner_id is None else "PARTNER",
        partner_id=partner_id,
        name=name,
        auth_method=method,
        secret_hash=digest(secret) if secret else None,
        jwks=orjson.dumps(jwks).decode() if jwks else None,
        dpop_bound=dpop_bound,
        registration_hash=digest(registration_token) if registration_token else None,
        redirect_uris=uris,
        post_logout_redirect_uris=[checked_redirect_uri(uri) for uri in post_logout_redirect_uris],
        grant_types=list(grant_types),
        scope=sorted(set(scope)),
    )
    return credentials


def checked_redirect_uri(uri: str) -> str:
    """The same URI when codes may be sent there: https, or http on this machine, exact and without a fragment.

    Raises ValueError (RFC 9700, 4.1).
    """
    if not _safe(uri):
        raise ValueError("a redirect URI is an exact https address (http for this machine only), without # and @")
    return uri


def _safe(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:  # what else is no address; which ones Python tells of here differs from release to release
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    # Its site stands in headers of our pages, and in one list with those of all clients, which one that is none breaks.
    site = _SITE.fullmatch(parts.netloc)
    sited = site is not None and int(site["port"] or 443) in PORTS
    return safe and sited and uri.isascii() and uri.isprintable() and not set(uri) & set(' "<>\\^`{}|*#@')


async def put_product_client(
    connection: Connection, *, client_id: str, name: str, redirect_uris: list[str], scope: Iterable[str]
) -> None:
    """One of the product's own pages, as a public client: created, or brought up to date."""
    await queries("client").put_product_client(
        connection, id=uuid7(), client_id=client_id, name=name, redirect_uris=redirect_uris, scope=sorted(set(scope))
    )


async def find_client(connection: Connection, client_id: str) -> Client | None:
    """The client of this name; None, after the same work, when unknown or when its access was ended."""
    row = await queries("client").client_by_client_id(connection, client_id=client_id, lately_seconds=USE_NOTED_SECONDS)
    facts = dict[str, Any](row)
    known = facts.pop("known")
    for name in ("scope", "redirect_uris", "post_logout_redirect_uris", "grant_types"):
        facts[name] = frozenset(facts[name])
    if facts["jwks"]:
        facts["jwks"] = orjson.loads(facts["jwks"])
    found = Client(**facts)
    return found if known else None


async def count(connection: Connection, partner_id: UUID) -> int:
    """How many clients a partner has; nobody adds one until this transaction ends."""
    await queries("client").lock(connection, partner_id=partner_id)
    return await queries("client").count(connection, partner_id=partner_id)


async def listed(connection: Connection, partner_id: UUID | None) -> list[Listed]:
    """The clients of a partner, or the operator's own (None), the newest first."""
    return [Listed(**row) async for row in queries("client").listed(connection, partner_id=partner_id)]


async def registered(connection: Connection, client_id: str, registration_token: str) -> Client | None:
    """The client that this token looks after; None when it is another's, or the client has ended."""
    token_hash = digest(registration_token)
    found = await queries("client").registered(connection, client_id=client_id, registration_hash=token_hash)
    return await find_client(connection, found) if found else None


async def change(
    connection: Connection,
    client_id: str,
    *,
    name: str,
    redirect_uris: Iterable[str],
    post_logout_redirect_uris: Iterable[str],
    grant_types: Iterable[str],
    scope: Iterable[str],
    jwks: list[dict[str, Any]] | None,
    dpop_bound: bool,
) -> None:
    """Replaces what a client says of itself; how it authenticates stays."""
    await queries("client").change(
        connection,
        client_id=client_id,
        name=name,
        redirect_uris=list(redirect_uris),
        post_logout_redirect_uris=list(post_logout_redirect_uris),
        grant_types=list(grant_types),
        scope=sorted(scope),
        jwks=orjson.dumps(jwks).decode() if jwks else None,
        dpop_bound=dpop_bound,
    )


async def rotate(connection: Connection, client_id: str) -> str | None:
    """A new secret for a client; the one before still opens for SECRET_OVERLAP_SECONDS, or until it is ended.

    None, and nothing changed, for a client without a secret or with two.
    """
    secret = secrets.token_urlsafe(CLIENT_SECRET_BYTES)
    done = await queries("client").rotate(
        connection, client_id=client_id, secret_hash=digest(secret), overlap_seconds=SECRET_OVERLAP_SECONDS
    )
    return secret if done else None


async def end_previous(connection: Connection, client_id: str) -> bool:
    """Ends the secret before at once; False when there was none."""
    return bool(await queries("client").end_previous(connection, client_id=client_id))


async def remove(connection: Connection, client: Client, *, keep_seconds: int) -> None:
    """Ends a client and every token it has. `keep_seconds`: the longest that one of them could still live."""
    await queries("client").remove(connection, client_id=client.client_id)
    await revoke_subject(connection, client.id, keep_seconds=keep_seconds)


async def note_use(connection: Connection, client: Client) -> None:
    """Notes that a client was given a token, unless that was noted within USE_NOTED_SECONDS."""
    if not client.used_lately:
        await queries("client").note_use(connection, id=client.id, every_seconds=USE_NOTED_SECONDS)
