"""Proof of possession (DPoP, RFC 9449): a stolen token is worth nothing without the key that it is bound to.

A proof is a small JWT for one method, one address and one moment, with a nonce of ours. Nonces are not stored: each is
derived from the window of time that it belongs to, so every worker knows those of every other.
"""

import base64
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from auth import signed
from auth.signed import UnacceptableError
from models import replay
from models.db import Connection

PROOF_SECONDS = 60
"""How far the `iat` of a proof may lie from our clock, either way."""
NONCE_WINDOW_SECONDS = 150
"""A nonce is taken in the window in which it was given and in the next."""
NONCE_BYTES = 16
_PORTS = {"http": 80, "https": 443}


class InvalidProofError(Exception):
    """The proof cannot be accepted. `reason` is for the log; `headers` belong to the answer of a resource (401)."""

    error = "invalid_dpop_proof"

    def __init__(self, reason: str) -> None:
        super().__init__("the DPoP proof is missing or invalid: sign a new one for this request")
        self.reason = reason

    @property
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": challenge(self.error)}


class UseNonceError(InvalidProofError):
    """The proof lacks a nonce of ours that is still good; `nonce` is one."""

    error = "use_dpop_nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__("no current nonce")
        self.nonce = nonce

    @property
    def headers(self) -> Mapping[str, str]:
        return {**super().headers, "DPoP-Nonce": self.nonce}


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds, unless its `jti` was used before. `thumbprint` names the key that signed it."""

    thumbprint: str
    jti: str


class Proofs:
    """Reads proofs; `key` derives the nonces."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def nonce(self) -> str:
        """The nonce that is given out now."""
        return self._nonce(self._window())

    def read(self, proof: str, *, method: str, uri: str, token: str | None = None) -> Proof:
        """What a proof shows for this request and, at a resource, for this access token.

        Raises UseNonceError, and InvalidProofError for anything else.
        """
        try:
            header = signed.header_of(proof, types=("dpop+jwt",), names=("alg", "typ", "jwk"))
            key = signed.public_key(header.get("jwk"))
            claims = signed.claims_of(proof, key)
            issued_at = signed.seconds(claims, "iat")
            jti = signed.text(claims, "jti", signed.JTI_CHARACTERS_MAX)
        except UnacceptableError as error:
            raise InvalidProofError(str(error)) from error
        if claims.get("htm") != method:
            raise InvalidProofError("htm is another method")
        if not isinstance(claims.get("htu"), str) or _plain_address(claims["htu"]) != _plain_address(uri):
            raise InvalidProofError("htu is another address")
        if abs(time.time() - issued_at) > PROOF_SECONDS:
            raise InvalidProofError("iat is not now")
        if token is not None and claims.get("ath") != hash_of(token):
            raise InvalidProofError("ath is another token")
        window = self._window()
        if claims.get("nonce") not in (self._nonce(window), self._nonce(window - 1)):
            raise UseNonceError(self._nonce(window))
        return Proof(key.thumbprint(), jti)

    async def use(self, proof: Proof, connection: Connection) -> None:
        """Uses a proof up. Raises InvalidProofError when it was used before, here or in another worker."""
        words = ("dpop", proof.thumbprint, proof.jti)
        if not await replay.first_use(connection, *words, keep_seconds=2 * PROOF_SECONDS):
            raise InvalidProofError("jti was used before")

    def _nonce(self, window: int) -> str:
        return _base64url(hmac.digest(self._key, window.to_bytes(8), sha256)[:NONCE_BYTES])

    def _window(self) -> int:
        return int(time.time()) // NONCE_WINDOW_SECONDS


def hash_of(token: str) -> str:
    """An access token as a proof names it (`ath`)."""
    return _base64url(sha256(token.encode()).digest())


def challenge(error: str | None = None) -> str:
    """The WWW-Authenticate challenge of RFC 9449, 7.1."""
    said = f', error="{error}"' if error else ""
    return f'DPoP realm="kyoso"{said}, algs="{" ".join(signed.ALGORITHMS)}"'


def _plain_address(uri: str) -> tuple[str, str, int | None, str] | None:
    """An address without query and fragment, as RFC 9449 (4.3) compares it."""
    try:
        parts = urlsplit(uri)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, (parts.hostname or "").lower(), port, parts.path or "/")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
