"""Outcomes (成果): hires, retention, events and surveys."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, column, computed, listed, many, one, part, table, where, within
from schema import ways
from schema.contribution import ContributionOrder
from schema.node import Node
from schema.person import OWN_CANDIDATE_OF_COMPANY
from schema.scalars import Date, DateTime

if TYPE_CHECKING:
    from schema.application import Application, Route, Stage
    from schema.candidate import Candidate
    from schema.contribution import ContributionConnection
    from schema.ledger import Slot
    from schema.node import DateTimeRange
    from schema.partner import Company, Partner
    from schema.referral import Referral
    from schema.relay import Handover


# Events that a company gives the viewer under one agreement: the same question as the policy's, of that agreement.
SHARED_UNDER = """exists (select from agreement_share s where s.agreement_id = {value} and s.category = {row}.category
    and s.granularity = 'FIELDS' and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
    and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)
    and (s.giver_id = {row}.company_id and s.receiver_id = {viewer.partner}
         or s.giver_id = {viewer.partner} and {row}.company_id = {viewer.partner}))"""

# Marks say how far the record had come at a moment, so that an index, which has events in the order of the record, finds
# those of a time (0033_marks.sql). A clock may go back, as that of the standby which takes over: by less than an hour.
# And a fact never lies in the future when it is recorded, but by less than a day, where two machines' clocks differ.
BEHIND = """ and ({{row}}.xid, {{row}}.position) >= (select m.low_xid, m.low_position from outcome_mark m
    where m.at <= {{value}} - interval '{slack}' order by m.at desc limit 1)"""
BEFORE = """ and ({row}.xid, {row}.position) < (select m.high_xid, m.high_position from outcome_mark m
    where m.at >= {value} + interval '1 hour' order by m.at limit 1)"""
OCCURRED, RECORDED = within("{row}.occurred_at"), within("{row}.recorded_at")

# These are asked of rows, and no index is to begin with them: where it may, the ways say so.
KINDS, COMPANY = "{row}.kind || '' = any({value})", "{row}.company_id::text = {value}::text"

RETENTION = """(select coalesce(jsonb_agg(to_jsonb(c) order by c.day), '[]')
    from retention_check c where c.hire_id = {row}.id)"""


@strawberry.enum(description="Answer of a retention check (定着状況)")
class RetentionStatus(enum.Enum):
    EMPLOYED = strawberry.enum_value("EMPLOYED", description="Still employed (在籍)")
    LEFT = strawberry.enum_value("LEFT", description="Left (離職)")
    LEFT_BY_COMPANY = strawberry.enum_value("LEFT_BY_COMPANY", description="Left, caused by the company (会社都合)")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="Unknown (不明)")


@strawberry.enum(description="Kind of outcome event (イベント種別)")
class OutcomeKind(enum.Enum):
    REFERRAL_SUBMITTED = strawberry.enum_value("REFERRAL_SUBMITTED", description="Referral submitted (紹介提出)")
    REFERRAL_CONFIRMED = strawberry.enum_value("REFERRAL_CONFIRMED", description="Referral confirmed (本人確認)")
    REFERRAL_DECLINED = strawberry.enum_value("REFERRAL_DECLINED", description="Referral declined (本人辞退)")
    APPLICATION_RECEIVED = strawberry.enum_value("APPLICATION_RECEIVED", description="Application received (応募受付)")
    STAGE_CHANGED = strawberry.enum_value("STAGE_CHANGED", description="Stage changed (段階変更)")
    HIRED = strawberry.enum_value("HIRED", description="Hired (採用)")
    REJECTED = strawberry.enum_value("REJECTED", description="Rejected (不採用)")
    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="Withdrawn (辞退)")
    REJECTION_REVERTED = strawberry.enum_value("REJECTION_REVERTED", description="Rejection reverted (不採用取消)")
    HIRE_REVERTED = strawberry.enum_value("HIRE_REVERTED", description="Hire reverted (採用取消)")
    RELAY_INVITED = strawberry.enum_value("RELAY_INVITED", description="Relay mail sent (リレー案内)")
    RELAY_OPENED = strawberry.enum_value("RELAY_OPENED", description="Relay page opened (開封)")
    RELAY_REGISTERED = strawberry.enum_value("RELAY_REGISTERED", description="Registered and consented (登録)")
    RELAY_ACCEPTED = strawberry.enum_value("RELAY_ACCEPTED", description="Handover accepted (受諾)")
    RELAY_DECLINED = strawberry.enum_value("RELAY_DECLINED", description="Handover declined (辞退)")
    PLACED = strawberry.enum_value("PLACED", description="Placed by the agency (紹介成立)")
    SLOT_EARNED = strawberry.enum_value("SLOT_EARNED", description="Slot earned (枠の獲得)")
    SLOT_MOVED = strawberry.enum_value(
        "SLOT_MOVED", description="Slot reserved, redeemed, released or expired (枠の移動)"
    )
    RETENTION_CHECKED = strawberry.enum_value("RETENTION_CHECKED", description="Retention checked (定着確認)")


@strawberry.enum(description="Where an event came from (情報源)")
class EventSource(enum.Enum):
    API = strawberry.enum_value("API", description="A partner's call of this API")
    ATS = strawberry.enum_value("ATS", description="An ATS webhook (ATS)")
    IMPORT = strawberry.enum_value("IMPORT", description="An imported file (取込)")
    CANDIDATE = strawberry.enum_value("CANDIDATE", description="The candidate (候補者)")
    SYSTEM = strawberry.enum_value("SYSTEM", description="The platform itself, such as silence after 7 days")


@strawberry.enum(description="Order of outcome events")
class OutcomeOrder(enum.Enum):
    RECORDED_ASC = strawberry.enum_value(
        ("xid", "position"), description="As recorded: safe to poll, nothing slips in behind"
    )
    RECORDED_DESC = strawberry.enum_value(("-xid", "-position"), description="Latest record first")


@strawberry.input(description="Narrows outcome events")
class OutcomeFilter:
    # Of those that are given, the first with ways says how events are found: those that leave fewest stand first.
    agreement_id: strawberry.ID | None = where(
        "Shared under this agreement", SHARED_UNDER, of="agreement", ways=ways.EVENTS_UNDER_AGREEMENT
    )
    kinds: list[OutcomeKind] | None = where("Any of these kinds", KINDS, ways=ways.EVENTS_BY_KIND)
    company_id: strawberry.ID | None = where("Of this company", COMPANY, of="partner", ways=ways.EVENTS_OF_COMPANY)
    occurred: DateTimeRange | None = where(
        "Happened within", OCCURRED | {"from": OCCURRED["from"] + BEHIND.format(slack="1 day")}
    )
    recorded: DateTimeRange | None = where(
        "Recorded within", {"from": RECORDED["from"] + BEHIND.format(slack="1 hour"), "to": RECORDED["to"] + BEFORE}
    )
    source_event_ids: list[str] | None = where(
        "Any of these ids of the source system; the company's own events alone",
        "{row}.source_event_id = any({value}) and {row}.company_id = {viewer.partner}",
    )


@table("hire", prefix="hire")
@strawberry.federation.type(
    keys=["id"],
    description="Hire (採用). Seen by the company; by contributors when outcomes are shared; the person by consent only.",
)
class Hire(Node):
    company: Company = one("The company", "company_id", scopes=[["outcomes:read"]])
    candidate: Candidate | None = one(
        "Who",
        where=OWN_CANDIDATE_OF_COMPANY,
        scopes=[["outcomes:read"]],
    )
    application: Application | None = one("The application behind it", "application_id", scopes=[["outcomes:read"]])
    route: Route = column("By which route (応募経路)", scopes=[["outcomes:read"]])
    decided_at: DateTime = column("Decided", scopes=[["outcomes:read"]])
    starts_on: Date = column("First working day (入社日)", scopes=[["outcomes:read"]])
    slot: Slot | None = one("The slot that paid for it", back="hire_id", scopes=[["outcomes:read"]])
    retention: list[RetentionCheck] = listed(
        "Checks at 30, 90, 180 and 365 days (定着確認)", json=RETENTION, scopes=[["outcomes:read"]], at_most=4
    )
    contributions: ContributionConnection = many(
        "Who helped, in which role (貢献)",
        "hire_id",
        order=ContributionOrder.OCCURRED_AT_ASC,
        scopes=[["outcomes:read"]],
    )
    reverted_at: DateTime | None = column("Reverted (取消)", scopes=[["outcomes:read"]])


@strawberry.type(description="Retention check (定着確認). Seen by whoever sees the hire.")
class RetentionCheck:
    day: int = column("30, 90, 180 or 365", total=True)
    status: RetentionStatus = column("Answer; UNKNOWN is never counted as left", total=True)
    checked_at: DateTime = column("Asked or recorded", total=True)


@table("outcome_event", prefix="evt")
@strawberry.federation.type(
    keys=["id"],
    description="Outcome event (成果イベント), append-only; a later event corrects an earlier one. Seen by its parties and by agreement in FIELDS.",
)
class OutcomeEvent(Node):
    kind: OutcomeKind = column("What happened", scopes=[["outcomes:read"]])
    occurred_at: DateTime = column("When it happened (発生日時)", scopes=[["outcomes:read"]])
    recorded_at: DateTime = column("When it was recorded (記録日時)", scopes=[["outcomes:read"]])
    reported_by: Partner = one("Who said it", "reported_by", scopes=[["outcomes:read"]])
    source: EventSource = column("By which means", scopes=[["outcomes:read"]])
    source_event_id: str | None = computed(
        "Id in the source system, where there is one; told to the company concerned only",
        "case when {row}.company_id = {viewer.partner} then {row}.source_event_id end",
        scopes=[["outcomes:read"]],
    )
    stage: Stage | None = column("Stage reached, for STAGE_CHANGED", scopes=[["outcomes:read"]])
    company: Company = one("The company concerned", "company_id", scopes=[["outcomes:read"]])
    referral: Referral | None = one("The referral concerned", "referral_id", scopes=[["outcomes:read"]])
    application: Application | None = one("The application concerned", "application_id", scopes=[["outcomes:read"]])
    handover: Handover | None = one("The handover concerned", "handover_id", scopes=[["outcomes:read"]])
    hire: Hire | None = one("The hire concerned", "hire_id", scopes=[["outcomes:read"]])
    corrects: OutcomeEvent | None = one(
        "The earlier event that this one corrects (訂正)", "corrects_id", scopes=[["outcomes:read"]]
    )


@strawberry.federation.type(
    requires_scopes=[["outcomes:read"]],
    description="Page of outcome events (成果イベント). Seen by whoever may see outcome events.",
)
class OutcomeEventConnection:
    edges: list[OutcomeEventEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of outcome events (成果イベント). Seen with its page.")
class OutcomeEventEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: OutcomeEvent | None = part("The object; null when it was hidden meanwhile", "node")


@table("survey", prefix="sur")
@strawberry.federation.type(
    keys=["id"],
    description="Survey (アンケート), one per candidate and stage. Seen by the candidate; companies see the figure only.",
)
class Survey(Node):
    stage: Stage = column("At which stage", scopes=[["outcomes:read"]])
    score: int | None = column("Satisfaction from 1 to 5 (満足度); null until answered", scopes=[["outcomes:read"]])
    sent_at: DateTime = column("Its letter went out", scopes=[["outcomes:read"]])
    answered_at: DateTime | None = column("Answered", scopes=[["outcomes:read"]])
