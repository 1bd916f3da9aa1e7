"""Passkeys in a real Chromium with an authenticator that Chromium itself plays, and the same pages without script."""

import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, CDPSession, Page, async_playwright, expect

from models.db import pool
from tests.oauth_house import EMAIL, PASSWORD, House, light_hashes, open_house  # noqa: F401  (fixtures)
from tests.test_graphiql_browser import FLAGS, WAIT_MS, unless_ci

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
async def house(connected: str, light_hashes: None) -> AsyncIterator[House]:  # noqa: F811
    async with open_house(connected, "localhost") as house:
        yield house


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        unless_ci("no Chromium on PATH: apt-get install chromium")
    flags = [each.replace("EXCLUDE 127.0.0.1", "EXCLUDE localhost") for each in FLAGS]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=flags)
        yield browser
        await browser.close()


async def opened(browser: Browser, complaints: list[str], **options: Any) -> Page:
    context = await browser.new_context(locale="ja-JP", **options)
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()

    def complain(kind: str, text: str) -> None:
        if kind in ("error", "warning") and "status of 4" not in text:  # a refusal's status is no fault of the page
            complaints.append(text)

    page.on("console", lambda it: complain(it.type, it.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


async def with_authenticator(page: Page) -> tuple[CDPSession, str]:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable", {"enableUI": False})
    added = await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return devtools, added["authenticatorId"]


async def log_in(page: Page, issuer: str, path: str = "/security") -> None:
    await page.goto(f"{issuer}/login?next={path}")
    await page.get_by_label("メールアドレス").fill(EMAIL)
    await page.get_by_label("パスワード").fill(PASSWORD)
    await page.get_by_role("button", name=re.compile("^ログイン")).click()


async def test_a_passkey_is_made_and_logs_in_by_itself_and_by_its_button(house: House, browser: Browser):
    complaints: list[str] = []
    page = await opened(browser, complaints)
    devtools, authenticator = await with_authenticator(page)
    await log_in(page, house.issuer)
    await page.get_by_label("この端末の呼び名").fill("仕事のPC")
    await page.get_by_role("button", name=re.compile("^パスキーを追加")).click()
    await expect(page.get_by_role("heading", name=re.compile("^回復コード"))).to_be_visible()
    await expect(page.locator(".codes li")).to_have_count(10)
    await page.get_by_role("link", name=re.compile("^控えました")).click()
    await expect(page.get_by_text("仕事のPC", exact=True)).to_be_visible()
    made = await devtools.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})
    await page.get_by_role("button", name=re.compile("^パスキーを追加")).click()
    await expect(page.get_by_role("alert")).to_have_text(re.compile("この端末のパスキーは、すでに登録されています"))
    assert [(each["isResidentCredential"], each["rpId"]) for each in made["credentials"]] == [(True, "localhost")]

    async def presence(simulated: bool) -> None:
        asked = {"authenticatorId": authenticator, "enabled": simulated}
        await devtools.send("WebAuthn.setAutomaticPresenceSimulation", asked)

    # Nobody touches the authenticator: the page waits, and the button asks anew.
    await presence(False)
    await page.context.clear_cookies()
    await page.goto(f"{house.issuer}/login")
    button = page.get_by_role("button", name=re.compile("^パスキーでログイン"))
    await expect(button).to_be_visible()
    await presence(True)
    await button.click()
    await expect(page.get_by_role("heading", name=re.compile("^ログインしています"))).to_be_visible()
    # The browser offers the passkey within the e-mail field, and it is taken.
    await page.context.clear_cookies()
    await page.goto(f"{house.issuer}/login")
    await expect(page.get_by_role("heading", name=re.compile("^ログインしています"))).to_be_visible()
    # After the password it is the second factor.
    await presence(False)
    await page.context.clear_cookies()
    await log_in(page, house.issuer)
    await expect(page.get_by_role("heading", name=re.compile("^もう一つの確認"))).to_be_visible()
    await presence(True)
    await page.get_by_role("button", name=re.compile("^パスキーでログイン")).click()
    await expect(page.get_by_role("heading", name=re.compile("^ログインと安全"))).to_be_visible()
    async with pool().acquire() as connection:
        amr = [row["amr"] for row in await connection.fetch("select amr from login_session order by created_at")]
    alone, after = ["hwk", "user", "mfa"], ["pwd", "hwk", "user", "mfa"]
    assert amr == [["pwd"], alone, alone, after]
    assert complaints == []


async def test_without_script_everything_but_passkeys_works(house: House, browser: Browser):
    complaints: list[str] = []
    page = await opened(browser, complaints, java_script_enabled=False)
    await log_in(page, house.issuer)
    await expect(page.get_by_text("JavaScriptが必要です")).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^パスキー"))).to_have_count(0)
    await page.get_by_role("link", name=re.compile("^認証アプリを設定")).click()
    await expect(page.get_by_role("img", name=re.compile("^認証アプリ用のQRコード"))).to_be_visible()
    await page.get_by_label("アプリに表示された6桁のコード").fill("000000")
    await page.get_by_role("button", name=re.compile("^設定する")).click()
    await expect(page.get_by_role("alert")).to_contain_text("コードが違います")
    assert complaints == []
