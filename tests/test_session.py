"""The page on which people see where they are logged in, and end it."""

import re

import httpx
import pytest

from api.browser import called
from models import member
from models.db import pool, unit_of_work
from tests.oauth_house import EMAIL, PASSWORD, House, fields, light_hashes, running_house  # noqa: F401  (fixtures)


async def browsers(house: House, number: int, email: str = EMAIL) -> list[httpx.AsyncClient]:
    opened = [house.visitor() for _ in range(number)]
    for browser in opened:
        assert (await house.log_in(browser, email)).status_code == 303
    return opened


async def end(house: House, browser: httpx.AsyncClient, origin: str | None = None, **form: str) -> httpx.Response:
    return await browser.post("/sessions", data=form, headers={"Origin": origin or house.issuer})


def said(html: str) -> tuple[str, list[str]]:
    """The page's form token, and the names of the other sessions."""
    forms = re.findall(r'action="/sessions">\s*<input type="hidden" name="token" value="(\w+)"', html)
    return forms[0], re.findall(r'name="session" value="(\w+)"', html)


async def logged_in(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/sessions")).status_code == 200


async def test_a_person_sees_every_login_and_ends_one(house: House):
    here, phone, cafe = await browsers(house, 3)
    page = await here.get("/sessions")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert page.text.count("この端末") == 1
    token, others = said(page.text)
    assert len(others) == 2
    for browser in (here, phone, cafe):
        assert browser.cookies["kyoso_session"] not in page.text
    answer = await end(house, here, token=token, session=others[0])
    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions?done=logged_out")
    assert [await logged_in(browser) for browser in (here, phone, cafe)] == [True, True, False]
    assert await house.count("audit", "action = 'login.ended' and detail ->> 'sessions' = '1'") == 1


MOZILLA = "Mozilla/5.0 "
KHTML = "AppleWebKit/537.36 (KHTML, like Gecko) "
MAC = "(Macintosh; Intel Mac OS X 10_15_7) "
IPHONE = "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
ANDROID = "(Linux; Android 10; K) "


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"{MOZILLA}(Windows NT 10.0; Win64; x64) {KHTML}Chrome/131.0.0.0 Safari/537.36", "Chrome · Windows"),
        (
            f"{MOZILLA}(Windows NT 10.0; Win64; x64) {KHTML}Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
            "Edge · Windows",
        ),
        (f"{MOZILLA}(X11; CrOS x86_64 14541.0.0) {KHTML}Chrome/131.0.0.0 Safari/537.36", "Chrome · ChromeOS"),
        (f"{MOZILLA}(X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox · Linux"),
        (f"{MOZILLA}{MAC}{KHTML}Version/18.1 Safari/605.1.15", "Safari · Mac"),
        (f"{MOZILLA}{MAC}{KHTML}Chrome/131.0.0.0 Safari/537.36 OPR/116.0.0.0", "Opera · Mac"),
        (f"{MOZILLA}{IPHONE}Version/18.0 Mobile/15E148 Safari/604.1", "Safari · iPhone"),
        (f"{MOZILLA}{IPHONE}CriOS/131.0 Mobile/15E148 Safari/604.1", "Chrome · iPhone"),
        (f"{MOZILLA}{IPHONE}Mobile/15E148 Safari Line/14.19.1", "LINE · iPhone"),
        (
            f"{MOZILLA}{ANDROID}{KHTML}SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
            "Samsung Internet · Android",
        ),
        (f"{MOZILLA}(iPad; CPU OS 18_0 like Mac OS X) {KHTML}FxiOS/133.0 Safari/604.1", "Firefox · iPad"),
        (f"{MOZILLA}(Windows NT 10.0)", "Windows"),
        ("curl/8.5.0", None),
        ("", None),
    ],
)
def test_a_browser_is_called_what_people_call_it(user_agent: str, name: str | None):
    assert called(user_agent) == name


async def test_each_login_says_which_browser_it_is_and_keeps_nothing_else_of_what_it_said(house: House):
    crooked = f"<script>alert(1)</script> {MOZILLA}(Windows NT 10.0; secret) {KHTML}Chrome/131.0.0.0 Safari/537.36"
    (here,) = await browsers(house, 1)
    async with house.visitor(headers={"User-Agent": crooked}) as office:
        await house.log_in(office)
        page = (await here.get("/sessions")).text
        assert re.findall(r'<h2 id="session-\d">(.*?)</h2>', page) == [
            "Chrome · Windows",
            'ブラウザー不明 <span class="tag ended">この端末 <span lang="en">This browser</span></span>'
            '<span class="also" lang="en">Unknown browser</span>',
        ]
        theirs = (await office.get("/sessions")).text
        assert 'Chrome · Windows <span class="tag ended">この端末' in theirs
    async with pool().acquire() as connection:
        kept = await connection.fetch(
            "select s::text as said from login_session s union all select a::text from audit a"
        )
    assert [row for row in kept if "131" in row["said"] or "secret" in row["said"] or "script" in row["said"]] == []


async def test_a_person_ends_all_others_at_once(house: House):
    here, *others = await browsers(house, 4)
    token, _ = said((await here.get("/sessions")).text)
    assert (await end(house, here, token=token)).status_code == 303
    assert [await logged_in(browser) for browser in (here, *others)] == [True, False, False, False]
    assert "ほかの端末" not in (await here.get("/sessions")).text
    assert await house.count("audit", "action = 'login.ended' and detail ->> 'sessions' = '3'") == 1


async def test_nobody_ends_anothers_login(house: House):
    async with unit_of_work() as connection:
        facts = {
            "partner_id": house.company,
            "name": "佐藤 一郎",
            "password_hash": await member.hash_password(PASSWORD, ()),
            "role": "RECRUITER",
        }
        await member.create_member(connection, email="ichiro@aozora.example.jp", **facts)
    mine = await browsers(house, 2)
    theirs = await browsers(house, 2, "ichiro@aozora.example.jp")
    token, others = said((await mine[0].get("/sessions")).text)
    stranger, their_others = said((await theirs[0].get("/sessions")).text)
    assert not set(others) & set(their_others)
    assert (await end(house, theirs[0], token=stranger, session=others[0])).status_code == 303
    assert (await end(house, theirs[0], token=stranger, session="zz")).status_code == 303
    refused = [
        await end(house, theirs[0], token=token, session=others[0]),
        await end(house, mine[0], token="", session=others[0]),
        await end(house, mine[0], "https://evil.example", token=token, session=others[0]),
        await house.http.post("/sessions", data={"token": token}, headers={"Origin": house.issuer}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert all([await logged_in(browser) for browser in (*mine, *theirs)])
    assert await house.count("audit", "action = 'login.ended'") == 0


async def test_who_is_not_logged_in_is_asked_to_and_comes_back(house: House):
    sent = await house.browser.get("/sessions")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/sessions")
    shown = await house.browser.get(sent.headers["location"])
    filled = {**fields(shown.text), "email": EMAIL, "password": PASSWORD}
    back = await house.browser.post("/login", data=filled, headers={"Origin": house.issuer})
    assert back.headers["location"] == "/sessions"
