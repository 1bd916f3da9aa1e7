"""「ログインと安全」 and the passwords behind it: fresh logins for every change, and everybody else out after one."""

import asyncio

import httpx
import pytest

from auth.tokens import InvalidTokenError
from models import member, password
from models.db import unit_of_work
from models.password import WeakPasswordError
from tests.builders import who_logs_in
from tests.oauth_house import (
    CALLBACK,
    EMAIL,
    FRESH,
    PASSWORD,
    House,
    fields,
    hold_hashes,
    light_hashes,  # noqa: F401  (fixture)
    no_connection_is_held,
    parameters,
    proof_key,
    running_house,  # noqa: F401  (fixture)
)


async def post(house: House, path: str, **form: str) -> httpx.Response:
    return await house.browser.post(path, data=form, headers={"Origin": house.issuer})


async def token(house: House) -> str:
    """The token of the forms of the page, for whoever is logged in with the house's browser."""
    return fields((await house.browser.get("/security")).text)["token"]


async def change(house: House, fresh: str, repeated: str | None = None) -> httpx.Response:
    repeated = fresh if repeated is None else repeated
    return await post(house, "/security/password", token=await token(house), password=fresh, repeated=repeated)


async def test_a_new_password_logs_everybody_else_out(house: House):
    await house.log_in(house.browser)
    app = await house.client(public=True, redirect_uris=[CALLBACK])
    async with house.visitor() as thief:
        await house.log_in(thief)
        verifier, challenge = proof_key()
        allowed = await house.allow(thief, house.query(app, challenge), **{"allow network:read": "1"})
        stolen = (await house.redeem(app, parameters(allowed.headers["location"])["code"], verifier)).json()
        assert (await house.tokens.verify(stolen["access_token"])).member_id == house.member
        answer = await change(house, FRESH)
        assert (answer.status_code, answer.headers["location"]) == (303, "/security?done=password")
        told = await house.browser.get(answer.headers["location"])
        assert (told.status_code, 'role="status">パスワードを変更しました' in told.text) == (200, True)
        for word in ("", "x", "<b>"):
            assert 'role="status"' not in (await house.browser.get("/security", params={"done": word})).text
        assert (await thief.get("/security")).headers["location"] == "/login?next=/security"
        assert (await house.log_in(thief)).status_code == 401
        assert (await house.log_in(thief, password=FRESH)).status_code == 303
    with pytest.raises(InvalidTokenError):
        await house.tokens.verify(stolen["access_token"])
    assert (await house.refresh(app, stolen["refresh_token"])).json()["error"] == "invalid_grant"
    assert await house.count("audit", "action = 'security.password_changed'") == 1


async def test_a_new_password_is_hashed_before_anything_is_written(house: House, monkeypatch: pytest.MonkeyPatch):
    await house.log_in(house.browser)
    known = await token(house)
    held = hold_hashes(monkeypatch)
    form = {"token": known, "password": FRESH, "repeated": FRESH}
    changing = asyncio.create_task(post(house, "/security/password", **form))
    await held.has_begun()
    free = await no_connection_is_held()
    held.go.set()
    assert ((await changing).status_code, free) == (303, True)


async def test_a_session_that_ended_meanwhile_changes_no_password(house: House, monkeypatch: pytest.MonkeyPatch):
    await house.log_in(house.browser)
    known = await token(house)
    held = hold_hashes(monkeypatch)
    form = {"token": known, "password": FRESH, "repeated": FRESH}
    changing = asyncio.create_task(post(house, "/security/password", **form))
    await held.has_begun()
    await house.as_owner("delete from login_session")
    held.go.set()
    assert (await changing).status_code == 403
    assert (await house.log_in(house.visitor(), password=FRESH)).status_code == 401
    assert await house.count("audit", "action = 'security.password_changed'") == 0


@pytest.mark.parametrize(
    ("fresh", "repeated", "said"),
    [
        ("short", None, "15文字以上"),
        ("x" * 201, None, "15文字以上"),
        ("password1234567", None, "推測されやすい"),
        (EMAIL, None, "推測されやすい"),
        (FRESH, FRESH + "!", "一致しません"),
    ],
)
async def test_what_may_not_be_a_password_is_said_and_changes_nothing(
    house: House, fresh: str, repeated: str | None, said: str
):
    await house.log_in(house.browser)
    async with house.visitor() as elsewhere:
        await house.log_in(elsewhere)
        answer = await change(house, fresh, repeated)
        assert answer.status_code == 422
        assert said in answer.text
        assert (await elsewhere.get("/security")).status_code == 200
    assert await house.count("audit", "action = 'security.password_changed'") == 0


async def test_every_change_asks_for_a_login_of_the_last_ten_minutes(house: House):
    await house.log_in(house.browser)
    known = await token(house)
    await house.as_owner("update login_session set auth_time = now() - interval '601 seconds'")
    page = await house.browser.get("/security")
    assert 'href="/login?again=1&amp;next=/security"' in page.text
    assert "<form" not in page.text
    paths = ("password", "codes", "app", "app/remove", "passkeys", "passkeys/remove")
    for path in paths:
        answer = await post(house, f"/security/{path}", token=known, password=FRESH, repeated=FRESH)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?again=unsent&next=/security"), path
    assert (await house.browser.get("/security/app")).headers["location"] == "/login?again=1&next=/security"
    assert await house.count("audit", "action like 'security.%'") == 0
    # Proving it again replaces the session and leads back.
    old = house.browser.cookies["kyoso_session"]
    form = fields((await house.browser.get("/login?again=1&next=/security")).text)
    answer = await post(house, "/login", **form, email=EMAIL, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/security")
    assert house.browser.cookies["kyoso_session"] != old
    assert await house.count("login_session") == 1
    assert (await change(house, FRESH)).status_code == 303


async def test_a_change_that_our_page_did_not_send_is_refused(house: House):
    await house.log_in(house.browser)
    known = await token(house)
    form = {"password": FRESH, "repeated": FRESH}
    for path in ("password", "codes", "app", "app/remove", "passkeys", "passkeys/remove"):
        assert (await post(house, f"/security/{path}", **form)).status_code == 403, path
        assert (await post(house, f"/security/{path}", **form, token="0" * 64)).status_code == 403, path
        headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        sent = await house.browser.post(f"/security/{path}", data={**form, "token": known}, headers=headers)
        assert sent.status_code == 403, path
    assert (await house.log_in(house.visitor())).status_code == 303
    assert await house.count("audit", "action like 'security.%'") == 0


async def test_the_pages_cannot_be_framed_kept_or_scripted_by_others(house: House):
    await house.log_in(house.browser)
    for path in ("/security", "/security/app", "/sessions", "/allowed"):
        page = await house.browser.get(path)
        policy = page.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"} <= set(policy)
        assert not [each for each in policy if "unsafe" in each]
        assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")


@pytest.mark.parametrize(
    "guessed",
    [
        "password1234567",
        "P@ssw0rdP@ssw0rd!",
        "1qaz2wsx3edc4rfv",
        "1234567890123456",
        "abcdefghijklmnopqrst",
        "aaaaaaaaaaaaaaaaaaaa",
        "yamadahanako1985",
        "ilovesakura12345",
        "kyoso-kyoso-kyoso",
        "sakurasakurasakura",
        "さくらさくらさくらさくらさくら",
    ],
)
def test_what_is_guessed_early_is_no_password(guessed: str):
    with pytest.raises(WeakPasswordError) as refused:
        password.check(guessed)
    assert refused.value.why == "GUESSABLE"


def test_the_persons_own_words_are_no_password_and_unrelated_ones_are():
    about = ("hanako@aozora.example.jp", "Yamada Hanako", "Aozora Seisakusho")
    password.check("aozora seisakusho 7")
    with pytest.raises(WeakPasswordError):
        password.check("aozora seisakusho 7", about)
    password.check(FRESH, about)
    password.check("葡萄と雲と夜の列車を待つ青い鳥", about)


def test_no_password_of_published_breaches_is_accepted():
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    long = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= password.CHARACTERS_MIN]
    assert len(long) == 31
    for each in long:
        with pytest.raises(WeakPasswordError):
            password.check(each)


async def test_a_password_is_the_same_whichever_keyboard_wrote_it(house: House):
    async with unit_of_work() as connection:
        fresh = await member.hash_password("ガラスの靴と１２枚の切符を買う日", ())
        assert await member.set_password(connection, EMAIL, fresh) == house.member
        assert await who_logs_in(connection, EMAIL, "カ\u3099ラスの靴と12枚の切符を買う日")
