"""Two steps around a partner, walked in Python: the heaviest links of the centre, then those of each neighbour."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bench.peers.rows import Rows

HEAVIEST = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One neighbour, and the link that leads to it."""

    neighbour_id: UUID
    distance: int
    via_id: UUID
    contributions: int
    roles: list[str]


async def neighbourhood(rows: Rows, centre: UUID, first: int) -> list[Step]:
    near = await _around(rows, centre, 1)
    known = {centre, *(step.neighbour_id for step in near)}
    far: dict[UUID, Step] = {}
    for steps in await asyncio.gather(*(_around(rows, step.neighbour_id, 2) for step in near)):
        for step in steps:
            best = far.get(step.neighbour_id)
            if step.neighbour_id not in known and (best is None or _weight(step) < _weight(best)):
                far[step.neighbour_id] = step
    found = [*near, *far.values()]
    found.sort(key=lambda step: step.neighbour_id, reverse=True)
    found.sort(key=lambda step: (step.distance, -step.contributions))
    return found[:first]


def _weight(step: Step) -> tuple[int, UUID]:
    return -step.contributions, step.via_id


async def _around(rows: Rows, centre: UUID, distance: int) -> list[Step]:
    counts: dict[UUID, int] = {}
    roles: dict[UUID, set[str]] = {}
    for link in await rows.links(centre):
        out = link.contributor_id == centre
        neighbour = UUID(int=(link.company_id if out else link.contributor_id).int)
        if neighbour == centre or not link.contributions or not _seen(rows, link, centre, neighbour):
            continue
        counts[neighbour] = counts.get(neighbour, 0) + link.contributions
        roles.setdefault(neighbour, set()).add(link.role)
    heaviest = sorted(counts, key=lambda neighbour: (-counts[neighbour], neighbour))[:HEAVIEST]
    return [Step(one, distance, centre, counts[one], sorted(roles[one])) for one in heaviest]


def _seen(rows: Rows, link: Any, centre: UUID, neighbour: UUID) -> bool:
    return rows.viewer in (centre, neighbour) or link.company_id in rows.sharing
