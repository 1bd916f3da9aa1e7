"""Referrals (紹介)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, column, many, one, part, table, where, within
from schema.node import Node
from schema.outcome import OutcomeOrder
from schema.person import OWN_CANDIDATE_OF_REFERRAL
from schema.scalars import DateTime

if TYPE_CHECKING:
    from schema.application import Application, Job
    from schema.candidate import Candidate
    from schema.node import DateTimeRange
    from schema.outcome import OutcomeEventConnection
    from schema.partner import Company, Partner
    from schema.relay import Handover


@strawberry.enum(description="State of a referral (紹介の状態)")
class ReferralStatus(enum.Enum):
    SUBMITTED = strawberry.enum_value("SUBMITTED", description="Waits for the candidate (本人確認待ち)")
    CONFIRMED = strawberry.enum_value("CONFIRMED", description="Confirmed (確認済み)")
    DECLINED = strawberry.enum_value("DECLINED", description="Declined by the candidate (本人辞退)")
    IN_SELECTION = strawberry.enum_value("IN_SELECTION", description="In selection (選考中)")
    HIRED = strawberry.enum_value("HIRED", description="Hired (採用)")
    CLOSED = strawberry.enum_value("CLOSED", description="Closed without a hire (終了)")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Not confirmed in time (期限切れ)")


@strawberry.enum(description="How the referrer knows the candidate (関係)")
class Relationship(enum.Enum):
    COLLEAGUE = strawberry.enum_value("COLLEAGUE", description="Colleague (同僚)")
    FORMER_COLLEAGUE = strawberry.enum_value("FORMER_COLLEAGUE", description="Former colleague (元同僚)")
    FRIEND = strawberry.enum_value("FRIEND", description="Friend (友人)")
    TEACHER = strawberry.enum_value("TEACHER", description="Teacher or supervisor (教員・指導者)")
    CLIENT = strawberry.enum_value("CLIENT", description="Client (取引先)")
    OTHER = strawberry.enum_value("OTHER", description="Other (その他)")


@strawberry.enum(description="Order of referrals")
class ReferralOrder(enum.Enum):
    SUBMITTED_AT_DESC = strawberry.enum_value("-submitted_at", description="Newest first")
    SUBMITTED_AT_ASC = strawberry.enum_value("submitted_at", description="Oldest first")


@strawberry.input(description="Narrows referrals")
class ReferralFilter:
    statuses: list[ReferralStatus] | None = where("Any of these states", "{row}.status = any({value})")
    referrer_id: strawberry.ID | None = where("By this referrer", "{row}.referrer_id = {value}", of="partner")
    company_id: strawberry.ID | None = where("To this company", "{row}.company_id = {value}", of="partner")
    job_id: strawberry.ID | None = where("For this job", "{row}.job_id = {value}", of="job")
    submitted: DateTimeRange | None = where("Submitted within", within("{row}.submitted_at"))


@table("referral", prefix="ref")
@strawberry.federation.type(
    keys=["id"],
    description="Referral (紹介): one partner recommends one candidate. Seen by referrer, company and parties who share referrals.",
)
class Referral(Node):
    status: ReferralStatus = column(
        "State (状態), all that a referrer without applications:read learns", scopes=[["referrals:read"]]
    )
    candidate: Candidate | None = one(
        "Who is recommended",
        where=OWN_CANDIDATE_OF_REFERRAL,
        scopes=[["referrals:read"]],
    )
    referrer: Partner = one("Who recommends", "referrer_id", scopes=[["referrals:read"]])
    company: Company = one("To which company", "company_id", scopes=[["referrals:read"]])
    job: Job | None = one("For which job, if for one", "job_id", scopes=[["referrals:read"]])
    relationship: Relationship | None = column("How the referrer knows them (関係)", scopes=[["referrals:read"]])
    submitted_at: DateTime = column("Submitted", scopes=[["referrals:read"]])
    confirmed_at: DateTime | None = column("Confirmed by the candidate", scopes=[["referrals:read"]])
    application: Application | None = one("What became of it", back="referral_id", scopes=[["referrals:read"]])
    origin: Handover | None = one(
        "The handover it grew from: the loop closes (再紹介)", "origin_id", scopes=[["referrals:read"]]
    )
    events: OutcomeEventConnection = many(
        "Its events, oldest first", "referral_id", order=OutcomeOrder.RECORDED_ASC, scopes=[["referrals:read"]]
    )


@strawberry.federation.type(
    requires_scopes=[["referrals:read"]], description="Page of referrals (紹介). Seen by whoever may see referrals."
)
class ReferralConnection:
    edges: list[ReferralEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of referrals (紹介). Seen with its page.")
class ReferralEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Referral | None = part("The object; null when it was hidden meanwhile", "node")
