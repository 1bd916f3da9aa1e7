"""A small network behind the authorization server on a real port: what the OAuth tests stand on."""

import asyncio
import base64
import re
import secrets
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest
import uvicorn
from argon2 import PasswordHasher
from starlette.applications import Starlette

from api import (
    allowed,
    client,
    consent,
    developer,
    device,
    identity_provider,
    joining,
    login,
    logout,
    openid,
    page,
    passkey,
    second,
    security,
    session,
    team,
    totp,
)
from api import oauth as edge
from api.settings import Settings
from auth.tokens import Tokens
from models import member
from models.client import Credentials, create_client
from models.db import POOL_MAX, credentials, pool, unit_of_work, uuid7
from tests.builders import MASTER_KEY
from tests.served import Served

EMAIL = "hanako@aozora.example.jp"
PASSWORD = "correct horse battery"
FRESH = "zakuro to kumo no densha"
CALLBACK = "https://app.example.jp/callback"
IDLE_SECONDS = 120  # longer than a busy machine lets a connection wait: a closing one cannot be told from a failure


@dataclass
class House:
    """The running server, two partners, one person, and short words for what the tests do again and again."""

    issuer: str
    url: str
    app: Starlette
    tokens: Tokens
    http: httpx.AsyncClient
    browser: httpx.AsyncClient
    company: UUID
    agency: UUID
    member: UUID

    async def client(self, scope: Iterable[str] = ("network:read",), **words: Any) -> Credentials:
        """A client of the company, unless `partner_id` says otherwise."""
        async with unit_of_work() as connection:
            given = {"name": "backend", "partner_id": self.company, **words}
            return await create_client(connection, scope=scope, **given)

    async def token(self, client: Credentials, **form: str) -> httpx.Response:
        """A POST to the token endpoint: client_credentials unless said otherwise."""
        return await self.post("/oauth/token", client, grant_type=form.pop("grant_type", "client_credentials"), **form)

    async def post(self, path: str, client: Credentials, **form: str) -> httpx.Response:
        """A form POST, authenticated the way the client is registered for."""
        if client.client_secret is None:
            return await self.http.post(path, data={"client_id": client.client_id, **form})
        return await self.http.post(path, data=form, auth=(client.client_id, client.client_secret))

    def visitor(self, **given: Any) -> httpx.AsyncClient:
        """Another browser, as patient as a busy machine needs it."""
        return httpx.AsyncClient(base_url=self.issuer, timeout=IDLE_SECONDS, **given)

    async def log_in(self, browser: httpx.AsyncClient, email: str = EMAIL, password: str = PASSWORD) -> httpx.Response:
        """Fills in the login form the way a browser does."""
        form = fields((await browser.get("/login")).text)
        filled = {**form, "email": email, "password": password}
        return await browser.post("/login", data=filled, headers={"Origin": self.issuer})

    async def allow(self, browser: httpx.AsyncClient, query: dict[str, str], **changes: str | None) -> httpx.Response:
        """Opens the consent page and allows what is ticked; `changes` replace fields (None leaves one out)."""
        shown = await browser.get("/oauth/authorize", params=query)
        assert shown.status_code == 200, shown.headers.get("location", shown.text)
        form = {**fields(shown.text), "decision": "allow"} | changes
        filled = {name: value for name, value in form.items() if value is not None}
        target = f"/oauth/consent?{shown.url.query.decode()}"
        return await browser.post(target, data=filled, headers={"Origin": self.issuer})

    async def code(self, client: Credentials, scope: str = "network:read", **query: str) -> tuple[str, str]:
        """A fresh code for the logged-in person, who allows all of `scope`, with its PKCE verifier."""
        verifier, challenge = proof_key()
        asked = self.query(client, challenge, scope=scope, **query)
        if not self.browser.cookies.get("kyoso_session"):
            await self.log_in(self.browser)
        answer = await self.allow(self.browser, asked, **{f"allow {name}": "1" for name in scope.split()})
        assert answer.status_code == 303, answer.text
        return parameters(answer.headers["location"])["code"], verifier

    def query(self, client: Credentials, challenge: str, **changes: str) -> dict[str, str]:
        """A good authorization request, with `changes`."""
        return {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": CALLBACK,
            "scope": "network:read",
            "state": "opaque",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        } | changes

    async def redeem(self, client: Credentials, code: str, verifier: str, **changes: str) -> httpx.Response:
        """The code at the token endpoint."""
        form = {"code": code, "code_verifier": verifier, "redirect_uri": CALLBACK} | changes
        return await self.token(client, grant_type="authorization_code", **form)

    async def refresh(self, client: Credentials, refresh_token: str, **changes: str) -> httpx.Response:
        """A refresh token at the token endpoint."""
        return await self.token(client, grant_type="refresh_token", refresh_token=refresh_token, **changes)

    async def as_owner(self, statement: str, *words: Any) -> None:
        """What only time or an operator can do: the application's role may not."""
        owner = await asyncpg.connect(**credentials(self.url))
        await owner.execute(statement, *words)
        await owner.close()

    async def count(self, table: str, condition: str = "true") -> int:
        """Rows of a table, to assert that nothing changed."""
        async with pool().acquire() as connection:
            return await connection.fetchval(f"select count(*) from {table} where {condition}")


def fields(html: str) -> dict[str, str]:
    """The first form's hidden fields and ticked boxes, as a browser would send them."""
    found = re.search(r"<form.*?</form>", html, re.S)
    assert found, html
    sent = r'<input type="(?:hidden|checkbox(?=[^>]* checked>))" name="([^"]*)" value="([^"]*)"'
    inputs = re.findall(sent, found[0])
    return {unescape(name): unescape(value) for name, value in inputs}


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


async def move_in() -> tuple[UUID, UUID, UUID]:
    """A company, an agency, and the company's administrator."""
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
        administrator = await member.create_member(
            connection,
            partner_id=company,
            email=EMAIL,
            name="山田 花子",
            password_hash=await member.hash_password(PASSWORD, ()),
            role="ADMIN",
        )
    return company, agency, administrator


@pytest.fixture
def light_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id at its smallest: the strength of the real parameters has a test of its own."""
    monkeypatch.setattr(member, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Held(PasswordHasher):
    """Hashes that wait until they are let go, as where many others came first."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.begun, self.go = threading.Event(), threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self._wait()
        return super().verify(hash, password)

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self._wait()
        return super().hash(password, salt=salt)

    def _wait(self) -> None:
        self.begun.set()
        assert self.go.wait(IDLE_SECONDS)

    async def has_begun(self) -> None:
        """Until somebody waits for a hash."""
        while not self.begun.is_set():  # noqa: ASYNC110  (another thread's)
            await asyncio.sleep(0.01)


def hold_hashes(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Has every hash from now on wait."""
    monkeypatch.setattr(member, "_hasher", hasher := Held())
    return hasher


async def no_connection_is_held() -> bool:
    """Whether every connection of the pool can be had at once, within a moment."""
    async with AsyncExitStack() as taken:
        try:
            for _ in range(POOL_MAX):
                await taken.enter_async_context(pool().acquire(timeout=5))
        except TimeoutError:
            return False
    return True


@pytest.fixture(name="house")
async def running_house(connected: str, light_hashes: None) -> AsyncIterator[House]:
    """Everything running; each test has its own database and port."""
    async with open_house(connected) as house:
        yield house


@asynccontextmanager
async def open_house(connected: str, host: str = "127.0.0.1") -> AsyncIterator[House]:
    """The house at a port of its own. `host`: under which name of this machine browsers are to know it."""
    server = uvicorn.Server(
        uvicorn.Config(app := Starlette(), port=0, log_level="warning", lifespan="off", timeout_keep_alive=IDLE_SECONDS)
    )
    app.router.routes += [*edge.routes, *client.routes, *login.routes, *consent.routes, *logout.routes]
    app.router.routes += [*developer.routes, *device.routes, *openid.routes, *session.routes, *page.routes]
    app.router.routes += allowed.routes
    app.router.routes += [
        *second.routes,
        *passkey.routes,
        *security.routes,
        *team.routes,
        *totp.routes,
        *joining.routes,
    ]
    app.router.routes += identity_provider.routes
    config_socket = server.config.bind_socket()
    issuer = f"http://{host}:{config_socket.getsockname()[1]}"
    settings = Settings(connected, connected, issuer, MASTER_KEY, Path("/tmp"))
    company, agency, person = await move_in()
    async with edge.running(app, settings) as tokens:
        serving = asyncio.create_task(server.serve([config_socket]))
        patient = {"base_url": issuer, "timeout": IDLE_SECONDS}  # fifty callers at once on a busy machine
        async with httpx.AsyncClient(**patient) as http, httpx.AsyncClient(**patient) as browser:
            yield House(issuer, connected, app, tokens, http, browser, company, agency, person)
        server.should_exit = True
        await serving


@asynccontextmanager
async def housed(served: Served) -> AsyncIterator[House]:
    """The house in the whole application, whose API an app asks with what it was allowed."""
    company, agency, person = await move_in()
    tokens: Tokens = served.app.state.endpoint.tokens
    async with httpx.AsyncClient(base_url=served.issuer, timeout=IDLE_SECONDS) as browser:
        yield House(served.issuer, served.database, served.app, tokens, served.http, browser, company, agency, person)
