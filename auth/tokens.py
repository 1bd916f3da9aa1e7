"""Access tokens: signed JWTs (RFC 9068, `at+jwt`, ES256) that live five minutes and can be killed at once."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from auth import scopes
from auth.dpop import Proofs
from auth.keys import ALGORITHM, Keyring
from auth.revocations import Revocations
from auth.viewer import NOBODY, OPERATOR_KIND, Viewer
from models import device, identity_provider, oauth, pushed, replay
from models import member as people
from models.client import Client
from models.db import Connection, pool, unit_of_work, uuid7
from models.member import Member
from models.news import follow

ACCESS_TOKEN_SECONDS = 300
CLOCK_SKEW_SECONDS = 60
REVOCATION_KEPT_SECONDS = ACCESS_TOKEN_SECONDS + CLOCK_SKEW_SECONDS
TOKEN_CHARACTERS_MAX = 4096
CACHED_TOKENS_MAX = 10_000
POLL_SECONDS = 1.0
TIDY_SECONDS = 600.0
EXPIRED = "expired"

log = structlog.get_logger()
_HEADER = {"alg", "typ", "kid"}
_TYPES = {"at+jwt", "application/at+jwt"}


class InvalidTokenError(Exception):
    """The token cannot be accepted (401). `reason` is for the log and never for the caller.

    `code` is RFC 6750's; `challenge` the WWW-Authenticate header that belongs to the answer.
    """

    code = "invalid_token"
    challenge = 'Bearer error="invalid_token", error_description="The access token is invalid or has expired"'

    def __init__(self, reason: str) -> None:
        super().__init__("the access token is invalid or has expired: ask the token endpoint for a new one")
        self.reason = reason

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": self.challenge}


class UnknownKeyError(InvalidTokenError):
    """The token names a key that this worker has not read."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new access token. `token_id` is its `jti`."""

    access_token: str
    token_id: UUID
    expires_in: int


@dataclass(frozen=True, slots=True)
class _Verified:
    """`final`: token and grant, dead for good once revoked. `subjects`: client and member, whose later tokens live."""

    viewer: Viewer
    final: tuple[UUID, ...]
    subjects: tuple[UUID, ...]
    issued_at: int
    expires_at: int
    bound_to: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A verified token that a long conversation goes on relying on. Asking it costs no statement."""

    tokens: "Tokens"
    verified: _Verified

    def stands(self) -> bool:
        """Whether it is neither expired nor revoked, as far as this worker knows."""
        return self.tokens.ended(self.verified) is None


class Tokens:
    """Issues and verifies the access tokens of one installation. `issuer` is its public URL without a final slash."""

    def __init__(self, issuer: str, keyring: Keyring) -> None:
        self.issuer = issuer
        self.resource = f"{issuer}/graphql"
        self.keyring = keyring
        self.proofs = Proofs(keyring.nonce_key)
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._revocations = Revocations(REVOCATION_KEPT_SECONDS)
        self._tidied_at = time.monotonic()

    def issue(
        self,
        client: Client,
        member: Member | None,
        scope: frozenset[str],
        grant_id: UUID | None,
        *,
        bound_to: str | None = None,
        ends_by: int | None = None,
        agreement_id: UUID | None = None,
    ) -> Issued:
        """A token for a program acting for itself (`member` None) or for a person, who granted `grant_id`.

        Without a grant it is the program that acts for a person of its own partner, and the token says so.

        `bound_to`: the thumbprint of the key without which it is worth nothing (RFC 9449). `ends_by`: seconds
        since 1970, for a token that lives shorter than others. `agreement_id`: to which it is confined.
        """
        kid, key = self.keyring.signing()
        token_id, now = uuid7(), int(time.time())
        ends = min(now + ACCESS_TOKEN_SECONDS, ends_by or now + ACCESS_TOKEN_SECONDS)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.resource,
            "sub": str(member.id) if member else client.client_id,
            "client_id": client.client_id,
            "iat": now,
            "exp": ends,
            "jti": str(token_id),
            "scope": scopes.join(scope),
        }
        owner = member or client
        if owner.partner_id:
            claims |= {"partner_id": str(owner.partner_id), "partner_kind": owner.partner_kind}
        if member:
            claims["member_id"] = str(member.id)
            claims |= {"grant_id": str(grant_id)} if grant_id else {"act": {"sub": client.client_id}}
        if agreement_id:
            claims["agreement_id"] = str(agreement_id)
        if bound_to:
            claims["cnf"] = {"jkt": bound_to}
        token = jwt.encode({"alg": ALGORITHM, "typ": "at+jwt", "kid": kid}, claims, key, [ALGORITHM])
        return Issued(token, token_id, ends - now)

    async def verify(self, bearer: str) -> Viewer:
        """Who is asking. Signature and standing are looked at once a token, expiry and revocation every time.

        Raises InvalidTokenError, for a token that is bound to a key too.
        """
        found = await self._standing(bearer)
        if found.bound_to is not None:
            raise InvalidTokenError("a bound token used as bearer")
        return found.viewer

    async def verify_proven(self, token: str, proof: str, method: str, uri: str | None = None) -> Viewer:
        """Who is asking with a token that is bound to a key, and a proof that they hold that key.

        `uri`: the address that was asked, when it is not the API's. Raises InvalidTokenError, and InvalidProofError of
        `auth.dpop`.
        """
        found = await self._standing(token)
        seen = self.proofs.read(proof, method=method, uri=uri or self.resource, token=token)
        if seen.thumbprint != found.bound_to:
            raise InvalidTokenError("bound to another key, or to none")
        async with pool().acquire() as connection:
            await self.proofs.use(seen, connection)
        return found.viewer

    async def hold(self, token: str) -> Held:
        """A verified token, to be asked again for as long as a conversation lasts. Raises InvalidTokenError."""
        return Held(self, await self._standing(token))

    async def _standing(self, bearer: str) -> _Verified:
        digest = blake2b(bearer.encode()).digest()  # the quickest that hashlib has
        found = self._verified.get(digest)
        if found is None:
            found = await self._verify(bearer)
            self._verified[digest] = found
            while len(self._verified) > CACHED_TOKENS_MAX:
                self._verified.popitem(last=False)
        reason = self.ended(found)
        if reason == EXPIRED:
            self._verified.pop(digest, None)
        if reason:
            raise InvalidTokenError(reason)
        return found

    def ended(self, found: _Verified) -> str | None:
        """Why a verified token is worth nothing any more; None while it stands. Looks at memory alone."""
        if found.expires_at <= time.time():
            return EXPIRED
        return "revoked" if self._revocations.reach(found.final, found.subjects, found.issued_at) else None

    def forget(self, subject: UUID) -> None:
        """Kills a token, a grant, or what was issued until now for a client or member, in this worker and at once.

        The other workers learn of it from the stored revocation (`models.oauth.revoke_subject`).
        """
        self._revocations.add(subject)

    def claims(self, bearer: str) -> dict[str, Any]:
        """The claims of a token that this installation signed for its own API and that has not expired.

        Raises InvalidTokenError; UnknownKeyError when its key may be one that this worker has not read yet.
        """
        if len(bearer) > TOKEN_CHARACTERS_MAX:
            raise InvalidTokenError("too long")
        try:
            header = extract_compact(bearer.encode("ascii")).headers()
        except (JoseError, ValueError, RecursionError) as error:
            raise InvalidTokenError("not a JWT") from error
        if header.keys() != _HEADER or str(header["typ"]).lower() not in _TYPES or not isinstance(header["kid"], str):
            raise InvalidTokenError("not an access token's header")
        key = self.keyring.find(header["kid"])
        if key is None:
            raise UnknownKeyError("unknown key")
        try:
            claims = jwt.decode(bearer, key, [ALGORITHM]).claims
        except (JoseError, ValueError, RecursionError) as error:
            raise InvalidTokenError("bad signature") from error
        _check_claims(claims, self.issuer, self.resource)
        return claims

    async def read(self, bearer: str, connection: Connection) -> tuple[Viewer, dict[str, Any]]:
        """Who is asking, and the claims, as the database has it now: for whoever holds a connection already.

        Raises InvalidTokenError.
        """
        found, claims = await self._read(bearer, connection)
        return found.viewer, claims

    async def _verify(self, bearer: str) -> _Verified:
        with suppress(UnknownKeyError):
            self.claims(bearer)  # what is not ours never reaches the database
        async with pool().acquire() as connection:
            return (await self._read(bearer, connection))[0]

    async def _read(self, bearer: str, connection: Connection) -> tuple[_Verified, dict[str, Any]]:
        try:
            claims = self.claims(bearer)
        except UnknownKeyError:
            await self.keyring.look_again(connection)
            claims = self.claims(bearer)
        member_id, grant_id = _optional_id(claims, "member_id"), _optional_id(claims, "grant_id")
        token_id = UUID(claims["jti"])
        row = await oauth.standing(
            connection,
            client_id=claims["client_id"],
            member_id=member_id,
            grant_id=grant_id,
            token_id=token_id,
            issued_at=claims["iat"],
        )
        if row is None:
            raise InvalidTokenError("it, its client, member or grant was ended")
        viewer = Viewer(
            partner_id=row["partner_id"] or NOBODY,
            kind=row["partner_kind"] or OPERATOR_KIND,
            login=row["login"],
            client_id=claims["client_id"],
            scopes=frozenset(scopes.split(claims["scope"])),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            member_id=member_id,
            token_id=claims["jti"],
            agreement_id=_optional_id(claims, "agreement_id"),
        )
        final = tuple(each for each in (token_id, grant_id) if each)
        subjects = tuple(each for each in (member_id, row["client"]) if each)
        bound_to = claims["cnf"]["jkt"] if "cnf" in claims else None
        return _Verified(viewer, final, subjects, claims["iat"], claims["exp"], bound_to), claims

    @asynccontextmanager
    async def running(self, database_url: str) -> AsyncGenerator[None]:
        """Loads the keys and follows the revocations of every worker for as long as the block lasts."""
        async with unit_of_work() as connection:
            await self.keyring.load(connection)
            await self._revocations.load(connection)
        watching = asyncio.create_task(
            follow(database_url, oauth.REVOCATION_CHANNEL, self._look, poll_seconds=POLL_SECONDS)
        )
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _look(self) -> None:
        await self._revocations.look()
        if time.monotonic() - self._tidied_at > TIDY_SECONDS:
            self._tidied_at = time.monotonic()
            await self._tidy()

    async def _tidy(self) -> None:
        async with unit_of_work() as connection:
            await self.keyring.renew(connection)
            await oauth.sweep(connection)
            await people.sweep(connection)
            await replay.sweep(connection)
            await pushed.sweep(connection)
            await device.sweep(connection)
            await identity_provider.sweep(connection)


def _check_claims(claims: dict[str, Any], issuer: str, resource: str) -> None:
    now = time.time()
    audience = claims.get("aud")
    if claims.get("iss") != issuer:
        raise InvalidTokenError("another issuer")
    if audience != resource and not (isinstance(audience, list) and resource in audience):
        raise InvalidTokenError("meant for another resource")
    for name in ("client_id", "sub", "jti", "scope"):
        if not isinstance(claims.get(name), str):
            raise InvalidTokenError(f"{name} is missing")
    for name in ("exp", "iat"):
        if type(claims.get(name)) is not int:
            raise InvalidTokenError(f"{name} is missing")
    if claims["exp"] <= now:
        raise InvalidTokenError("expired")
    not_before = claims.get("nbf", claims["iat"])
    if type(not_before) is not int or max(claims["iat"], not_before) > now + CLOCK_SKEW_SECONDS:
        raise InvalidTokenError("from the future")


def _optional_id(claims: dict[str, Any], name: str) -> UUID | None:
    value = claims.get(name)
    return UUID(value) if value is not None else None
