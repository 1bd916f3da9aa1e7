"""Rows of a relay network, laid down as the owner by plain SQL, so that the ledger can be tried on its own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg

from models.db import uuid7
from models.outbox import Said

START = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)  # noon in Japan, the first day of the business year
DAY = timedelta(days=1)

_numbers = count(1)


@dataclass(frozen=True)
class World:
    """The owner's connection, and builders of rows. Every row is complete; ids come back."""

    owner: asyncpg.Connection

    async def row(self, table: str, **values: Any) -> UUID:
        values = {"id": uuid7(), **values}
        columns = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await self.owner.execute(f"insert into {table} ({columns}) values ({places})", *values.values())
        return values["id"]

    async def partner(self, kind: str, **facts: Any) -> UUID:
        number = next(_numbers)
        by_kind: dict[str, dict[str, Any]] = {
            "COMPANY": {"corporate_number": f"{1_000_000_000_000 + number}"},
            "SCHOOL": {"school_code": f"F1{number:011}", "school_level": "UNIVERSITY"},
            "AGENCY": {
                "license_number": f"13-ユ-{number:06}",
                "license_kind": "PAID",
                "license_expires_on": (START + 3000 * DAY).date(),
            },
            "REFERRER": {"affiliation": "EMPLOYEE", "legal_name": "架空 太郎"},
            "COMMUNITY": {"focus": "REGIONAL"},
        }
        return await self.row(
            "partner",
            kind=kind,
            name=f"架空{number}",
            sort_name=f"架空{number}",
            slug=f"kakuu-{number}",
            prefecture="TOKYO",
            joined_at=START,
            **{**by_kind[kind], **facts},
        )

    async def agreement(self, *parties: UUID, kind: str = "CAREER_RELAY", per_slot: int = 10, **version: Any) -> UUID:
        agreement_id, version_id = uuid7(), uuid7()
        async with self.owner.transaction():
            await self.row(
                "agreement",
                id=agreement_id,
                kind=kind,
                status="ACTIVE",
                purpose="再就職の支援",
                version_id=version_id,
                offered_at=START,
                accepted_at=START,
            )
            relay = {"handovers_per_slot": per_slot, "silence_days": 7, "slot_months": 12}
            await self.row(
                "agreement_version",
                id=version_id,
                agreement_id=agreement_id,
                number=1,
                proposed_by=parties[0],
                proposed_at=START,
                hash="0" * 64,
                sharing="[]",
                starts_on=START.date(),
                accepted_at=START,
                **(relay if kind == "CAREER_RELAY" else {}),
                **version,
            )
            for party in parties:
                await self.owner.execute("insert into agreement_party values ($1, $2)", agreement_id, party)
        return agreement_id

    async def share(
        self,
        giver: UUID,
        receiver: UUID,
        agreement_id: UUID,
        granularity: str = "FIELDS",
        categories: Sequence[str] = ("OUTCOMES", "HANDOVERS", "JOBS"),
    ) -> None:
        await self.owner.execute(
            "insert into agreement_share (giver_id, receiver_id, category, granularity, agreement_id, kind, starts_on) "
            "select $1, $2, c, $3, $4, 'INFORMATION_SHARING', $5 from unnest($6::text[]) c",
            giver,
            receiver,
            granularity,
            agreement_id,
            START.date(),
            categories,
        )

    async def person(self, *partners: UUID) -> UUID:
        person_id = await self.row("person", created_at=START)
        for partner_id in partners:
            await self.candidate(partner_id, person_id)
        return person_id

    async def candidate(self, partner_id: UUID, person_id: UUID) -> UUID:
        return await self.row(
            "candidate", partner_id=partner_id, person_id=person_id, alias="候補者 7F3K", created_at=START
        )

    async def application(self, company_id: UUID, person_id: UUID, **values: Any) -> UUID:
        return await self.row(
            "application",
            company_id=company_id,
            person_id=person_id,
            **{"route": "DIRECT", "stage": "APPLIED", "status": "ACTIVE", "received_at": START, **values},
        )

    async def account(self, company_id: UUID, agency_id: UUID, agreement_id: UUID) -> UUID:
        return await self.row(
            "relay_account",
            company_id=company_id,
            agency_id=agency_id,
            agreement_id=agreement_id,
            opened_at=START,
            balance_at=START,
        )

    async def balance(self, account_id: UUID) -> dict[str, int]:
        row = await self.owner.fetchrow(
            "select counted, available, reserved, redeemed, expired, debt from relay_account where id = $1", account_id
        )
        return {pocket: amount for pocket, amount in row.items() if amount}

    async def folded(self, account_id: UUID) -> dict[str, int]:
        """Balances as the fold of the transfers, computed here and not by the trigger."""
        pockets: dict[str, int] = {}
        for row in await self.owner.fetch("select * from ledger_transfer where account_id = $1", account_id):
            for pocket, sign in ((row["credit"], 1), (row["debit"], -1)):
                if pocket != "OUTSIDE":
                    pockets[pocket.lower()] = pockets.get(pocket.lower(), 0) + sign * row["amount"]
        return {pocket: amount for pocket, amount in pockets.items() if amount}

    async def statuses(self, account_id: UUID) -> dict[str, int]:
        rows = await self.owner.fetch("select status, count(*) from slot where account_id = $1 group by 1", account_id)
        return dict(rows)


@dataclass(frozen=True)
class Relay:
    """A company, an agency and the relay agreement between them, with its account."""

    world: World
    company_id: UUID
    agency_id: UUID
    agreement_id: UUID
    account_id: UUID

    async def handover(
        self, person_id: UUID | None = None, *, registered_at: datetime = START, matched: bool = True
    ) -> UUID:
        """A handover that waits for the agency's answer, with all the rows behind it."""
        world = self.world
        person_id = person_id or await world.person(self.company_id, self.agency_id)
        application_id = None
        if matched:
            application_id = await world.application(
                self.company_id, person_id, status="REJECTED", decided_at=registered_at - DAY
            )
        invitation_id = await world.row(
            "relay_invitation",
            company_id=self.company_id,
            person_id=person_id,
            application_id=application_id,
            status="REGISTERED",
            rejected_at=registered_at - DAY,
            sent_at=registered_at - DAY,
            opened_at=registered_at,
            expires_at=registered_at + 89 * DAY,
            company_confirm_by=None if matched else registered_at + 14 * DAY,
        )
        consent_id = await world.row(
            "consent",
            person_id=person_id,
            asked_by=self.company_id,
            recipient_id=self.agency_id,
            purpose="再就職の支援",
            items=["NAME"],
            text_version="1",
            language="JA",
            given_at=registered_at,
        )
        return await world.row(
            "handover",
            invitation_id=invitation_id,
            application_id=application_id,
            company_id=self.company_id,
            agency_id=self.agency_id,
            person_id=person_id,
            agreement_id=self.agreement_id,
            consent_id=consent_id,
            status="REGISTERED",
            registered_at=registered_at,
            answer_by=registered_at + 7 * DAY,
        )


async def relay(world: World, *, company_id: UUID | None = None, agency_id: UUID | None = None, **terms: Any) -> Relay:
    """A relay between a company and an agency; either may be one that stands already."""
    company_id = company_id or await world.partner("COMPANY")
    agency_id = agency_id or await world.partner("AGENCY")
    agreement_id = await world.agreement(company_id, agency_id, **terms)
    return Relay(world, company_id, agency_id, agreement_id, await world.account(company_id, agency_id, agreement_id))


def said(by: UUID, at: datetime = START) -> Said:
    """What a partner says through the API."""
    return Said(by=by, source="API", at=at)


async def attempt(work: Callable[[], Awaitable[Any]]) -> Any:
    """What the work gives, or the exception that it raises: for many that race each other."""
    try:
        return await work()
    except Exception as error:
        return error
