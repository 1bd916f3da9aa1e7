"""Documents and their plans, bounded by bytes: what was asked longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Protocol

from planner.document import Document, Question
from planner.limits import Limits

BYTES_PER_CHARACTER = 60
BYTES_PER_DOCUMENT = 16_000
"""As `tracemalloc` weighs them, plans apart: with its plan, a partner with six fields takes 32 kB, the bench's 100
referrals with all that hangs on them 72 kB."""


class Weighed(Protocol):
    """What is kept of an operation: a plan, what it is told of the schema."""

    @property
    def weight(self) -> int:
        """About how many bytes it keeps in memory."""
        ...


class Cache:
    """Valid documents by text. `weight` is the estimated sum, in bytes, and never above the limit for long."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.weight = 0
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._weights: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, text: str) -> Document | None:
        """The document of this text, if it is known."""
        found = self._documents.get(text)
        if found is not None:
            self._documents.move_to_end(text)
        return found

    def put(self, document: Document) -> None:
        """Keep a valid document."""
        self._documents[document.text] = document
        self._add(document, BYTES_PER_DOCUMENT + BYTES_PER_CHARACTER * len(document.text))

    def keep(self, document: Document, question: Question, key: Hashable, plan: Weighed) -> None:
        """Keep a plan of a document, in place of its former one; the document's oldest goes when it has too many."""
        former = question.plans.pop(key, None)
        question.plans[key] = plan
        self._add(document, plan.weight - (former.weight if former else 0))
        if len(question.plans) > self.limits.shapes_per_document:
            _, oldest = question.plans.popitem(last=False)
            self._add(document, -oldest.weight)

    def clear(self) -> None:
        """Forget everything, after the database's catalogue has changed."""
        self._documents.clear()
        self._weights.clear()
        self.weight = 0

    def _add(self, document: Document, weight: int) -> None:
        text = document.text
        if self._documents.get(text) is not document:
            return
        self._weights[text] = self._weights.get(text, 0) + weight
        self.weight += weight
        while self.weight > self.limits.cache_bytes and self._documents:
            oldest, _ = self._documents.popitem(last=False)
            self.weight -= self._weights.pop(oldest)
