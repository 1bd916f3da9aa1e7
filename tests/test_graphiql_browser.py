"""GraphiQL in a real Chromium, against the real application: sign in, ask, listen, and nothing from elsewhere."""

import asyncio
import json
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Locator, Page, WebSocketRoute, async_playwright, expect

from api import graphiql
from api.app import create_app
from api.cli.serve import SERVER_OPTIONS
from api.settings import Settings
from models import member, outbox
from models.db import unit_of_work, uuid7

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Offline but for the application: no name resolves, no proxy helps.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
)
EMAIL, PASSWORD = "kaori@minato.example", "correct horse battery"
COMPANY = "株式会社みなと製作所"
WAIT_MS = 30_000


def unless_ci(reason: str) -> None:
    """Skips on a developer's machine; on CI everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Seen:
    """What the browser did besides what the test asked for."""

    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@dataclass
class World:
    """The running application, and a person of a company who may log in."""

    issuer: str
    company_id: UUID

    async def tell(self, kind: str) -> None:
        """Records an event of the company's own, as a verb would."""
        async with unit_of_work() as connection:
            said = outbox.Said(by=self.company_id, source="API", at=datetime.now(UTC))
            await outbox.publish(connection, kind, said, company_id=self.company_id)


@pytest.fixture
async def world(database: str, tmp_path: Path) -> AsyncIterator[World]:
    if not (graphiql.BUNDLE / "index.html").exists():
        unless_ci("web/dist is not built: npm ci && npm run build in web/")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(
            database_url=database, migration_url=database, issuer=issuer, master_key=bytes(range(32)), data_dir=tmp_path
        )
        server = uvicorn.Server(uvicorn.Config(create_app(settings), **SERVER_OPTIONS))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
            if running.done():
                await running
        try:
            yield World(issuer, await people(issuer))
        finally:
            server.should_exit = True
            await running


async def people(issuer: str) -> UUID:
    company_id = uuid7()
    async with unit_of_work() as connection:
        await connection.execute(
            "insert into partner (id, kind, name, sort_name, slug, prefecture, joined_at, corporate_number)"
            " values ($1, 'COMPANY', $2, $2, 'minato', 'TOKYO', now(), '7000012050002')",
            company_id,
            COMPANY,
        )
        await member.create_member(
            connection,
            partner_id=company_id,
            email=EMAIL,
            name="港 かおり",
            password_hash=await member.hash_password(PASSWORD, ()),
            role="ADMIN",
        )
    return company_id


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        unless_ci("no Chromium on PATH: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        await browser.close()


async def opened(browser: Browser, world: World, seen: Seen, **options: object) -> Page:
    """A page of a fresh profile at /graphiql, all its requests and complaints noted."""
    context: BrowserContext = await browser.new_context(
        **{"locale": "ja-JP", "viewport": {"width": 1440, "height": 900}, **options}
    )
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    own = (world.issuer, world.issuer.replace("http", "ws", 1), "data:")
    for watched in ("request", "websocket"):
        page.on(watched, lambda it: it.url.startswith(own) or seen.foreign.append(it.url))
    page.on("console", lambda it: it.type in ("error", "warning") and seen.complaints.append(it.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    await page.goto(f"{world.issuer}/graphiql")
    return page


async def log_in(page: Page) -> None:
    await page.get_by_role("button", name="ログインして始める").click()
    await page.get_by_label("メールアドレス").fill(EMAIL)
    await page.get_by_label("パスワード").fill(PASSWORD)
    await page.get_by_role("button", name=re.compile("^ログイン")).click()


async def sign_in(page: Page) -> None:
    await log_in(page)
    await page.get_by_role("button", name=re.compile("^許可する")).click()
    await signed_in(page)
    await expect(page.locator(".graphiql-query-editor .view-line").first).to_be_visible(timeout=WAIT_MS)


async def signed_in(page: Page) -> None:
    """Waits for the partner's name; a notice in its place is quoted by the failure."""
    await expect(page.locator(".account, .notice")).to_contain_text(COMPANY, timeout=WAIT_MS)


async def run(page: Page) -> None:
    await page.locator(".graphiql-execute-button").click()


def answer(page: Page) -> Locator:
    return page.locator(".graphiql-response .result-window")


async def response_text(page: Page) -> str:
    """The whole answer: Monaco draws only the lines in sight."""
    return await page.evaluate("__MONACO.editor.getModels().find((one) => /response/.test(one.uri.path)).getValue()")


async def test_sign_in_ask_and_listen(browser: Browser, world: World) -> None:
    seen = Seen()
    page = await opened(browser, world, seen)
    await sign_in(page)
    assert page.url == f"{world.issuer}/graphiql"
    assert await page.evaluate("sessionStorage.length") == 0

    await run(page)
    await expect(answer(page)).to_contain_text(COMPANY, timeout=WAIT_MS)
    await expect(answer(page)).to_contain_text("7000012050002")

    await page.get_by_role("button", name="成果イベントのライブ購読").click()
    await run(page)
    await expect(page.locator(".live [role=status]")).to_contain_text("受信中", timeout=WAIT_MS)
    await world.tell("HIRED")
    await expect(page.locator(".live li")).to_have_text([re.compile("HIRED")], timeout=WAIT_MS)
    await expect(answer(page)).to_contain_text('"kind": "HIRED"')
    await world.tell("REJECTED")
    await expect(page.locator(".live li")).to_have_text([re.compile("REJECTED"), re.compile("HIRED")], timeout=WAIT_MS)
    await expect(page.locator(".live .count")).to_have_text("2")
    await run(page)
    await expect(page.locator(".live [role=status]")).to_contain_text("停止しました")

    assert seen == Seen()


async def test_the_page_follows_the_system_and_fits_its_window(browser: Browser, world: World) -> None:
    seen = Seen()
    page = await opened(browser, world, seen, color_scheme="light")
    await sign_in(page)
    editors = page.locator(".monaco-editor[class*='vs']")
    for scheme, drawn in (("dark", "vs-dark"), ("light", "vs")):
        await page.emulate_media(color_scheme=scheme)
        await expect(editors.first).to_have_class(re.compile(rf"\b{drawn}(?![-\w])"), timeout=WAIT_MS)
    for width, height in ((1200, 800), (390, 844), (320, 700)):
        await page.set_viewport_size({"width": width, "height": height})
        await page.wait_for_function("innerWidth === document.documentElement.clientWidth")
        size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        assert await page.evaluate(size) == [width, height]
    await page.locator(".account").click()
    await expect(page.get_by_role("link", name=re.compile("ログインと安全"))).to_have_attribute("href", "/login")
    assert seen == Seen()


async def test_the_schema_is_explained_in_docs_and_explorer(browser: Browser, world: World) -> None:
    seen = Seen()
    page = await opened(browser, world, seen)
    await sign_in(page)
    await page.get_by_role("button", name=re.compile("Documentation Explorer")).click()
    await page.locator(".graphiql-doc-explorer").get_by_role("link", name="Query", exact=True).click()
    await expect(page.locator(".graphiql-doc-explorer")).to_contain_text("relayAccounts")
    await page.get_by_role("button", name=re.compile("GraphiQL Explorer")).click()
    await expect(page.locator(".docExplorerWrap, .graphiql-explorer-root").first).to_contain_text("viewer")
    assert seen == Seen()


async def test_a_copied_tab_has_no_tokens_and_a_reload_keeps_them(browser: Browser, world: World) -> None:
    page = await opened(browser, world, Seen())
    await sign_in(page)
    # window.open copies sessionStorage, as "Duplicate tab" does.
    async with page.context.expect_page() as copied:
        await page.evaluate("void window.open('/graphiql')")
    copy = await copied.value
    await expect(copy.get_by_role("button", name="ログインして始める")).to_be_visible(timeout=WAIT_MS)
    await page.reload()
    await signed_in(page)
    assert await page.evaluate("sessionStorage.length") == 0


async def test_a_lost_connection_resumes_after_the_last_cursor(browser: Browser, world: World) -> None:
    page = await opened(browser, world, Seen())
    sockets: list[WebSocketRoute] = []
    subscribed: list[str | None] = []

    def relay(route: WebSocketRoute) -> None:
        sockets.append(route)
        upstream = route.connect_to_server()

        def outward(message: str | bytes) -> None:
            frame = json.loads(message)
            if frame["type"] == "subscribe":
                subscribed.append(frame["payload"]["variables"]["after"])
            upstream.send(message)

        route.on_message(outward)

    await page.route_web_socket(re.compile("/graphql$"), relay)
    await sign_in(page)
    await page.get_by_role("button", name="成果イベントのライブ購読").click()
    await run(page)
    await expect(page.locator(".live [role=status]")).to_contain_text("受信中", timeout=WAIT_MS)
    await world.tell("HIRED")
    await expect(page.locator(".live li")).to_have_count(1, timeout=WAIT_MS)
    cursor = json.loads(await response_text(page))["data"]["outcomeEvents"]["cursor"]

    await sockets[0].close(code=1012, reason="restart")
    await world.tell("REJECTED")
    await expect(page.locator(".live li")).to_have_text([re.compile("REJECTED"), re.compile("HIRED")], timeout=WAIT_MS)
    assert subscribed == [None, cursor]
    assert len(sockets) == 2


async def test_when_the_grant_ends_the_page_says_so_and_keeps_the_work(browser: Browser, world: World) -> None:
    page = await opened(browser, world, Seen())
    async with page.expect_response(f"{world.issuer}/oauth/token") as granted:
        await sign_in(page)
    refresh_token = (await (await granted.value).json())["refresh_token"]
    revoked = await page.request.post(
        f"{world.issuer}/oauth/revoke", form={"client_id": "graphiql", "token": refresh_token}
    )
    assert revoked.status == 200
    await run(page)
    await expect(page.locator(".notice")).to_contain_text("ログインの期限が切れました", timeout=WAIT_MS)
    await expect(answer(page)).to_contain_text("ログインの期限が切れました")
    await expect(answer(page)).not_to_contain_text(COMPANY)
    await expect(page.get_by_role("tab")).to_have_count(8)
    await page.get_by_role("button", name="もう一度ログイン").click()
    await page.get_by_role("button", name=re.compile("^許可する")).click()
    await expect(page.get_by_role("button", name=COMPANY)).to_be_visible(timeout=WAIT_MS)
    await expect(page.get_by_role("tab")).to_have_count(8, timeout=WAIT_MS)


async def test_a_denied_consent_is_said_plainly(browser: Browser, world: World) -> None:
    seen = Seen()
    page = await opened(browser, world, seen)
    await log_in(page)
    await page.get_by_role("button", name=re.compile("^許可しない")).click()
    await expect(page.get_by_role("alert")).to_have_text(
        "許可されなかったため、ログインしていません。", timeout=WAIT_MS
    )
    assert page.url == f"{world.issuer}/graphiql"
    assert seen == Seen()


async def test_signing_out_revokes_the_grant(browser: Browser, world: World) -> None:
    page = await opened(browser, world, Seen())
    await sign_in(page)
    async with page.expect_response(f"{world.issuer}/oauth/revoke") as revoked:
        await page.get_by_role("button", name=COMPANY).click()
        await page.get_by_role("button", name="ログアウト").click()
    assert (await revoked.value).status == 200
    await expect(page.get_by_role("button", name="ログインして始める")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="ログインして始める")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("error=access_denied", "ログインの途中の情報が見つかりません"),
        ("code=stolen&state=guessed", "ログインの途中の情報が見つかりません"),
    ],
    ids=["error", "code"],
)
async def test_a_callback_nobody_asked_for_signs_nobody_in(
    browser: Browser, world: World, query: str, said: str
) -> None:
    seen = Seen()
    page = await opened(browser, world, seen)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{world.issuer}/graphiql/callback?{query}")
    await expect(page.get_by_role("alert")).to_contain_text(said, timeout=WAIT_MS)
    assert page.url == f"{world.issuer}/graphiql"
    assert [url for url in asked if "/oauth/" in url] == []
    assert seen == Seen()
