"""Clients that prove themselves with a signed JWT instead of a secret (`private_key_jwt`, RFC 7523)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from joserfc.jwk import ECKey

from auth import signed
from auth.signed import UnacceptableError

METHOD = "private_key_jwt"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE_SECONDS_MAX = 3600  # what Authlib's client writes; its `jti` is remembered as long
CLIENT_ID_CHARACTERS_MAX = 64

NOBODYS_KEYS: Sequence[dict[str, Any]] = ({**ECKey.generate_key("P-256").as_dict(private=False), "kid": ""},)
"""What the assertion of an unknown client is held against, so that it costs what a known one costs."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A proven client: the `jti` may not come again for `keep_seconds`."""

    jti: str
    keep_seconds: float


def checked_keys(jwks: object) -> list[dict[str, Any]]:
    """The public keys of a JWK set (RFC 7517), as they are stored: nothing but what verifying needs.

    Raises UnacceptableError, whose text says what to change.
    """
    keys = cast("dict[str, Any]", jwks).get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 0 < len(cast("list[Any]", keys)) <= signed.KEYS_MAX:
        raise UnacceptableError(f"a JWK set holds 1 to {signed.KEYS_MAX} keys")
    found: list[dict[str, Any]] = []
    for jwk in cast("list[dict[str, Any]]", keys):
        key = signed.public_key(jwk)
        found.append({**key.as_dict(private=False), "kid": str(jwk.get("kid") or key.thumbprint())})
    if len({key["kid"] for key in found}) != len(found):
        raise UnacceptableError("two keys have one kid")
    return found


def named_client(assertion: str) -> str:
    """Whose assertion it says it is: its `sub`, unverified.

    Raises UnacceptableError.
    """
    return signed.text(signed.unverified(assertion), "sub", CLIENT_ID_CHARACTERS_MAX)


def verify(assertion: str, client_id: str, keys: Sequence[dict[str, Any]], issuer: str) -> Assertion:
    """Holds an assertion against a client's keys. Its `aud` is this issuer, as text and alone (RFC 7523bis, FAPI 2.0).

    Raises UnacceptableError.
    """
    header = signed.header_of(assertion, types=(None, "jwt", "client-authentication+jwt"), names=("alg", "typ", "kid"))
    claims = signed.claims_of(assertion, _chosen(header.get("kid"), keys))
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise UnacceptableError("iss and sub are not the client")
    if claims.get("aud") != issuer:
        raise UnacceptableError("aud is not the issuer alone")
    left = signed.seconds(claims, "exp") - time.time()
    if not 0 < left <= LIFE_SECONDS_MAX + signed.CLOCK_SKEW_SECONDS:
        raise UnacceptableError("expired, or lives too long")
    signed.refuse_future(claims)
    return Assertion(signed.text(claims, "jti", signed.JTI_CHARACTERS_MAX), left)


def _chosen(kid: object, keys: Sequence[dict[str, Any]]) -> signed.PublicKey:
    """The key that the header names; without a name, the only one."""
    found = [key for key in keys if key["kid"] == kid] if kid is not None else list(keys)
    if len(found) != 1:
        raise UnacceptableError("kid names none of the client's keys")
    return signed.public_key(found[0])
