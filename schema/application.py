"""Jobs (求人) and applications (応募)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, column, computed, many, one, part, table, where, within
from schema.node import Node
from schema.outcome import OutcomeOrder
from schema.person import OWN_CANDIDATE_OF_COMPANY
from schema.referral import ReferralFilter, ReferralOrder
from schema.scalars import DateTime

if TYPE_CHECKING:
    from schema.candidate import Candidate
    from schema.node import DateTimeRange
    from schema.outcome import Hire, OutcomeEventConnection
    from schema.partner import Company
    from schema.prefecture import Prefecture
    from schema.referral import Referral, ReferralConnection
    from schema.relay import RelayInvitation


@strawberry.enum(description="State of a job (求人の状態)")
class JobStatus(enum.Enum):
    DRAFT = strawberry.enum_value("DRAFT", description="Draft (下書き)")
    OPEN = strawberry.enum_value("OPEN", description="Open (募集中)")
    CLOSED = strawberry.enum_value("CLOSED", description="Closed (終了)")


@strawberry.enum(description="State of an application (応募の状態)")
class ApplicationStatus(enum.Enum):
    ACTIVE = strawberry.enum_value("ACTIVE", description="In selection (選考中)")
    HIRED = strawberry.enum_value("HIRED", description="Hired (採用)")
    REJECTED = strawberry.enum_value("REJECTED", description="Rejected (不採用)")
    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="Withdrawn by the candidate (辞退)")


@strawberry.enum(description="Stage of selection (選考段階)")
class Stage(enum.Enum):
    APPLIED = strawberry.enum_value("APPLIED", description="Applied (応募)")
    SCREENING = strawberry.enum_value("SCREENING", description="Screening (書類選考)")
    TEST = strawberry.enum_value("TEST", description="Test (適性検査)")
    INTERVIEW = strawberry.enum_value("INTERVIEW", description="Interview (面接)")
    FINAL_INTERVIEW = strawberry.enum_value("FINAL_INTERVIEW", description="Final interview (最終面接)")
    OFFER = strawberry.enum_value("OFFER", description="Offer (内定)")
    OFFER_ACCEPTED = strawberry.enum_value("OFFER_ACCEPTED", description="Offer accepted (内定承諾)")


@strawberry.enum(description="Route by which people come (応募経路)")
class Route(enum.Enum):
    DIRECT = strawberry.enum_value("DIRECT", description="Direct (直接応募)")
    EMPLOYEE_REFERRAL = strawberry.enum_value("EMPLOYEE_REFERRAL", description="Employee referral (社員紹介)")
    PERSONAL_REFERRAL = strawberry.enum_value(
        "PERSONAL_REFERRAL", description="Alumni or client referral (OB・取引先紹介)"
    )
    PARTNER_REFERRAL = strawberry.enum_value("PARTNER_REFERRAL", description="Company to company (企業間紹介)")
    AGENCY = strawberry.enum_value("AGENCY", description="Agency (人材紹介)")
    RELAY = strawberry.enum_value("RELAY", description="Relay (キャリアリレー)")
    SCHOOL = strawberry.enum_value("SCHOOL", description="School (学校)")
    COMMUNITY = strawberry.enum_value("COMMUNITY", description="Community (団体)")
    MEDIA = strawberry.enum_value("MEDIA", description="Media (求人媒体)")


@strawberry.enum(description="Order of jobs")
class JobOrder(enum.Enum):
    OPENED_AT_DESC = strawberry.enum_value("-opened_at", description="Newest first")
    OPENED_AT_ASC = strawberry.enum_value("opened_at", description="Oldest first")


@strawberry.enum(description="Order of applications")
class ApplicationOrder(enum.Enum):
    RECEIVED_AT_DESC = strawberry.enum_value("-received_at", description="Newest first")
    RECEIVED_AT_ASC = strawberry.enum_value("received_at", description="Oldest first")
    DECIDED_AT_DESC = strawberry.enum_value(
        "-coalesce({row}.decided_at, '-infinity')::timestamptz", description="Latest decision first"
    )


@strawberry.input(description="Narrows jobs")
class JobFilter:
    statuses: list[JobStatus] | None = where("Any of these states", "{row}.status = any({value})")
    prefectures: list[Prefecture] | None = where("Any of these prefectures", "{row}.prefecture = any({value})")
    company_id: strawberry.ID | None = where("Of this company", "{row}.company_id = {value}", of="partner")
    external_ids: list[str] | None = where("Any of these ATS ids", "{row}.external_id = any({value})")


@strawberry.input(description="Narrows applications")
class ApplicationFilter:
    statuses: list[ApplicationStatus] | None = where("Any of these states", "{row}.status = any({value})")
    stages: list[Stage] | None = where("Any of these stages", "{row}.stage = any({value})")
    routes: list[Route] | None = where("Any of these routes", "{row}.route = any({value})")
    job_id: strawberry.ID | None = where("For this job", "{row}.job_id = {value}", of="job")
    received: DateTimeRange | None = where("Received within", within("{row}.received_at"))
    decided: DateTimeRange | None = where("Decided within", within("{row}.decided_at"))
    external_ids: list[str] | None = where("Any of these ATS ids", "{row}.external_id = any({value})")


@table("job", prefix="job")
@strawberry.federation.type(
    keys=["id"],
    description="Job (求人) of one company. Seen by every partner when open to the network, else by agreement.",
)
class Job(Node):
    company: Company = one("The company", "company_id", scopes=[["network:read"]])
    title: str = column("Title", scopes=[["network:read"]])
    requirements: str = column("Requirements (採用要件)", scopes=[["network:read"]])
    challenge: str | None = column("The hiring challenge behind it (採用課題)", scopes=[["network:read"]])
    openings: int = column("Openings (募集人数)", scopes=[["network:read"]])
    prefecture: Prefecture = column("Where (勤務地)", scopes=[["network:read"]])
    status: JobStatus = column("State", scopes=[["network:read"]])
    external_id: str | None = column("The job's id in the company's ATS", scopes=[["network:read"]])
    opened_at: DateTime = column("Opened", scopes=[["network:read"]])
    closed_at: DateTime | None = column("Closed", scopes=[["network:read"]])
    applications: ApplicationConnection = many(
        "Applications (応募) to it",
        "job_id",
        order=ApplicationOrder.RECEIVED_AT_DESC,
        filter=ApplicationFilter,
        scopes=[["network:read"]],
    )
    referrals: ReferralConnection = many(
        "Referrals (紹介) to it",
        "job_id",
        order=ReferralOrder.SUBMITTED_AT_DESC,
        filter=ReferralFilter,
        scopes=[["network:read"]],
    )


@table("application", prefix="app")
@strawberry.federation.type(
    keys=["id"],
    description="Application (応募): one candidate at one job. Seen by the company; by others when it shares progress.",
)
class Application(Node):
    candidate: Candidate | None = one(
        "Who applied",
        where=OWN_CANDIDATE_OF_COMPANY,
        scopes=[["applications:read"]],
    )
    company: Company = one("At which company", "company_id", scopes=[["applications:read"]])
    job: Job | None = one("For which job", "job_id", scopes=[["applications:read"]])
    route: Route = column("By which route (応募経路)", scopes=[["applications:read"]])
    referral: Referral | None = one("The referral behind it", "referral_id", scopes=[["applications:read"]])
    stage: Stage = column("Furthest stage reached (選考段階)", scopes=[["applications:read"]])
    status: ApplicationStatus = column("State (状態)", scopes=[["applications:read"]])
    external_id: str | None = column("The application's id in the company's ATS", scopes=[["applications:read"]])
    received_at: DateTime = column("Received", scopes=[["applications:read"]])
    decided_at: DateTime | None = column("Decided", scopes=[["applications:read"]])
    rejection_reason: str | None = computed(
        "Why it was rejected (不採用理由); the company only",
        "case when {row}.company_id = {viewer.partner} then {row}.rejection_reason end",
        scopes=[["applications:read"]],
    )
    invitation: RelayInvitation | None = one(
        "The relay invitation (リレー案内) that followed", back="application_id", scopes=[["applications:read"]]
    )
    hire: Hire | None = one("The hire it led to", "hire_id", scopes=[["applications:read"]])
    events: OutcomeEventConnection = many(
        "Its events, oldest first (選考履歴)",
        "application_id",
        order=OutcomeOrder.RECORDED_ASC,
        scopes=[["applications:read"]],
    )


@strawberry.federation.type(
    requires_scopes=[["network:read"]], description="Page of jobs (求人). Seen by whoever may see jobs."
)
class JobConnection:
    edges: list[JobEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of jobs (求人). Seen with its page.")
class JobEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Job | None = part("The object; null when it was hidden meanwhile", "node")


@strawberry.federation.type(
    requires_scopes=[["applications:read"]],
    description="Page of applications (応募). Seen by whoever may see applications.",
)
class ApplicationConnection:
    edges: list[ApplicationEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of applications (応募). Seen with its page.")
class ApplicationEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Application | None = part("The object; null when it was hidden meanwhile", "node")
