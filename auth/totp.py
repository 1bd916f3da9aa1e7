"""Codes of an authenticator app (RFC 6238): six digits, new every 30 seconds, SHA-1 as every app knows them."""

import hmac
import time
import unicodedata

from pyotp import random_base32
from pyotp.hotp import HOTP
from pyotp.totp import TOTP

STEP_SECONDS = 30
SKEW_STEPS = 1  # before and after: a phone's clock, and the time it takes to type


def new_secret() -> str:
    """A new shared secret: 160 random bits in base32."""
    return random_base32()


def address(secret: str, *, issuer: str, account: str) -> str:
    """The otpauth address that an app reads from a QR code."""
    return TOTP(secret, name=account, issuer=issuer).provisioning_uri()


def step_of(secret: str, given: str, at: float | None = None) -> int | None:
    """The step whose code was given (blanks and full-width digits are forgiven); None for any other text.

    `at`: seconds since 1970, now unless said otherwise. A step is good once: `models.totp.use_step`.
    """
    code = "".join(unicodedata.normalize("NFKC", given).split())
    now = int((time.time() if at is None else at) // STEP_SECONDS)
    codes = HOTP(secret)
    found = None
    for step in range(now - SKEW_STEPS, now + SKEW_STEPS + 1):
        if hmac.compare_digest(codes.at(step).encode(), code.encode()):
            found = step
    return found
