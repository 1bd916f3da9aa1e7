"""The toy schema: interface in one table, several tables, many to many, sources, finishers, payloads and events."""

from __future__ import annotations

import datetime
import decimal
import enum
from collections.abc import Mapping, Sequence
from typing import Any, NewType

import strawberry
from strawberry.schema.config import StrawberryConfig

from planner.declare import (
    PageInfo,
    arg,
    column,
    computed,
    embedded,
    finished,
    key,
    listed,
    many,
    node,
    nodes,
    one,
    part,
    returned,
    subscribed,
    table,
    verb,
    where,
    within,
)

BigInt = NewType("BigInt", int)
Month = NewType("Month", str)


def instant(text: str) -> datetime.datetime:
    value = datetime.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return value


SCALARS: dict[object, Any] = {
    BigInt: strawberry.scalar(name="BigInt", description="Whole number as text", serialize=str, parse_value=int),
    Month: strawberry.scalar(name="Month", description="YYYY-MM", serialize=str, parse_value=str),
    datetime.datetime: strawberry.scalar(
        name="DateTime", description="Instant", serialize=lambda value: value, parse_value=instant
    ),
}


@strawberry.enum(description="Status")
class Status(enum.Enum):
    OPEN = strawberry.enum_value("OPEN", description="Open")
    CLOSED = strawberry.enum_value("CLOSED", description="Closed")
    DRAFT = strawberry.enum_value("DRAFT", description="Draft")


@strawberry.enum(description="Language")
class Language(enum.Enum):
    JA = strawberry.enum_value("JA", description="Japanese")
    EN = strawberry.enum_value("EN", description="English")


@strawberry.enum(description="Order of partners")
class PartnerOrder(enum.Enum):
    NAME = strawberry.enum_value("name", description="By name")
    NEWEST = strawberry.enum_value("-joined_at", description="Newest first")


@strawberry.enum(description="Order of jobs")
class JobOrder(enum.Enum):
    NEWEST = strawberry.enum_value("-opened_at", description="Newest first")
    OLDEST = strawberry.enum_value("opened_at", description="Oldest first")
    MIXED = strawberry.enum_value(("-openings", "title"), description="Both ways")
    CLOSING = strawberry.enum_value("coalesce({row}.closes_on, 'infinity')::date", description="An expression")


@strawberry.enum(description="Order of referrals")
class ReferralOrder(enum.Enum):
    NEWEST = strawberry.enum_value("-submitted_at", description="Newest first")
    STATUS = strawberry.enum_value(("status", "submitted_at"), description="By status")


@strawberry.enum(description="Order of outcomes")
class OutcomeOrder(enum.Enum):
    RECORDED = strawberry.enum_value(("batch", "position"), description="As recorded")


@strawberry.input(description="From, to")
class InstantRange:
    from_: datetime.datetime | None = strawberry.field(name="from", description="From", default=strawberry.UNSET)
    to: datetime.datetime | None = strawberry.field(description="To", default=strawberry.UNSET)


@strawberry.input(description="Months")
class MonthRange:
    from_: Month = strawberry.field(name="from", description="From")
    to: Month = strawberry.field(description="To")


@strawberry.input(description="Which partners")
class PartnerFilter:
    kinds: list[str] | None = where("Any of these", "{row}.kind = any({value})")
    name_starts_with: str | None = where("Name begins with", "starts_with({row}.name, {value})")
    verified: bool | None = where("Verified", "({row}.verified_at is not null) = {value}")
    mine: bool | None = where("One's own people", "({row}.employer_id is not distinct from {viewer.partner}) = {value}")


@strawberry.input(description="Which jobs")
class JobFilter:
    statuses: list[Status] | None = where("Any of these", "{row}.status = any({value})")
    status: Status | None = where("This one", "{row}.status = {value}")
    company_id: strawberry.ID | None = where("Of this company", "{row}.company_id = {value}", of="partner")
    ids: list[strawberry.ID] | None = where("Any of these", "{row}.id = any({value})", of="job")
    opened: InstantRange | None = where("Opened within", within("{row}.opened_at"))
    title_contains: str | None = where("Title contains", "strpos({row}.title, {value}) > 0")
    least_openings: int | None = where("At least", "{row}.openings >= {value}")
    least_salary: decimal.Decimal | None = where("At least", "{row}.salary >= {value}")
    closes_on: datetime.date | None = where("Closes on", "{row}.closes_on = {value}")


@strawberry.input(description="Which referrals")
class ReferralFilter:
    statuses: list[Status] | None = where("Any of these", "{row}.status = any({value})")
    submitted: InstantRange | None = where("Submitted within", within("{row}.submitted_at"))
    note_contains: str | None = where("Note contains", "strpos({row}.note, {value}) > 0")


@strawberry.input(description="Which figures")
class FigureFilter:
    names: list[str] = strawberry.field(description="Any of these names")
    period: MonthRange | None = strawberry.field(description="Months", default=strawberry.UNSET)
    partner_id: strawberry.ID | None = where("Whose", {}, of="partner")
    least: int = strawberry.field(description="At least", default=0)


@strawberry.interface(description="Anything with a global id")
class Node:
    id: strawberry.ID = key("Global id")


@strawberry.federation.interface(keys=["id"], description="Partner (パートナー)")
class Partner(Node):
    name: str = column("Name")
    tags: list[str] = column("Tags", at_most=5)
    moods: list[str] | None = column("Moods, which may hold null in spite of their type", at_most=5)
    joined_at: datetime.datetime = column("Joined")
    verified_at: datetime.datetime | None = column("Verified")
    loud: str = computed("Name in capitals", "upper({row}.name)", total=True)
    figures: FigureConnection = many(
        "Figures",
        source="figures({viewer.partner}, {parent}.id, {names}, null)",
        order=("name",),
        args={"names": arg(list[str], "Any of these names"), "period": arg(MonthRange | None, "Months")},
        cost=2,
    )


@table("partner", prefix="par", kind=("kind", "COMPANY"))
@strawberry.federation.type(keys=["id", "number"], description="Company (企業)")
class Company(Partner):
    number: str | None = column("Number")
    jobs: JobConnection = many("Jobs", "company_id", order_by=JobOrder.NEWEST, filter=JobFilter)
    fixed_jobs: JobConnection = many("Jobs", "company_id", order=JobOrder.MIXED)
    referrals: ReferralConnection = many(
        "Referrals", "company_id", order=ReferralOrder.NEWEST, filter=ReferralFilter, scopes=[["referrals:read"]]
    )
    people: PartnerConnection = many(
        "People",
        "employer_id",
        where="{row}.kind = 'REFERRER'",
        order=PartnerOrder.NAME,
        args={"verified": arg(bool | None, "Verified", where="({row}.verified_at is not null) = {value}")},
    )
    mail: Mail | None = one(
        "Mail",
        where="{row}.partner_id = {parent}.id and {row}.language = {language}",
        args={"language": arg(Language, "Language", default=Language.JA)},
    )


@table("partner", prefix="par", kind=("kind", "SCHOOL"))
@strawberry.federation.type(keys=["id", "number"], description="School (学校)")
class School(Partner):
    number: str | None = column("Number")
    level: str = column("Level, which may be null in spite of its type")


@table("partner", prefix="par", kind=("kind", "REFERRER"))
@strawberry.federation.type(keys=["id"], description="Referrer (紹介者)")
class Referrer(Partner):
    employer: Company | None = one("Employer", "employer_id")
    referrals: ReferralConnection = many("Referrals", "referrer_id", order_by=ReferralOrder.NEWEST)


@strawberry.type(description="Interval")
class Interval:
    low: float = column("Low", total=True)
    high: float = column("High", total=True)


@strawberry.type(description="Terms")
class Terms:
    days: int = column("Days")
    label: str | None = column("Label")
    rate: decimal.Decimal | None = column("Rate")
    starts_on: datetime.date | None = column("Starts on")
    steps: list[Step] = listed("Steps", json="{row}.steps", at_most=5)
    limits: Interval | None = embedded("Limits", json="{row}.limits")
    status: Status = column("Status")


@strawberry.type(description="Step")
class Step:
    kind: str = column("Kind")
    count: int | None = column("Count")
    inner: Inner | None = embedded("Inner", json="{row}.inner")


@strawberry.type(description="Inner")
class Inner:
    deep: str | None = column("Deep")


async def shout(values: Sequence[Any], context: Any) -> Sequence[Any]:
    context.calls.append(("shout", len(values)))
    if any("\u2028" in value for value in values):
        raise ValueError("a line separator")
    return [None if value.startswith('"') else value.upper() + "!" for value in values]


async def unseal(values: Sequence[Any], context: Any) -> Sequence[Any]:
    context.calls.append(("unseal", len(values)))
    return [{each["item"]: bytes.fromhex(each["sealed"]).decode()[::-1] for each in items} for items in values]


@table("job", prefix="job")
@strawberry.federation.type(keys=["id"], description="Job (求人)")
class Job(Node):
    company: Partner = one("Company", "company_id")
    title: str = column("Title", scopes=[["jobs:read"]])
    title_again: str = column("Title", "title")
    status: Status = column("Status")
    openings: int = column("Openings")
    ratio: float | None = column("Ratio")
    salary: decimal.Decimal = column("Salary")
    budget: BigInt | None = column("Budget")
    opened_at: datetime.datetime = column("Opened")
    closes_on: datetime.date | None = column("Closes on")
    terms: Terms = embedded("Terms", json="{row}.terms")
    interval: Interval | None = embedded("Interval", present="{row}.low is not null and {row}.high is not null")
    shouted: str | None = finished("Title, shouted", "{row}.title", shout)
    insisted: str = finished("Title, shouted, never null", "{row}.title", shout)
    share: decimal.Decimal | None = computed(
        "Share", "{row}.salary * {times}", args={"times": arg(int, "Times", default=1)}
    )
    referrals: ReferralConnection = many("Referrals", "job_id", order=ReferralOrder.STATUS)
    kin: KinConnection = many(
        "Kin", "job_id", through="kinship", to="other_id", order=("-edge.weight", "title"), filter=JobFilter
    )
    first_outcomes: list[Outcome] = listed(
        "Outcomes",
        where="{row}.referral_id in (select r.id from referral r where r.job_id = {parent}.id)",
        order=("batch", "position"),
        at_most=3,
    )


@table("candidate", prefix="can")
@strawberry.federation.type(keys=["id"], description="Candidate (候補者)")
class Candidate(Node):
    alias: str = column("Alias")
    personal: Personal | None = finished(
        "Personal data",
        "(select json_agg(json_build_object('item', i.item, 'sealed', encode(i.sealed, 'hex')))"
        " from personal_item i where i.person_id = {row}.person_id)",
        unseal,
        personal=True,
        cost=5,
    )


@strawberry.federation.type(requires_scopes=[["candidates:read"]], description="Personal data")
class Personal:
    name: str | None = column("Name")
    email: str | None = column("Address")


@table("referral", prefix="ref")
@strawberry.federation.type(keys=["id"], description="Referral (紹介)")
class Referral(Node):
    company: Company = one("Company", "company_id")
    referrer: Partner = one("Referrer", "referrer_id")
    job: Job | None = one("Job", "job_id")
    sure_job: Job = one("Job, which may be hidden in spite of its type", "job_id")
    candidate: Candidate | None = one(
        "One's own row of the person", "candidate_id", same="person_id", owner=("partner_id", "{viewer.partner}")
    )
    status: Status = column("Status")
    note: str | None = column("Note")
    submitted_at: datetime.datetime = column("Submitted")
    outcome: Outcome | None = one("Outcome", back="referral_id")


@table("outcome", prefix="out")
@strawberry.federation.type(keys=["id"], description="Outcome (成果)")
class Outcome(Node):
    kind: str = column("Kind")
    batch: BigInt = column("Batch")
    position: BigInt = column("Position")
    referral: Referral | None = one("Referral", "referral_id")


@table("mail", prefix="mai")
@strawberry.federation.type(keys=["id"], description="Mail")
class Mail(Node):
    language: Language = column("Language")
    subject: str = column("Subject")


@table("figure", prefix="fig", source="figure({viewer.partner}, {key})")
@strawberry.federation.type(keys=["id"], description="Figure")
class Figure(Node):
    name: str = column("Name", total=True)
    partner: Partner = one("Whose", "subject_id")
    value: float | None = column("Value")
    window: Window = embedded("Window")
    interval: Interval | None = embedded("Interval", present="{row}.low is not null")
    steps: list[Step] | None = listed("Steps", json="{row}.steps", at_most=2)


@strawberry.type(description="Window")
class Window:
    first_month: Month = column("First month", total=True)


@strawberry.federation.type(requires_scopes=[["partners:read"], ["partners:write", "jobs:read"]], description="Page")
class PartnerConnection:
    edges: list[PartnerEdge] = part("Edges", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Matches", "totalCount", cost=2)


@strawberry.type(description="Place")
class PartnerEdge:
    cursor: str = part("Cursor", "cursor")
    node: Partner | None = part("Node", "node")


@strawberry.type(description="Page")
class JobConnection:
    edges: list[JobEdge] = part("Edges", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Matches", "totalCount", cost=2)


@strawberry.type(description="Place")
class JobEdge:
    cursor: str = part("Cursor", "cursor")
    node: Job | None = part("Node", "node")


@strawberry.type(description="Page")
class KinConnection:
    edges: list[KinEdge] = part("Edges", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Matches", "totalCount", cost=2)


@strawberry.type(description="Place")
class KinEdge:
    cursor: str = part("Cursor", "cursor")
    weight: int = column("Weight")
    remark: str | None = column("Remark")
    heavier: bool = computed("Heavier than one opening each", "{edge}.weight > {row}.openings", total=True)
    origin: Job | None = one("Where the edge starts", "job_id")
    node: Job | None = part("Node", "node")


@strawberry.type(description="Page")
class ReferralConnection:
    edges: list[ReferralEdge] = part("Edges", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Matches", "totalCount", cost=2)


@strawberry.type(description="Place")
class ReferralEdge:
    cursor: str = part("Cursor", "cursor")
    node: Referral | None = part("Node", "node")


@strawberry.type(description="Page")
class OutcomeConnection:
    edges: list[OutcomeEdge] = part("Edges", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Matches", "totalCount", cost=2)


@strawberry.type(description="Place")
class OutcomeEdge:
    cursor: str = part("Cursor", "cursor")
    node: Outcome | None = part("Node", "node")


@strawberry.type(description="Page")
class FigureConnection:
    edges: list[FigureEdge] = part("Edges", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Matches", "totalCount", cost=2)


@strawberry.type(description="Place")
class FigureEdge:
    cursor: str = part("Cursor", "cursor")
    node: Figure | None = part("Node", "node")


@strawberry.type(description="Page without a count")
class AroundConnection:
    edges: list[AroundEdge] = part("Edges", "edges", at_most=100)
    page_info: PageInfo = part("Position", "pageInfo")


@strawberry.type(description="Place")
class AroundEdge:
    cursor: str = part("Cursor", "cursor")
    node: Partner | None = part("Node", "node")
    distance: int = column("Steps", total=True)
    via: Partner = one("Via", "via_id")
    kinds: list[str] = column("Kinds", total=True, at_most=3)


@strawberry.federation.type(authenticated=True, description="Who is asking")
class Viewer:
    login: str = computed("Login", "{viewer.login}", total=True)
    scopes: list[str] = computed("Scopes", "{viewer.scopes}", total=True, at_most=20)
    partner: Partner = one("Partner", where="{row}.id = {viewer.partner}")
    throttle: Throttle = embedded("Throttle")


@strawberry.type(description="Throttle")
class Throttle:
    available: int = computed("Left", "{viewer.available}", total=True)


@strawberry.type(description="Refusal")
class UserError:
    code: str = column("Code")
    message: str = column("Message")
    path: list[str] | None = column("Path", at_most=4)


@strawberry.interface(description="What every verb returns")
class Payload:
    client_mutation_id: strawberry.ID = column("Echo", total=True)
    user_errors: list[UserError] = listed("Refusals", json="{row}.user_errors", at_most=5)


@returned(client_mutation_id="text", user_errors="jsonb", job_id="uuid", message="text")
@strawberry.type(description="After a verb")
class JobPayload(Payload):
    job: Job | None = one("The job", "job_id")
    message: str | None = column("Message")


@returned(cursor="text", outcome_id="uuid", live="boolean")
@strawberry.type(description="An event")
class Delivery:
    cursor: str = column("Cursor", total=True)
    live: bool = column("Live", total=True)
    outcome: Outcome | None = one("Outcome", "outcome_id")


@strawberry.input(description="What to post")
class PostJobInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key")
    title: str = strawberry.field(description="Title")
    openings: int = strawberry.field(description="Openings", default=1)


async def post_job(context: Any, input: PostJobInput) -> Mapping[str, Any]:
    return await context.post_job(input)


@strawberry.type(description="Questions")
class Query:
    node: Node | None = node("Any object", "Global id")
    nodes: list[Node | None] = nodes("Objects", "Global ids")
    viewer: Viewer = embedded("Who is asking", authenticated=True)
    partner: Partner | None = one(
        "By id", where="{row}.id = {id}", args={"id": arg(strawberry.ID, "Global id", of="partner")}
    )
    company: Company | None = one("By number", where="{row}.number = {number}", args={"number": arg(str, "Number")})
    job: Job | None = one(
        "By id",
        where="{row}.id = {id}",
        args={"id": arg(strawberry.ID, "Global id", of="job")},
        scopes=[["jobs:read"]],
    )
    partners: PartnerConnection = many("Partners", order_by=PartnerOrder.NAME, filter=PartnerFilter)
    jobs: JobConnection = many("Jobs", order_by=JobOrder.NEWEST, filter=JobFilter)
    referrals: ReferralConnection = many("Referrals", order_by=ReferralOrder.NEWEST, filter=ReferralFilter)
    outcomes: OutcomeConnection = many("Outcomes", order_by=OutcomeOrder.RECORDED)
    figures: FigureConnection = many(
        "Figures",
        source="figures({viewer.partner}, {filter.partnerId}, {filter.names}, {filter.least})",
        order=("name", "subject_id"),
        args={"filter": arg(FigureFilter, "Which figures")},
    )
    around: AroundConnection = many(
        "Neighbours",
        through="around({viewer.partner}, {of}, {depth})",
        to="partner_id",
        order=("edge.distance",),
        args={
            "of": arg(strawberry.ID, "Centre", of="partner"),
            "depth": arg(int, "Steps", default=1),
        },
    )

    @strawberry.field(description="Answered by Python")
    def clock(self) -> str:
        return "noon"


@strawberry.type(description="Verbs")
class Mutation:
    post_job: JobPayload | None = verb("Post a job", post_job, "What to post", scopes=[["jobs:write"]])


@strawberry.type(description="Events")
class Subscription:
    outcomes: Delivery = subscribed("Outcomes", args={"after": arg(str | None, "After")}, scopes=[["outcomes:read"]])


VIEWER_VALUES = {"partner": "uuid", "login": "text", "scopes": "text[]", "available": "integer"}

schema = strawberry.federation.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[Company, School, Referrer, Mail, Candidate],
    config=StrawberryConfig(scalar_map=SCALARS),
    federation_version="2.9",
)
