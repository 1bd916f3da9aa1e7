"""A device shows a code, a person types it elsewhere and answers, and the device gets what they allowed."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from auth.client import MetadataError, checked
from auth.device import LETTERS, read_user_code
from auth.tokens import InvalidTokenError
from models import device, oauth
from models.client import DEVICE_GRANT, Credentials
from models.db import unit_of_work
from tests.oauth_house import House, fields, light_hashes, running_house  # noqa: F401  (fixtures)
from tests.test_oauth_dpop import KEY, THIEF, ask, fresh, proof

TV = {"public": True, "devices": True, "scope": ["network:read", "relay:write"]}


async def begin(house: House, client: Credentials, **form: str) -> dict[str, Any]:
    answer = await house.post("/oauth/device_authorization", client, **form)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def poll(house: House, client: Credentials, device_code: str) -> httpx.Response:
    return await house.token(client, grant_type=DEVICE_GRANT, device_code=device_code)


async def type_in(house: House, code: str, **changes: str | None) -> httpx.Response:
    """Types a code into the page; shows what the device asks."""
    if not house.browser.cookies.get("kyoso_session"):
        await house.log_in(house.browser)
    form = {**fields((await house.browser.get("/device")).text), "user_code": code} | changes
    sent = {name: value for name, value in form.items() if value is not None}
    return await house.browser.post("/device", data=sent, headers={"Origin": house.issuer})


async def answer(house: House, code: str, decision: str = "allow", **changes: str | None) -> httpx.Response:
    """Types a code in and answers what the page then asks."""
    shown = await type_in(house, code)
    assert shown.status_code == 200, shown.text
    form = {**fields(shown.text), "decision": decision} | changes
    sent = {name: value for name, value in form.items() if value is not None}
    return await house.browser.post("/device", data=sent, headers={"Origin": house.issuer})


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


async def test_a_device_waits_for_a_person_and_gets_what_they_allow(house: House):
    """RFC 8628"""
    tv = await house.client(**TV)
    told = await begin(house, tv, scope="network:read relay:write")
    assert set(told) == {
        "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval",
    }  # fmt: skip
    assert re.fullmatch(f"[{LETTERS}]{{4}}-[{LETTERS}]{{4}}", told["user_code"])
    assert told["verification_uri"] == f"{house.issuer}/device"
    assert told["verification_uri_complete"] == f"{house.issuer}/device?user_code={told['user_code']}"
    assert (told["expires_in"], told["interval"]) == (600, 5)
    assert said(await poll(house, tv, told["device_code"])) == (400, "authorization_pending")
    assert said(await poll(house, tv, told["device_code"])) == (400, "slow_down")
    assert await house.count("oauth_device_request", "interval_seconds = 10") == 1
    sent = await house.browser.get(told["verification_uri_complete"])
    assert sent.headers["location"] == f"/login?next=%2Fdevice%3Fuser_code%3D{told['user_code']}"
    login = {**fields((await house.browser.get(sent.headers["location"])).text)}
    login |= {"email": "hanako@aozora.example.jp", "password": "correct horse battery"}
    back = await house.browser.post("/login", data=login, headers={"Origin": house.issuer})
    assert back.headers["location"] == f"/device?user_code={told['user_code']}"
    assert f'value="{told["user_code"]}"' in (await house.browser.get(back.headers["location"])).text
    typed = told["user_code"].replace("-", " ").lower()
    shown = await type_in(house, typed)
    assert all(words in shown.text for words in (told["user_code"], "backend", "リレー", "Career relay", "山田 花子"))
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
    assert (shown.headers["cache-control"], shown.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert said(await poll(house, tv, told["device_code"])) == (400, "slow_down")
    assert await house.count("oauth_grant") == 0
    done = await answer(house, told["user_code"], **{"allow relay:write": None})
    assert (done.status_code, "許可しました" in done.text) == (200, True)
    body = (await poll(house, tv, told["device_code"])).json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert (body["scope"], body["token_type"]) == ("network:read", "Bearer")
    viewer = await house.tokens.verify(body["access_token"])
    assert (viewer.member_id, viewer.partner_id) == (house.member, house.company)
    assert (await house.refresh(tv, body["refresh_token"])).json()["scope"] == "network:read"
    assert await house.count("audit", "action = 'consent.given' and detail ->> 'by' = 'device'") == 1
    assert await house.count("audit", "detail ->> 'error' in ('authorization_pending', 'slow_down')") == 0
    for code in (told["device_code"], told["user_code"]):
        assert await house.count("oauth_device_request", f"oauth_device_request::text like '%{code}%'") == 0


@pytest.mark.parametrize("typed", ["wdjb mjht", "WDJBMJHT", "ｗｄｊｂ－ＭＪＨＴ", " wdjb–mjht ", "w.d.j.b.m.j.h.t"])
def test_a_code_is_read_however_it_is_typed(typed: str):
    assert read_user_code(typed) == "WDJBMJHT"


@pytest.mark.parametrize("typed", ["", "WDJB-MJH", "WDJB-MJHTT", "WDJA-MJHT", "WDJ1-MJHT", "\0" * 8, "ＷＤＪあ-MJHT"])
def test_what_cannot_be_a_code_is_none(typed: str):
    assert read_user_code(typed) is None


async def test_one_caller_redeems_a_code_and_a_second_use_ends_the_grant(house: House):
    tv = await house.client(**TV)
    told = await begin(house, tv)
    await answer(house, told["user_code"])
    answers = await asyncio.gather(*(poll(house, tv, told["device_code"]) for _ in range(12)))
    won = [each for each in answers if each.status_code == 200]
    lost = [said(each) for each in answers if each.status_code != 200]
    assert (len(won), lost) == (1, [(400, "invalid_grant")] * 11)
    assert await house.count("oauth_grant") == 1
    with pytest.raises(InvalidTokenError):
        await house.tokens.verify(won[0].json()["access_token"])
    assert said(await house.refresh(tv, won[0].json()["refresh_token"])) == (400, "invalid_grant")


async def test_only_a_yes_opens_anything(house: House):
    tv, other = await house.client(**TV), await house.client(**TV)
    refused, old, strangers = [await begin(house, tv) for _ in range(3)]
    done = await answer(house, refused["user_code"], "deny")
    assert "許可しませんでした" in done.text
    assert said(await poll(house, tv, refused["device_code"])) == (400, "access_denied")
    assert (await type_in(house, refused["user_code"])).status_code == 400
    nothing = await begin(house, tv)
    asked = await answer(house, nothing["user_code"], **{"allow network:read": None, "allow relay:write": None})
    assert (asked.status_code, "許可する項目が選ばれていません" in asked.text) == (422, True)
    assert said(await poll(house, tv, nothing["device_code"])) == (400, "authorization_pending")
    assert said(await poll(house, other, strangers["device_code"])) == (400, "invalid_grant")
    assert said(await poll(house, tv, "unknown")) == (400, "invalid_grant")
    assert await house.count("oauth_device_request", "polled_at is not null") == 2
    await answer(house, old["user_code"])
    await house.as_owner("update oauth_device_request set expires_at = now()")
    assert said(await poll(house, tv, old["device_code"])) == (400, "expired_token")
    assert (await type_in(house, strangers["user_code"])).status_code == 400
    assert await house.count("oauth_grant") == 0
    assert await house.count("audit", "action = 'consent.refused'") == 1


async def test_only_clients_made_for_it_begin(house: House):
    tv, web = await house.client(**TV), await house.client()
    path = "/oauth/device_authorization"
    wrong = {
        "another client": await house.post(path, web, scope="network:read"),
        "no client": await house.http.post(path, data={"scope": "network:read"}),
        "a wrong secret": await house.http.post(path, data={"x": "y"}, auth=(web.client_id, "wrong")),
        "beyond the client": await house.post(path, tv, scope="partner:admin"),
        "an unknown scope": await house.post(path, tv, scope="everything"),
        "another resource": await house.post(path, tv, resource="https://other.example"),
    }
    assert {name: said(each) for name, each in wrong.items()} == {
        "another client": (400, "unauthorized_client"),
        "no client": (401, "invalid_client"),
        "a wrong secret": (401, "invalid_client"),
        "beyond the client": (400, "invalid_scope"),
        "an unknown scope": (400, "invalid_scope"),
        "another resource": (400, "invalid_target"),
    }
    assert await house.count("oauth_device_request") == 0


async def test_the_page_takes_an_answer_from_nowhere_else(house: House):
    """proof 1.22"""
    tv = await house.client(**TV)
    told, second = await begin(house, tv), await begin(house, tv)
    good = {**fields((await type_in(house, told["user_code"])).text), "decision": "allow"}
    other = {**fields((await type_in(house, second["user_code"])).text), "decision": "allow"}
    first_form = fields((await house.browser.get("/device")).text)
    attempts = [
        (good | {"token": ""}, house.issuer),
        (good | {"token": first_form["token"]}, house.issuer),
        (good | {"token": other["token"]}, house.issuer),
        (good, "https://evil.example"),
        (first_form | {"token": good["token"], "user_code": told["user_code"]}, house.issuer),
    ]
    answers = [await house.browser.post("/device", data=form, headers={"Origin": origin}) for form, origin in attempts]
    answers.append(await house.http.post("/device", data=good, headers={"Origin": house.issuer}))
    assert [each.status_code for each in answers] == [403] * 6
    assert await house.count("oauth_device_request", "answered_at is not null") == 0
    assert (await house.browser.post("/device", data=good, headers={"Origin": house.issuer})).status_code == 200


async def test_guessing_is_throttled(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.device.MEMBER_GUESSES_MAX", 3)
    tv = await house.client(**TV)
    told = await begin(house, tv)
    assert [(await type_in(house, "BBBB-BBBB")).status_code for _ in range(3)] == [400] * 3
    late = await type_in(house, told["user_code"])
    assert (late.status_code, late.headers["retry-after"]) == (429, "900")
    lines = [await house.count("audit", f"action = 'device.{how}'") for how in ("refused", "throttled")]
    assert lines == [3, 1]
    monkeypatch.setattr("api.device.ADDRESS_REQUESTS_MAX", 1)
    assert said(await house.post("/oauth/device_authorization", tv)) == (429, "slow_down")
    assert await house.count("oauth_device_request") == 1


async def test_a_bound_device_stays_bound(house: House):
    """proof 1.17"""
    tv = await house.client(**TV, dpop_bound=True)
    asking = proof(f"{house.issuer}/oauth/device_authorization", house.tokens.proofs.nonce())
    begun = await house.http.post(
        "/oauth/device_authorization", data={"client_id": tv.client_id}, headers={"DPoP": asking}
    )
    told = begun.json()
    await answer(house, told["user_code"])
    form = {"grant_type": DEVICE_GRANT, "device_code": told["device_code"]}
    assert said(await ask(house, tv, None, **form)) == (400, "invalid_dpop_proof")
    assert said(await ask(house, tv, fresh(house, THIEF), **form)) == (400, "invalid_grant")
    body = (await ask(house, tv, fresh(house, KEY), **form)).json()
    assert body["token_type"] == "DPoP"
    again = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    assert said(await ask(house, tv, fresh(house, THIEF), **again)) == (400, "invalid_grant")
    assert (await ask(house, tv, fresh(house, KEY), **again)).status_code == 200


async def test_an_app_of_another_partner_is_not_let_in(house: House):
    theirs = await house.client(**TV, partner_id=house.agency)
    told = await begin(house, theirs)
    shown = await type_in(house, told["user_code"])
    assert (shown.status_code, "別の組織のアプリ" in shown.text) == (403, True)
    await house.as_owner("update member set role = 'DEVELOPER'")
    mine = await begin(house, await house.client(**TV | {"scope": ["relay:write"]}))
    assert (await type_in(house, mine["user_code"])).status_code == 403
    assert await house.count("oauth_device_request", "answered_at is not null") == 0


def test_partners_register_such_clients_themselves():
    tv = {"client_name": "受付の画面", "token_endpoint_auth_method": "none", "scope": "network:read"}
    said = checked({**tv, "grant_types": [DEVICE_GRANT, "refresh_token"], "response_types": []}, ["network:read"])
    assert (said.grant_types, said.redirect_uris) == ([DEVICE_GRANT, "refresh_token"], [])
    with pytest.raises(MetadataError):
        checked({**tv, "grant_types": [DEVICE_GRANT], "redirect_uris": ["https://app.example.jp/"]}, ["network:read"])


async def test_old_requests_are_swept_away(house: House):
    tv = await house.client(**TV)
    old, young = await begin(house, tv), await begin(house, tv)
    await house.as_owner(
        "update oauth_device_request set expires_at = now() - interval '2 days' where device_hash = $1",
        oauth.digest(old["device_code"]),
    )
    async with unit_of_work() as connection:
        await device.sweep(connection)
    assert await house.count("oauth_device_request") == 1
    assert said(await poll(house, tv, old["device_code"])) == (400, "invalid_grant")
    assert said(await poll(house, tv, young["device_code"])) == (400, "authorization_pending")
