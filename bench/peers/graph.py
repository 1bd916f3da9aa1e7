"""The part of the network's schema that the bench asks, as Strawberry users write it: one resolver a field.

Where the rows come from is the context's business (`bench.peers.rows.Rows`): from the ORM one by one (N), or from
DataLoaders (S).
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import strawberry
from strawberry.types import Info

from bench.peers.rows import Rows

Peer = Info[Rows, None]


def key(global_id: str) -> str:
    return global_id.partition("_")[2]


@strawberry.interface
class Partner:
    row: strawberry.Private[Any]
    id: strawberry.ID
    name: str
    slug: str
    prefecture: str
    url: str | None
    joined_at: datetime


@strawberry.federation.type(keys=["id"])
class Company(Partner):
    corporate_number: str | None

    @strawberry.field
    async def contributors(self, info: Peer, first: int) -> ContributionConnection:
        rows = await info.context.contributions_to(self.row.id, first)
        return ContributionConnection(edges=[ContributionEdge(node=contribution_of(row)) for row in rows])

    @strawberry.field
    async def referrals(self, info: Peer, first: int) -> ReferralConnection:
        rows = await info.context.referrals_to(self.row.id, first)
        return ReferralConnection(edges=[ReferralEdge(node=referral_of(row)) for row in rows])

    @classmethod
    async def resolve_reference(cls, info: Peer, id: strawberry.ID) -> Partner:
        return partner_of(await info.context.partner(key(id)))


@strawberry.type
class School(Partner):
    pass


@strawberry.federation.type(keys=["id"])
class Agency(Partner):
    license_number: str | None
    license_expires_on: date | None

    @classmethod
    async def resolve_reference(cls, info: Peer, id: strawberry.ID) -> Partner:
        return partner_of(await info.context.partner(key(id)))


@strawberry.type
class Referrer(Partner):
    pass


@strawberry.type
class Community(Partner):
    pass


KINDS = {"SCHOOL": School, "REFERRER": Referrer, "COMMUNITY": Community}


def partner_of(row: Any) -> Partner:
    facts: dict[str, Any] = {"row": row, "id": f"par_{row.id}", "name": row.name, "slug": row.slug}
    facts |= {"prefecture": row.prefecture, "url": row.url, "joined_at": row.joined_at}
    if row.kind == "COMPANY":
        return Company(**facts, corporate_number=row.corporate_number)
    if row.kind == "AGENCY":
        return Agency(**facts, license_number=row.license_number, license_expires_on=row.license_expires_on)
    return KINDS[row.kind](**facts)


@strawberry.type
class Hire:
    id: strawberry.ID
    decided_at: datetime
    starts_on: date


@strawberry.federation.type(keys=["id"])
class Contribution:
    row: strawberry.Private[Any]
    id: strawberry.ID
    role: str
    share: Decimal
    occurred_at: datetime

    @strawberry.field
    async def contributor(self, info: Peer) -> Partner:
        return partner_of(await info.context.partner(self.row.contributor_id))

    @strawberry.field
    async def hire(self, info: Peer) -> Hire:
        return hire_of(await info.context.hire(self.row.hire_id))

    @classmethod
    async def resolve_reference(cls, info: Peer, id: strawberry.ID) -> Contribution:
        return contribution_of(await info.context.contribution(key(id)))


def hire_of(row: Any) -> Hire:
    return Hire(id=strawberry.ID(f"hire_{row.id}"), decided_at=row.decided_at, starts_on=row.starts_on)


def contribution_of(row: Any) -> Contribution:
    return Contribution(
        row=row, id=strawberry.ID(f"ctb_{row.id}"), role=row.role, share=row.share, occurred_at=row.occurred_at
    )


@strawberry.type
class ContributionEdge:
    node: Contribution


@strawberry.type
class ContributionConnection:
    edges: list[ContributionEdge]


@strawberry.type
class Candidate:
    id: strawberry.ID
    alias: str


@strawberry.type
class Job:
    id: strawberry.ID
    title: str


@strawberry.federation.type(keys=["id"])
class Application:
    row: strawberry.Private[Any]
    id: strawberry.ID
    stage: str
    status: str
    received_at: datetime
    decided_at: datetime | None

    @strawberry.field
    async def hire(self, info: Peer) -> Hire | None:
        return hire_of(await info.context.hire(self.row.hire_id)) if self.row.hire_id else None

    @classmethod
    async def resolve_reference(cls, info: Peer, id: strawberry.ID) -> Application:
        return application_of(await info.context.application(key(id)))


def application_of(row: Any) -> Application:
    return Application(
        row=row,
        id=strawberry.ID(f"app_{row.id}"),
        stage=row.stage,
        status=row.status,
        received_at=row.received_at,
        decided_at=row.decided_at,
    )


@strawberry.type
class Referral:
    row: strawberry.Private[Any]
    id: strawberry.ID
    status: str
    submitted_at: datetime
    confirmed_at: datetime | None

    @strawberry.field
    async def candidate(self, info: Peer) -> Candidate | None:
        row = await info.context.candidate(info.context.viewer, self.row.person_id)
        return Candidate(id=strawberry.ID(f"can_{row.id}"), alias=row.alias) if row else None

    @strawberry.field
    async def company(self, info: Peer) -> Partner:
        return partner_of(await info.context.partner(self.row.company_id))

    @strawberry.field
    async def job(self, info: Peer) -> Job | None:
        if self.row.job_id is None:
            return None
        row = await info.context.job(self.row.job_id)
        return Job(id=strawberry.ID(f"job_{row.id}"), title=row.title)

    @strawberry.field
    async def application(self, info: Peer) -> Application | None:
        row = await info.context.application_of_referral(self.row.id)
        return application_of(row) if row else None


def referral_of(row: Any) -> Referral:
    return Referral(
        row=row,
        id=strawberry.ID(f"ref_{row.id}"),
        status=row.status,
        submitted_at=row.submitted_at,
        confirmed_at=row.confirmed_at,
    )


@strawberry.type
class ReferralEdge:
    node: Referral


@strawberry.type
class ReferralConnection:
    edges: list[ReferralEdge]
