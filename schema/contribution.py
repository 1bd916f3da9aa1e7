"""Contributions (貢献): the edges of the graph, its paths and neighbourhoods."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, arg, column, computed, many, one, part, table, where, within
from schema.node import Node
from schema.scalars import DateTime, Decimal

if TYPE_CHECKING:
    from schema.node import DateTimeRange
    from schema.outcome import Hire, OutcomeEventConnection
    from schema.partner import Company, Partner


@strawberry.enum(description="Role of a contribution (貢献の役割)")
class ContributionRole(enum.Enum):
    REFERRED = strawberry.enum_value("REFERRED", description="Referred (紹介)")
    EDUCATED = strawberry.enum_value("EDUCATED", description="Educated (教育)")
    RELAYED = strawberry.enum_value("RELAYED", description="Relayed: passed the person on (リレー)")
    PLACED = strawberry.enum_value("PLACED", description="Placed (人材紹介)")
    HOSTED = strawberry.enum_value("HOSTED", description="Hosted a joint project (共同開催)")
    HIRED_THROUGH = strawberry.enum_value("HIRED_THROUGH", description="Hired through an alliance (採用連合)")


@strawberry.enum(description="How the credit for one hire is divided (按分方法)")
class AttributionModel(enum.Enum):
    LINEAR = strawberry.enum_value("LINEAR", description="Equal shares (均等)")


@strawberry.enum(description="Order of contributions")
class ContributionOrder(enum.Enum):
    OCCURRED_AT_DESC = strawberry.enum_value("-occurred_at", description="Newest first")
    OCCURRED_AT_ASC = strawberry.enum_value("occurred_at", description="Oldest first")


@strawberry.input(description="Narrows contributions")
class ContributionFilter:
    roles: list[ContributionRole] | None = where("Any of these roles", "{row}.role = any({value})")
    contributor_id: strawberry.ID | None = where("By this partner", "{row}.contributor_id = {value}", of="partner")
    company_id: strawberry.ID | None = where("To hires of this company", "{row}.company_id = {value}", of="partner")
    occurred: DateTimeRange | None = where("Took place within", within("{row}.occurred_at"))


@table("contribution", prefix="ctb")
@strawberry.federation.type(
    keys=["id"],
    description="Contribution (貢献): this partner helped that hire happen. Credit for taking part, not proof of cause. Seen by contributor, company and alliance.",
)
class Contribution(Node):
    contributor: Partner = one("Who helped", "contributor_id", scopes=[["network:read"]])
    role: ContributionRole = column("In which role (役割)", scopes=[["network:read"]])
    hire: Hire | None = one("Which hire", "hire_id", scopes=[["network:read"]])
    company: Company = one("The company that hired", "company_id", scopes=[["network:read"]])
    share: Decimal = computed(
        "Share of the hire (貢献割合), summing to exactly 1 over its contributions",
        "{row}.share",
        total=True,
        args={"model": arg(AttributionModel, "How credit is divided (按分方法)", default=AttributionModel.LINEAR)},
        scopes=[["network:read"]],
    )
    occurred_at: DateTime = column("When the help took place", scopes=[["network:read"]])
    evidence: OutcomeEventConnection = many(
        "The events that prove it (根拠)",
        "contribution_id",
        through="contribution_evidence",
        to="event_id",
        order=("xid", "position"),
        scopes=[["network:read"]],
    )


@strawberry.federation.type(
    requires_scopes=[["network:read"]],
    description="Page of contributions (貢献). Seen by whoever may see contributions.",
)
class ContributionConnection:
    edges: list[ContributionEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of contributions (貢献). Seen with its page.")
class ContributionEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Contribution | None = part("The object; null when it was hidden meanwhile", "node")
