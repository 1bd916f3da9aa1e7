"""A second factor on paper and in an app: set up, demanded, used once, taken away, all without script."""

import asyncio
import re
import time
from html import unescape
from types import SimpleNamespace

import httpx
import pytest
from pyotp.totp import TOTP

from auth import totp as codes
from models import totp
from models.db import pool, unit_of_work
from tests.oauth_house import House, fields, light_hashes, running_house  # noqa: F401  (fixtures)

NOW = time.time() // 30 * 30 + 15


async def post(house: House, browser: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    return await browser.post(path, data=form, headers={"Origin": house.issuer})


async def token(house: House, path: str = "/security") -> str:
    """The form token of a page."""
    return fields((await house.browser.get(path)).text)["token"]


async def set_up(house: House) -> tuple[TOTP, list[str]]:
    """An app for the person of the house, logged in; the app, and the recovery codes they were shown."""
    await house.log_in(house.browser)
    shown = (await house.browser.get("/security/app")).text
    spelled = re.search(r"<code>([A-Z2-7 ]+)</code>", shown)
    assert spelled
    app = TOTP(spelled[1].replace(" ", ""))
    done = await post(house, house.browser, "/security/app", **fields(shown), code=app.at(NOW - 30))
    assert done.status_code == 200, done.headers
    return app, re.findall(r"<li><code>([^<]+)</code>", done.text)


async def second(house: House, browser: httpx.AsyncClient, **given: str) -> httpx.Response:
    """The step after the password."""
    shown = await browser.get("/login/second")
    return await post(house, browser, "/login/second", **{"token": fields(shown.text)["token"], "next": ""} | given)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands still in the middle of a step: where one ends between a code and its use, the code would be too old."""
    monkeypatch.setattr("auth.totp.time", SimpleNamespace(time=lambda: NOW))


@pytest.fixture
async def other(house: House):
    async with house.visitor() as browser:
        yield browser


async def test_a_password_alone_no_longer_opens_the_account(house: House, other: httpx.AsyncClient):
    app, recovery = await set_up(house)
    assert (len(recovery), len(set(recovery))) == (10, 10)
    before = await house.count("login_session")
    passed = await house.log_in(other)
    assert (passed.status_code, passed.headers["location"]) == (303, "/login/second?next=")
    assert "kyoso_session" not in other.cookies
    assert await house.count("login_session") == before
    answer = await second(house, other, code=app.at(NOW))
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    async with pool().acquire() as connection:
        amr = await connection.fetch("select amr from login_session order by created_at")
    assert [row["amr"] for row in amr] == [["pwd"], ["pwd", "otp", "mfa"]]
    assert "山田" in (await other.get("/login")).text


async def test_nothing_counts_before_a_code_was_shown(house: House, other: httpx.AsyncClient):
    await house.log_in(house.browser)
    shown = (await house.browser.get("/security/app")).text
    assert "<svg" in shown
    assert "otpauth://totp/Kyoso:hanako" in unescape(shown)
    wrong = await post(house, house.browser, "/security/app", **fields(shown), code="000000")
    assert wrong.status_code == 422
    assert fields(wrong.text)["secret"] != fields(shown)["secret"]
    assert await house.count("totp") == 0
    assert await house.count("recovery_code") == 0
    assert (await house.log_in(other)).headers["location"] == "/login"


async def test_a_secret_set_up_in_one_browser_is_no_good_in_another(house: House, other: httpx.AsyncClient):
    await house.log_in(house.browser)
    await house.log_in(other)
    stolen = fields((await other.get("/security/app")).text)["secret"]
    answer = await post(house, house.browser, "/security/app", token=await token(house), secret=stolen, code="000000")
    assert (answer.status_code, answer.headers["location"]) == (303, "/security/app")
    assert await house.count("totp") == 0


async def test_a_code_is_good_once_and_for_a_step_either_side(house: House, other: httpx.AsyncClient):
    app, _ = await set_up(house)
    for code, status in ((app.at(NOW - 90), 401), (app.at(NOW - 30), 401), (app.at(NOW), 303)):
        await house.log_in(other)
        assert (await second(house, other, code=code)).status_code == status, code
    other.cookies.delete("kyoso_session")
    await house.log_in(other)
    replayed = await second(house, other, code=app.at(NOW))
    assert replayed.status_code == 401
    assert "すでに使われています" in replayed.text
    assert await house.count("login_session") == 2


async def test_of_many_at_once_one_code_opens_one_session(house: House):
    await set_up(house)
    async with pool().acquire() as connection:
        step = await connection.fetchval("select last_step from totp")

    async def use() -> bool:
        async with unit_of_work() as connection:
            return await totp.use_step(connection, house.member, step + 1)

    assert sorted(await asyncio.gather(*(use() for _ in range(8)))) == [False] * 7 + [True]


async def test_a_recovery_code_is_typed_loosely_and_good_once(house: House, other: httpx.AsyncClient):
    _, recovery = await set_up(house)
    await house.log_in(other)
    loosely = f" {recovery[3].lower().replace('-', ' ')} "
    assert (await second(house, other, recovery=loosely)).status_code == 303
    assert await house.count("recovery_code") == 9
    other.cookies.delete("kyoso_session")
    await house.log_in(other)
    assert (await second(house, other, recovery=recovery[3])).status_code == 401
    assert await house.count("login_session", "amr = '{pwd,mfa}'") == 1
    assert await house.count("recovery_code") == 9
    assert (await second(house, other, recovery=recovery[4])).status_code == 303


async def test_new_recovery_codes_are_warned_of_before_they_are_made(house: House):
    await set_up(house)
    page = (await house.browser.get("/security")).text
    (asked,) = re.findall(r"<details>.*?</details>", page, re.S)
    assert 'action="/security/codes"' in asked
    assert ("いまの回復コードは、すべて使えなくなります" in asked, "The codes you have now end at once" in asked) == (
        True,
        True,
    )


async def test_what_was_wrong_is_told_where_it_was_typed(house: House, other: httpx.AsyncClient):
    await set_up(house)
    await house.log_in(other)
    shown = await other.get("/login/second")
    assert "<details>" in shown.text
    for given, name in (({"recovery": "AAAAA-AAAAA"}, "recovery"), ({"code": "000000"}, "code")):
        answer = await second(house, other, **given)
        assert answer.status_code == 401
        (focused,) = re.findall(r"<input[^>]* autofocus[^>]*>", answer.text)
        assert (f'name="{name}"' in focused, 'aria-describedby="problem"' in focused) == (True, True)
        assert ("<details open>" in answer.text) == (name == "recovery")
        closed = re.sub(r"<details.*?</details>", "", answer.text, flags=re.S)
        assert ("違うか" in closed) == (name == "code")
    for _ in range(4):
        late = await second(house, other, recovery="AAAAA-AAAAA")
    assert (late.status_code, "<details open>" in late.text) == (429, True)


async def test_codes_are_counted_and_a_right_password_forgives_none_of_it(house: House, other: httpx.AsyncClient):
    app, recovery = await set_up(house)
    seen = []
    for _ in range(6):
        await house.log_in(other)
        seen.append((await second(house, other, code="000000")).status_code)
    assert seen == [401] * 5 + [429]
    await house.log_in(other)
    late = await second(house, other, code=app.at(NOW))
    assert (late.status_code, late.headers["retry-after"]) == (429, "900")
    assert (await second(house, other, recovery=recovery[0])).status_code == 429
    assert await house.count("login_session") == 1
    assert await house.count("recovery_code") == 10


async def test_passwords_stay_counted_until_the_second_step_is_done(house: House, other: httpx.AsyncClient):
    await set_up(house)
    statuses = [(await house.log_in(other)).status_code for _ in range(11)]
    assert statuses == [303] * 10 + [429]
    assert "kyoso_known" not in other.cookies
    house.browser.cookies.delete("kyoso_session")
    assert (await house.log_in(house.browser)).status_code == 303, "it was in before the factor was set up"


@pytest.mark.parametrize("broken", ["no password", "another browser", "token", "origin"])
async def test_the_second_step_belongs_to_the_browser_that_knew_the_password(
    house: House, other: httpx.AsyncClient, broken: str
):
    app, _ = await set_up(house)
    await house.log_in(other)
    form = {"token": fields((await other.get("/login/second")).text)["token"], "next": "", "code": app.at(NOW)}
    headers = {"Origin": house.issuer}
    if broken == "no password":
        other.cookies.delete("kyoso_second")
    if broken == "another browser":
        other.cookies.delete("kyoso_visit")
        form["token"] = fields((await other.get("/login")).text)["token"]
    if broken == "token":
        form["token"] = "0" * 64
    if broken == "origin":
        headers = {"Origin": "https://evil.example"}
    answer = await other.post("/login/second", data=form, headers=headers)
    assert "kyoso_session" not in other.cookies
    assert (answer.status_code, answer.headers.get("location")) in ((403, None), (303, "/login"))
    assert await house.count("login_session") == 1


async def test_what_is_stored_opens_nothing(house: House):
    app, recovery = await set_up(house)
    async with pool().acquire() as connection:
        sealed = await connection.fetchval("select sealed from totp")
        hashes = await connection.fetchval("select string_agg(encode(code_hash, 'hex'), ' ') from recovery_code")
        told = await connection.fetchval("select string_agg(a::text, ' ') from audit a")
    assert app.secret.encode() not in sealed
    for code in recovery:
        assert code.replace("-", "") not in hashes + told
    assert app.secret not in told
    async with pool().acquire() as connection:
        assert await totp.secret(connection, house.member) == app.secret


async def test_the_app_is_taken_away_with_the_codes_and_the_password_is_enough_again(
    house: House, other: httpx.AsyncClient
):
    await set_up(house)
    fresh = re.findall(
        r"<li><code>([^<]+)</code>",
        (await post(house, house.browser, "/security/codes", token=await token(house))).text,
    )
    assert len(fresh) == 10
    assert await house.count("recovery_code") == 10
    answer = await post(house, house.browser, "/security/app/remove", token=await token(house))
    assert (answer.status_code, answer.headers["location"]) == (303, "/security?done=app_removed")
    assert await house.count("totp") + await house.count("recovery_code") == 0
    assert (await house.log_in(other)).headers["location"] == "/login"
    assert await house.count("audit", "action = 'security.app_removed'") == 1


@pytest.mark.parametrize(
    ("at", "given", "step"),
    [
        (59.0, "287082", 1),  # RFC 6238, appendix B, the last six of eight digits
        (1111111109.0, "081804", 37037036),
        (1111111109.0, " ０８１ ８０４ ", 37037036),
        (1111111109.0 + 30, "081804", 37037036),
        (1111111109.0 - 30, "081804", 37037036),
        (1111111109.0 + 60, "081804", None),
        (1111111109.0, "81804", None),
        (1111111109.0, "", None),
        (1111111109.0, "認証", None),
    ],
)
def test_codes_are_those_of_the_standard(at: float, given: str, step: int | None):
    """RFC 6238"""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
    assert codes.step_of(secret, given, at) == step
