"""What a browser session proves: cookie names, form tokens and tickets bound to it, and the limits on guessing."""

import base64
import hmac
import time
from datetime import UTC, datetime
from hashlib import sha256

import orjson

from models import seal

ACCOUNT_ATTEMPTS_MAX = 10
"""Attempts on one account within models.member.ATTEMPT_WINDOW_SECONDS, wherever they come from."""
ADDRESS_ATTEMPTS_MAX = 60
"""Attempts from one address in the same time, whatever the accounts: an office shares one."""

FRESH_SECONDS = 10 * 60
"""How long after proving who they are somebody may change how they do."""
TICKET_SECONDS = 10 * 60

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
