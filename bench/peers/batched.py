"""S: Strawberry with DataLoaders on asyncpg. Each kind of row is asked for once a level, for all who want one."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from strawberry.dataloader import DataLoader

from models import named
from models.db import uuid7
from models.partner import alias_of
from models.seal import email_index, new_person_key, seal_items

SQL = named.statements(Path(__file__).with_name("batched.sql"))


class Row(asyncpg.Record):
    """A record with its columns as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Batched:
    """Rows from loaders that live as long as the request."""

    def __init__(self, pool: Any, viewer: UUID, sharing: Collection[UUID]) -> None:
        self.viewer, self.sharing, self._pool = viewer, sharing, pool
        self._by_id = {word: DataLoader(load_fn=self._loading(word)) for word in WORDS}
        self._candidates = DataLoader(load_fn=self._load_candidates)
        self._of_referrals = DataLoader(load_fn=self._load_of_referrals)
        self._links = DataLoader(load_fn=self._load_links)

    async def partner(self, id: Any) -> Any:
        return await self._by_id["partners"].load(UUID(str(id)))

    async def hire(self, id: Any) -> Any:
        return await self._by_id["hires"].load(id)

    async def job(self, id: Any) -> Any:
        return await self._by_id["jobs"].load(id)

    async def application(self, id: Any) -> Any:
        return await self._by_id["applications"].load(UUID(str(id)))

    async def contribution(self, id: Any) -> Any:
        return await self._by_id["contributions"].load(UUID(str(id)))

    async def candidate(self, partner_id: Any, person_id: Any) -> Any:
        return await self._candidates.load((partner_id, person_id))

    async def application_of_referral(self, referral_id: Any) -> Any:
        return await self._of_referrals.load(referral_id)

    async def contributions_to(self, company_id: Any, first: int) -> Sequence[Any]:
        return await self._rows(SQL.contributions_to, company_id=company_id, first=first)

    async def referrals_to(self, company_id: Any, first: int) -> Sequence[Any]:
        return await self._rows(SQL.referrals_to, company_id=company_id, first=first)

    async def links(self, partner_id: Any) -> Sequence[Any]:
        return await self._links.load(partner_id)

    async def months(self, partner_id: Any, measures: Sequence[str], first: date, last: date) -> Sequence[Any]:
        return await self._rows(SQL.months, partner_id=UUID(partner_id), measures=measures, first=first, last=last)

    async def _rows(self, ask: Callable[..., Any], **asked: Any) -> list[Any]:
        async with self._pool.acquire() as connection:
            return [row async for row in ask(connection, **asked)]

    def _loading(self, word: str) -> Callable[[list[Any]], Awaitable[list[Any]]]:
        async def load(ids: list[Any]) -> list[Any]:
            found = {row.id: row for row in await self._rows(getattr(SQL, word), ids=ids)}
            return [found.get(id) for id in ids]

        return load

    async def _load_candidates(self, keys: list[tuple[Any, Any]]) -> list[Any]:
        partners, people = zip(*keys, strict=True)
        rows = await self._rows(SQL.candidates, partners=partners, people=people)
        found = {(row.partner_id, row.person_id): row for row in rows}
        return [found.get(one) for one in keys]

    async def _load_of_referrals(self, ids: list[Any]) -> list[Any]:
        found = {row.referral_id: row for row in await self._rows(SQL.of_referrals, ids=ids)}
        return [found.get(id) for id in ids]

    async def _load_links(self, ids: list[Any]) -> list[list[Any]]:
        around: defaultdict[Any, list[Any]] = defaultdict(list)
        for row in await self._rows(SQL.links, ids=ids, viewer=self.viewer, sharing=list(self.sharing)):
            around[row.centre_id].append(row)
        return [around[id] for id in ids]

    async def submit(self, given: Mapping[str, Any]) -> tuple[Any, Any]:
        async with self._pool.acquire() as connection, connection.transaction():
            at = datetime.now(UTC)
            key = {"client": "batched", "key": given["client_mutation_id"]}
            await SQL.claim(connection, **key, hash=hashlib.sha256(repr(given).encode()).digest(), at=at)
            job = await SQL.open_job(connection, id=given["job_id"], company_id=given["company_id"])
            if job is None:
                raise ValueError("the job is not open")
            person_id = await self._person(connection, given, at)
            referral = await SQL.submit(
                connection,
                id=uuid7(),
                referrer_id=self.viewer,
                company_id=given["company_id"],
                job_id=given["job_id"],
                person_id=person_id,
                relationship=given["relationship"],
                at=at,
                confirm_by=at + timedelta(days=14),
            )
            about = {"company_id": given["company_id"], "referral_id": referral.id, "at": at}
            await SQL.ask(connection, id=uuid7(), person_id=person_id, **about)
            parties = sorted({self.viewer, given["company_id"]})
            event = await SQL.tell(connection, id=uuid7(), by=self.viewer, parties=parties, **about)
            await SQL.answer(connection, **key, referral_id=referral.id, event_id=event.id)
            return referral, event

    async def _person(self, connection: Any, given: Mapping[str, Any], at: datetime) -> UUID:
        person, candidate, index = uuid7(), uuid7(), email_index(given["email"])
        if await SQL.person_of(connection, email_index=index):
            raise ValueError("the bench refers nobody twice")
        key, sealed = new_person_key(person)
        await SQL.add_person(connection, id=person, at=at)
        await SQL.add_key(connection, id=person, sealed=sealed)
        await SQL.add_email(connection, id=person, email_index=index)
        alias = f"候補者 {alias_of(candidate)}"
        await SQL.add_candidate(connection, id=candidate, partner_id=self.viewer, person_id=person, alias=alias, at=at)
        items = {"NAME": given["name"], "EMAIL": given["email"]}
        await SQL.add_items(
            connection,
            candidate_id=candidate,
            partner_id=self.viewer,
            person_id=person,
            items=list(items),
            sealed=seal_items(key, candidate, items),
            at=at,
        )
        return person


WORDS = ("partners", "hires", "jobs", "applications", "contributions")
