"""Logging out because an app asks for it, and what ends with a login however it is ended."""

import asyncio
from typing import Any

import pytest

from auth.tokens import InvalidTokenError
from models import member
from models.client import Credentials
from models.db import unit_of_work
from tests.oauth_house import (
    CALLBACK,
    House,
    fields,
    light_hashes,  # noqa: F401
    parameters,
    running_house,  # noqa: F401
)
from tests.test_oauth_client import admin_token
from tests.test_oauth_client import register as registration

AFTER = "https://app.example.jp/bye"
APP = {
    "redirect_uris": [CALLBACK],
    "post_logout_redirect_uris": [AFTER],
    "scope": ["openid", "network:read"],
    "public": True,
    "name": "採用アプリ",
}


async def logged_in(house: House, app: Credentials, scope: str = "openid network:read") -> dict[str, Any]:
    """The tokens of an app that the person has just logged in to."""
    code, verifier = await house.code(app, scope)
    return (await house.redeem(app, code, verifier)).json()


async def ends(house: House, access_token: str) -> None:
    """Returns when the token is refused, as every worker learns it."""
    async with asyncio.timeout(30):
        while True:
            try:
                await house.tokens.verify(access_token)
            except InvalidTokenError:
                return
            await asyncio.sleep(0.02)


async def test_an_app_that_shows_its_id_token_logs_the_person_out(house: House):
    app, other = await house.client(**APP), await house.client(**APP)
    tokens, lasting = await logged_in(house, app), await logged_in(house, app, "network:read")
    elsewhere = await logged_in(house, other)
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER, "state": "a b&c"}
    answer = await house.browser.get("/logout", params=asked)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{AFTER}?state=a+b%26c")
    assert await house.count("login_session") == 0
    assert await house.count("audit", "action = 'login.ended'") == 1
    for ended in (tokens, elsewhere):
        await ends(house, ended["access_token"])
        refused = await house.refresh(app if ended is tokens else other, ended["refresh_token"])
        assert refused.json()["error"] == "invalid_grant"
    await house.tokens.verify(lasting["access_token"])
    assert (await house.refresh(app, lasting["refresh_token"])).status_code == 200
    again = await house.browser.get("/logout", params=asked)
    assert again.headers["location"] == f"{AFTER}?state=a+b%26c"


async def test_without_an_id_token_of_theirs_the_person_is_asked(house: House):
    app = await house.client(**APP)
    tokens = await logged_in(house, app)
    asked = {"client_id": app.client_id, "post_logout_redirect_uri": AFTER, "state": "s"}
    shown = await house.browser.get("/logout", params=asked)
    assert shown.status_code == 200
    assert "採用アプリ" in shown.text
    assert "form-action 'self' https://app.example.jp;" in shown.headers["content-security-policy"] + ";"
    await house.tokens.verify(tokens["access_token"])
    form = fields(shown.text)
    assert (await house.browser.post("/logout", data=form)).status_code == 403
    forged = await house.browser.post("/logout", data={**form, "token": "0" * 64}, headers={"Origin": house.issuer})
    assert forged.status_code == 403
    assert await house.count("login_session") == 1
    elsewhere = {**form, "post_logout_redirect_uri": "https://evil.example/bye"}
    async with house.visitor() as stranger:
        await house.log_in(stranger)
        mismatch = await stranger.get("/logout", params={**asked, "id_token_hint": tokens["id_token"][:-3] + "AAA"})
        assert mismatch.status_code == 400
    answer = await house.browser.post("/logout", data=form, headers={"Origin": house.issuer})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{AFTER}?state=s")
    await ends(house, tokens["access_token"])
    await house.log_in(house.browser)
    form = fields((await house.browser.get("/logout", params=asked)).text)
    answer = await house.browser.post(
        "/logout", data={**form, **elsewhere, "token": form["token"]}, headers={"Origin": house.issuer}
    )
    assert answer.headers["location"] == "/login"


async def test_an_id_token_of_somebody_else_ends_nothing_unasked(house: House):
    app = await house.client(**APP)
    tokens = await logged_in(house, app)
    async with unit_of_work() as connection:
        await member.create_member(
            connection,
            partner_id=house.company,
            email="t@b.jp",
            name="青木",
            password_hash=await member.hash_password("correct horse battery", ()),
            role="ADMIN",
        )
    async with house.visitor() as other:
        await house.log_in(other, email="t@b.jp")
        shown = await other.get("/logout", params={"id_token_hint": tokens["id_token"]})
        assert shown.status_code == 200
        assert "青木" in shown.text
    assert await house.count("login_session") == 2
    await house.tokens.verify(tokens["access_token"])


@pytest.mark.parametrize("address", ["https://evil.example", f"{AFTER}/", f"{AFTER}?x=y", AFTER.upper(), CALLBACK])
async def test_nobody_is_sent_where_the_app_did_not_register(house: House, address: str):
    app = await house.client(**APP)
    tokens = await logged_in(house, app)
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": address}
    answer = await house.browser.get("/logout", params=asked)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert await house.count("login_session") == 0


async def test_an_app_may_post_and_then_comes_by_get(house: House):
    app = await house.client(**APP)
    tokens = await logged_in(house, app)
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER, "other": "x"}
    answer = await house.http.post("/logout", data=asked, headers={"Origin": "https://app.example.jp"})
    assert answer.status_code == 303
    assert set(parameters(answer.headers["location"])) == {"id_token_hint", "post_logout_redirect_uri"}
    assert await house.count("login_session") == 1
    answer = await house.browser.get(answer.headers["location"])
    assert answer.headers["location"] == AFTER


async def test_what_grew_from_a_login_ends_however_the_login_is_ended(house: House):
    app = await house.client(**APP)
    tokens = await logged_in(house, app)
    code, verifier = await house.code(app, "openid network:read")
    async with unit_of_work() as connection:
        fresh = await member.hash_password("another horse battery", ())
        await member.set_password(connection, "hanako@aozora.example.jp", fresh)
    await ends(house, tokens["access_token"])
    assert (await house.redeem(app, code, verifier)).json()["error"] == "invalid_grant"
    assert await house.count("oauth_grant", "revoked_because = 'the login ended'") == 1


async def test_a_login_that_grew_old_or_was_renewed_ends_nothing(house: House):
    app = await house.client(**APP)
    tokens = await logged_in(house, app)
    again = fields((await house.browser.get("/login", params={"again": "1"})).text)
    filled = {**again, "email": "hanako@aozora.example.jp", "password": "correct horse battery"}
    await house.browser.post("/login", data=filled, headers={"Origin": house.issuer})
    assert await house.count("login_session") == 1
    assert (await house.refresh(app, tokens["refresh_token"])).status_code == 200
    await house.as_owner("update login_session set expires_at = now() - interval '1 minute'")
    async with unit_of_work() as connection:
        await member.sweep(connection)
    assert await house.count("login_session") == 0
    assert await house.count("oauth_grant", "revoked_at is not null") == 0
    assert await house.count("oauth_revocation") == 0


async def test_an_app_registers_what_it_is_told_and_where_people_go_after_logging_out(house: House):
    document = {
        "client_name": "採用アプリ",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [AFTER],
        "scope": "openid email network:read",
    }
    token = await admin_token(house)
    made = (await registration(house, token, document)).json()
    assert (made["post_logout_redirect_uris"], made["scope"]) == ([AFTER], "openid email network:read")
    look = {"Authorization": f"Bearer {made['registration_access_token']}"}
    told = (await house.http.get(made["registration_client_uri"], headers=look)).json()
    assert told["post_logout_redirect_uris"] == [AFTER]
    changed = {**document, "client_id": made["client_id"], "post_logout_redirect_uris": [f"{AFTER}/2"]}
    answer = await house.http.put(made["registration_client_uri"], json=changed, headers=look)
    assert answer.json()["post_logout_redirect_uris"] == [f"{AFTER}/2"]
    assert await house.count("oauth_client", f"post_logout_redirect_uris = '{{{AFTER}/2}}'") == 1
    backend = {"client_name": "b", "grant_types": ["client_credentials"], "scope": "network:read"}
    for wrong in (
        {**document, "post_logout_redirect_uris": ["http://app.example.jp/bye"]},
        {**document, "post_logout_redirect_uris": "https://app.example.jp"},
        {**backend, "post_logout_redirect_uris": [AFTER]},
        {**backend, "scope": "openid network:read"},
    ):
        refused = await registration(house, token, wrong)
        assert refused.status_code == 400, wrong
    assert await house.count("oauth_client", "name in ('b', '採用アプリ')") == 1
