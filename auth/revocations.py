"""Revocations as a worker knows them: the table tells, and memory alone is asked."""

import time
from collections.abc import Iterable
from uuid import UUID

from models import oauth
from models.db import Connection, pool


class Revocations:
    """Dead subjects and since when (seconds since 1970). `kept_seconds`: the longest that one tells anything."""

    def __init__(self, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._since: dict[UUID, float] = {}

    def add(self, subject: UUID) -> None:
        """Revokes in this worker and at once; the others learn of it from the stored revocation."""
        self._since[subject] = time.time()

    def reach(self, final: Iterable[UUID], subjects: Iterable[UUID], issued_at: int) -> bool:
        """Whether one of `final` is dead, or one of `subjects` was revoked after something was issued for it."""
        since = self._since
        if not since:
            return False
        # Who issued and who revoked may have different clocks: their times are compared only where they must be.
        return any(each in since for each in final) or any(since.get(each, 0.0) >= issued_at for each in subjects)

    async def load(self, connection: Connection) -> None:
        """Reads what is revoked, when the worker starts."""
        self._since = await oauth.revocations(connection)

    async def look(self) -> None:
        """Reads what is revoked by now."""
        asked_at = time.time()
        async with pool().acquire() as connection:
            stored = await oauth.revocations(connection)
        # What was added here while the table was being read may not stand in it yet.
        fresh = {subject: at for subject, at in self._since.items() if at > asked_at - self._kept_seconds}
        self._since = fresh | stored
