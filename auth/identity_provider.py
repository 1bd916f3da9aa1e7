"""Logging in with a partner's own identity provider: we are the app that asks (OpenID Connect Core, code flow).

What the provider says is believed only as far as its own keys sign it, for us, for this login, now; and then only about
addresses of the domains that the partner was registered with.
"""

import asyncio
import base64
import hmac
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import httpx
import orjson
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from auth import guarded
from auth.guarded import ForbiddenAddressError
from models.identity_provider import Provider
from models.member import folded

FEDERATED = "fed"
"""How a login was proven (`amr`): at the partner's own provider. RFC 8176 has no word for it."""
SEVERAL = "mfa"
SCOPE = "openid email"
ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519")
RSA_BITS_MIN = 2048
EXCHANGE_SECONDS = 15.0
KNOWN_SECONDS = 300.0
CLOCK_SKEW_SECONDS = 60
ID_TOKEN_SECONDS_MAX = 3600  # since it was issued
TEXT_CHARACTERS_MAX = 255
_KEYS = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}


class ProviderError(Exception):
    """The provider did not vouch for anybody. `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__("the identity provider's answer cannot be accepted")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Described:
    """What a provider says of itself (OpenID Connect Discovery), as far as it is used."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    jwks_uri: str
    names_itself: bool
    """In every answer (RFC 9207)."""
    basic: bool
    """Takes our secret in the header, not in the body."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom a provider vouches for, since when and how they proved it there."""

    subject: str
    email: str = field(repr=False)
    auth_time: datetime | None
    amr: list[str]


@dataclass(frozen=True, slots=True)
class Sent:
    """One login under way. What only we and the provider may know of it is derived from its `state`."""

    state: str
    key: bytes = field(repr=False)

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        return self._derived("verifier")

    def _derived(self, word: str) -> str:
        made = hmac.digest(self.key, f"identity {word} {self.state}".encode(), sha256)
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


class Providers:
    """Asks providers, and remembers for a while what they say of themselves. `local`: they may be on this machine."""

    def __init__(self, issuer: str, *, local: bool) -> None:
        self._issuer = issuer
        self._local = local
        self._known: dict[UUID, tuple[float, str, Described]] = {}

    def callback(self, provider: Provider) -> str:
        """Where the provider sends people back to: an address for it alone (RFC 9700, 4.4)."""
        return f"{self._issuer}/login/company/{provider.id}"

    async def address(self, provider: Provider, sent: Sent, *, email: str, fresh: bool) -> str:
        """Where to send a person who logs in there; `fresh`: they shall prove anew who they are.

        Raises ProviderError.
        """
        async with self._asking() as client:
            described = await self._described(client, provider)
        asked: dict[str, str] = {
            "redirect_uri": self.callback(provider),
            "scope": SCOPE,
            "state": sent.state,
            "nonce": sent.nonce,
            "code_challenge": create_s256_code_challenge(sent.verifier),
            "code_challenge_method": "S256",
            "login_hint": email,
        }
        if fresh:
            asked |= {"prompt": "login", "max_age": "0"}
        return prepare_grant_uri(described.authorization_endpoint, provider.client_id, "code", **asked)

    async def vouched(self, provider: Provider, sent: Sent, answer: Mapping[str, str]) -> Vouched:
        """Whom the provider vouches for, from the parameters that it sent the browser back with.

        Raises ProviderError.
        """
        async with self._asking() as client:
            described = await self._described(client, provider)
            named = answer.get("iss")
            if named != provider.issuer and (named is not None or described.names_itself):
                raise ProviderError("another issuer answers")
            if "error" in answer:
                raise ProviderError(f"error {answer['error'][:TEXT_CHARACTERS_MAX]}")
            if "code" not in answer:
                raise ProviderError("no code")
            tokens = await self._redeemed(client, provider, described, sent, answer["code"])
            id_token = tokens.get("id_token")
            if not isinstance(id_token, str):
                raise ProviderError("no ID token")
            keys = KeySet(_usable(await _json(client, "GET", described.jwks_uri)))
            claims = verified(id_token, keys, provider, sent.nonce, tokens.get("access_token"))
            told = claims
            if "email" not in claims and described.userinfo_endpoint:
                token = {"Authorization": f"Bearer {tokens.get('access_token')}"}
                told = await _json(client, "GET", described.userinfo_endpoint, headers=token)
                if told.get("sub") != claims["sub"]:
                    raise ProviderError("userinfo is about somebody else")
        return Vouched(str(claims["sub"]), _address(told, provider), _moment(claims), _methods(claims))

    @asynccontextmanager
    async def _asking(self) -> AsyncGenerator[httpx.AsyncClient]:
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS), guarded.client(local=self._local) as client:
                yield client
        except ForbiddenAddressError as error:
            raise ProviderError(f"address refused: {error}") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise ProviderError(f"does not answer: {type(error).__name__}") from error

    async def _described(self, client: httpx.AsyncClient, provider: Provider) -> Described:
        until, issuer, known = self._known.get(provider.id, (0.0, "", None))
        if known and issuer == provider.issuer and until > time.monotonic():
            return known
        where = guarded.checked(provider.issuer, local=self._local)
        said = await _json(client, "GET", f"{where.removesuffix('/')}/.well-known/openid-configuration")
        if said.get("issuer") != provider.issuer:
            raise ProviderError("discovery names another issuer")

        def address(name: str) -> str:
            return guarded.checked(said.get(name), local=self._local)

        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        described = Described(
            authorization_endpoint=address("authorization_endpoint"),
            token_endpoint=address("token_endpoint"),
            userinfo_endpoint=address("userinfo_endpoint") if "userinfo_endpoint" in said else None,
            jwks_uri=address("jwks_uri"),
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
            basic=not isinstance(methods, list) or "client_secret_basic" in cast("list[object]", methods),
        )
        self._known[provider.id] = (time.monotonic() + KNOWN_SECONDS, provider.issuer, described)
        return described

    async def _redeemed(
        self, client: httpx.AsyncClient, provider: Provider, described: Described, sent: Sent, code: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback(provider),
            "code_verifier": sent.verifier,
        }
        if described.basic:
            proof = httpx.BasicAuth(*(_form_encoded(each) for each in (provider.client_id, provider.secret)))
            return await _json(client, "POST", described.token_endpoint, data=form, auth=proof)
        form |= {"client_id": provider.client_id, "client_secret": provider.secret}
        return await _json(client, "POST", described.token_endpoint, data=form)


def verified(id_token: str, keys: KeySet, provider: Provider, nonce: str, access_token: object) -> dict[str, Any]:
    """The claims of an ID token that holds (OpenID Connect Core, 3.1.3.7).

    Raises ProviderError.
    """
    registry = jwt.JWTClaimsRegistry(
        leeway=CLOCK_SKEW_SECONDS,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        nonce={"essential": True, "value": nonce},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        token = jwt.decode(id_token, keys, list(ALGORITHMS))
        registry.validate(token.claims)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise ProviderError(f"ID token: {type(error).__name__} {getattr(error, 'claim', '') or ''}".strip()) from error
    claims: dict[str, Any] = dict(token.claims)
    kind, audience = token.header.get("typ"), claims["aud"]
    if kind is not None and str(kind).upper() != "JWT":
        raise ProviderError("not an ID token's typ")
    if claims.get("azp", provider.client_id) != provider.client_id or audience not in (
        provider.client_id,
        [provider.client_id],
    ):
        raise ProviderError("meant for others too")
    if time.time() - claims["iat"] > ID_TOKEN_SECONDS_MAX:
        raise ProviderError("issued long ago")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= TEXT_CHARACTERS_MAX:
        raise ProviderError("no subject")
    if "at_hash" in claims:
        half = create_half_hash(str(access_token), str(token.header["alg"]))
        if half is None or claims["at_hash"] != half.decode():
            raise ProviderError("at_hash is of another access token")
    return claims


def _address(told: dict[str, Any], provider: Provider) -> str:
    email = told.get("email")
    if not isinstance(email, str) or not 3 <= len(email) <= TEXT_CHARACTERS_MAX:
        raise ProviderError("no address")
    if told.get("email_verified") is not True:
        raise ProviderError("the address is not verified")
    if folded(email).rpartition("@")[2] not in provider.domains:
        raise ProviderError("an address of another domain")
    return folded(email)


def _moment(claims: dict[str, Any]) -> datetime | None:
    moment = claims.get("auth_time")
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 < moment <= time.time():
        return None
    return datetime.fromtimestamp(moment, UTC)


def _methods(claims: dict[str, Any]) -> list[str]:
    said = claims.get("amr")
    several = isinstance(said, list) and SEVERAL in cast("list[object]", said)
    return [FEDERATED, SEVERAL] if several else [FEDERATED]


def _usable(jwks: dict[str, Any]) -> list[Any]:
    """The keys of a set with which a signature can be checked; what is not understood is left aside (RFC 7517, 5)."""
    found: list[Any] = []
    said = jwks.get("keys")
    for each in cast("list[Any]", said) if isinstance(said, list) else []:
        try:
            if each.get("use", "sig") != "sig" or "d" in each:
                continue
            key = _KEYS[each["kty"]].import_key(each)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if not isinstance(key, RSAKey) or key.public_key.key_size >= RSA_BITS_MIN:
            found.append(key)
    if not found:
        raise ProviderError("no usable key")
    return found


async def _json(client: httpx.AsyncClient, method: str, address: str, **words: Any) -> dict[str, Any]:
    answer = await client.request(method, address, **words)
    if answer.status_code != 200:
        raise ProviderError(f"answers {answer.status_code}")
    try:
        body: Any = orjson.loads(answer.content)
    except ValueError as error:
        raise ProviderError("answers without JSON") from error
    if not isinstance(body, dict):
        raise ProviderError("answers without an object")
    return cast("dict[str, Any]", body)


def _form_encoded(text: str) -> str:
    """RFC 6749, 2.3.1."""
    return str(httpx.QueryParams({"": text}))[1:]
