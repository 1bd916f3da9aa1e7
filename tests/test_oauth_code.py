"""The authorization code with PKCE: redeemed once, by whoever asked, at exactly the registered address."""

import asyncio
import os
from collections import Counter

import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client

from auth.tokens import InvalidTokenError
from models.db import pool
from tests.oauth_house import (
    CALLBACK,
    House,
    light_hashes,  # noqa: F401
    parameters,
    proof_key,
    running_house,  # noqa: F401
)

ROUNDS = int(os.environ.get("KYOSO_RACE_ROUNDS", "20"))  # 200 take minutes: once in a while
CALLERS = 50
WEB = {"redirect_uris": [CALLBACK], "scope": ["network:read", "relay:read"]}
APP = {**WEB, "public": True}


async def test_of_fifty_redemptions_at_once_one_wins(house: House, record_property):
    """proof 1.1"""
    app = await house.client(**APP)
    answers: Counter[tuple[int, str]] = Counter()
    for _ in range(ROUNDS):
        code, verifier = await house.code(app)
        together = await asyncio.gather(*(house.redeem(app, code, verifier) for _ in range(CALLERS)))
        one_round = Counter((answer.status_code, answer.json().get("error", "")) for answer in together)
        assert one_round == {(200, ""): 1, (400, "invalid_grant"): CALLERS - 1}
        answers += one_round
    record_property("redemptions", str(dict(answers)))
    print(f"{ROUNDS} rounds of {CALLERS}: {dict(answers)}")
    assert await house.count("oauth_grant") == ROUNDS
    assert await house.count("oauth_refresh_token") == ROUNDS


@pytest.mark.parametrize("kind", [APP, WEB])
async def test_a_code_that_comes_twice_ends_what_grew_from_it(house: House, kind: dict):
    """proof 1.2"""
    app = await house.client(**kind)
    code, verifier = await house.code(app)
    first = (await house.redeem(app, code, verifier)).json()
    await house.tokens.verify(first["access_token"])
    again = await house.redeem(app, code, verifier)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    with pytest.raises(InvalidTokenError):
        await house.tokens.verify(first["access_token"])
    assert (await house.refresh(app, first["refresh_token"])).json()["error"] == "invalid_grant"
    assert await house.count("oauth_grant", "revoked_because = 'code used twice'") == 1


@pytest.mark.parametrize("wrong", ["client", "redirect_uri", "verifier"])
async def test_a_stranger_who_replays_a_code_cannot_end_the_grant(house: House, wrong: str):
    """proof 1.3"""
    app, stranger = await house.client(**APP), await house.client(**APP)
    code, verifier = await house.code(app)
    first = (await house.redeem(app, code, verifier)).json()
    changes = {"redirect_uri": {"redirect_uri": f"{CALLBACK}/other"}, "verifier": {"code_verifier": "x" * 43}}
    again = await house.redeem(stranger if wrong == "client" else app, code, verifier, **changes.get(wrong, {}))
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    await house.tokens.verify(first["access_token"])
    assert await house.count("oauth_grant", "revoked_at is not null") == 0
    assert (await house.refresh(app, first["refresh_token"])).status_code == 200


async def test_a_wrong_verifier_does_not_burn_the_code(house: House):
    """proof 1.4"""
    app = await house.client(**APP)
    code, verifier = await house.code(app)
    assert (await house.redeem(app, code, "x" * 43)).json()["error"] == "invalid_grant"
    assert (await house.redeem(app, code, verifier)).status_code == 200


async def test_a_code_lives_a_minute(house: House):
    """proof 1.5"""
    app = await house.client(**APP)
    code, verifier = await house.code(app)
    async with pool().acquire() as connection:
        life = await connection.fetchval("select extract(epoch from expires_at - issued_at)::int from oauth_code")
    await house.as_owner("update oauth_code set expires_at = expires_at - interval '62 seconds'")
    assert life == 60
    answer = await house.redeem(app, code, verifier)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert await house.count("oauth_grant") == 0


UNPROVEN = (
    {"code_challenge": ""},
    {"code_challenge": "", "code_challenge_method": ""},
    {"code_challenge_method": "plain"},
    {"code_challenge_method": ""},
    {"code_challenge": "too-short"},
    {"code_challenge": "=" * 43},
)


@pytest.mark.parametrize("kind", [APP, WEB])
async def test_everybody_must_prove_the_code_is_theirs_with_s256(house: House, kind: dict):
    """proof 1.6, RFC 7636"""
    app = await house.client(**kind)
    await house.log_in(house.browser)
    for changes in UNPROVEN:
        query = {name: value for name, value in house.query(app, proof_key()[1], **changes).items() if value}
        answer = await house.browser.get("/oauth/authorize", params=query)
        assert answer.status_code == 303, changes
        told = parameters(answer.headers["location"])
        assert (told["error"], told["state"], told["iss"]) == ("invalid_request", "opaque", house.issuer)
    assert await house.count("oauth_code") == 0


async def test_a_code_without_its_verifier_is_worth_nothing(house: House):
    """proof 1.6"""
    web = await house.client(**WEB)
    code, _ = await house.code(web)
    for verifier in ("", "short", "é" * 43, "x" * 129, "x" * 43):
        answer = await house.redeem(web, code, verifier)
        assert answer.status_code == 400, verifier
        assert answer.json()["error"] in ("invalid_request", "invalid_grant")
    assert await house.count("oauth_grant") == 0


ELSEWHERE = [
    f"{CALLBACK}/",
    f"{CALLBACK}?a=b",
    f"{CALLBACK}#part",
    "https://app.example.jp/Callback",
    "https://APP.example.jp/callback",
    "https://user@app.example.jp/callback",
    "https://app.example.jp:443/callback",
    "https://app.example.jp:8443/callback",
    "https://app.example.jp/%63allback",
    "https://app.example.jp/x/../callback",
    "https://app.example.jp.evil.example/callback",
    "http://app.example.jp/callback",
    "//app.example.jp/callback",
    "/callback",
    'https://evil.example/"quoted"',
    "https://evil.example/\u3042",
    "https://evil.example/\\@app.example.jp",
    "",
]


async def test_an_address_that_is_not_exactly_registered_is_never_gone_to(house: House):
    """proof 1.7, proof 1.8, RFC 9700"""
    app = await house.client(**APP)
    await house.log_in(house.browser)
    for more in ({}, {"scope": "no:such"}, {"response_type": "token"}, {"response_type": 'a"あ'}):
        for uri in ELSEWHERE:
            query = house.query(app, proof_key()[1], redirect_uri=uri, **more)
            for browser in (house.http, house.browser):
                answer = await browser.get("/oauth/authorize", params=query)
                assert (answer.status_code, answer.headers.get("location")) == (400, None), uri
                assert "evil" not in answer.text


async def test_errors_for_the_app_say_who_answers(house: House):
    """RFC 9207, proof 1.14: the successes and the refusals by the person are in test_login"""
    app = await house.client(**APP)
    for changes, error in (
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": "no:such"}, "invalid_scope"),
        ({"scope": "relay:write"}, "invalid_scope"),
        ({"scope": "network:admin"}, "invalid_scope"),
    ):
        answer = await house.http.get("/oauth/authorize", params=house.query(app, proof_key()[1], **changes))
        assert answer.status_code == 303
        told = parameters(answer.headers["location"])
        assert (told["error"], told["state"], told["iss"]) == (error, "opaque", house.issuer)


async def test_an_unknown_client_and_repeated_parameters_get_a_page(house: House):
    app = await house.client(**APP)
    query = house.query(app, proof_key()[1])
    for wrong in ({**query, "client_id": "unknown"}, {**query, "client_id": ""}, [*query.items(), ("state", "again")]):
        answer = await house.http.get("/oauth/authorize", params=wrong)
        assert answer.status_code == 400
        assert "location" not in answer.headers
    assert (await house.http.get("/oauth/authorize", params={**query, "state": "x" * 9000})).status_code == 414


async def test_an_app_gets_its_state_back_whatever_it_wrote(house: House):
    """RFC 6749, appendix A.5"""
    app = await house.client(**APP)
    await house.log_in(house.browser)
    state = '{"then": "/jobs?page=2&all", "by": "C:\\"}'
    given = await house.allow(house.browser, house.query(app, proof_key()[1], state=state))
    refused = await house.http.get("/oauth/authorize", params=house.query(app, "short", state=state))
    for answer in (given, refused):
        assert parameters(answer.headers["location"])["state"] == state


async def test_a_client_for_programs_only_cannot_send_people_here(house: House):
    backend = await house.client(scope=["network:read"])
    answer = await house.http.get("/oauth/authorize", params=house.query(backend, proof_key()[1]))
    assert answer.status_code == 400
    refused = await house.token(backend, grant_type="authorization_code", code="x", redirect_uri=CALLBACK)
    assert refused.json()["error"] == "unauthorized_client"


async def test_authlibs_own_client_goes_the_whole_way(house: House):
    """RFC 6749"""
    web = await house.client(**WEB)
    client = AsyncOAuth2Client(
        web.client_id, web.client_secret, redirect_uri=CALLBACK, scope="network:read", code_challenge_method="S256"
    )
    verifier, _ = proof_key()
    url, state = client.create_authorization_url(f"{house.issuer}/oauth/authorize", code_verifier=verifier)
    await house.log_in(house.browser)
    answer = await house.allow(house.browser, parameters(url))
    async with client:
        token = await client.fetch_token(
            f"{house.issuer}/oauth/token",
            authorization_response=answer.headers["location"],
            code_verifier=verifier,
            state=state,
        )
        viewer = await house.tokens.verify(token["access_token"])
        assert (viewer.member_id, viewer.scopes) == (house.member, {"network:read"})
        renewed = await client.refresh_token(f"{house.issuer}/oauth/token")
        assert renewed["refresh_token"] != token["refresh_token"]


async def test_only_digests_are_stored(house: House):
    web = await house.client(**WEB)
    code, verifier = await house.code(web)
    body = (await house.redeem(web, code, verifier)).json()
    secrets = [code, verifier, body["access_token"], body["refresh_token"], web.client_secret]
    secrets.append(house.browser.cookies["kyoso_session"])
    async with pool().acquire() as connection:
        tables = ["oauth_client", "oauth_code", "oauth_grant", "oauth_refresh_token", "login_session", "audit"]
        stored = " ".join(
            [await connection.fetchval(f"select string_agg(t::text, ' ') from {name} t") for name in tables]
        )
    for secret in secrets:
        assert secret not in stored
        assert secret.encode().hex() not in stored


async def test_a_person_whose_access_ended_takes_their_grants_along(house: House):
    app = await house.client(**APP)
    code, verifier = await house.code(app)
    body = (await house.redeem(app, code, verifier)).json()
    waiting, other_verifier = await house.code(app)
    async with pool().acquire() as connection:
        await connection.execute("update member set disabled_at = now()")
    with pytest.raises(InvalidTokenError):
        await house.tokens.verify(body["access_token"])
    assert (await house.refresh(app, body["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await house.redeem(app, waiting, other_verifier)).json()["error"] == "invalid_grant"
