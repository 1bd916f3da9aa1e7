"""What a browser session proves: cookie names, form tokens bound to it, and the limits on guessing passwords."""

import hmac
from hashlib import sha256

ACCOUNT_ATTEMPTS_MAX = 10
"""Attempts on one account within models.member.ATTEMPT_WINDOW_SECONDS, wherever they come from."""
ADDRESS_ATTEMPTS_MAX = 60
"""Attempts from one address in the same time, whatever the accounts: an office shares one."""

PASSWORD = "pwd"
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
