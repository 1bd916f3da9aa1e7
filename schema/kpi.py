"""Figures (KPI) under small-cell rules."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, column, computed, embedded, listed, one, part, table, where
from schema.node import Node
from schema.scalars import DateTime, Month

if TYPE_CHECKING:
    from schema.node import MonthRange
    from schema.outcome import OutcomeKind
    from schema.partner import Partner


@strawberry.enum(description="Name of a figure (KPI名)")
class KpiName(enum.Enum):
    REFERRAL_SUCCESS_RATE = strawberry.enum_value(
        "REFERRAL_SUCCESS_RATE", description="Referral success rate (紹介成功率)"
    )
    RELAY_REUSE_RATE = strawberry.enum_value("RELAY_REUSE_RATE", description="Relay reuse rate (不採用者の再活用率)")
    HIRE_RATE = strawberry.enum_value("HIRE_RATE", description="Hire rate (採用率)")
    PARTNER_CONTRIBUTION = strawberry.enum_value(
        "PARTNER_CONTRIBUTION", description="Partner contribution (パートナー貢献度)"
    )
    CANDIDATE_SATISFACTION_HIRED_MEAN = strawberry.enum_value(
        "CANDIDATE_SATISFACTION_HIRED_MEAN",
        description="Candidate satisfaction (候補者満足度): mean of the answers, of the hired (採用者の平均点)",
    )
    CANDIDATE_SATISFACTION_HIRED_TOP_TWO = strawberry.enum_value(
        "CANDIDATE_SATISFACTION_HIRED_TOP_TWO",
        description="Candidate satisfaction: share of the answers that are 4 or 5, of the hired (採用者の満足回答率)",
    )
    CANDIDATE_SATISFACTION_HIRED_RESPONSE = strawberry.enum_value(
        "CANDIDATE_SATISFACTION_HIRED_RESPONSE",
        description="Candidate satisfaction: share of those asked who answered, of the hired (採用者の回答率)",
    )
    CANDIDATE_SATISFACTION_REJECTED_MEAN = strawberry.enum_value(
        "CANDIDATE_SATISFACTION_REJECTED_MEAN",
        description="Candidate satisfaction (候補者満足度): mean of the answers, of the rejected (不採用者の平均点)",
    )
    CANDIDATE_SATISFACTION_REJECTED_TOP_TWO = strawberry.enum_value(
        "CANDIDATE_SATISFACTION_REJECTED_TOP_TWO",
        description="Candidate satisfaction: share of the answers that are 4 or 5, of the rejected (不採用者の満足回答率)",
    )
    CANDIDATE_SATISFACTION_REJECTED_RESPONSE = strawberry.enum_value(
        "CANDIDATE_SATISFACTION_REJECTED_RESPONSE",
        description="Candidate satisfaction: share of those asked who answered, of the rejected (不採用者の回答率)",
    )


@strawberry.enum(description="Unit of a figure (単位)")
class KpiUnit(enum.Enum):
    RATIO = strawberry.enum_value("RATIO", description="Share of 1 (割合)")
    DAYS = strawberry.enum_value("DAYS", description="Days (日)")
    HOURS = strawberry.enum_value("HOURS", description="Hours (時間)")
    YEN = strawberry.enum_value("YEN", description="Yen (円)")
    POINTS = strawberry.enum_value("POINTS", description="Points from 1 to 5 (点)")
    PEOPLE = strawberry.enum_value("PEOPLE", description="People (人)")


@strawberry.enum(description="Why a figure is withheld (秘匿理由)")
class SuppressionReason(enum.Enum):
    FEW_PEOPLE = strawberry.enum_value(
        "FEW_PEOPLE",
        description="The fiscal year that it lies in, or is, holds fewer than 10 people; of CANDIDATE_SATISFACTION, no 10 are together in any of its months (10人未満)",
    )
    FEW_PARTNERS = strawberry.enum_value(
        "FEW_PARTNERS", description="Fewer than 3 contributing partners that may be shown alone (3社未満)"
    )
    DOMINANCE = strawberry.enum_value("DOMINANCE", description="One partner above 70 % (寡占)")
    COMPLEMENT = strawberry.enum_value(
        "COMPLEMENT",
        description="Would reveal a withheld neighbour: ask for whole quarters, halves or fiscal years from April (補完秘匿)",
    )


@strawberry.enum(description="Length of each figure's window (集計単位)")
class KpiGranularity(enum.Enum):
    MONTH = strawberry.enum_value("MONTH", description="One figure per month (月次)")
    PERIOD = strawberry.enum_value("PERIOD", description="One figure for the whole period (期間計)")


@strawberry.input(description="Which figures")
class KpiFilter:
    names: list[KpiName] = strawberry.field(description="Any of these names")
    period: MonthRange = strawberry.field(description="Months of start events")
    granularity: KpiGranularity = strawberry.field(
        description="Per month or for the whole", default=KpiGranularity.PERIOD
    )
    partner_id: strawberry.ID | None = where("Whose; one's own when left out", {}, of="partner")
    agreement_id: strawberry.ID | None = where(
        "Parties of this agreement together, without those whose figure one may not see alone", {}, of="agreement"
    )


@table("kpi", prefix="kpi", key="key", source="kpi_by_key({viewer.partner}, {key})")
@strawberry.federation.type(
    keys=["id"],
    description="Figure (KPI) that raw events reproduce, under small-cell rules. Seen by its subject; by others under an agreement that shares outcomes, or surveys for CANDIDATE_SATISFACTION.",
)
class Kpi(Node):
    name: KpiName = column("Which figure", total=True, scopes=[["outcomes:read"]])
    partner: Partner | None = one("Whose; null for the whole network", "partner_id", scopes=[["outcomes:read"]])
    window: KpiWindow = embedded("Cohort and follow-up (対象期間)", scopes=[["outcomes:read"]])
    value: float | None = column(
        "The figure; null when suppressed, or when the denominator is 0", scopes=[["outcomes:read"]]
    )
    unit: KpiUnit = column("Unit of value", total=True, scopes=[["outcomes:read"]])
    numerator: float | None = column("Above the line; null when it is withheld (分子)", scopes=[["outcomes:read"]])
    denominator: float | None = column(
        "Below the line; null when suppressed. Of PARTNER_CONTRIBUTION the whole network's (分母)",
        scopes=[["outcomes:read"]],
    )
    interval: Interval | None = embedded(
        "95 % interval (信頼区間), of shares of people only",
        present="{row}.low is not null",
        scopes=[["outcomes:read"]],
    )
    definition_version: int = column("Version of the definition, 1, 2, 3 …", total=True, scopes=[["outcomes:read"]])
    revision: int = column(
        "Restatement by late events, 1, 2, 3 …; 1 when the numerator is withheld (改訂)",
        total=True,
        scopes=[["outcomes:read"]],
    )
    as_of: DateTime = column(
        "Computed from events recorded up to; now when the numerator is withheld, or there are none",
        total=True,
        scopes=[["outcomes:read"]],
    )
    suppressed: bool = column(
        "Withheld to protect a small group; of PARTNER_CONTRIBUTION perhaps only the network's part (秘匿)",
        total=True,
        scopes=[["outcomes:read"]],
    )
    suppression_reason: SuppressionReason | None = column("Why it is withheld", scopes=[["outcomes:read"]])
    funnel: list[FunnelStep] | None = listed(
        "For RELAY_REUSE_RATE: sent, opened, registered, accepted, placed (ファネル)",
        json="{row}.funnel",
        scopes=[["outcomes:read"]],
        at_most=5,
    )


@strawberry.type(description="Cohort and follow-up (対象期間). Seen with its figure.")
class KpiWindow:
    from_: Month = computed(
        "First month of start events", "to_char({row}.from_month, 'YYYY-MM')", total=True, name="from"
    )
    to: Month = computed("Last month of start events", "to_char({row}.to_month, 'YYYY-MM')", total=True)
    follow_up_days: int = column("Days each start event is followed", total=True)
    mature: bool = column("Every start event has been followed to the end; else preliminary (速報)", total=True)


@strawberry.type(
    description="Interval (信頼区間): Wilson for shares, bootstrap for medians, posterior for scores. Seen with its figure."
)
class Interval:
    low: float = column("Low end", total=True)
    high: float = column("High end", total=True)


@strawberry.type(description="One step of the relay funnel (ファネル). Seen with its figure.")
class FunnelStep:
    kind: OutcomeKind = column("Which step", total=True)
    count: int | None = column("Candidates that reached it; null when suppressed")


@strawberry.federation.type(
    requires_scopes=[["outcomes:read"]], description="Page of figures (KPI). Seen by whoever may see figures."
)
class KpiConnection:
    edges: list[KpiEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of figures (KPI). Seen with its page.")
class KpiEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Kpi | None = part("The object; null when it was hidden meanwhile", "node")
