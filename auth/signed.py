"""JWTs that others sign with keys of their own: the one way in which they are read.

ES256 and EdDSA (RFC 8037, also under its name of RFC 9864) only, and the key decides which of them.
"""

import time
import warnings
from collections.abc import Collection
from typing import Any, TypeAlias, cast

import orjson
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import extract_compact

PublicKey: TypeAlias = ECKey | OKPKey

ALGORITHMS = ("ES256", "EdDSA", "Ed25519")
KEYS_MAX = 10
JWT_CHARACTERS_MAX = 4096
JTI_CHARACTERS_MAX = 200
KID_CHARACTERS_MAX = 200
CLOCK_SKEW_SECONDS = 60
SECONDS_MAX = 2**53

_OF_KEY = {"EC": ("ES256",), "OKP": ("EdDSA", "Ed25519")}
_CURVES = {"EC": "P-256", "OKP": "Ed25519"}

# RFC 9864 only renames it, and every client still writes the old name.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)


class UnacceptableError(Exception):
    """The JWT or key cannot be accepted. The text is for the log."""


def public_key(jwk: object) -> PublicKey:
    """The key of a JWK: P-256 or Ed25519, and its public half alone.

    Raises UnacceptableError.
    """
    if not isinstance(jwk, dict):
        raise UnacceptableError("a key is not an object")
    found = cast("dict[str, Any]", jwk)
    kind = str(found.get("kty"))
    if kind not in _CURVES or found.get("crv") != _CURVES[kind]:
        raise UnacceptableError("a key is neither P-256 nor Ed25519")
    if "d" in found:
        raise UnacceptableError("a private key was sent")
    name = str(found.get("kid", ""))
    if len(name) > KID_CHARACTERS_MAX or not name.isprintable():
        raise UnacceptableError("a kid is too long or not printable")
    parts = {name: found[name] for name in ("kty", "crv", "x", "y") if name in found}
    try:
        return ECKey.import_key(parts) if kind == "EC" else OKPKey.import_key(parts)
    except (JoseError, ValueError, TypeError) as error:
        raise UnacceptableError("a key is malformed") from error


def unverified(token: str) -> dict[str, Any]:
    """The claims before any key was asked: for finding whose key to ask, and nothing else.

    Raises UnacceptableError.
    """
    if len(token) > JWT_CHARACTERS_MAX:
        raise UnacceptableError("too long")
    try:
        found: Any = orjson.loads(extract_compact(token.encode("ascii")).payload)
    except (JoseError, ValueError, RecursionError) as error:
        raise UnacceptableError("not a JWT") from error
    if not isinstance(found, dict):
        raise UnacceptableError("the claims are no object")
    return cast("dict[str, Any]", found)


def header_of(token: str, *, types: Collection[str | None], names: Collection[str]) -> dict[str, Any]:
    """The header, unverified: its `typ` one of `types` (None: may be missing), its parameters none but `names`.

    Raises UnacceptableError.
    """
    if len(token) > JWT_CHARACTERS_MAX:
        raise UnacceptableError("too long")
    try:
        header: dict[str, Any] = dict(extract_compact(token.encode("ascii")).headers())
    except (JoseError, ValueError, RecursionError) as error:
        raise UnacceptableError("not a JWT") from error
    if not header.keys() <= set(names):
        raise UnacceptableError("a header parameter that nobody needs")
    kind = header.get("typ")
    if (kind.lower().removeprefix("application/") if isinstance(kind, str) else kind) not in types:
        raise UnacceptableError("another typ")
    return header


def claims_of(token: str, key: PublicKey) -> dict[str, Any]:
    """The claims, when this key signed them with its own algorithm.

    Raises UnacceptableError.
    """
    try:
        return dict(jwt.decode(token, key, _OF_KEY[key.key_type]).claims)
    except (JoseError, ValueError, RecursionError) as error:
        raise UnacceptableError("bad signature") from error


def text(claims: dict[str, Any], name: str, most: int) -> str:
    """A claim that is text, printable (half a character can be written nowhere), and of 1 to `most` characters.

    Raises UnacceptableError.
    """
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        raise UnacceptableError(f"{name} is missing, too long or not printable")
    return value


def seconds(claims: dict[str, Any], name: str) -> float:
    """A claim that is a moment, in seconds since 1970.

    Raises UnacceptableError.
    """
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < SECONDS_MAX:
        raise UnacceptableError(f"{name} is missing or no moment")
    return float(value)


def refuse_future(claims: dict[str, Any]) -> None:
    """Raises UnacceptableError for an `iat` or `nbf` that is no moment or lies ahead of our clock."""
    for name in ("iat", "nbf"):
        if name in claims and seconds(claims, name) > time.time() + CLOCK_SKEW_SECONDS:
            raise UnacceptableError("from the future")
