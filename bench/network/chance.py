"""Chance that repeats: everything random about a network comes from its seed.

Keys, nonces and ids are AES-CTR keystream under a key that HMAC derives from the seed; choices come from Python's
Mersenne Twister through `random()` alone, whose stream is the same in every version.
"""

from __future__ import annotations

import hmac
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from struct import Struct
from typing import Generic, TypeVar

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bench.network.rows import UNIX_EPOCH, Field

T = TypeVar("T")

KEYSTREAM_BYTES = 1 << 16
_pairs = Struct(">QQ")
# Of 128 bits, the last 12 and 62 are drawn and version and variant are given; for a whole keystream at once.
_DRAWN = int.from_bytes((0xFFF << 64 | (1 << 62) - 1).to_bytes(16, "big") * (KEYSTREAM_BYTES // 16), "big")
_GIVEN = int.from_bytes((0x7000 << 64 | 1 << 63).to_bytes(16, "big") * (KEYSTREAM_BYTES // 16), "big")
_id = Struct(">iQQ").pack


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

    __slots__ = ("_keystream", "_numbers", "random")

    def __init__(self, seed: int, label: str) -> None:
        key = hmac.digest(b"kyoso synthetic network", f"{seed}/{label}".encode(), "sha256")
        self._keystream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        self._numbers = self._pairs()
        self.random = random.Random(int.from_bytes(key, "big")).random

    def id(self, at: int) -> Field:
        """A uuid7 (RFC 9562) of that instant, as a COPY field."""
        high, low = next(self._numbers)
        return _id(16, (at + UNIX_EPOCH) // 1000 << 16 | high, low)

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

    def _pairs(self) -> Iterator[tuple[int, int]]:
        while True:
            drawn = int.from_bytes(self._keystream.update(bytes(KEYSTREAM_BYTES)), "big") & _DRAWN | _GIVEN
            yield from _pairs.iter_unpack(drawn.to_bytes(KEYSTREAM_BYTES, "big"))
