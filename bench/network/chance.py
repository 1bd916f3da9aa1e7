"""Chance that repeats: everything random about a network comes from its seed.

Keys, nonces and ids are AES-CTR keystream under a key that HMAC derives from the seed; choices come from Python's
Mersenne Twister through `random()` alone, whose stream is the same in every version.
"""

from __future__ import annotations

import hmac
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from struct import Struct
from typing import Generic, TypeVar

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bench.network.rows import UNIX_EPOCH, Field

T = TypeVar("T")

KEYSTREAM_BYTES = 1 << 16
_tails = Struct("6x10s").iter_unpack
# Of 128 bits, the last 12 and 62 are drawn and version and variant are given; for a whole keystream at once.
_DRAWN = int.from_bytes((0xFFF << 64 | (1 << 62) - 1).to_bytes(16, "big") * (KEYSTREAM_BYTES // 16), "big")
_GIVEN = int.from_bytes((0x7000 << 64 | 1 << 63).to_bytes(16, "big") * (KEYSTREAM_BYTES // 16), "big")
_ID_LENGTH = b"\0\0\0\x10"


class Weighted(Generic[T]):
    """Things to choose from, each as often as its weight says."""

    __slots__ = ("_total", "_upto", "things")

    def __init__(self, things: Sequence[T], weights: Sequence[float]) -> None:
        self.things = things
        self._upto = list(accumulate(weights))
        self._total = self._upto[-1] if things else 0.0

    def at(self, quantile: float) -> T:
        """The thing at a point between 0 and 1 of the whole weight."""
        return self.things[min(bisect_right(self._upto, quantile * self._total), len(self.things) - 1)]


class Chance:
    """One stream of chance, named by `label` under the network's seed."""

    __slots__ = ("_keystream", "_tail", "random")

    def __init__(self, seed: int, label: str) -> None:
        key = hmac.digest(b"kyoso synthetic network", f"{seed}/{label}".encode(), "sha256")
        self._keystream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        self._tail = chain.from_iterable(self._drawn_tails()).__next__
        self.random = random.Random(int.from_bytes(key, "big")).random

    def id(self, at: int) -> Field:
        """A uuid7 (RFC 9562) of that instant, as a COPY field."""
        (tail,) = self._tail()
        return _ID_LENGTH + ((at + UNIX_EPOCH) // 1000).to_bytes(6, "big") + tail

    def bytes(self, length: int) -> bytes:
        """Bytes for keys and nonces."""
        return self._keystream.update(bytes(length))

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, high excluded."""
        return low + int(self.random() * (high - low))

    def one(self, things: Sequence[T]) -> T:
        return things[int(self.random() * len(things))]

    def power(self, exponent: float) -> float:
        """A Pareto-distributed weight, 1 at least: few are large and most are small."""
        return (1.0 - self.random()) ** (-1.0 / exponent)

    def _drawn_tails(self) -> Iterator[Iterator[tuple[bytes]]]:
        """What follows the 48 bits of time."""
        while True:
            drawn = int.from_bytes(self._keystream.update(bytes(KEYSTREAM_BYTES)), "big") & _DRAWN | _GIVEN
            yield _tails(drawn.to_bytes(KEYSTREAM_BYTES, "big"))
