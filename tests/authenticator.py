"""An authenticator in a few lines, so that tests can send answers that no honest browser would make."""

import base64
import json
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, SYNCED, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def text(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def data(given: str) -> bytes:
    """The bytes of `text`."""
    return base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))


@dataclass
class Authenticator:
    """One passkey. What it says wrongly is said by `changes` of its answers."""

    origin: str
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    user: bytes = b""
    count: int = 0

    def create(self, options: dict[str, Any], *, flags: int = PRESENT | VERIFIED, **changes: Any) -> str:
        """The answer to a registration."""
        self.user = data(options["user"]["id"])
        self.count += 1
        public = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor2.dumps(cose)
        proof = self._proof(options["rp"]["id"], flags | ATTESTED, changes) + attested
        response = {
            "clientDataJSON": text(self._client_data("webauthn.create", options, changes)),
            "attestationObject": text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": proof})),
            "transports": ["internal"],
        }
        return self._credential(response)

    def get(self, options: dict[str, Any], *, flags: int = PRESENT | VERIFIED, **changes: Any) -> str:
        """The answer to a login."""
        self.count += 1
        client_data = self._client_data("webauthn.get", options, changes)
        proof = self._proof(options["rpId"], flags, changes)
        key: EllipticCurvePrivateKey = changes.get("key", self.key)
        response = {
            "clientDataJSON": text(client_data),
            "authenticatorData": text(proof),
            "signature": text(key.sign(proof + sha256(client_data).digest(), ECDSA(SHA256()))),
            "userHandle": text(changes.get("user", self.user)),
        }
        return self._credential(response)

    def _client_data(self, kind: str, options: dict[str, Any], changes: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(said | {name: changes[name] for name in said if name in changes}).encode()

    def _proof(self, rp_id: str, flags: int, changes: dict[str, Any]) -> bytes:
        count = changes.get("count", self.count)
        return sha256(changes.get("rp_id", rp_id).encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _credential(self, response: dict[str, Any]) -> str:
        known = text(self.credential_id)
        return json.dumps({"id": known, "rawId": known, "type": "public-key", "response": response})
