"""OAuth's rows: clients (プログラム), codes, grants with their refresh tokens, revocations, signing keys.

Only SHA-256 digests of secrets arrive here and are stored. What a row means for a request is decided in `auth`.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import orjson

from models.db import Connection, queries, uuid7

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
CLIENT_ID_BYTES = 12
CLIENT_SECRET_BYTES = 32
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USE_NOTED_SECONDS = 3600  # a client's last use is written down once in so long
REVOCATION_CHANNEL = "kyoso_revocation"
CODE_REMEMBERED_SECONDS = 24 * 3600  # how long a second use of a code is recognised as one
GRANT_REMEMBERED_SECONDS = 30 * 24 * 3600

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
class Code:
    """An authorization code as it is stored; `client` is the client's row."""

    id: UUID
    client: UUID
    member_id: UUID
    redirect_uri: str
    scope: frozenset[str]
    code_challenge: str
    dpop_jkt: str | None
    expired: bool
    consumed: bool


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token with its grant, locked. `within_grace`: used so recently that its answer may have been lost."""

    id: UUID
    grant_id: UUID
    client: UUID
    member_id: UUID
    scope: frozenset[str]
    dpop_jkt: str | None
    expired: bool
    revoked: bool
    used: bool
    within_grace: bool


def digest(secret: str) -> bytes:
    """SHA-256, enough for secrets of 128 random bits and more."""
    return sha256(secret.encode()).digest()


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
    await queries("oauth").add_client(
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
    await queries("oauth").put_product_client(
        connection, id=uuid7(), client_id=client_id, name=name, redirect_uris=redirect_uris, scope=sorted(set(scope))
    )


async def find_client(connection: Connection, client_id: str) -> Client | None:
    """The client of this name; None, after the same work, when unknown or when its access was ended."""
    row = await queries("oauth").client_by_client_id(connection, client_id=client_id, lately_seconds=USE_NOTED_SECONDS)
    facts = _facts(row)
    known = facts.pop("known")
    found = Client(**facts)
    return found if known else None


async def save_code(
    connection: Connection,
    *,
    code_hash: bytes,
    client: UUID,
    member_id: UUID,
    redirect_uri: str,
    scope: Iterable[str],
    code_challenge: str,
    dpop_jkt: str | None,
    life_seconds: int,
    nonce: str | None = None,
    session: str | None = None,
) -> None:
    """Keeps a code until it is redeemed.

    `session`: the secret id of the login session that it ends with; None when the app does not ask for the login.
    """
    await queries("oauth").save_code(
        connection,
        id=uuid7(),
        code_hash=code_hash,
        client=client,
        member_id=member_id,
        redirect_uri=redirect_uri,
        scope=sorted(scope),
        code_challenge=code_challenge,
        dpop_jkt=dpop_jkt,
        life_seconds=life_seconds,
        nonce=nonce,
        session_hash=digest(session) if session else None,
    )


async def find_code(connection: Connection, code_hash: bytes) -> Code | None:
    """The code as it stands, used and expired ones too."""
    row = await queries("oauth").find_code(connection, code_hash=code_hash)
    return None if row is None else Code(**_facts(row))


async def redeem_code(connection: Connection, code: Code, *, dpop_jkt: str | None, life_seconds: int) -> UUID | None:
    """Opens the grant of a code for the one caller who gets it; None for everybody else, whatever runs beside it.

    `dpop_jkt`: the key that its refresh tokens are bound to.
    """
    if await queries("oauth").claim_code(connection, id=code.id) is None:
        return None
    grant_id = uuid7()
    await queries("oauth").open_grant(
        connection,
        id=grant_id,
        client=code.client,
        member_id=code.member_id,
        code_id=code.id,
        scope=sorted(code.scope),
        dpop_jkt=dpop_jkt,
        life_seconds=life_seconds,
    )
    return grant_id


async def revoke_grant_of_code(connection: Connection, code: Code, because: str, *, keep_seconds: int) -> UUID | None:
    """A code came a second time: ends what grew from the first; returns that grant, None when nothing lived."""
    grant_id = await queries("oauth").revoke_grant_of_code(connection, code_id=code.id, because=because)
    if grant_id:
        await revoke_subject(connection, grant_id, keep_seconds=keep_seconds)
    return grant_id


async def revoke_grant(connection: Connection, grant_id: UUID, because: str, *, keep_seconds: int) -> None:
    """Ends a grant with all its tokens; a second call changes nothing."""
    if await queries("oauth").revoke_grant(connection, id=grant_id, because=because):
        await revoke_subject(connection, grant_id, keep_seconds=keep_seconds)


async def revoke_grants_of_member(connection: Connection, member_id: UUID, because: str, *, keep_seconds: int) -> None:
    """Ends all that a person ever granted, with every token of theirs. `keep_seconds` as in `revoke_subject`."""
    await queries("oauth").revoke_grants_of_member(connection, member_id=member_id, because=because)
    await revoke_subject(connection, member_id, keep_seconds=keep_seconds)


async def lock_refresh_token(connection: Connection, token_hash: bytes, *, grace_seconds: int) -> RefreshToken | None:
    """The token, with its family locked until the transaction ends."""
    row = await queries("oauth").lock_refresh_token(connection, token_hash=token_hash, grace_seconds=grace_seconds)
    return None if row is None else RefreshToken(**_facts(row))


async def add_refresh_token(
    connection: Connection,
    *,
    token_id: UUID,
    token_hash: bytes,
    grant_id: UUID,
    parent_id: UUID | None,
    life_seconds: int,
) -> None:
    """The first token of a grant (`parent_id` None), or the one child of another, which is used up by that."""
    if parent_id:
        await queries("oauth").use_refresh_token(connection, id=parent_id)
    await queries("oauth").add_refresh_token(
        connection,
        id=token_id,
        token_hash=token_hash,
        grant_id=grant_id,
        parent_id=parent_id,
        life_seconds=life_seconds,
    )


async def unused_child(connection: Connection, token_id: UUID) -> UUID | None:
    """The token that replaced this one, as long as nobody has used it."""
    row = await queries("oauth").child_refresh_token(connection, parent_id=token_id)
    return None if row is None or row["used"] else row["id"]


async def refresh_token_facts(connection: Connection, token_hash: bytes) -> dict[str, Any] | None:
    """What introspection and revocation may know about a refresh token."""
    row = await queries("oauth").refresh_token_facts(connection, token_hash=token_hash)
    return None if row is None else dict(row)


async def revoke_subject(connection: Connection, subject: UUID, *, keep_seconds: int) -> None:
    """Kills a token, all of a grant, or what was issued until now for a client or member.

    `keep_seconds`: the longest that such a token could still live.
    """
    await queries("oauth").revoke_subject(connection, subject=subject, keep_seconds=keep_seconds)


async def revocations(connection: Connection) -> dict[UUID, float]:
    """Dead subjects and since when (seconds since 1970)."""
    rows = [row async for row in queries("oauth").revocations(connection)]
    return {row["subject"]: row["revoked_at"].timestamp() for row in rows}


async def standing(
    connection: Connection,
    *,
    client_id: str,
    member_id: UUID | None,
    grant_id: UUID | None,
    token_id: UUID,
    issued_at: int,
) -> asyncpg.Record | None:
    """Client, login name and partner behind a token; None when it or one of the things it names has ended.

    `issued_at`: seconds since 1970.
    """
    return await queries("oauth").standing(
        connection,
        client_id=client_id,
        member_id=member_id,
        grant_id=grant_id,
        token_id=token_id,
        issued_at=issued_at,
    )


async def lock_signing_keys(connection: Connection) -> None:
    """Others who make keys wait until this transaction ends."""
    await queries("oauth").lock_signing_keys(connection)


async def signing_keys(connection: Connection) -> list[asyncpg.Record]:
    """kid, public_jwk, sealed and signs_from of every key, the newest last."""
    return [row async for row in queries("oauth").signing_keys(connection)]


async def add_signing_key(
    connection: Connection, *, kid: str, public_jwk: dict[str, Any], sealed: bytes, signs_from: datetime
) -> None:
    """Stores a key pair whose private half is sealed."""
    await queries("oauth").add_signing_key(
        connection, kid=kid, public_jwk=orjson.dumps(public_jwk).decode(), sealed=sealed, signs_from=signs_from
    )


async def sweep(connection: Connection) -> None:
    """Deletes what no longer tells anything: old codes, grants and revocations."""
    await queries("oauth").sweep_codes(connection, keep_seconds=CODE_REMEMBERED_SECONDS)
    await queries("oauth").sweep_grants(connection, keep_seconds=GRANT_REMEMBERED_SECONDS)
    await queries("oauth").sweep_revocations(connection)


def _facts(row: asyncpg.Record) -> dict[str, Any]:
    facts: dict[str, Any] = dict(row)
    for name in ("scope", "redirect_uris", "post_logout_redirect_uris", "grant_types"):
        if name in facts:
            facts[name] = frozenset(facts[name])
    if facts.get("jwks"):
        facts["jwks"] = orjson.loads(facts["jwks"])
    return facts
