"""What a browser session proves: cookie names, form tokens and tickets bound to it, and the limits on guessing."""

import base64
import hmac
import time
from datetime import UTC, datetime
from hashlib import sha256

import orjson

from models import seal

ACCOUNT_ATTEMPTS_MAX = 10
"""Attempts on one account within models.attempt.WINDOW_SECONDS: by each browser that its person uses, and by all others
together."""
ADDRESS_ATTEMPTS_MAX = 60
"""Attempts from one address in the same time, whatever the accounts: an office shares one."""

FRESH_SECONDS = 10 * 60
"""How long after proving who they are somebody may change how they do."""
TICKET_SECONDS = 10 * 60
KNOWN_SECONDS = 365 * 24 * 3600
"""How long a browser is known after a login."""

PASSWORD, CODE, DEVICE_KEY, SYNCED_KEY, PRESENCE, SEVERAL = "pwd", "otp", "hwk", "swk", "user", "mfa"
"""How a login was proven, in the words of RFC 8176."""


def cookie_name(word: str, *, https: bool) -> str:
    """The name under which browsers keep a cookie: theirs to nail to this host where there is https (`__Host-`)."""
    return f"__Host-kyoso_{word}" if https else f"kyoso_{word}"


def form_token(cookie: str, purpose: str) -> str:
    """The hidden field that only a page rendered for this cookie and this purpose can carry."""
    return hmac.new(cookie.encode(), purpose.encode(), sha256).hexdigest()


def is_form_token(given: str, cookie: str, purpose: str) -> bool:
    """Whether `given` is that field."""
    return hmac.compare_digest(given.encode(), form_token(cookie, purpose).encode())


def attempt_key(key: bytes, what: str, value: str) -> bytes:
    """Under which attempts are counted; neither account nor address can be read back from it."""
    return hmac.new(key, f"{what}:{value}".encode(), sha256).digest()


def known_browser(account: bytes) -> str:
    """What a browser keeps after a login by password: its own, and good for this account (`attempt_key`) alone.

    It opens nothing. Attempts with it are counted by themselves, so that who guesses elsewhere locks nobody out.
    """
    return base64.urlsafe_b64encode(seal.seal(b"", context=_known_place(account))).decode()


def browser_of(given: str, account: bytes) -> bytes | None:
    """What tells a browser that is known for this account from all others; None when it is not."""
    try:
        sealed = base64.urlsafe_b64decode(given)
        seal.unseal(sealed, context=_known_place(account))
    except (ValueError, seal.Unreadable):
        return None
    return sealed  # not what was given: base64 spells the same bytes in many ways


def _known_place(account: bytes) -> bytes:
    return b"known browser\0" + account


def is_fresh(auth_time: datetime) -> bool:
    """Whether somebody proved who they are so lately that they may change how they do."""
    return (datetime.now(UTC) - auth_time).total_seconds() <= FRESH_SECONDS


def ticket(purpose: str, cookie: str, **facts: str) -> str:
    """Facts that only we can write, to be handed out in a hidden field and given back within TICKET_SECONDS.

    It opens for the same cookie and purpose alone. What it allows must happen once: by `models.replay` or by itself.
    """
    until = int(time.time()) + TICKET_SECONDS
    sealed = seal.seal(orjson.dumps({**facts, "until": str(until)}), context=_ticket_place(purpose, cookie))
    return base64.urlsafe_b64encode(sealed).decode()


def read_ticket(given: str, purpose: str, cookie: str) -> dict[str, str] | None:
    """The facts; None when the ticket is not ours, is another's or has run out."""
    try:
        opened = seal.unseal(base64.urlsafe_b64decode(given), context=_ticket_place(purpose, cookie))
    except (ValueError, seal.Unreadable):
        return None
    facts: dict[str, str] = orjson.loads(opened)
    return facts if int(facts.pop("until")) > time.time() else None


def _ticket_place(purpose: str, cookie: str) -> bytes:
    return f"ticket {purpose}\0{cookie}".encode()
