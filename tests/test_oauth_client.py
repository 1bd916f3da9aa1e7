"""Partners register their own clients: nothing unsafe, nothing beyond the administrator, nothing of anybody else's."""

import asyncio
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from auth import client as rules
from auth.keys import Keyring
from auth.tokens import InvalidTokenError, Tokens
from models.client import Credentials
from models.db import unit_of_work
from tests.oauth_house import CALLBACK, MASTER_KEY, House, light_hashes, running_house  # noqa: F401  (fixtures)

KEY = ECKey.generate_key("P-256")
JWKS = {"keys": [KEY.as_dict(private=False)]}
WEB = {"client_name": "採用ダッシュボード", "redirect_uris": [CALLBACK], "scope": "network:read relay:read"}
PROGRAM = {"client_name": "backend", "grant_types": ["client_credentials"], "scope": "network:read"}


async def admin_token(house: House, scope: str = "partner:admin relay:write network:read") -> str:
    """What the partner's administrator grants to the partner's own app."""
    app = await house.client(redirect_uris=[CALLBACK], scope=scope.split())
    code, verifier = await house.code(app, scope)
    return (await house.redeem(app, code, verifier)).json()["access_token"]


async def register(house: House, token: str, document: Any) -> httpx.Response:
    return await house.http.post("/oauth/register", json=document, headers={"Authorization": f"Bearer {token}"})


def credentials(body: dict[str, Any]) -> Credentials:
    return Credentials(body["client_id"], body.get("client_secret"))


def bearer(body: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {body['registration_access_token']}"}


async def test_an_administrator_registers_a_program_and_an_app(house: House):
    """RFC 7591"""
    token = await admin_token(house)
    made = await register(house, token, PROGRAM)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    program = made.json()
    assert (program["grant_types"], program["response_types"]) == (["client_credentials"], [])
    assert program["client_secret_expires_at"] == 0
    access = (await house.token(credentials(program))).json()["access_token"]
    viewer = await house.tokens.verify(access)
    assert (viewer.partner_id, viewer.login, viewer.scopes) == (house.company, "backend", {"network:read"})

    public = {**WEB, "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]}
    app = (await register(house, token, public)).json()
    assert "client_secret" not in app
    code, verifier = await house.code(credentials(app))
    assert "refresh_token" in (await house.redeem(credentials(app), code, verifier)).json()

    signer = {**PROGRAM, "token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS}
    signing = (await register(house, token, signer)).json()
    assert signing["jwks"]["keys"][0] == KEY.as_dict(private=False) | {"kid": KEY.thumbprint()}
    assert "client_secret" not in signing
    assert await house.count("audit", "action = 'client.registered' and member_id is not null") == 3
    told = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert told["registration_endpoint"] == f"{house.issuer}/oauth/register"


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "http://app.example.jp/callback",
        "https://app.example.jp/callback#part",
        "https://user@app.example.jp/callback",
        "https://*.example.jp/callback",
        "data:text/html,x",
        "app.example:/callback",
        "",
    ],
)
async def test_unsafe_addresses_are_not_registered(house: House, uri: str):
    """proof 1.24"""
    token = await admin_token(house)
    before = await house.count("oauth_client")
    for uris in ([uri], [CALLBACK, uri]):
        refused = await register(house, token, {**WEB, "redirect_uris": uris})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_redirect_uri")
    made = (await register(house, token, WEB)).json()
    assert await house.count("oauth_client") == before + 1
    changed = await house.http.put(
        f"/oauth/register/{made['client_id']}",
        json={**WEB, "client_id": made["client_id"], "redirect_uris": [uri]},
        headers=bearer(made),
    )
    assert (changed.status_code, changed.json()["error"]) == (400, "invalid_redirect_uri")
    assert (
        await house.count("oauth_client", f"redirect_uris <> '{{{CALLBACK}}}' and registration_hash is not null") == 0
    )


async def test_what_does_not_fit_together_is_refused(house: House):
    token = await admin_token(house)
    before = await house.count("oauth_client")
    wrong: dict[str, Any] = {
        "no object": [1],
        "no name": {**WEB, "client_name": " "},
        "a name that reads backwards": {**WEB, "client_name": "a\u202eb"},
        "a long name": {**WEB, "client_name": "n" * 101},
        "no scope": {"client_name": "x", "redirect_uris": [CALLBACK]},
        "a scope beyond the token": {**WEB, "scope": "applications:write"},
        "the administrator's scope": {**WEB, "scope": "partner:admin"},
        "the operator's scope": {**WEB, "scope": "network:admin"},
        "an unknown method": {**WEB, "token_endpoint_auth_method": "client_secret_post"},
        "a public program": {**PROGRAM, "token_endpoint_auth_method": "none"},
        "an unknown grant": {**WEB, "grant_types": ["password"]},
        "refresh alone": {**PROGRAM, "grant_types": ["refresh_token"]},
        "implicit": {**WEB, "response_types": ["token"]},
        "keys of nobody": {**WEB, "jwks": JWKS},
        "no keys": {**PROGRAM, "token_endpoint_auth_method": "private_key_jwt"},
        "private keys": {
            **PROGRAM,
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [KEY.as_dict(private=True)]},
        },
        "keys by address": {**PROGRAM, "jwks_uri": "http://169.254.169.254/"},
        "dpop as text": {**WEB, "dpop_bound_access_tokens": "yes"},
        "texts that are none": {**WEB, "grant_types": [1]},
    }
    answers = {name: await register(house, token, document) for name, document in wrong.items()}
    said = {name: (answer.status_code, answer.json()["error"]) for name, answer in answers.items()}
    assert said == dict.fromkeys(wrong, (400, "invalid_client_metadata"))
    stated = await register(house, token, {**WEB, "software_statement": "e30.e30."})
    assert (stated.status_code, stated.json()["error"]) == (400, "unapproved_software_statement")
    missing = await register(house, token, {"client_name": "x", "scope": "network:read"})
    assert missing.json()["error"] == "invalid_redirect_uri"
    raw = {"Authorization": f"Bearer {token}"}
    for body in (b"{", b"\xff", b"[" * 5000, b"a" * 40_000):
        assert (await house.http.post("/oauth/register", content=body, headers=raw)).status_code == 400
    assert await house.count("oauth_client") == before


async def test_only_an_administrators_token_registers(house: House):
    reader = (await house.token(await house.client())).json()["access_token"]
    operator = await house.client(scope=["network:admin"], partner_id=None)
    operators = (await house.token(operator)).json()["access_token"]
    before = await house.count("oauth_client")
    for token in (reader, operators):
        refused = await register(house, token, WEB)
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
        assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="partner:admin"'
    assert (await register(house, "x.y.z", WEB)).status_code == 401
    for nobody in ({}, {"auth": ("a", "b")}):
        asked = await house.http.post("/oauth/register", json=WEB, **nobody)
        assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Bearer realm="kyoso"')
    assert await house.count("oauth_client") == before
    assert await house.count("audit", "action = 'client.refused' and detail ->> 'reason' = 'no partner:admin'") == 2
    assert await house.count("audit", "action = 'client.refused' and detail ->> 'error' = 'invalid_token'") == 1


async def test_a_registration_is_read_changed_and_removed_by_its_own_token(house: House):
    """RFC 7592"""
    token = await admin_token(house)
    mine, other = [(await register(house, token, {**WEB, "client_name": name})).json() for name in ("mine", "other")]
    path = f"/oauth/register/{mine['client_id']}"
    read = await house.http.get(path, headers=bearer(mine))
    hidden = {"client_secret", "client_secret_expires_at"}  # the one goes with the other, and is told once
    assert read.json() == {name: value for name, value in mine.items() if name not in hidden}
    assert mine["registration_client_uri"] == house.issuer + path
    same = {**WEB, "client_id": mine["client_id"]}
    for headers in ({}, bearer(other), {"Authorization": f"Bearer {token}"}, {"Authorization": "Bearer x"}):
        for answer in (
            await house.http.get(path, headers=headers),
            await house.http.put(path, json=same, headers=headers),
            await house.http.delete(path, headers=headers),
        ):
            assert (answer.status_code, answer.text) == (401, '{"error":"invalid_token"}' if headers else "")
    assert (await house.http.get("/oauth/register/a%00b", headers=bearer(mine))).status_code == 401

    ours = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
    for wrong in (
        WEB,
        {**same, "client_id": other["client_id"]},
        {**same, "client_secret": "guess"},
        *({**same, name: read.json().get(name, 1)} for name in ours),
        {**same, "scope": "network:read relay:write"},
        {**same, "token_endpoint_auth_method": "none"},
        {**same, "grant_types": ["authorization_code", "client_credentials"]},
    ):
        refused = await house.http.put(path, json=wrong, headers=bearer(mine))
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")
    assert (await house.http.get(path, headers=bearer(mine))).json() == read.json()

    less = {**same, "client_name": "新しい名前", "scope": "network:read", "dpop_bound_access_tokens": True}
    changed = await house.http.put(path, json=less, headers=bearer(mine))
    assert (changed.status_code, changed.json()["scope"]) == (200, "network:read")
    assert (await house.http.get(path, headers=bearer(mine))).json() == changed.json()
    assert (await house.http.put(path, json=same, headers=bearer(mine))).status_code == 400, "what went stays gone"
    assert (await house.http.get(other["registration_client_uri"], headers=bearer(other))).json()["scope"] == WEB[
        "scope"
    ]


async def test_scopes_that_a_client_loses_end_at_once_and_nobody_logs_in_anew(house: House):
    public = {**WEB, "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]}
    made = (await register(house, await admin_token(house), public)).json()
    app, same = credentials(made), {**public, "client_id": made["client_id"]}
    codes = [await house.code(app, scope=named) for named in (WEB["scope"], "relay:read", WEB["scope"])]
    first, gone = [(await house.redeem(app, *code)).json() for code in codes[:2]]
    path = f"/oauth/register/{made['client_id']}"
    assert (await house.http.put(path, json={**same, "client_name": "新しい名前"}, headers=bearer(made))).is_success
    assert (await house.tokens.verify(first["access_token"])).scopes == {"network:read", "relay:read"}
    assert (await house.http.put(path, json={**same, "scope": "network:read"}, headers=bearer(made))).is_success
    other = Tokens(house.issuer, Keyring(MASTER_KEY))
    async with unit_of_work() as connection:
        await other.keyring.load(connection)
    for body in (first, gone):
        for worker in (house.tokens, other):
            with pytest.raises(InvalidTokenError):
                await worker.verify(body["access_token"])
    again = await house.refresh(app, first["refresh_token"])
    assert (again.status_code, again.json()["scope"]) == (200, "network:read")
    assert (await house.redeem(app, *codes[2])).json()["scope"] == "network:read"
    named = await house.refresh(app, again.json()["refresh_token"], scope="relay:read")
    empty = await house.refresh(app, gone["refresh_token"])
    assert [(answer.status_code, answer.json()["error"]) for answer in (named, empty)] == [(400, "invalid_scope")] * 2
    assert (await house.refresh(app, again.json()["refresh_token"])).is_success, "what was refused used nothing up"


async def test_removing_a_client_ends_its_tokens(house: House):
    made = (await register(house, await admin_token(house), PROGRAM)).json()
    access = (await house.token(credentials(made))).json()["access_token"]
    await house.tokens.verify(access)
    path = f"/oauth/register/{made['client_id']}"
    gone = await house.http.delete(path, headers=bearer(made))
    assert (gone.status_code, gone.content) == (204, b"")
    with pytest.raises(InvalidTokenError):
        await house.tokens.verify(access)
    assert (await house.token(credentials(made))).json()["error"] == "invalid_client"
    assert (await house.http.get(path, headers=bearer(made))).status_code == 401
    assert await house.count("audit", "action = 'client.removed'") == 1


async def test_a_partner_has_a_limit_even_at_once(house: House, monkeypatch: pytest.MonkeyPatch):
    token = await admin_token(house)
    monkeypatch.setattr(rules, "CLIENTS_MAX", 3)  # one of them is the administrator's app
    answers = await asyncio.gather(*(register(house, token, PROGRAM) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 2 + [400] * 6
    assert await house.count("oauth_client", "kind = 'PARTNER'") == 3


async def test_only_digests_of_registration_tokens_are_stored(house: House):
    made = (await register(house, await admin_token(house), PROGRAM)).json()
    everything = await house.count("oauth_client", f"oauth_client::text like '%{made['registration_access_token']}%'")
    assert everything == 0
