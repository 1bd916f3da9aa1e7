"""OpenID Connect: ID tokens that an app can verify, userinfo, fresh logins, and answers without a page."""

import base64
import json
import time
from hashlib import sha256
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from models import member
from models.db import pool, unit_of_work
from tests import test_oauth_dpop as dpop
from tests.oauth_house import (
    CALLBACK,
    EMAIL,
    PASSWORD,
    House,
    fields,
    light_hashes,  # noqa: F401
    parameters,
    proof_key,
    running_house,  # noqa: F401
)

SCOPE = "openid profile email network:read"
APP = {"redirect_uris": [CALLBACK], "scope": SCOPE.split(), "public": True}
WEB = {**APP, "public": False}


async def claims_of(house: House, id_token: str, client_id: str) -> dict[str, Any]:
    """What an app believes: signed by a published key, for it, by this issuer, now."""
    keys = KeySet.import_key_set((await house.http.get("/.well-known/jwks.json")).json())
    token = jwt.decode(id_token, keys, ["ES256"])
    assert token.header["typ"] == "JWT"
    needed = {"essential": True}
    registry = jwt.JWTClaimsRegistry(
        iss={**needed, "value": house.issuer}, aud={**needed, "value": client_id}, exp=needed, iat=needed
    )
    registry.validate(token.claims)
    return token.claims


async def test_an_app_learns_who_logged_in_when_and_how(house: House):
    """RFC 8176"""
    for kind in (APP, WEB):
        app = await house.client(**kind)
        code, verifier = await house.code(app, SCOPE, nonce="n-0S6_WzA2Mj")
        answer = (await house.redeem(app, code, verifier)).json()
        claims = await claims_of(house, answer["id_token"], app.client_id)
        async with pool().acquire() as connection:
            since = await connection.fetchval("select floor(extract(epoch from auth_time))::int8 from login_session")
        half = base64.urlsafe_b64encode(sha256(answer["access_token"].encode()).digest()[:16]).rstrip(b"=").decode()
        assert claims == {
            "iss": house.issuer,
            "sub": str(house.member),
            "aud": app.client_id,
            "azp": app.client_id,
            "iat": claims["iat"],
            "exp": claims["iat"] + 300,
            "at_hash": half,
            "auth_time": since,
            "amr": ["pwd"],
            "nonce": "n-0S6_WzA2Mj",
        }
        again = (await house.refresh(app, answer["refresh_token"])).json()
        later = await claims_of(house, again["id_token"], app.client_id)
        assert "nonce" not in later
        assert (later["sub"], later["auth_time"], later["amr"]) == (claims["sub"], since, ["pwd"])
        assert later["at_hash"] != half
        narrower = (await house.refresh(app, again["refresh_token"], scope="network:read")).json()
        assert "id_token" not in narrower


async def test_without_the_scope_there_is_no_id_token_and_a_program_cannot_hold_it(house: House):
    web = await house.client(**WEB)
    code, verifier = await house.code(web, "network:read")
    answer = (await house.redeem(web, code, verifier)).json()
    assert "id_token" not in answer
    refused = await house.http.get("/oauth/userinfo", headers=bearer(answer["access_token"]))
    assert refused.status_code == 403
    assert 'error="insufficient_scope", scope="openid"' in refused.headers["www-authenticate"]
    backend = await house.client(["openid", "network:read"])
    assert (await house.token(backend)).json()["scope"] == "network:read"
    asked = await house.token(backend, scope="openid network:read")
    assert (asked.status_code, asked.json()["error"]) == (400, "invalid_scope")
    only = await house.client(["openid"])
    assert (await house.token(only)).json()["error"] == "invalid_scope"


async def test_scopes_that_nobody_here_knows_are_left_aside_where_openid_is_asked_for(house: House):
    app, known = await house.client(**APP, devices=True), "openid network:read"
    asked = f"offline_access {known} phone"
    verifier, challenge = proof_key()
    query = house.query(app, challenge, scope=asked)
    await house.log_in(house.browser)
    pushed = await house.post("/oauth/par", app, **query)
    assert pushed.status_code == 201
    for sent in (query, {"client_id": app.client_id, "request_uri": pushed.json()["request_uri"]}):
        shown = await house.browser.get("/oauth/authorize", params=sent)
        assert {name for name in fields(shown.text) if " " in name} == {"allow openid", "allow network:read"}
        given = parameters((await house.allow(house.browser, sent)).headers["location"])
        answer = (await house.redeem(app, given["code"], verifier)).json()
        assert answer["scope"] == known
        again = await house.refresh(app, answer["refresh_token"], scope=asked)
        assert (again.status_code, again.json()["scope"]) == (200, known)
    begun = await house.post("/oauth/device_authorization", app, scope=asked)
    assert begun.status_code == 200
    async with pool().acquire() as connection:
        assert await connection.fetchval("select scope from oauth_device_request") == sorted(known.split())


@pytest.mark.parametrize(
    "scope", ["offline_access network:read", "openid relay:write", "openid offline_access relay:read"]
)
async def test_a_scope_that_is_known_here_or_asked_for_without_openid_is_an_error(house: House, scope: str):
    app = await house.client(**APP, devices=True)
    query = house.query(app, proof_key()[1], scope=scope)
    sent = await house.browser.get("/oauth/authorize", params=query)
    assert parameters(sent.headers["location"])["error"] == "invalid_scope"
    for path, form in (("/oauth/par", query), ("/oauth/device_authorization", {"scope": scope})):
        refused = await house.post(path, app, **form)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


async def test_an_id_token_opens_nothing(house: House):
    """proof 1.15"""
    app = await house.client(**APP)
    code, verifier = await house.code(app, SCOPE)
    answer = (await house.redeem(app, code, verifier)).json()
    await house.tokens.verify(answer["access_token"])
    refused = await house.http.get("/oauth/userinfo", headers=bearer(answer["id_token"]))
    assert refused.status_code == 401
    assert refused.json()["error"] == "invalid_token"
    introspected = await house.post("/oauth/introspect", await house.client(), token=answer["id_token"])
    assert introspected.json() == {"active": False}


async def test_userinfo_says_what_the_scopes_cover(house: House):
    app = await house.client(**APP)
    await house.as_owner("update member set email_verified_at = now()")
    everything = {"sub": str(house.member), "name": "山田 花子", "email": EMAIL, "email_verified": True}
    for scope, names in (
        (SCOPE, set(everything)),
        ("openid", {"sub"}),
        ("openid profile", {"sub", "name"}),
        ("openid email", {"sub", "email", "email_verified"}),
    ):
        code, verifier = await house.code(app, scope)
        headers = bearer((await house.redeem(app, code, verifier)).json()["access_token"])
        for method in ("GET", "POST"):
            told = await house.http.request(method, "/oauth/userinfo", headers=headers)
            assert told.json() == {name: everything[name] for name in names}
            assert told.headers["cache-control"] == "no-store"
    await house.as_owner("update member set email_verified_at = null")
    code, verifier = await house.code(app, SCOPE)
    headers = bearer((await house.redeem(app, code, verifier)).json()["access_token"])
    assert (await house.http.get("/oauth/userinfo", headers=headers)).json()["email_verified"] is False
    nobody = await house.http.get("/oauth/userinfo")
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"].startswith('Bearer realm="kyoso", DPoP realm="kyoso"')
    assert nobody.content == b""


async def test_userinfo_takes_a_bound_token_with_its_key_alone(house: House):
    app = await house.client(**APP)
    code, verifier = await house.code(app, SCOPE)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": CALLBACK}
    answer = (await dpop.ask(house, app, dpop.fresh(house), **form)).json()
    assert answer["token_type"] == "DPoP"
    assert (await claims_of(house, answer["id_token"], app.client_id))["sub"] == str(house.member)
    token, address = answer["access_token"], f"{house.issuer}/oauth/userinfo"

    async def told(given: str, scheme: str = "DPoP") -> httpx.Response:
        headers = {"Authorization": f"{scheme} {token}", "DPoP": given}
        return await house.http.get("/oauth/userinfo", headers=headers)

    def shown(nonce: str | None, uri: str = address, key: Any = dpop.KEY) -> str:
        return dpop.proof(uri, nonce, key, token=token, htm="GET")

    challenged = await told(shown(None))
    assert challenged.status_code == 401
    assert 'error="use_dpop_nonce"' in challenged.headers["www-authenticate"]
    good = shown(challenged.headers["dpop-nonce"])
    assert (await told(good)).json()["sub"] == str(house.member)
    nonce = challenged.headers["dpop-nonce"]
    for wrong in (good, shown(nonce, house.tokens.resource), shown(nonce, key=dpop.THIEF)):
        assert (await told(wrong)).status_code == 401
    assert (await told(shown(nonce), "Bearer")).status_code == 401
    thiefs = await told(shown(nonce, key=dpop.THIEF))
    assert thiefs.headers["www-authenticate"] == 'DPoP realm="kyoso", error="invalid_token", algs="ES256 EdDSA Ed25519"'


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def ask(house: House, browser: httpx.AsyncClient, query: dict[str, str]) -> httpx.Response:
    return await browser.get("/oauth/authorize", params=query)


async def test_the_metadata_says_all_of_it(house: House):
    found = (await house.http.get("/.well-known/openid-configuration")).json()
    assert found == (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert found["userinfo_endpoint"] == f"{house.issuer}/oauth/userinfo"
    assert found["end_session_endpoint"] == f"{house.issuer}/logout"
    assert found["subject_types_supported"] == ["public"]
    assert found["id_token_signing_alg_values_supported"] == ["ES256"]
    assert found["request_parameter_supported"] is False
    assert found["request_uri_parameter_supported"] is False
    assert found["scopes_supported"][:4] == ["openid", "profile", "email", "network:read"]
    resource = (await house.http.get("/.well-known/oauth-protected-resource/graphql")).json()
    assert "openid" not in resource["scopes_supported"]


async def test_with_prompt_none_an_app_gets_a_code_or_the_reason_and_never_a_page(house: House):
    app = await house.client(**WEB)

    async def silent(**changes: str) -> dict[str, str]:
        verifier, challenge = proof_key()
        query = house.query(app, challenge, **{"scope": "openid network:read", "prompt": "none", **changes})
        answer = await ask(house, house.browser, query)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith(CALLBACK)
        return {**parameters(answer.headers["location"]), "verifier": verifier}

    told = await silent()
    assert (told["error"], told["state"], told["iss"]) == ("login_required", "opaque", house.issuer)
    await house.log_in(house.browser)
    assert (await silent())["error"] == "consent_required"
    code, verifier = await house.code(app, "openid network:read")
    first = (await house.redeem(app, code, verifier)).json()
    told = await silent(nonce="silent")
    assert told["iss"] == house.issuer
    answer = (await house.redeem(app, told["code"], told["verifier"])).json()
    assert (await claims_of(house, answer["id_token"], app.client_id))["nonce"] == "silent"
    assert (await silent(scope="openid email network:read"))["error"] == "consent_required"
    assert (await silent(max_age="0"))["error"] == "login_required"
    assert (await silent(prompt="none login"))["error"] == "invalid_request"
    assert "code" in await silent(id_token_hint=first["id_token"], max_age="600")
    await house.post("/oauth/revoke", app, token=answer["refresh_token"])
    await house.post("/oauth/revoke", app, token=first["refresh_token"])
    await house.as_owner("update oauth_grant set revoked_at = now(), revoked_because = 'x' where revoked_at is null")
    assert (await silent())["error"] == "consent_required"


async def test_a_public_client_on_the_persons_machine_is_never_answered_silently(house: House):
    await house.log_in(house.browser)
    for host in ("127.0.0.1", "[::1]", "LOCALHOST"):
        there = f"http://{host}:9999/callback"
        app = await house.client(**{**APP, "redirect_uris": [there]})
        await house.code(app, redirect_uri=there)
        answer = await ask(house, house.browser, house.query(app, proof_key()[1], redirect_uri=there, prompt="none"))
        assert parameters(answer.headers["location"])["error"] == "interaction_required", host


@pytest.mark.parametrize(
    "wish", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "60"}, {"prompt": "select_account"}]
)
@pytest.mark.parametrize("pushed", [False, True])
async def test_an_app_can_demand_a_fresh_login(house: House, wish: dict[str, str], pushed: bool):
    app = await house.client(**APP)
    await house.log_in(house.browser)
    await house.as_owner("update login_session set auth_time = now() - interval '5 minutes'")
    verifier, challenge = proof_key()
    query = house.query(app, challenge, scope="openid network:read", **wish)
    if pushed:
        reference = (await house.post("/oauth/par", app, **query)).json()["request_uri"]
        query = {"client_id": app.client_id, "request_uri": reference}
    sent = await ask(house, house.browser, query)
    assert sent.headers["location"].startswith("/login?next=%2Foauth%2Fauthorize%3F")
    again = parameters(sent.headers["location"])["next"]
    # Whoever leaves out the login, or makes up the stamp, is sent there again.
    skipped = await house.browser.get(again)
    assert skipped.headers["location"].startswith("/login?")
    forged = again.partition("&asked_at=")[0] + f"&asked_at={int(time.time() - 360) * 1_000_000}.{'0' * 64}"
    assert (await house.browser.get(forged)).headers["location"].startswith("/login?")
    assert await log_in_again(house, house.browser, sent.headers["location"]) == again
    answer = await house.allow(house.browser, parameters(again))
    code = parameters(answer.headers["location"])["code"]
    claims = await claims_of(house, (await house.redeem(app, code, verifier)).json()["id_token"], app.client_id)
    assert claims["iat"] - claims["auth_time"] < 240


async def test_an_app_may_post_its_request_and_it_comes_again_by_get(house: House):
    app = await house.client(**APP)
    await house.log_in(house.browser)
    query = house.query(app, proof_key()[1], scope="openid", state="a&b=c")
    posted = await house.http.post("/oauth/authorize", data=query, headers={"Origin": "https://app.example.jp"})
    assert posted.status_code == 303
    assert parameters(posted.headers["location"]) == query
    assert (await house.browser.get(posted.headers["location"])).status_code == 200
    assert (await house.http.post("/oauth/authorize", json=query)).status_code == 400
    assert (await house.http.post("/oauth/authorize", data={"state": "x" * 20_000})).status_code == 413


async def test_a_hint_names_who_must_log_in(house: House):
    app = await house.client(**APP)
    code, verifier = await house.code(app, "openid network:read")
    hint = (await house.redeem(app, code, verifier)).json()["id_token"]
    other = await add_person(house)
    async with house.visitor() as browser:
        await house.log_in(browser, email=other)
        query = house.query(app, proof_key()[1], scope="openid", id_token_hint=hint)
        silent = await ask(house, browser, {**query, "prompt": "none"})
        assert parameters(silent.headers["location"])["error"] == "login_required"
        sent = await ask(house, browser, query)
        back = await log_in_again(house, browser, sent.headers["location"], email=other)
        still = await browser.get(back)
        assert parameters(still.headers["location"])["error"] == "login_required"
        back = await log_in_again(house, browser, sent.headers["location"])
        assert (await browser.get(back)).status_code == 200
    for bad in (hint[:-4] + "AAAA", "no token", json.dumps({"sub": str(house.member)})):
        answer = await ask(house, house.browser, {**query, "id_token_hint": bad})
        assert parameters(answer.headers["location"])["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "9" * 40}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"nonce": "n" * 256}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"response_mode": "form_post"}, "invalid_request"),
    ],
)
async def test_what_is_not_understood_is_refused_to_the_app(house: House, wish: dict[str, str], error: str):
    app = await house.client(**APP)
    await house.log_in(house.browser)
    answer = await ask(house, house.browser, house.query(app, proof_key()[1], scope="openid", **wish))
    told = parameters(answer.headers["location"])
    assert (told["error"], told["state"], told["iss"]) == (error, "opaque", house.issuer)
    pushed = await house.post("/oauth/par", app, **house.query(app, proof_key()[1], scope="openid", **wish))
    assert (pushed.status_code, pushed.json()["error"]) == (400, error)


async def log_in_again(house: House, browser: httpx.AsyncClient, address: str, email: str = EMAIL) -> str:
    """Fills in the form to which the authorization endpoint had sent; returns where that leads."""
    shown = await browser.get(address)
    assert 'type="password"' in shown.text
    filled = {**fields(shown.text), "email": email, "password": PASSWORD}
    answer = await browser.post("/login", data=filled, headers={"Origin": house.issuer})
    return answer.headers["location"]


async def add_person(house: House) -> str:
    email = "taro@aozora.example.jp"
    async with unit_of_work() as connection:
        await member.create_member(
            connection,
            partner_id=house.company,
            email=email,
            name="青木 太郎",
            password_hash=await member.hash_password(PASSWORD, ()),
            role="ADMIN",
        )
    return email
