"""N: Strawberry over Tortoise as one would first write it. Each resolver asks the ORM for what it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from bench.peers import tables
from bench.peers.batched import SQL
from models.db import uuid7
from models.partner import alias_of
from models.seal import email_index, new_person_key, seal_items

LINKS = SQL.links.sql.replace(":ids", "$1").replace(":viewer", "$2").replace(":sharing", "$3")
"""What no ORM says: sums over both ends of a link."""


class Naive:
    """Rows from the ORM, one question at a time."""

    def __init__(self, viewer: UUID, sharing: Collection[UUID]) -> None:
        self.viewer, self.sharing = viewer, sharing

    async def partner(self, id: Any) -> Any:
        return await tables.Partner.get_or_none(id=id)

    async def hire(self, id: Any) -> Any:
        return await tables.Hire.get(id=id)

    async def job(self, id: Any) -> Any:
        return await tables.Job.get(id=id)

    async def application(self, id: Any) -> Any:
        return await tables.Application.get(id=id)

    async def contribution(self, id: Any) -> Any:
        return await tables.Contribution.get(id=id)

    async def candidate(self, partner_id: Any, person_id: Any) -> Any:
        return await tables.Candidate.get_or_none(partner_id=partner_id, person_id=person_id)

    async def application_of_referral(self, referral_id: Any) -> Any:
        return await tables.Application.get_or_none(referral_id=referral_id)

    async def contributions_to(self, company_id: Any, first: int) -> Sequence[Any]:
        return await tables.Contribution.filter(company_id=company_id).order_by("-occurred_at", "-id").limit(first)

    async def referrals_to(self, company_id: Any, first: int) -> Sequence[Any]:
        return await tables.Referral.filter(company_id=company_id).order_by("-submitted_at", "-id").limit(first)

    async def links(self, partner_id: Any) -> Sequence[Any]:
        asked = [[str(partner_id)], str(self.viewer), [str(one) for one in self.sharing]]
        rows = await get_connection("default").execute_query_dict(LINKS, asked)
        return [SimpleNamespace(**row) for row in rows]

    async def months(self, partner_id: Any, measures: Sequence[str], first: date, last: date) -> Sequence[Any]:
        return await tables.KpiMonth.filter(
            partner_id=partner_id, measure__in=measures, month__gte=first, month__lte=last
        )

    async def submit(self, given: Mapping[str, Any]) -> tuple[Any, Any]:
        at = datetime.now(UTC)
        async with in_transaction("default"):
            key = await self._once(given, at)
            job = await tables.Job.get(id=given["job_id"])
            if job.status != "OPEN" or not job.open_to_network or job.company_id != given["company_id"]:
                raise ValueError("the job is not open")
            person_id = await self._person(given, at)
            referral = await tables.Referral.create(
                referrer_id=self.viewer,
                company_id=given["company_id"],
                job_id=job.id,
                person_id=person_id,
                status="SUBMITTED",
                relationship=given["relationship"],
                submitted_at=at,
                confirm_by=at + timedelta(days=14),
            )
            await tables.Mail.create(
                kind="REFERRAL_CONFIRMATION",
                company_id=referral.company_id,
                person_id=person_id,
                referral_id=referral.id,
                language="JA",
                status="QUEUED",
                due_at=at,
            )
            event = await tables.OutcomeEvent.create(
                kind="REFERRAL_SUBMITTED",
                category="REFERRALS",
                occurred_at=at,
                recorded_at=at,
                reported_by=self.viewer,
                source="API",
                company_id=referral.company_id,
                parties=sorted({self.viewer, given["company_id"]}),
                referral_id=referral.id,
            )
            key.answer = {"referral_id": str(referral.id), "event_id": str(event.id)}
            await tables.IdempotencyKey.filter(
                client_id=key.client_id, client_mutation_id=key.client_mutation_id
            ).update(answer=key.answer)
            return referral, event

    async def _once(self, given: Mapping[str, Any], at: datetime) -> tables.IdempotencyKey:
        return await tables.IdempotencyKey.create(
            client_id="naive",
            client_mutation_id=given["client_mutation_id"],
            verb="submit_referral",
            input_hash=hashlib.sha256(repr(sorted(given.items())).encode()).digest(),
            answer={},
            created_at=at,
        )

    async def _person(self, given: Mapping[str, Any], at: datetime) -> UUID:
        index = email_index(given["email"])
        if await tables.PersonEmail.get_or_none(email_index=index):
            raise ValueError("the bench refers nobody twice")
        person = await tables.Person.create(created_at=at)
        key, sealed = new_person_key(person.id)
        await tables.PersonKey.create(person_id=person.id, sealed=sealed)
        await tables.PersonEmail.create(email_index=index, person_id=person.id)
        identity = uuid7()
        candidate = await tables.Candidate.create(
            id=identity,
            partner_id=self.viewer,
            person_id=person.id,
            alias=f"候補者 {alias_of(identity)}",
            created_at=at,
        )
        items = {"NAME": given["name"], "EMAIL": given["email"]}
        for item, sealed in zip(items, seal_items(key, candidate.id, items), strict=True):
            await tables.PersonalData.create(
                candidate_id=candidate.id,
                item=item,
                partner_id=self.viewer,
                person_id=person.id,
                sealed=sealed,
                recorded_at=at,
            )
        return person.id
