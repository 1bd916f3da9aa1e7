"""A small network behind the authorization server on a real port: what the OAuth tests stand on."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from api import login
from api import oauth as edge
from api.settings import Settings
from auth.tokens import Tokens
from models import member, oauth
from models.db import pool, unit_of_work, uuid7
from models.oauth import Credentials

MASTER_KEY = bytes(range(32))
PASSWORD = "correct horse battery"
CALLBACK = "https://app.example.jp/callback"


@dataclass
class House:
    """The running server, two partners, one person, and short words for what the tests do again and again."""

    issuer: str
    app: Starlette
    tokens: Tokens
    http: httpx.AsyncClient
    company: UUID
    agency: UUID
    member: UUID

    async def client(self, scope: Iterable[str] = ("network:read",), **words: Any) -> Credentials:
        """A client of the company, unless `partner_id` says otherwise."""
        async with unit_of_work() as connection:
            given = {"name": "backend", "partner_id": self.company, **words}
            return await oauth.create_client(connection, scope=scope, **given)

    async def token(self, client: Credentials, **form: str) -> httpx.Response:
        """A POST to the token endpoint: client_credentials unless said otherwise."""
        return await self.post("/oauth/token", client, grant_type=form.pop("grant_type", "client_credentials"), **form)

    async def post(self, path: str, client: Credentials, **form: str) -> httpx.Response:
        """A form POST, authenticated the way the client is registered for."""
        if client.client_secret is None:
            return await self.http.post(path, data={"client_id": client.client_id, **form})
        return await self.http.post(path, data=form, auth=(client.client_id, client.client_secret))

    async def count(self, table: str, condition: str = "true") -> int:
        """Rows of a table, to assert that nothing changed."""
        async with pool().acquire() as connection:
            return await connection.fetchval(f"select count(*) from {table} where {condition}")


def proof_key() -> tuple[str, str]:
    """A PKCE verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return verifier, challenge


def parameters(location: str) -> dict[str, str]:
    """The query of a redirect."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def add_partner(connection: asyncpg.Connection, kind: str, name: str, slug: str, **facts: Any) -> UUID:
    """A partner row of a kind, with the facts the kind demands."""
    columns = {"id": uuid7(), "kind": kind, "name": name, "sort_name": name, "slug": slug, "prefecture": "TOKYO"}
    columns |= {"joined_at": datetime.now(UTC), **facts}
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    await connection.execute(f"insert into partner ({', '.join(columns)}) values ({places})", *columns.values())
    return columns["id"]


@pytest.fixture
async def house(connected: str) -> AsyncIterator[House]:
    """Everything running; each test has its own database and port."""
    server = uvicorn.Server(uvicorn.Config(app := Starlette(), port=0, log_level="warning", lifespan="off"))
    app.router.routes += [*edge.routes, *login.routes]
    config_socket = server.config.bind_socket()
    issuer = f"http://127.0.0.1:{config_socket.getsockname()[1]}"
    settings = Settings(connected, connected, issuer, MASTER_KEY, Path("/tmp"))
    async with unit_of_work() as connection:
        company = await add_partner(connection, "COMPANY", "青空製作所", "aozora", corporate_number="7000012050002")
        agency = await add_partner(
            connection,
            "AGENCY",
            "みらい人材",
            "mirai",
            license_number="13-ユ-123456",
            license_kind="PAID",
            license_expires_on=datetime(2035, 1, 1).date(),
        )
        person = await member.create_member(
            connection,
            partner_id=company,
            email="hanako@aozora.example.jp",
            name="山田 花子",
            password=PASSWORD,
            role="ADMIN",
        )
    async with edge.running(app, settings) as tokens:
        serving = asyncio.create_task(server.serve([config_socket]))
        async with httpx.AsyncClient(base_url=issuer) as http:
            yield House(issuer, app, tokens, http, company, agency, person)
        server.should_exit = True
        await serving
