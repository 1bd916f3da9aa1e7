"""Agreements (パートナー契約) and their versions."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, column, embedded, listed, many, one, part, table, where
from schema.node import Node
from schema.partner import PartnerOrder
from schema.scalars import Date, DateTime, Decimal

if TYPE_CHECKING:
    from schema.partner import Partner, PartnerConnection


@strawberry.enum(description="Kind of agreement (契約類型)")
class AgreementKind(enum.Enum):
    INFORMATION_SHARING = strawberry.enum_value("INFORMATION_SHARING", description="Information sharing (情報共有型)")
    SUCCESS_FEE = strawberry.enum_value("SUCCESS_FEE", description="Success fee (成果連携型)")
    MUTUAL_REFERRAL = strawberry.enum_value("MUTUAL_REFERRAL", description="Mutual referral (相互紹介型)")
    CAREER_RELAY = strawberry.enum_value("CAREER_RELAY", description="Career relay (キャリアリレー)")
    ALLIANCE = strawberry.enum_value("ALLIANCE", description="Recruiting alliance (採用連合)")
    JOINT_PROJECT = strawberry.enum_value("JOINT_PROJECT", description="Joint project (共同採用)")


@strawberry.enum(description="State of an agreement (契約状態)")
class AgreementStatus(enum.Enum):
    OFFERED = strawberry.enum_value("OFFERED", description="Offered (申し込み中)")
    COUNTERED = strawberry.enum_value("COUNTERED", description="Countered (対案あり)")
    ACTIVE = strawberry.enum_value("ACTIVE", description="Active (有効)")
    SUSPENDED = strawberry.enum_value("SUSPENDED", description="Suspended (停止中)")
    TERMINATED = strawberry.enum_value("TERMINATED", description="Terminated (終了)")


@strawberry.enum(description="Category of data (データ区分)")
class DataCategory(enum.Enum):
    JOBS = strawberry.enum_value("JOBS", description="Jobs and hiring challenges (求人・採用課題)")
    REFERRALS = strawberry.enum_value("REFERRALS", description="Referrals (紹介)")
    APPLICATIONS = strawberry.enum_value("APPLICATIONS", description="Selection progress (選考進捗)")
    HANDOVERS = strawberry.enum_value("HANDOVERS", description="Handovers (リレー)")
    OUTCOMES = strawberry.enum_value("OUTCOMES", description="Outcomes (成果)")
    PERSONAL = strawberry.enum_value("PERSONAL", description="Personal data, by consent only (個人情報)")
    SURVEYS = strawberry.enum_value("SURVEYS", description="Survey figures (満足度)")
    COHORTS = strawberry.enum_value("COHORTS", description="Graduate cohorts (卒業生データ)")


@strawberry.enum(description="Granularity (粒度)")
class Granularity(enum.Enum):
    FIELDS = strawberry.enum_value("FIELDS", description="Fields of each record (項目)")
    COUNTS_ONLY = strawberry.enum_value("COUNTS_ONLY", description="Counts only (件数のみ)")


@strawberry.enum(description="Order of agreements")
class AgreementOrder(enum.Enum):
    OFFERED_AT_DESC = strawberry.enum_value("-offered_at", description="Newest offer first")
    ENDS_AT_ASC = strawberry.enum_value(
        "coalesce({row}.ends_at, 'infinity')::timestamptz", description="Ending soonest first"
    )


@strawberry.input(description="Narrows agreements")
class AgreementFilter:
    kinds: list[AgreementKind] | None = where("Any of these kinds", "{row}.kind = any({value})")
    statuses: list[AgreementStatus] | None = where("Any of these states", "{row}.status = any({value})")
    partner_id: strawberry.ID | None = where(
        "With this partner",
        "exists (select from agreement_party p where p.agreement_id = {row}.id and p.partner_id = {value})",
        of="partner",
    )


@table("agreement", prefix="agr")
@strawberry.federation.type(
    keys=["id"],
    description="Agreement (パートナー契約): what two or more partners promise each other. Seen by its parties.",
)
class Agreement(Node):
    kind: AgreementKind = column("Kind (契約類型)", scopes=[["agreements:read"]])
    status: AgreementStatus = column("State (状態)", scopes=[["agreements:read"]])
    purpose: str = column("Purpose of use (利用目的); data is never used beyond it", scopes=[["agreements:read"]])
    parties: PartnerConnection = many(
        "Parties (当事者)",
        "agreement_id",
        through="agreement_party",
        to="partner_id",
        order=PartnerOrder.NAME_ASC,
        scopes=[["agreements:read"]],
    )
    version: AgreementVersion = one(
        "The version in force, else the latest one offered. One accepted in advance takes its place on its first day",
        "version_id",
        total=True,
        scopes=[["agreements:read"]],
    )
    versions: AgreementVersionConnection = many("Every version, newest first", "agreement_id", order=("-number",))
    offered_at: DateTime = column("First offered", scopes=[["agreements:read"]])
    accepted_at: DateTime | None = column("In force since", scopes=[["agreements:read"]])
    ends_at: DateTime | None = column("Ended, or ends by its own terms", scopes=[["agreements:read"]])


@table("agreement_version", prefix="agv")
@strawberry.federation.type(
    keys=["id"], description="One version of an agreement (版), never changed once offered. Seen by the parties."
)
class AgreementVersion(Node):
    number: int = column("1, 2, 3 …", scopes=[["agreements:read"]])
    proposed_by: Partner = one("Who offered it", "proposed_by", scopes=[["agreements:read"]])
    proposed_at: DateTime = column("When", scopes=[["agreements:read"]])
    hash: str = column(
        "SHA-256 of the canonical terms, in hexadecimal; accepting names it", scopes=[["agreements:read"]]
    )
    terms: AgreementTerms = embedded("What it promises (条件)", scopes=[["agreements:read"]])
    accepted_by: PartnerConnection = many(
        "Parties that have accepted it",
        "version_id",
        through="agreement_acceptance",
        to="partner_id",
        order=PartnerOrder.NAME_ASC,
        scopes=[["agreements:read"]],
    )


@strawberry.type(description="Terms (条件). Seen by the parties.")
class AgreementTerms:
    sharing: list[DataSharing] = listed(
        "What flows, at which granularity (共有データ)", json="{row}.sharing", at_most=10
    )
    relay: RelayTerms | None = embedded("Relay rule (リレー条件)", present="{row}.handovers_per_slot is not null")
    weights: OutcomeWeights = embedded("Weights of partnerContribution (貢献度の重み)")
    starts_on: Date = column("First day in force")
    ends_on: Date | None = column("Last day; open when null")


@strawberry.type(description="One data category that flows (共有データ). Seen by the parties.")
class DataSharing:
    category: DataCategory = column("Category (データ区分)", total=True)
    granularity: Granularity = column("Fields or counts only (粒度)", total=True)


@strawberry.type(description="Relay rule (リレー条件). Seen by the parties.")
class RelayTerms:
    handovers_per_slot: int = column("Counted handovers that earn one slot (10→1)", total=True)
    silence_days: int = column("Days of silence that mean acceptance", total=True)
    slot_months: int = column("Months until a slot expires (枠の有効期間)", total=True)


@strawberry.type(description="Outcome values of partnerContribution (貢献度の重み). Seen by the parties.")
class OutcomeWeights:
    handover: Decimal = column("A counted handover; 1 by default", "weight_handover")
    hire: Decimal = column("A hire; 10 by default", "weight_hire")
    retained: Decimal = column("Still employed at day 180; 5 by default", "weight_retained")


@strawberry.federation.type(
    requires_scopes=[["agreements:read"]],
    description="Page of agreements (パートナー契約). Seen by whoever may see agreements.",
)
class AgreementConnection:
    edges: list[AgreementEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of agreements (パートナー契約). Seen with its page.")
class AgreementEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Agreement | None = part("The object; null when it was hidden meanwhile", "node")


@strawberry.federation.type(
    requires_scopes=[["agreements:read"]], description="Page of versions (版). Seen by whoever may see versions."
)
class AgreementVersionConnection:
    edges: list[AgreementVersionEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of versions (版). Seen with its page.")
class AgreementVersionEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: AgreementVersion | None = part("The object; null when it was hidden meanwhile", "node")
