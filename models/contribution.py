"""Contributions (貢献): who helped a hire happen, in which role, on which evidence, and with what share of the credit.

Shares are credit for taking part, not proof of cause. Rows are added once, when the hire is made; a reverted hire keeps
them and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import asyncpg

from models.db import Connection, queries, uuid7

Role = Literal["REFERRED", "EDUCATED", "RELAYED", "PLACED", "HOSTED", "HIRED_THROUGH"]

SHARE_DIGITS = 6

# In which role a partner of each kind refers, when the referral itself says no more than "referred".
ROLE_OF_KIND: dict[str, Role] = {
    "COMPANY": "RELAYED",
    "SCHOOL": "EDUCATED",
    "AGENCY": "PLACED",
    "REFERRER": "REFERRED",
    "COMMUNITY": "HOSTED",
}


@dataclass(frozen=True, slots=True)
class Edge:
    """One contributor's part in a hire: the events are its evidence, the instant is when the help took place."""

    contributor_id: UUID
    role: Role
    occurred_at: datetime
    evidence: frozenset[UUID]


def linear_shares(parts: int) -> list[Decimal]:
    """Equal shares (均等) of 1 in SHARE_DIGITS digits that sum to exactly 1: what does not divide goes to the first."""
    whole = 10**SHARE_DIGITS
    each, left = divmod(whole, parts)
    return [Decimal(each + (place < left)) / whole for place in range(parts)]


async def after_hire(connection: Connection, *, hire_id: UUID, event_id: UUID) -> list[UUID]:
    """Draws the edges of a hire that was just made, by LINEAR shares. Returns their ids; none for a direct applicant.

    `event_id`: the event of the hire, evidence of every edge. An edge never runs from the hiring company to itself.
    """
    edges = _edges([row async for row in queries("contribution").doors(connection, hire_id=hire_id)])
    if not edges:
        return []
    by_time = sorted(edges, key=lambda edge: (edge.occurred_at, edge.contributor_id, edge.role))
    shares = linear_shares(len(by_time))
    ids = [uuid7() for _ in by_time]
    await queries("contribution").add(
        connection,
        hire_id=hire_id,
        ids=ids,
        contributor_ids=[edge.contributor_id for edge in by_time],
        roles=[edge.role for edge in by_time],
        shares=shares,
        occurred=[edge.occurred_at for edge in by_time],
    )
    evidence = [(one, event) for one, edge in zip(ids, by_time, strict=True) for event in {*edge.evidence, event_id}]
    await queries("contribution").add_evidence(
        connection, contribution_ids=[one for one, _ in evidence], event_ids=[event for _, event in evidence]
    )
    return ids


def _edges(doors: Sequence[asyncpg.Record]) -> list[Edge]:
    """One edge per contributor and role: the same help by two doors is one edge, dated by the first."""
    found: dict[tuple[UUID, Role], Edge] = {}
    for door in doors:
        role: Role = ROLE_OF_KIND[door["kind"]] if door["role"] == "REFERRED" else door["role"]
        key = (door["contributor_id"], role)
        edge = Edge(*key, door["occurred_at"], frozenset(door["evidence"]))
        known = found.get(key)
        if known is not None:
            first = min(known.occurred_at, edge.occurred_at)
            edge = Edge(*key, first, known.evidence | edge.evidence)
        found[key] = edge
    return list(found.values())
