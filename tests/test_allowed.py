"""「連携アプリ」: the page on which people see what they have allowed which app, and take it back."""

import asyncio
import re
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest

from auth.tokens import InvalidTokenError
from models import allowed, member, oauth, openid
from models.client import Credentials, find_client
from models.db import unit_of_work
from tests.conversation import conversation
from tests.oauth_house import (
    CALLBACK,
    EMAIL,
    PASSWORD,
    House,
    fields,
    housed,
    light_hashes,  # noqa: F401  (fixture)
    parameters,
    proof_key,
    running_house,  # noqa: F401  (fixture)
)
from tests.served import Served
from tests.served import running as running_application
from tests.test_oauth_device import TV, answer, begin, poll

__all__ = ["running_application"]

APP = {"redirect_uris": [CALLBACK], "public": True}
SCOPE = "openid network:read candidates:read"
ICHIRO = "ichiro@aozora.example.jp"
EVENTS = "subscription { outcomeEvents { cursor } }"


async def app_of(house: House, name: str, scope: str = SCOPE, **given: Any) -> Credentials:
    return await house.client(scope.split(), name=name, **{**APP, **given})


async def allow(house: House, app: Credentials, scope: str = SCOPE) -> dict[str, Any]:
    """The tokens of an app that the person has just allowed all of this."""
    code, verifier = await house.code(app, scope)
    return (await house.redeem(app, code, verifier)).json()


async def end(house: House, app: Credentials | str, browser: httpx.AsyncClient | None = None) -> httpx.Response:
    """Ends an app by the button of the page."""
    browser = browser or house.browser
    token = re.search(r'name="token" value="(\w+)"', (await browser.get("/allowed")).text)
    client_id = app if isinstance(app, str) else app.client_id
    sent = {"token": token[1] if token else "", "client": client_id}
    return await browser.post("/allowed", data=sent, headers={"Origin": house.issuer})


async def silent(house: House, app: Credentials, scope: str = SCOPE) -> dict[str, str]:
    """What an app is answered that wants no page to be shown."""
    query = house.query(app, proof_key()[1], scope=scope, prompt="none")
    return parameters((await house.browser.get("/oauth/authorize", params=query)).headers["location"])


async def ended(house: House, app: Credentials, tokens: dict[str, Any]) -> bool:
    """Whether both tokens are refused, now."""
    try:
        await house.tokens.verify(tokens["access_token"])
    except InvalidTokenError:
        return (await house.refresh(app, tokens["refresh_token"])).json().get("error") == "invalid_grant"
    return False


async def colleague(house: House) -> UUID:
    async with unit_of_work() as connection:
        facts = {"partner_id": house.company, "name": "鈴木 一郎", "role": "ADMIN"}
        password_hash = await member.hash_password(PASSWORD, ())
        return await member.create_member(connection, email=ICHIRO, password_hash=password_hash, **facts)


def listed(html: str) -> list[str]:
    return [unescape(name) for name in re.findall(r'<h2 id="[^"]*">([^<]*)<', html)]


async def test_a_person_sees_what_they_allowed_whom_in_the_words_of_the_consent_page(house: House):
    board, tool = await app_of(house, "採用<ボード>"), await app_of(house, "一覧ツール", "network:read")
    await app_of(house, "許可していないアプリ")
    await house.log_in(house.browser)
    assert "まだありません" in (await house.browser.get("/allowed")).text
    await allow(house, tool, "network:read")
    tokens = await allow(house, board, "openid network:read")
    await allow(house, board, "network:read candidates:read")
    await house.as_owner("update oauth_grant set created_at = '2026-03-31 16:00+00' where scope @> '{openid}'")
    await house.as_owner("update oauth_refresh_token set issued_at = '2026-04-30 16:00+00'")
    await house.as_owner("update oauth_grant set created_at = '2026-04-02' where not scope @> '{openid}'")
    shown = await house.browser.get("/allowed")
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
    assert (shown.headers["cache-control"], shown.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert listed(shown.text) == ["一覧ツール", "採用<ボード>"]
    of_board = shown.text[shown.text.index("採用&lt;ボード&gt;") :]
    for words in (
        "あなたを見分ける番号と、ログインした日時・方法を知る",
        "See partners and open jobs",
        "候補者の個人情報（氏名・連絡先など）を見る",
        "Sensitive",
        "2026-04-01",
        "2026-05-01",
    ):
        assert words in of_board, words
    assert ("候補者の個人情報" in shown.text[: -len(of_board)], "2026-04-02" in shown.text) == (False, True)
    assert await house.tokens.verify(tokens["access_token"])


async def test_an_app_that_is_ended_is_out_at_once_and_has_to_ask_again(house: House):
    board, tool = await app_of(house, "採用ボード"), await app_of(house, "一覧ツール")
    first, second = await allow(house, board), await allow(house, board, "network:read")
    other = await allow(house, tool)
    waiting, verifier = await house.code(board, SCOPE)
    for tokens in (first, second, other):
        await house.tokens.verify(tokens["access_token"])  # from now on the worker remembers it
    assert "code" in await silent(house, board)
    done = await end(house, board)
    assert (done.status_code, done.headers["location"]) == (303, "/allowed?done=app_ended")
    page = (await house.browser.get(done.headers["location"])).text
    assert ('role="status"' in page, listed(page)) == (True, ["一覧ツール"])
    assert [await ended(house, board, tokens) for tokens in (first, second)] == [True, True]
    assert (await house.redeem(board, waiting, verifier)).json()["error"] == "invalid_grant"
    assert (await silent(house, board))["error"] == "consent_required"
    asked = await house.browser.get("/oauth/authorize", params=house.query(board, proof_key()[1], scope=SCOPE))
    assert {name for name in fields(asked.text) if name.startswith("allow ")} == {"allow openid", "allow network:read"}
    await house.tokens.verify(other["access_token"])
    assert "code" in await silent(house, tool)
    line = f"action = 'consent.withdrawn' and member_id = '{house.member}' and client_id = '{board.client_id}'"
    assert await house.count("audit", line) == await house.count("audit", "action = 'consent.withdrawn'") == 1
    again = await allow(house, board)
    assert (await house.refresh(board, again["refresh_token"])).status_code == 200


async def test_what_a_logout_left_of_the_consent_is_forgotten_too(house: House):
    board = await app_of(house, "採用ボード")
    await allow(house, board)
    form = {"token": fields((await house.browser.get("/login")).text)["token"]}
    await house.browser.post("/logout", data=form, headers={"Origin": house.issuer})
    await house.log_in(house.browser)
    assert listed((await house.browser.get("/allowed")).text) == ["採用ボード"]
    assert "code" in await silent(house, board)
    assert (await end(house, board)).headers["location"].endswith("app_ended")
    assert (await silent(house, board))["error"] == "consent_required"


async def test_a_device_that_was_allowed_and_has_not_asked_yet_gets_nothing(house: House):
    tv = await house.client(**TV)
    for _ in range(2):
        told = await begin(house, tv)
        await answer(house, told["user_code"])
        await house.as_owner("update oauth_device_request set polled_at = null")
        if await house.count("oauth_grant") == 0:
            assert (await poll(house, tv, told["device_code"])).status_code == 200
    await end(house, tv)
    assert (await poll(house, tv, told["device_code"])).json()["error"] == "access_denied"
    assert await house.count("oauth_grant", "revoked_at is null") == 0


async def test_nobody_ends_what_another_allowed_and_unknown_apps_look_the_same(house: House):
    board = await app_of(house, "採用ボード")
    tokens = await allow(house, board)
    await colleague(house)
    async with house.visitor() as theirs:
        await house.log_in(theirs, ICHIRO)
        assert listed((await theirs.get("/allowed")).text) == []
        own = fields((await house.browser.get("/allowed")).text)["token"]
        tool = await app_of(house, "一覧ツール", "network:read")
        verifier, challenge = proof_key()
        given = await house.allow(theirs, house.query(tool, challenge), **{"allow network:read": "1"})
        await house.redeem(tool, parameters(given.headers["location"])["code"], verifier)
        for client_id in (board.client_id, "0" * 24, "'", ""):
            answered = await end(house, client_id, theirs)
            assert (answered.status_code, answered.headers["location"]) == (303, "/allowed")
        other = {"token": own, "client": board.client_id}
        refused = [await theirs.post("/allowed", data=other, headers={"Origin": house.issuer})]
    mine, evil = house.browser, {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused += [
        await mine.post("/allowed", data={"client": board.client_id}, headers={"Origin": house.issuer}),
        await mine.post("/allowed", data={**other, "token": "0" * 64}, headers={"Origin": house.issuer}),
        await mine.post("/allowed", data=other, headers=evil),
        await house.http.post("/allowed", data=other, headers={"Origin": house.issuer}),
    ]
    assert [each.status_code for each in refused] == [403] * 5
    nul = await mine.post("/allowed", data={**other, "client": "\0"}, headers={"Origin": house.issuer})
    assert nul.status_code == 400
    assert (await house.tokens.verify(tokens["access_token"])).member_id == house.member
    assert "code" in await silent(house, board)
    assert await house.count("audit", "action = 'consent.withdrawn'") == 0


async def test_an_app_that_was_deleted_is_no_longer_listed(house: House):
    board = await app_of(house, "採用ボード")
    await allow(house, board)
    await house.as_owner("update oauth_client set disabled_at = now()")
    assert listed((await house.browser.get("/allowed")).text) == []


async def test_an_answer_without_a_page_that_comes_between_leaves_nothing_behind(house: House):
    """Who ends an app waits for what it is being answered just then, and ends that too."""
    board = await app_of(house, "採用ボード")
    await allow(house, board)
    async with unit_of_work() as connection:
        client = await find_client(connection, board.client_id)
        assert client

    begun = asyncio.Event()

    async def ending() -> list[UUID]:
        await begun.wait()
        async with unit_of_work() as connection:
            return await allowed.end(connection, house.member, board.client_id, keep_seconds=360)

    waits = asyncio.create_task(ending())
    async with unit_of_work() as connection:
        assert await openid.granted(connection, client.id, house.member, SCOPE.split())
        begun.set()
        done, _ = await asyncio.wait([waits], timeout=0.5)
        assert not done
        await oauth.save_code(
            connection,
            code_hash=oauth.digest("late"),
            client=client.id,
            member_id=house.member,
            redirect_uri=CALLBACK,
            scope=SCOPE.split(),
            code_challenge=proof_key()[1],
            dpop_jkt=None,
            life_seconds=60,
        )
    assert await waits
    assert await house.count("oauth_code", "consumed_at is null") == 0


async def test_who_is_not_logged_in_is_asked_to_and_comes_back(house: House):
    sent = await house.browser.get("/allowed")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/allowed")
    filled = {**fields((await house.browser.get(sent.headers["location"])).text), "email": EMAIL, "password": PASSWORD}
    back = await house.browser.post("/login", data=filled, headers={"Origin": house.issuer})
    assert back.headers["location"] == "/allowed"
    for page in ("/login", "/security", "/developer"):
        assert 'href="/allowed"' in (await house.browser.get(page)).text, page


@pytest.mark.usefixtures("light_hashes")
async def test_an_open_subscription_ends_with_the_app(served: Served):
    async with housed(served) as house:
        scope = "outcomes:read events:subscribe network:read"
        app, other = await app_of(house, "採用ボード", scope), await app_of(house, "一覧ツール", scope)
        token, lasting = [(await allow(house, each, scope))["access_token"] for each in (app, other)]
        async with conversation(served, token) as talk, conversation(served, lasting) as goes_on:
            for each in (talk, goes_on):
                await each.subscribe(EVENTS)
                assert (await each.said())["type"] == "next"
            assert (await end(house, app)).headers["location"].endswith("app_ended")
            async with asyncio.timeout(30):
                assert await talk.closed() == 4401
            await goes_on.send(type="ping")
            assert await goes_on.said() == {"type": "pong"}
        assert (await served.post("{ viewer { login } }", token)).status_code == 401
        assert (await served.post("{ viewer { login } }", lasting)).status_code == 200
