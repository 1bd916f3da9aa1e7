"""Ways through the graph (つながり): how a person reached a company, and who is near whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, column, listed, one, part
from schema.contribution import ContributionOrder

if TYPE_CHECKING:
    from schema.contribution import Contribution, ContributionRole
    from schema.outcome import Hire
    from schema.partner import Partner


@strawberry.federation.type(
    requires_scopes=[["network:read"]],
    description="How the person of a hire reached the company (採用経路). Seen by whoever sees the hire.",
)
class ContributionPath:
    hire: Hire | None = one("The hire at its end", "hire_id")
    steps: list[Contribution] = listed(
        "Contributions in order of time, first door first",
        where="{row}.hire_id = {parent}.hire_id",
        order=ContributionOrder.OCCURRED_AT_ASC,
        at_most=8,
    )


@strawberry.federation.type(
    requires_scopes=[["network:read"]],
    description="Partners around one partner (つながり), nearest first. Seen by every partner, over contributions the viewer may see.",
)
class NeighbourhoodConnection:
    edges: list[NeighbourhoodEdge] = part("Neighbours", "edges", at_most=100)
    page_info: PageInfo = part("Position", "pageInfo")


@strawberry.type(description="One neighbour (つながり), with the link that leads to it. Seen with its page.")
class NeighbourhoodEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Partner | None = part("The neighbour", "node")
    distance: int = column("Steps from the centre, 1 to 3", total=True)
    via: Partner = one("The partner one step nearer the centre: draw the line from here", "via_id", total=True)
    contributions: int | None = column("Contributions on this link, either way; null when suppressed")
    roles: list[ContributionRole] = column("Roles on this link", total=True, at_most=6)
