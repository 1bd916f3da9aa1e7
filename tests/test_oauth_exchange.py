"""A backend's token becomes a lesser one for a browser: fewer scopes, a shorter life, and never anybody else's."""

import time

import pytest

from auth.exchange import TOKEN_TYPE
from auth.tokens import InvalidTokenError
from models.client import Credentials
from tests.oauth_house import CALLBACK, House, light_hashes, running_house  # noqa: F401  (fixtures)
from tests.test_oauth_dpop import KEY, THIEF, ask, fresh, shown

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"


def words(token: str, scope: str = "network:read", **changes: str) -> dict[str, str]:
    return {"subject_token": token, "subject_token_type": TOKEN_TYPE, "scope": scope} | changes


async def exchange(house: House, client: Credentials, token: str, scope: str = "network:read", **changes: str):
    return await house.token(client, grant_type=GRANT, **words(token, scope, **changes))


async def test_a_lesser_token_says_less_and_ends_sooner(house: House):
    """RFC 8693"""
    backend = await house.client(scope=["network:read", "relay:write"])
    first = (await house.token(backend)).json()["access_token"]
    answer = await exchange(house, backend, first, "relay:read")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (body["issued_token_type"], body["token_type"], body["scope"]) == (TOKEN_TYPE, "Bearer", "relay:read")
    assert 0 < body["expires_in"] <= 120
    viewer = await house.tokens.verify(body["access_token"])
    assert (viewer.partner_id, viewer.client_id) == (house.company, backend.client_id)
    assert viewer.standing == {"relay:read"}
    told = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert GRANT in told["grant_types_supported"]
    wider = await exchange(house, backend, body["access_token"], "relay:write")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")


async def test_it_never_outlives_the_first(house: House, monkeypatch: pytest.MonkeyPatch):
    backend = await house.client()
    first = (await house.token(backend)).json()["access_token"]
    ends = house.tokens.claims(first)["exp"]
    monkeypatch.setattr("auth.tokens.time.time", lambda: ends - 20)
    body = (await exchange(house, backend, first)).json()
    assert (body["expires_in"], house.tokens.claims(body["access_token"])["exp"]) == (20, ends)
    monkeypatch.setattr("auth.tokens.time.time", lambda: ends)
    assert (await exchange(house, backend, first)).json()["error"] == "invalid_request"


async def test_a_persons_token_stays_theirs_and_ends_with_their_grant(house: House):
    web = await house.client(scope=["network:read", "relay:read"], redirect_uris=[CALLBACK])
    first = (await house.redeem(web, *await house.code(web, "network:read relay:read"))).json()
    lesser = (await exchange(house, web, first["access_token"])).json()["access_token"]
    assert (await house.tokens.verify(lesser)).member_id == house.member
    assert (await house.post("/oauth/revoke", web, token=first["refresh_token"])).status_code == 200
    with pytest.raises(InvalidTokenError):
        await house.tokens.verify(lesser)
    assert (await exchange(house, web, first["access_token"])).json()["error"] == "invalid_request"


async def test_nothing_else_can_be_exchanged(house: House):
    backend, other = await house.client(scope=["network:read", "relay:read"]), await house.client()
    page = await house.client(public=True, redirect_uris=[CALLBACK])
    token = (await house.token(backend, scope="network:read")).json()["access_token"]
    wrong = {
        "another client": await exchange(house, other, token),
        "a public client": await exchange(house, page, token),
        "a scope of the client, not of the token": await exchange(house, backend, token, "relay:read"),
        "an unknown scope": await exchange(house, backend, token, "everything"),
        "no scope": await exchange(house, backend, token, ""),
        "no token": await exchange(house, backend, ""),
        "a forged token": await exchange(house, backend, token[:-4] + "AAAA"),
        "another type": await exchange(house, backend, token, subject_token_type=TOKEN_TYPE[:-5]),
        "a refresh token wanted": await exchange(house, backend, token, requested_token_type="refresh_token"),
        "an actor": await exchange(house, backend, token, actor_token=token),
        "another audience": await exchange(house, backend, token, audience="https://other.example"),
        "another resource": await exchange(house, backend, token, resource="https://other.example"),
    }
    said = {name: answer.json()["error"] for name, answer in wrong.items()}
    assert said == {
        "another client": "invalid_request",
        "a public client": "invalid_client",
        "a scope of the client, not of the token": "invalid_scope",
        "an unknown scope": "invalid_scope",
        "no scope": "invalid_scope",
        "no token": "invalid_request",
        "a forged token": "invalid_request",
        "another type": "invalid_request",
        "a refresh token wanted": "invalid_request",
        "an actor": "invalid_request",
        "another audience": "invalid_target",
        "another resource": "invalid_target",
    }
    assert await house.count("audit", "action = 'token.issued'") == 1
    assert (await house.post("/oauth/revoke", backend, token=token)).status_code == 200
    assert (await exchange(house, backend, token)).json()["error"] == "invalid_request"


async def test_a_smaller_role_narrows_what_can_be_kept(house: House):
    web = await house.client(scope=["network:read", "relay:write"], redirect_uris=[CALLBACK])
    first = (await house.redeem(web, *await house.code(web, "network:read relay:write"))).json()["access_token"]
    await house.as_owner("update member set role = 'ANALYST'")
    assert (await exchange(house, web, first, "relay:write")).json()["error"] == "invalid_scope"
    assert (await exchange(house, web, first, "relay:read")).json()["scope"] == "relay:read"


async def test_a_bound_token_keeps_its_key(house: House):
    backend = await house.client()
    bound = (await ask(house, backend, fresh(house))).json()["access_token"]
    asked = {"grant_type": GRANT, **words(bound)}
    for given in (None, fresh(house, THIEF)):
        assert (await ask(house, backend, given, **asked)).json()["error"] == "invalid_grant"
    before = int(time.time())
    body = (await ask(house, backend, fresh(house, KEY), **asked)).json()
    assert body["token_type"] == "DPoP"
    assert body["expires_in"] <= house.tokens.claims(bound)["exp"] - before
    await house.tokens.verify_proven(body["access_token"], shown(house, body["access_token"]), "POST")
