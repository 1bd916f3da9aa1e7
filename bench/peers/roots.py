"""The entrances of the peers' schema."""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import NewType
from uuid import UUID

import strawberry
from strawberry import federation
from strawberry.schema.config import StrawberryConfig

from bench.peers.figures import Figure, figures
from bench.peers.graph import (
    Agency,
    Application,
    Community,
    Company,
    Contribution,
    Partner,
    Peer,
    Referral,
    Referrer,
    School,
    key,
    partner_of,
    referral_of,
)
from bench.peers.walk import Step, neighbourhood

Month = NewType("Month", date)
MONTH = strawberry.scalar(
    name="Month", serialize=lambda month: f"{month:%Y-%m}", parse_value=lambda text: date.fromisoformat(f"{text}-01")
)


@strawberry.enum
class KpiName(enum.Enum):
    HIRE_RATE = "HIRE_RATE"
    REFERRAL_SUCCESS_RATE = "REFERRAL_SUCCESS_RATE"


@strawberry.enum
class KpiGranularity(enum.Enum):
    MONTH = "MONTH"


@strawberry.input
class MonthRange:
    from_: Month = strawberry.field(name="from")
    to: Month


@strawberry.input
class KpiFilter:
    names: list[KpiName]
    period: MonthRange
    granularity: KpiGranularity
    partner_id: strawberry.ID


@strawberry.type
class KpiWindow:
    from_: Month = strawberry.field(name="from")
    to: Month
    mature: bool


@strawberry.type
class Interval:
    low: float
    high: float


@strawberry.type
class Kpi:
    name: KpiName
    window: KpiWindow
    value: float | None
    numerator: float | None
    denominator: float | None
    interval: Interval
    suppressed: bool


@strawberry.type
class KpiEdge:
    node: Kpi


@strawberry.type
class KpiConnection:
    edges: list[KpiEdge]


def kpi_of(figure: Figure) -> Kpi:
    month = Month(figure.month)
    return Kpi(
        name=KpiName(figure.name),
        window=KpiWindow(from_=month, to=month, mature=figure.mature),
        value=figure.value,
        numerator=figure.numerator,
        denominator=figure.denominator,
        interval=Interval(low=figure.low, high=figure.high),
        suppressed=False,
    )


@strawberry.type
class NeighbourhoodEdge:
    step: strawberry.Private[Step]
    distance: int
    contributions: int
    roles: list[str]

    @strawberry.field
    async def node(self, info: Peer) -> Partner:
        return partner_of(await info.context.partner(self.step.neighbour_id))

    @strawberry.field
    async def via(self, info: Peer) -> Partner:
        return partner_of(await info.context.partner(self.step.via_id))


@strawberry.type
class NeighbourhoodConnection:
    edges: list[NeighbourhoodEdge]


@strawberry.type
class Query:
    @strawberry.field
    async def partner(self, info: Peer, id: strawberry.ID) -> Partner | None:
        row = await info.context.partner(key(id))
        return partner_of(row) if row else None

    @strawberry.field
    async def kpis(self, info: Peer, first: int, filter: KpiFilter) -> KpiConnection:
        names = [name.value for name in filter.names]
        begins, ends = filter.period.from_, filter.period.to
        rows = await info.context.months(key(filter.partner_id), names, begins, ends)
        found = figures(rows, names, begins, ends)[:first]
        return KpiConnection(edges=[KpiEdge(node=kpi_of(figure)) for figure in found])

    @strawberry.field
    async def neighbourhood(self, info: Peer, of: strawberry.ID, depth: int, first: int) -> NeighbourhoodConnection:
        steps = await neighbourhood(info.context, UUID(key(of)), first)
        return NeighbourhoodConnection(
            edges=[
                NeighbourhoodEdge(step=step, distance=step.distance, contributions=step.contributions, roles=step.roles)
                for step in steps
            ]
        )


@strawberry.input
class SubmitReferralInput:
    client_mutation_id: strawberry.ID
    company_id: strawberry.ID
    job_id: strawberry.ID
    name: str
    email: str
    relationship: str


@strawberry.type
class UserError:
    code: str


@strawberry.type
class Event:
    id: strawberry.ID
    kind: str
    at: strawberry.Private[datetime]


@strawberry.type
class ReferralPayload:
    client_mutation_id: strawberry.ID
    user_errors: list[UserError]
    referral: Referral
    event: Event


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def submit_referral(self, info: Peer, input: SubmitReferralInput) -> ReferralPayload:
        given = strawberry.asdict(input)
        given |= {name: UUID(key(given[name])) for name in ("company_id", "job_id")}
        referral, event = await info.context.submit(given)
        return ReferralPayload(
            client_mutation_id=input.client_mutation_id,
            user_errors=[],
            referral=referral_of(referral),
            event=Event(id=strawberry.ID(f"evt_{event.id}"), kind=event.kind, at=event.occurred_at),
        )


schema = federation.Schema(
    query=Query,
    mutation=Mutation,
    types=[Company, School, Agency, Referrer, Community, Application, Contribution],
    config=StrawberryConfig(scalar_map={Month: MONTH}),
    federation_version="2.9",
)
