"""Authorization requests that travel from server to server: used once, by whoever sent them, in time."""

import asyncio

import httpx
import pytest

from models.client import Credentials
from models.db import pool
from tests.oauth_house import (
    CALLBACK,
    House,
    fields,
    light_hashes,  # noqa: F401
    parameters,
    proof_key,
    running_house,  # noqa: F401
)

WEB = {"redirect_uris": [CALLBACK], "scope": ["network:read", "relay:read"]}


async def push(house: House, client: Credentials, **changes: str) -> httpx.Response:
    asked = house.query(client, changes.pop("code_challenge", proof_key()[1]), **changes)
    if client.client_secret:
        del asked["client_id"]
    return await house.post("/oauth/par", client, **asked)


async def reference(house: House, client: Credentials, **changes: str) -> dict[str, str]:
    """The query of an authorization request that was pushed."""
    answer = await push(house, client, **changes)
    assert answer.status_code == 201, answer.text
    return {"client_id": client.client_id, "request_uri": answer.json()["request_uri"]}


@pytest.mark.parametrize("kind", [WEB, {**WEB, "public": True}])
async def test_what_was_pushed_is_what_the_person_is_asked(house: House, kind: dict):
    web = await house.client(**kind)
    verifier, challenge = proof_key()
    answer = await push(house, web, code_challenge=challenge, scope="relay:read", state="pushed")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    body = answer.json()
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert (len(body["request_uri"]), body["expires_in"]) == (77, 540)
    query = {"client_id": web.client_id, "request_uri": body["request_uri"]}
    sent = await house.browser.get("/oauth/authorize", params=query)
    assert sent.headers["location"].startswith("/login?next=%2Foauth%2Fauthorize%3F")
    await house.log_in(house.browser)
    # What the address says beside the reference counts for nothing.
    beside = query | {"scope": "network:read", "state": "address", "redirect_uri": "https://evil.example/"}
    allowed = parameters((await house.allow(house.browser, beside)).headers["location"])
    assert (allowed["state"], allowed["iss"]) == ("pushed", house.issuer)
    token = await house.redeem(web, allowed["code"], verifier)
    assert token.json()["scope"] == "relay:read"
    assert await house.count("oauth_pushed_request", "used_at is not null") == 1
    assert body["request_uri"] not in str(await stored(house))


async def stored(house: House) -> object:
    async with pool().acquire() as connection:
        return await connection.fetch("select * from oauth_pushed_request")


async def test_a_reference_is_answered_once(house: House):
    """proof 1.18, RFC 9126"""
    web = await house.client(**WEB)
    await house.log_in(house.browser)
    query = await reference(house, web)
    shown = [await house.browser.get("/oauth/authorize", params=query) for _ in range(2)]
    assert [page.status_code for page in shown] == [200, 200], "looking uses nothing up"
    target = f"/oauth/consent?{shown[0].url.query.decode()}"
    form = {**fields(shown[0].text), "decision": "allow"}
    posts = [house.browser.post(target, data=form, headers={"Origin": house.issuer}) for _ in range(10)]
    answers = await asyncio.gather(*posts)
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * 9
    assert all("location" not in answer.headers for answer in answers if answer.status_code == 400)
    assert await house.count("oauth_code") == 1
    assert (await house.browser.get("/oauth/authorize", params=query)).status_code == 400


async def test_a_denied_request_cannot_be_asked_again(house: House):
    """proof 1.18"""
    web = await house.client(**WEB)
    await house.log_in(house.browser)
    query = await reference(house, web)
    denied = await house.allow(house.browser, query, decision="deny")
    assert parameters(denied.headers["location"])["error"] == "access_denied"
    assert (await house.browser.get("/oauth/authorize", params=query)).status_code == 400
    assert await house.count("oauth_code") == 0


async def test_a_reference_is_for_its_client_and_its_time(house: House):
    """proof 1.18"""
    web, other = await house.client(**WEB), await house.client(**WEB)
    await house.log_in(house.browser)
    query = await reference(house, web)
    wrong = [
        query | {"client_id": other.client_id},
        {"request_uri": query["request_uri"]},
        query | {"request_uri": query["request_uri"] + "A"},
        query | {"request_uri": "https://evil.example/request"},
        query | {"request_uri": ""},
    ]
    pages = [await house.browser.get("/oauth/authorize", params=each) for each in wrong]
    assert [(page.status_code, "location" in page.headers) for page in pages] == [(400, False)] * len(wrong)
    assert (await house.browser.get("/oauth/authorize", params=query)).status_code == 200
    await house.as_owner("update oauth_pushed_request set expires_at = now()")
    assert (await house.browser.get("/oauth/authorize", params=query)).status_code == 400
    assert await house.count("oauth_pushed_request", "used_at is not null") == 0
    assert await house.count("oauth_code") == 0
    assert await house.count("audit", "action = 'request.refused'") == len(wrong) + 1


async def test_nobody_fills_the_table_in_the_name_of_a_client_that_proves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("auth.pushed.UNPROVEN_MAX", 2)
    app, web = await house.client(**WEB, public=True), await house.client(**WEB)
    answers = [await push(house, app) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert (answers[2].json()["error"], answers[2].headers["retry-after"]) == ("temporarily_unavailable", "900")
    assert [(await push(house, web)).status_code for _ in range(3)] == [201] * 3
    assert await house.count("oauth_pushed_request") == 5


async def test_a_wrong_request_is_refused_when_it_is_pushed(house: House):
    web = await house.client(**WEB)
    program = await house.client()
    refused = {
        "redirect_uri": await push(house, web, redirect_uri="https://evil.example/callback"),
        "scope": await push(house, web, scope="partner:admin"),
        "response_type": await push(house, web, response_type="token"),
        "plain": await push(house, web, code_challenge_method="plain"),
        "challenge": await push(house, web, code_challenge="short"),
        "resource": await push(house, web, resource="https://other.example"),
        "characters": await push(house, web, state="状態"),
        "a reference inside": await push(house, web, request_uri="urn:ietf:params:oauth:request_uri:x"),
        "a program": await push(house, program),
        "secret": await house.http.post("/oauth/par", data={"x": "y"}, auth=(web.client_id, "wrong")),
        "another client": await house.post("/oauth/par", web, **house.query(program, proof_key()[1])),
    }
    said = {name: (answer.status_code, answer.json()["error"]) for name, answer in refused.items()}
    assert said == {
        "redirect_uri": (400, "invalid_request"),
        "scope": (400, "invalid_scope"),
        "response_type": (400, "unsupported_response_type"),
        "plain": (400, "invalid_request"),
        "challenge": (400, "invalid_request"),
        "resource": (400, "invalid_target"),
        "characters": (400, "invalid_request"),
        "a reference inside": (400, "invalid_request"),
        "a program": (400, "invalid_request"),
        "secret": (401, "invalid_client"),
        "another client": (401, "invalid_client"),
    }
    assert not any("location" in answer.headers for answer in refused.values())
    assert await house.count("oauth_pushed_request") == 0
    assert (await house.http.get("/oauth/par")).status_code == 405
