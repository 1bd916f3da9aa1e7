"""Mailboxes: what counts as the address of one, wherever somebody types it. Letters are written to nothing else."""

import re
import unicodedata

EMAIL_CHARACTERS = 254
# An address that means one mailbox and nothing else wherever it is written: no list, group, comment, quoting or encoded
# word. Dots may stand anywhere, as in old addresses of Japanese mobile carriers.
EMAIL = re.compile(
    r"(?!.*=\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}"
)


def plain_email(text: str) -> str | None:
    """An address as it is kept and written to: NFKC, without blanks around it; None when it is none."""
    plain = unicodedata.normalize("NFKC", text).strip()
    return plain if len(plain) <= EMAIL_CHARACTERS and EMAIL.fullmatch(plain) else None
