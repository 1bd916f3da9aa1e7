"""The keys that sign access tokens: ES256, made at the first start, sealed at rest, known by their `kid`."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import ECKey

from models import audit, signing_key
from models.db import Connection

ALGORITHM, CURVE = "ES256", "P-256"
NONCE_BYTES, DERIVED_KEY_BYTES = 12, 32
ROTATION_SECONDS = 90 * 24 * 3600
PUBLISHED_AHEAD_SECONDS = 3600
OVERLAP_SECONDS = 24 * 3600  # a replaced key is believed this much longer; its last token died after five minutes
RELOAD_SECONDS_MIN = 1.0  # an unknown `kid` asks the database at most this often


class MasterKeyError(Exception):
    """The stored keys were sealed with another master key."""


class WaitingKeyError(Exception):
    """A new key was made already and does not sign yet."""


def derive(master_key: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(SHA256(), DERIVED_KEY_BYTES, salt=None, info=b"kyoso " + purpose.encode()).derive(master_key)


class Keyring:
    """The signing keys of one installation, as this worker knows them."""

    def __init__(self, master_key: bytes) -> None:
        self.nonce_key = derive(master_key, "DPoP nonces")
        self.user_code_key = derive(master_key, "user codes")
        self._seal = AESGCM(derive(master_key, "signing keys"))
        self._keys: dict[str, tuple[ECKey, datetime]] = {}
        self._loaded_at = 0.0

    async def load(self, connection: Connection) -> None:
        """Reads the keys; makes the first one when there is none.

        Raises MasterKeyError when they do not open under this master key.
        """
        rows = await signing_key.found(connection)
        if not rows:
            await signing_key.lock(connection)
            rows = await signing_key.found(connection)
        if not rows:
            await self.add(connection, signs_from=datetime.now(UTC))
            rows = await signing_key.found(connection)
        retired = datetime.now(UTC) - timedelta(seconds=OVERLAP_SECONDS)
        replaced = [row["signs_from"] <= retired for row in rows[1:]]
        self._keys = {
            row["kid"]: (self._open(row["kid"], row["sealed"]), row["signs_from"])
            for row, gone in zip(rows, [*replaced, False], strict=True)
            if not gone
        }
        self._loaded_at = time.monotonic()

    async def renew(self, connection: Connection) -> None:
        """Makes the next key when the newest has grown old, and reads what other workers made.

        The next key is published an hour before it signs: by then every worker and every partner's cache knows it.
        """
        await signing_key.lock(connection)
        newest = (await signing_key.found(connection))[-1]["signs_from"]
        now = datetime.now(UTC)
        if newest <= now - timedelta(seconds=ROTATION_SECONDS):
            await self.add(connection, signs_from=now + timedelta(seconds=PUBLISHED_AHEAD_SECONDS))
        await self.load(connection)

    async def rotate(self, connection: Connection) -> tuple[str, datetime]:
        """Makes the next key before its time, as `renew` would later; returns its `kid` and when it signs.

        Raises WaitingKeyError when the next key is made already, and MasterKeyError.
        """
        await signing_key.lock(connection)
        await self.load(connection)
        now = datetime.now(UTC)
        newest = max(signs_from for _, signs_from in self._keys.values())
        if newest > now:
            raise WaitingKeyError(f"the next key is made already and signs from {newest:%Y-%m-%d %H:%M} UTC")
        signs_from = now + timedelta(seconds=PUBLISHED_AHEAD_SECONDS)
        kid = await self.add(connection, signs_from=signs_from)
        await audit.record(connection, "key.rotated", kid=kid)
        return kid, signs_from

    async def add(self, connection: Connection, *, signs_from: datetime) -> str:
        """Makes a key pair that will sign from that moment; returns its `kid`."""
        fresh = ECKey.generate_key(CURVE)
        kid = fresh.thumbprint()
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._seal.encrypt(nonce, orjson.dumps(fresh.as_dict(private=True)), kid.encode())
        public = {**fresh.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
        await signing_key.add(connection, kid=kid, public_jwk=public, sealed=sealed, signs_from=signs_from)
        return kid

    def signing(self) -> tuple[str, ECKey]:
        """The newest key whose time has come, with its `kid`."""
        now = datetime.now(UTC)
        due = [(signs_from, kid) for kid, (_, signs_from) in self._keys.items() if signs_from <= now]
        kid = max(due)[1]
        return kid, self._keys[kid][0]

    def find(self, kid: str) -> ECKey | None:
        """The key of this `kid`, if this worker knows it."""
        found = self._keys.get(kid)
        return found[0] if found else None

    async def look_again(self, connection: Connection) -> None:
        """Another worker may have made a key: loads anew, however often one is asked for an unknown `kid`."""
        if time.monotonic() - self._loaded_at > RELOAD_SECONDS_MIN:
            await self.load(connection)

    def jwks(self) -> dict[str, Any]:
        """The public halves (RFC 7517), those that will sign next included."""
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
                for kid, (key, _) in self._keys.items()
            ]
        }

    def _open(self, kid: str, sealed: bytes) -> ECKey:
        try:
            plain = self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], kid.encode())
        except InvalidTag:
            raise MasterKeyError(
                "the signing keys in the database were sealed with another master key: "
                "start with the KYOSO_MASTER_KEY that this database was created with"
            ) from None
        return ECKey.import_key(orjson.loads(plain))
