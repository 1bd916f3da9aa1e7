"""Integrations of applicant-tracking systems (ATS連携)."""

from __future__ import annotations

import enum

import strawberry

from planner.declare import PageInfo, column, computed, part, table
from schema.node import Node
from schema.scalars import DateTime, Url


@strawberry.enum(description="Applicant-tracking system (採用管理システム)")
class AtsSystem(enum.Enum):
    GREENHOUSE = strawberry.enum_value("GREENHOUSE", description="Greenhouse Recruiting")
    CSV = strawberry.enum_value("CSV", description="CSV files (CSV取込)")


@table("ats_integration", prefix="ats")
@strawberry.federation.type(
    keys=["id"],
    description="Integration of an applicant-tracking system (ATS連携). Seen by the company's administrators.",
)
class AtsIntegration(Node):
    system: AtsSystem = column("Which system", scopes=[["partner:admin"]])
    delivery_url: Url = computed(
        "Where the system posts its webhooks",
        "{viewer.issuer} || '/ats/' || lower({row}.system) || '/' || {row}.id",
        total=True,
        scopes=[["partner:admin"]],
    )
    last_delivery_at: DateTime | None = column("Last delivery received", scopes=[["partner:admin"]])
    pending: int = computed(
        "Deliveries stored and not yet applied",
        "(select count(*)::int from ats_delivery d where d.integration_id = {row}.id and d.state = 'PENDING')",
        total=True,
        scopes=[["partner:admin"]],
    )
    failed: int = computed(
        "Deliveries that need an operator",
        "(select count(*)::int from ats_delivery d where d.integration_id = {row}.id and d.state = 'FAILED')",
        total=True,
        scopes=[["partner:admin"]],
    )


@strawberry.federation.type(
    requires_scopes=[["partner:admin"]],
    description="Page of ATS integrations (ATS連携). Seen by whoever may see ATS integrations.",
)
class AtsIntegrationConnection:
    edges: list[AtsIntegrationEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of ATS integrations (ATS連携). Seen with its page.")
class AtsIntegrationEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: AtsIntegration | None = part("The object; null when it was hidden meanwhile", "node")
