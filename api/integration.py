"""Whose deliveries are taken in (連携): integrations and their secrets, as a worker remembers them.

What is remembered saves the way to PostgreSQL, and decides nothing: a delivery is stored only while the secret that it
was verified by still stands (`models.delivery.store`), and nobody is refused who was not looked up anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from api.gather import Gathering
from models import ats, seal
from models.db import pool

REMEMBERED_MAX = 1000
"""Integrations; who was remembered first is looked up again."""

Address = tuple[str, str]
"""A system, and an integration's id as a sender spells it."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """An integration whose secret is known. A secret that is set again is another one, even in the same words."""

    id: UUID
    secret_sealed: bytes = field(repr=False)
    secret: bytes = field(repr=False)


class Integrations:
    """The integrations of one worker's deliveries. Belongs to one event loop."""

    def __init__(self) -> None:
        self._known: dict[Address, Trusted] = {}
        self._looks = Gathering(self._look)

    def remembered(self, address: Address) -> Trusted | None:
        """As it was when it was last looked up; None when it never was, and for what is no integration."""
        return self._known.get(address)

    async def look(self, address: Address) -> Trusted | None:
        """As it is now; None for what is no integration."""
        return await self._looks.take(address)

    async def _look(self, addresses: Sequence[Address]) -> list[Trusted | None]:
        async with pool().acquire() as connection:
            rows = await ats.integrations(connection, [_uuid(integration) for _, integration in addresses])
        return [self._remember(each, rows.get((_uuid(each[1]), each[0]))) for each in addresses]

    def _remember(self, address: Address, row: ats.Integration | None) -> Trusted | None:
        known = self._known.pop(address, None)
        if row is None:
            return None
        if known is None or known.secret_sealed != row.secret_sealed:
            known = Trusted(row.id, row.secret_sealed, seal.unseal(row.secret_sealed, context=row.id.bytes))
        while len(self._known) >= REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        self._known[address] = known
        return known


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
