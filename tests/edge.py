"""The doors for ATSs and candidates on a real port, with a courier that works when told to."""

import asyncio
import hashlib
import hmac
import io
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from api import ats, page, relay_page
from api.courier import Courier
from api.log import configure
from api.settings import Settings
from models import application, candidate, outcome
from models.ats import connect
from models.db import credentials, unit_of_work
from models.outbox import Said
from tests import builders

SECRET = "0123456789abcdef0123456789abcdef"
FIXTURES = Path(__file__).parent / "greenhouse"


@dataclass
class Edge:
    """The running doors, the owner's connection for looking at everything, and what tests do again and again."""

    issuer: str
    settings: Settings
    courier: Courier
    http: httpx.AsyncClient
    owner: asyncpg.Connection
    log: io.StringIO

    @staticmethod
    def work() -> AbstractAsyncContextManager[asyncpg.Connection]:
        """One transaction as the application's role."""
        return unit_of_work()

    async def company(self, name: str = "株式会社あおぞら") -> UUID:
        """A company that has connected its Greenhouse."""
        async with unit_of_work() as connection:
            company_id = await builders.company(connection, name)
            await connect(connection, company_id=company_id, system="GREENHOUSE", secret=SECRET)
        return company_id

    async def relay(self, company_id: UUID, name: str = "みらい人材", **terms: Any) -> UUID:
        """An agency with a relay agreement in force with the company."""
        async with unit_of_work() as connection:
            agency_id = await builders.agency(connection, name)
            await builders.relay_agreement(connection, company_id, agency_id, **terms)
        return agency_id

    async def rejected(self, company_id: UUID, email: str | None = "hanako@example.com", **items: str) -> UUID:
        """The invitation of somebody whom the company has just rejected."""
        now = datetime.now(UTC)
        async with unit_of_work() as connection:
            given = {"NAME": "架空 花子", **({"EMAIL": email} if email else {}), **items}
            kept = await candidate.keep(connection, partner_id=company_id, email=email, items=given)
            told = Said(company_id, "API", now - timedelta(days=9))
            recorded = await application.record(connection, said=told, person_id=kept.person_id)
            said = Said(company_id, "API", now)
            await outcome.reject(connection, application_id=recorded.application_id, acting=company_id, said=said)
        return await self.value("select id from relay_invitation where application_id = $1", recorded.application_id)

    async def deliver(
        self, company_id: UUID, document: str | dict[str, Any], *, event_id: str | None = None, apply: bool = True
    ) -> httpx.Response:
        """One webhook as Greenhouse sends it; `document` is a fixture's name or the body itself."""
        told = fixture(document) if isinstance(document, str) else document
        answer = await self.post(company_id, json.dumps(told).encode(), event_id=event_id)
        assert answer.status_code == 200, answer.text
        if apply:
            await self.courier.apply_deliveries()
        return answer

    async def post(
        self, company_id: UUID, body: bytes, *, event_id: str | None = None, **headers: str
    ) -> httpx.Response:
        """A signed POST to the company's own address."""
        integration_id = await self.value("select id from ats_integration where company_id = $1", company_id)
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        given = {"Signature": f"sha256 {signature}", "Content-Type": "application/json"}
        if event_id:
            given["Greenhouse-Event-ID"] = event_id
        return await self.http.post(f"/ats/greenhouse/{integration_id}", content=body, headers={**given, **headers})

    async def value(self, statement: str, *arguments: Any) -> Any:
        """What the owner of the tables sees."""
        return await self.owner.fetchval(statement, *arguments)

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows as the owner of the tables sees them."""
        return [dict(row) for row in await self.owner.fetch(statement, *arguments)]

    async def everything(self) -> dict[str, str]:
        """A digest of every table, to assert that nothing changed."""
        tables = await self.owner.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
        return {
            name: await self.owner.fetchval(
                f'select md5(string_agg(t::text, chr(10) order by t::text)) from "{name}" t'
            )
            for (name,) in tables
        }

    async def items(self, partner_id: UUID) -> list[dict[str, str]]:
        """What a partner reads of its candidates' personal data."""
        async with unit_of_work() as connection:
            ids = await connection.fetch("select id from candidate where partner_id = $1 order by id", partner_id)
            found = await candidate.read_items(
                connection, partner_id=partner_id, candidate_ids=[row["id"] for row in ids]
            )
        return list(found.values())


def fixture(name: str) -> dict[str, Any]:
    """A webhook's body."""
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def fields(html: str) -> dict[str, str]:
    """Every field and button of the page's forms, ticks included, as a browser could send them."""
    found = re.findall(r'<(?:input|button)\b[^>]*?\bname="([^"]*)"(?:[^>]*?\bvalue="([^"]*)")?', html)
    return {unescape(name): unescape(value) for name, value in found}


@pytest.fixture
async def edge(connected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Edge]:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    server = uvicorn.Server(uvicorn.Config("", port=0, log_level="warning"))
    listener = server.config.bind_socket()
    issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(connected, connected, issuer, builders.MASTER_KEY, tmp_path)
    log = io.StringIO()
    monkeypatch.setattr("api.log.sys", SimpleNamespace(stderr=log))  # pytest puts its own back before each call
    configure(settings)
    courier = Courier(settings)
    app = Starlette(
        routes=[Route("/ats/{_:path}", ats.Door(courier.wake_to_apply)), *relay_page.routes(settings), *page.routes]
    )
    app.state.courier = courier
    server.config.app = app
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110  (uvicorn tells by this flag alone)
        await asyncio.sleep(0.01)
    owner = await asyncpg.connect(**credentials(connected))
    async with httpx.AsyncClient(base_url=issuer, timeout=60) as http:
        yield Edge(issuer, settings, courier, http, owner, log)
    await owner.close()
    structlog.reset_defaults()
    server.should_exit = True
    await serving
