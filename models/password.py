"""What may be a password (パスワード): long enough, and not among what is guessed first.

The length is that of NIST SP 800-63B-4 (3.1.1.2) for a password that opens an account alone, whether or not a second
factor stands beside it today. There is no rule about digits and signs: what counts is how many guesses it takes.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

CHARACTERS_MIN, CHARACTERS_MAX = 15, 200
GUESSES_MIN = 10**10
JUDGED_CHARACTERS = 72  # what a guess is estimated from; the rest only makes it longer
SHORTEST_WORD_CHARACTERS = 3


class WeakPasswordError(ValueError):
    """The password may not be used; `why` is LENGTH or GUESSABLE."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why


def check(password: str, about: Iterable[str] = ()) -> None:
    """Raises WeakPasswordError for a password that is too short or too long, or that is guessed early.

    It is held against the 30,000 most common passwords of published breaches, English words and names, walks on the
    keyboard, dates, sequences and repetitions (all bundled with zxcvbn), the Japanese words of `password_words.txt`,
    and `about`: the person's own address, name and partner.
    """
    if not CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX:
        raise WeakPasswordError("LENGTH", f"a password has {CHARACTERS_MIN} to {CHARACTERS_MAX} characters")
    if _guesses(password, about) < GUESSES_MIN:
        raise WeakPasswordError(
            "GUESSABLE", "this password is guessed early: take several words that do not belong together"
        )


def _guesses(password: str, about: Iterable[str]) -> float:
    from zxcvbn import zxcvbn  # its word lists take 10 MB: for whoever sets a password, not for every worker

    own = [word for text in about for word in _parts(text)]
    return float(zxcvbn(password[:JUDGED_CHARACTERS], user_inputs=[*own, *_words()])["guesses"])


def _parts(text: str) -> list[str]:
    """A text, and the words in it."""
    words = "".join(each if each.isalnum() else " " for each in text.lower()).split()
    return [word for word in (text.lower(), "".join(words), *words) if len(word) >= SHORTEST_WORD_CHARACTERS]


@cache
def _words() -> list[str]:
    text = Path(__file__).with_name("password_words.txt").read_text(encoding="utf-8")
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]
