"""What a verb of the API works with: who acts, in which transaction, and the one door to the objects it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
from strawberry.types.unset import UnsetType

from auth.policy import NO_FACTS, Statement, all_visible, visible
from auth.viewer import Viewer
from models.db import Connection
from models.errors import Refusal, RefusalCode, not_found
from models.outbox import Said
from planner.codec import key_value, read_global_id

Row = Mapping[str, Any]
Facts = Callable[..., Statement]
"""A question about a partner and the keys it reached, each None where it was left out."""
T = TypeVar("T")


class Asked(NamedTuple):
    """A row that a verb is handed: its table and prefix, the global id, and the input's member that gave it."""

    table: str
    prefix: str
    global_id: str | None
    member: str


@dataclass
class Act:
    """One verb at work. `connection` is the transaction in which it runs."""

    viewer: Viewer
    connection: Connection

    @property
    def partner_id(self) -> UUID:
        """The partner who acts."""
        return self.viewer.partner_id

    def said(self, at: datetime | None = None, source_event_id: str | None = None) -> Said:
        """This partner says so, through the API; now, unless the fact is older."""
        now = datetime.now(UTC)
        if at is not None and at > now:
            raise invalid("occurredAt", ja="未来の日時は記録できません。", en="A fact cannot lie in the future.")
        return Said(by=self.partner_id, source="API", at=at or now, source_event_id=source_event_id)

    def candidate_said(self) -> Said:
        """The candidate says so, through a page or program of this partner."""
        return Said(by=self.partner_id, source="CANDIDATE", at=datetime.now(UTC))

    def must_be_company(self) -> None:
        """Raises NOT_YOURS unless a company acts: only companies hire, and write to those whom they turn down."""
        if self.viewer.kind != "COMPANY":
            raise Refusal(
                RefusalCode.NOT_YOURS, ja="この操作ができるのは企業だけです。", en="Only a company can do this."
            )

    async def reach(self, table: str, prefix: str, global_id: str, member: str) -> asyncpg.Record:
        """The row behind a global id, as this viewer may see it. Raises NOT_FOUND for absent and hidden alike."""
        row_id = read_id(prefix, global_id)
        row = row_id and await visible(self.connection, table, row_id, self.partner_id)
        if not row:
            raise not_found("input", member)
        return row

    async def reach_all(self, *asked: Asked, facts: Facts | None = None) -> tuple[list[UUID | None], asyncpg.Record]:
        """The keys behind several global ids, None for one that was left out: `reach` in one statement, and with them
        what `facts` asks of this partner and those keys. Raises NOT_FOUND for one that is absent or hidden.
        """
        keys = [None if each.global_id is None else read_id(each.prefix, each.global_id) for each in asked]
        rows: list[tuple[str, UUID]] = []
        members: list[str] = []
        for each, key in zip(asked, keys, strict=True):
            if key:
                rows.append((each.table, key))
                members.append(each.member)
            elif each.global_id is not None:
                raise not_found("input", each.member)
        beside = facts(self.partner_id, *keys) if facts else NO_FACTS
        found = await all_visible(self.connection, rows, self.partner_id, beside)
        for place, member in enumerate(members):
            if not found[place]:
                raise not_found("input", member)
        return keys, found


def given(value: T | UnsetType | None) -> T | None:
    """An input member that may be left out: absent and null mean the same."""
    return None if isinstance(value, UnsetType) else value


def read_id(prefix: str, global_id: str) -> UUID | None:
    """The key in a global id; None when it is of another kind, or none at all."""
    parts = read_global_id(global_id)
    key = key_value(parts[1], "uuid") if parts and parts[0] == prefix else None
    return UUID(key) if key else None


def invalid(*member: str, ja: str, en: str) -> Refusal:
    """A value of the input breaks a rule; `member` is its path below `input`."""
    return Refusal(RefusalCode.INVALID, ja=ja, en=en, path=("input", *member))
