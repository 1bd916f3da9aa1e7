"""Two steps around a partner, walked in Python: the heaviest links of the centre, then those of each neighbour."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from bench.peers.rows import Rows


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
    return [
        Step(UUID(int=row.neighbour_id.int), distance, centre, row.contributions, row.roles)
        for row in await rows.links(centre)
    ]
