"""Passkeys: made and used, as a browser would and as no honest browser does."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from models import member
from models.db import pool, unit_of_work
from tests.authenticator import BACKED_UP, PRESENT, SYNCED, VERIFIED, Authenticator, text
from tests.oauth_house import EMAIL, PASSWORD, House, fields, light_hashes, open_house  # noqa: F401  (fixtures)

HOST = "localhost"


@pytest.fixture
async def house(connected: str, light_hashes: None) -> AsyncIterator[House]:  # noqa: F811
    async with open_house(connected, HOST) as house:
        yield house


@pytest.fixture
async def other(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with house.visitor() as browser:
        yield browser


def asked(html: str, kind: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The question of a page's passkey form, and its hidden fields."""
    form = re.search(rf'<form[^>]*data-passkey="{kind}" data-options="([^"]*)".*?</form>', html, re.S)
    assert form, html
    return json.loads(unescape(form[1])), fields(form[0])


async def post(house: House, browser: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    return await browser.post(path, data=form, headers={"Origin": house.issuer})


async def register(house: House, browser: httpx.AsyncClient, made: Authenticator, **changes: Any) -> httpx.Response:
    """Adds a passkey for whoever is logged in with this browser."""
    options, hidden = asked((await browser.get("/security")).text, "create")
    credential = made.create(options, **changes)
    return await post(house, browser, "/security/passkeys", **{**hidden, "credential": credential, "name": "鍵"})


async def with_passkey(house: House, **changes: Any) -> Authenticator:
    """A passkey of the person of the house, who is logged in with the house's browser."""
    await house.log_in(house.browser)
    made = Authenticator(house.issuer)
    assert (await register(house, house.browser, made, **changes)).status_code == 200
    return made


async def log_in(
    house: House, browser: httpx.AsyncClient, made: Authenticator, page: str = "/login", **changes: Any
) -> httpx.Response:
    """Uses a passkey on a page that asks for one."""
    options, hidden = asked((await browser.get(page)).text, "get")
    return await post(house, browser, "/login/passkey", **{**hidden, "credential": made.get(options, **changes)})


async def colleague(house: House) -> None:
    async with unit_of_work() as connection:
        facts = {
            "partner_id": house.company,
            "name": "鈴木 一郎",
            "password_hash": await member.hash_password(PASSWORD, ()),
            "role": "ANALYST",
        }
        await member.create_member(connection, email="ichiro@aozora.example.jp", **facts)


async def test_a_passkey_opens_the_account_without_a_password(house: House, other: httpx.AsyncClient):
    made = await with_passkey(house, flags=PRESENT | VERIFIED | SYNCED | BACKED_UP)
    options, _ = asked((await other.get("/login")).text, "get")
    assert (options["rpId"], options["userVerification"], options["allowCredentials"]) == (HOST, "required", [])
    answer = await log_in(house, other, made, flags=PRESENT | VERIFIED | SYNCED)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "山田" in (await other.get("/login")).text
    async with pool().acquire() as connection:
        row = await connection.fetchrow(
            "select name, sign_count, synced, backed_up, last_used_at, transports from passkey"
        )
        amr = await connection.fetchval("select amr from login_session order by created_at desc limit 1")
    assert row
    assert (row["name"], row["sign_count"], row["synced"], row["backed_up"]) == ("鍵", 2, True, False)
    assert (row["last_used_at"] is not None, row["transports"]) == (True, ["internal"])
    assert amr == ["swk", "user", "mfa"]


async def test_what_is_asked_for_is_a_key_that_finds_and_verifies_its_owner(house: House):
    await with_passkey(house)
    options, _ = asked((await house.browser.get("/security")).text, "create")
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert (options["rp"]["id"], options["attestation"]) == (HOST, "none")
    assert len(options["excludeCredentials"]) == 1
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-7, -8, -257]


async def test_an_answer_that_proves_nothing_opens_nothing(house: House, other: httpx.AsyncClient):
    made = await with_passkey(house)
    wrong: dict[str, dict[str, Any]] = {
        "another origin": {"origin": "https://evil.example"},
        "another port": {"origin": "http://localhost:1"},
        "an origin that no column takes": {"origin": "\0\x1b[2J\ud800"},
        "another challenge": {"challenge": text(bytes(32))},
        "another site's key": {"rp_id": "evil.example"},
        "nobody verified": {"flags": PRESENT},
        "nobody present": {"flags": VERIFIED},
        "another key": {"key": generate_private_key(SECP256R1())},
        "a count that fell behind": {"count": 1},
        "a registration": {"type": "webauthn.create"},
        "another's user handle": {"user": bytes(16)},
        "another kind of key": {"flags": PRESENT | VERIFIED | SYNCED},
        "flags that cannot be": {"flags": PRESENT | VERIFIED | BACKED_UP},
    }
    for what, changes in wrong.items():
        answer = await log_in(house, other, made, **changes)
        assert answer.status_code == 401, what
        assert "このパスキーではログインできませんでした" in answer.text
    stranger = Authenticator(house.issuer, user=made.user)
    assert (await log_in(house, other, stranger)).status_code == 401
    for garbage in ("", "{}", "[1]", "null", '{"id": 1}', made.get({"challenge": "", "rpId": ""})[:-9], "\u3042"):
        _, hidden = asked((await other.get("/login")).text, "get")
        answer = await post(house, other, "/login/passkey", **{**hidden, "credential": garbage})
        assert answer.status_code == 401, garbage
    assert await house.count("login_session") == 1
    assert await house.count("passkey", "sign_count = 1 and last_used_at is null") == 1
    assert await house.count("audit", "detail ->> 'reason' like '%origin \"\ufffd\ufffd[2J\ufffd\",%'") == 1
    assert (await log_in(house, other, made)).status_code == 303


async def test_a_question_is_answered_once_and_by_the_browser_it_was_put_to(house: House, other: httpx.AsyncClient):
    made = await with_passkey(house)
    options, hidden = asked((await other.get("/login")).text, "get")
    credential = made.get(options)
    async with house.visitor() as thief:
        own = fields((await thief.get("/login")).text)["token"]
        assert (
            await post(
                house,
                thief,
                "/login/passkey",
                **hidden,
            )
        ).status_code == 403
        _, theirs = asked((await thief.get("/login")).text, "get")
        stolen = {**theirs, "ticket": hidden["ticket"], "credential": credential}
        assert (await post(house, thief, "/login/passkey", **stolen)).status_code == 401
        assert own != hidden["token"]
    assert (await post(house, other, "/login/passkey", **{**hidden, "credential": credential})).status_code == 303
    other.cookies.delete("kyoso_session")
    replayed = await post(house, other, "/login/passkey", **{**hidden, "credential": made.get(options)})
    assert replayed.status_code == 401
    assert await house.count("login_session") == 2
    async with pool().acquire() as connection:
        reasons = await connection.fetch("select detail ->> 'reason' as why from audit where action = 'login.refused'")
    assert [row["why"] for row in reasons] == [
        "passkey: no question of ours, or one for another browser or of long ago",
        "passkey: the question was answered before",
    ]


async def test_after_the_password_only_ones_own_passkey_will_do(house: House, other: httpx.AsyncClient):
    mine = await with_passkey(house)
    await colleague(house)
    async with house.visitor() as browser:
        await house.log_in(browser, "ichiro@aozora.example.jp")
        theirs = Authenticator(house.issuer)
        assert (await register(house, browser, theirs)).status_code == 200
    assert (await house.log_in(other)).headers["location"] == "/login/second?next="
    options, _ = asked((await other.get("/login/second")).text, "get")
    assert [each["id"] for each in options["allowCredentials"]] == [text(mine.credential_id)]
    assert (await log_in(house, other, theirs, "/login/second")).status_code == 401
    assert "kyoso_session" not in other.cookies
    assert (await log_in(house, other, mine, "/login/second")).status_code == 303
    async with pool().acquire() as connection:
        amr = await connection.fetchval("select amr from login_session order by created_at desc limit 1")
    assert amr == ["pwd", "hwk", "user", "mfa"]


async def test_a_registration_that_proves_nothing_adds_nothing(house: House):
    await house.log_in(house.browser)
    wrong: dict[str, dict[str, Any]] = {
        "another origin": {"origin": "https://evil.example"},
        "another challenge": {"challenge": text(bytes(32))},
        "another site": {"rp_id": "evil.example"},
        "nobody verified": {"flags": PRESENT},
        "a login": {"type": "webauthn.get"},
    }
    for what, changes in wrong.items():
        answer = await register(house, house.browser, Authenticator(house.issuer), **changes)
        assert answer.status_code == 400, what
    assert await house.count("passkey") == 0
    options, hidden = asked((await house.browser.get("/security")).text, "create")
    made = Authenticator(house.issuer)
    for status in (200, 400):
        form = {**hidden, "credential": made.create(options), "name": ""}
        assert (await post(house, house.browser, "/security/passkeys", **form)).status_code == status
    assert (await register(house, house.browser, made)).status_code == 409
    assert await house.count("passkey", "name = 'パスキー'") == 1
    assert await house.count("audit", "action = 'security.passkey_refused'") == 6


async def test_passkeys_are_ones_own_to_remove_and_ten_are_enough(house: House, other: httpx.AsyncClient):
    made = await with_passkey(house)
    await colleague(house)
    await house.log_in(other, "ichiro@aozora.example.jp")
    token = fields((await other.get("/security")).text)["token"]
    async with pool().acquire() as connection:
        passkey = str(await connection.fetchval("select id from passkey"))
    assert (await post(house, other, "/security/passkeys/remove", token=token, passkey=passkey)).status_code == 303
    assert await house.count("passkey") == 1
    for _ in range(9):
        assert (await register(house, house.browser, Authenticator(house.issuer))).status_code == 303
    page = (await house.browser.get("/security")).text
    assert "data-passkey" not in page
    token = fields(page)["token"]
    await post(house, house.browser, "/security/passkeys/remove", token=token, passkey=passkey)
    assert await house.count("passkey") == 9
    other.cookies.delete("kyoso_session")
    assert (await log_in(house, other, made)).status_code == 401
    async with pool().acquire() as connection:
        await connection.execute("delete from passkey where id <> (select max(id::text)::uuid from passkey)")
        last = str(await connection.fetchval("select id from passkey"))
    await post(house, house.browser, "/security/passkeys/remove", token=token, passkey=last)
    assert await house.count("passkey") + await house.count("recovery_code") == 0
    assert (await house.log_in(other, EMAIL)).headers["location"] == "/login"


async def test_an_address_without_a_name_offers_no_passkeys(connected: str, light_hashes: None):  # noqa: F811
    async with open_house(connected) as house:
        login = await house.browser.get("/login")
        assert "passkey" not in login.text
        assert "script-src" not in login.headers["content-security-policy"]
        await house.log_in(house.browser)
        assert "IPアドレス" in (await house.browser.get("/security")).text
