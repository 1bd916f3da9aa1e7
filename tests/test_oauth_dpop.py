"""Tokens that are worth nothing without a key: at the token endpoint, at the API, and in the hands of a thief."""

import asyncio
import json
import secrets
import time
from typing import Any

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey

from auth.dpop import NONCE_WINDOW_SECONDS, InvalidProofError, UseNonceError, hash_of
from auth.tokens import InvalidTokenError
from models.client import Credentials, create_client
from models.db import unit_of_work
from tests.oauth_house import (
    CALLBACK,
    House,
    light_hashes,  # noqa: F401
    parameters,
    proof_key,
    running_house,  # noqa: F401
)
from tests.served import Served, running  # noqa: F401  (fixture)

KEY, THIEF = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
EDDSA = OKPKey.generate_key("Ed25519")
APP = {"public": True, "redirect_uris": [CALLBACK], "scope": ["network:read", "relay:read"]}


def proof(uri: str, nonce: str | None, key: Any = KEY, alg: str = "ES256", token: str | None = None, **changes: Any):
    """A good proof for a POST, with `changes` to its claims (None leaves one out); `header` changes the header."""
    header = {"typ": "dpop+jwt", "alg": alg, "jwk": key.as_dict(private=False)} | changes.pop("header", {})
    claims = {
        "htm": "POST",
        "htu": uri,
        "iat": int(time.time()),
        "jti": secrets.token_urlsafe(),
        "nonce": nonce,
        "ath": hash_of(token) if token else None,
    } | changes
    told = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header, told, key, [alg], default_type=None)


def half_a_character(uri: str, nonce: str, token: str | None) -> str:
    """A good proof, but for a `jti` that JSON can write and UTF-8 cannot."""
    claims = {"htm": "POST", "htu": uri, "iat": int(time.time()), "jti": "\ud800", "nonce": nonce}
    claims |= {"ath": hash_of(token)} if token else {}
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.as_dict(private=False)}
    return jws.serialize_compact(header, json.dumps(claims), KEY, ["ES256"])


async def ask(house: House, client: Credentials, given: str | None, **form: str) -> httpx.Response:
    """The token endpoint with a proof."""
    asked = {"grant_type": "client_credentials"} | form
    headers = {"DPoP": given} if given is not None else {}
    if client.client_secret is None:
        return await house.http.post("/oauth/token", data={"client_id": client.client_id, **asked}, headers=headers)
    basic = (client.client_id, client.client_secret)
    return await house.http.post("/oauth/token", data=asked, headers=headers, auth=basic)


def fresh(house: House, key: Any = KEY, alg: str = "ES256", **changes: Any) -> str:
    """A good proof for the token endpoint."""
    return proof(f"{house.issuer}/oauth/token", house.tokens.proofs.nonce(), key, alg, **changes)


def shown(house: House, token: str, key: Any = KEY, **changes: Any) -> str:
    """A good proof for the API."""
    return proof(f"{house.issuer}/graphql", house.tokens.proofs.nonce(), key, token=token, **changes)


@pytest.mark.parametrize(("key", "alg"), [(KEY, "ES256"), (EDDSA, "EdDSA"), (EDDSA, "Ed25519")])
async def test_a_bound_token_needs_its_key(house: House, key: Any, alg: str):
    """RFC 7638, RFC 9864"""
    backend = await house.client()
    challenged = await ask(house, backend, proof(f"{house.issuer}/oauth/token", None, key, alg))
    assert (challenged.status_code, challenged.json()["error"]) == (400, "use_dpop_nonce")
    given = proof(f"{house.issuer}/oauth/token", challenged.headers["dpop-nonce"], key, alg)
    answer = await ask(house, backend, given)
    body = answer.json()
    assert (answer.status_code, body["token_type"]) == (200, "DPoP")
    claims = house.tokens.claims(body["access_token"])
    assert claims["cnf"] == {"jkt": key.thumbprint()}
    token = body["access_token"]
    nonce = house.tokens.proofs.nonce()
    good = proof(f"{house.issuer}/graphql", nonce, key, alg, token)
    assert (await house.tokens.verify_proven(token, good, "POST")).client_id == backend.client_id
    told = (await house.post("/oauth/introspect", backend, token=token)).json()
    assert (told["active"], told["token_type"], told["cnf"]) == (True, "DPoP", {"jkt": key.thumbprint()})


def wrong_proofs(uri: str, nonce: str, token: str | None = None) -> dict[str, str]:
    now = int(time.time())

    def wrong(key: Any = KEY, alg: str = "ES256", **changes: Any) -> str:
        return proof(uri, nonce, key, alg, token, **changes)

    return {
        "htm": wrong(htm="GET"),
        "no htm": wrong(htm=None),
        "htm in small letters": wrong(htm="post"),
        "htu": wrong(htu=uri + "/other"),
        "another host": wrong(htu="https://evil.example/oauth/token"),
        "htu is no address": wrong(htu="http://[/"),
        "htu is a number": wrong(htu=1),
        "no htu": wrong(htu=None),
        "old": wrong(iat=now - 62),
        "from the future": wrong(iat=now + 62),
        "no iat": wrong(iat=None),
        "no jti": wrong(jti=None),
        "long jti": wrong(jti="j" * 201),
        "half a character as jti": half_a_character(uri, nonce, token),
        "a signature of another key": wrong(header={"jwk": THIEF.as_dict(private=False)}),
        "private key inside": wrong(header={"jwk": KEY.as_dict(private=True)}),
        "no key": wrong(header={"jwk": {}}),
        "kid": wrong(header={"kid": "x"}),
        "typ": wrong(header={"typ": "JWT"}),
        "HMAC key": "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkhTMjU2In0.e30.AA",
        "no header": "e30.e30.AA",
        "P-384": wrong(ECKey.generate_key("P-384"), "ES384"),
        "no JWT": "abc",
        "empty": "",
    }


async def test_wrong_proofs_get_no_token(house: House):
    """proof 1.17, RFC 9449"""
    backend = await house.client()
    wrong = wrong_proofs(f"{house.issuer}/oauth/token", house.tokens.proofs.nonce())
    answers = {name: await ask(house, backend, given) for name, given in wrong.items()}
    said = {name: (answer.status_code, answer.json()["error"]) for name, answer in answers.items()}
    assert said == dict.fromkeys(wrong, (400, "invalid_dpop_proof"))
    assert len({answer.json()["error_description"] for answer in answers.values()}) == 1
    for nonce in (None, "other", house.tokens.proofs._nonce(house.tokens.proofs._window() - 2)):
        answer = await ask(house, backend, proof(f"{house.issuer}/oauth/token", nonce))
        assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
        assert answer.headers["dpop-nonce"] == house.tokens.proofs.nonce()
    twice = await house.http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(backend.client_id, backend.client_secret),
        headers=[("DPoP", fresh(house)), ("DPoP", fresh(house))],
    )
    assert twice.status_code == 400
    assert await house.count("audit", "action = 'token.issued'") == 0
    assert await house.count("used_once") == 0


async def test_wrong_proofs_open_nothing_at_the_api(house: House):
    """proof 1.17, RFC 9449"""
    backend = await house.client()
    token = (await ask(house, backend, fresh(house))).json()["access_token"]
    other = (await ask(house, backend, fresh(house))).json()["access_token"]
    plain = (await house.token(backend)).json()["access_token"]
    before = await house.count("used_once")
    wrong = wrong_proofs(house.tokens.resource, house.tokens.proofs.nonce(), token) | {
        "ath of another token": shown(house, other),
        "no ath": shown(house, token, ath=None),
        "another key": shown(house, token, THIEF),
    }
    opened: list[str] = []
    for name, given in wrong.items():
        try:
            await house.tokens.verify_proven(token, given, "POST")
        except (InvalidProofError, InvalidTokenError):
            continue
        opened.append(name)
    assert opened == []
    with pytest.raises(UseNonceError):
        await house.tokens.verify_proven(token, proof(house.tokens.resource, None, token=token), "POST")
    with pytest.raises(InvalidTokenError, match="invalid or has expired"):
        await house.tokens.verify(token)  # as bearer
    for given in (plain, token):
        with pytest.raises(InvalidTokenError):
            await house.tokens.verify_proven(given, shown(house, given, THIEF), "POST")
    assert await house.count("used_once") == before
    await house.tokens.verify_proven(token, shown(house, token, htu=f"{house.tokens.resource}?a=1#b"), "POST")


async def test_a_proof_is_good_once_in_every_worker(house: House):
    """proof 1.17"""
    backend = await house.client()
    given = fresh(house)
    answers = await asyncio.gather(*(ask(house, backend, given) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    token = next(answer.json()["access_token"] for answer in answers if answer.status_code == 200)
    again = shown(house, token)
    await house.tokens.verify_proven(token, again, "POST")
    house.tokens._verified.clear()  # what another worker knows
    with pytest.raises(InvalidProofError) as refused:
        await house.tokens.verify_proven(token, again, "POST")
    assert refused.value.reason == "jti was used before"
    assert await house.count("audit", "action = 'token.issued'") == 1


async def test_a_nonce_lives_two_windows(house: House, monkeypatch: pytest.MonkeyPatch):
    proofs, now = house.tokens.proofs, time.time()
    nonce = proofs.nonce()
    for later, good in ((0, True), (NONCE_WINDOW_SECONDS, True), (2 * NONCE_WINDOW_SECONDS, False)):
        monkeypatch.setattr("auth.dpop.time.time", lambda later=later: now + later)
        given = proof(proofs_uri := f"{house.issuer}/oauth/token", nonce, iat=int(now) + later)
        if good:
            proofs.read(given, method="POST", uri=proofs_uri)
        else:
            with pytest.raises(UseNonceError):
                proofs.read(given, method="POST", uri=proofs_uri)


async def test_a_client_can_bind_itself_to_keys(house: House):
    backend = await house.client(dpop_bound=True)
    answer = await ask(house, backend, None)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert await house.count("audit", "action = 'token.issued'") == 0
    assert (await ask(house, backend, fresh(house))).json()["token_type"] == "DPoP"


async def test_a_public_clients_refresh_token_stays_with_its_key(house: House):
    """proof 1.17"""
    app = await house.client(**APP)
    code, verifier = await house.code(app)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": CALLBACK}
    first = (await ask(house, app, fresh(house), **form)).json()
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    for stolen in (None, fresh(house, THIEF)):
        refused = await ask(house, app, stolen, **again)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert await house.count("oauth_refresh_token", "used_at is not null") == 0
    assert await house.count("oauth_grant", "revoked_at is not null") == 0
    second = (await ask(house, app, fresh(house), **again)).json()
    assert second["token_type"] == "DPoP"
    await house.tokens.verify_proven(second["access_token"], shown(house, second["access_token"]), "POST")


@pytest.mark.parametrize("pushed", [False, True])
async def test_a_code_can_be_bound_before_it_is_made(house: House, pushed: bool):
    app = await house.client(**APP)
    await house.log_in(house.browser)
    verifier, challenge = proof_key()
    asked = house.query(app, challenge)
    if pushed:
        address = f"{house.issuer}/oauth/par"
        given = proof(address, house.tokens.proofs.nonce())
        wrong = await house.http.post("/oauth/par", data=asked | {"dpop_jkt": "A" * 43}, headers={"DPoP": given})
        assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_request")
        given = proof(address, house.tokens.proofs.nonce())
        kept = await house.http.post("/oauth/par", data=asked, headers={"DPoP": given})
        asked = {"client_id": app.client_id, "request_uri": kept.json()["request_uri"]}
    else:
        asked["dpop_jkt"] = KEY.thumbprint()
    code = parameters((await house.allow(house.browser, asked)).headers["location"])["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": CALLBACK}
    for stolen in (None, fresh(house, THIEF)):
        assert (await ask(house, app, stolen, **form)).json()["error"] == "invalid_grant"
    assert await house.count("oauth_grant") == 0
    assert (await ask(house, app, fresh(house), **form)).json()["token_type"] == "DPoP"


async def test_the_api_challenges_and_believes_only_a_proof(served: Served):
    """proof 1.17, RFC 6750"""
    async with unit_of_work() as connection:
        client = await create_client(connection, name="bound", scope=["network:read"], partner_id=None)
    address, api = f"{served.issuer}/oauth/token", f"{served.issuer}/graphql"

    async def token(nonce: str | None) -> httpx.Response:
        return await served.http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(client.client_id, client.client_secret or ""),
            headers={"DPoP": proof(address, nonce)},
        )

    async def ask_api(authorization: str, given: str | None = None) -> httpx.Response:
        headers = {"Authorization": authorization} | ({"DPoP": given} if given is not None else {})
        return await served.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)

    nonce = (await token(None)).headers["dpop-nonce"]
    bound = (await token(nonce)).json()["access_token"]
    asked = await ask_api("")
    where = f"{served.issuer}/.well-known/oauth-protected-resource/graphql"
    assert asked.headers["www-authenticate"] == (
        f'Bearer realm="kyoso", resource_metadata="{where}", DPoP realm="kyoso", algs="ES256 EdDSA Ed25519"'
    )
    stolen = await ask_api(f"Bearer {bound}")
    assert (stolen.status_code, "data" in stolen.json()) == (401, False)
    assert stolen.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert f'resource_metadata="{where}"' in stolen.headers["www-authenticate"]
    thiefs = await ask_api(f"DPoP {bound}", proof(api, nonce, THIEF, token=bound))
    assert thiefs.headers["www-authenticate"] == (
        f'DPoP realm="kyoso", error="invalid_token", algs="ES256 EdDSA Ed25519", resource_metadata="{where}"'
    )
    unproven = await ask_api(f"DPoP {bound}")
    assert (unproven.status_code, "data" in unproven.json()) == (401, False)
    assert 'DPoP realm="kyoso", error="invalid_dpop_proof"' in unproven.headers["www-authenticate"]
    challenged = await ask_api(f"DPoP {bound}", proof(api, None, token=bound))
    assert challenged.status_code == 401
    assert 'error="use_dpop_nonce"' in challenged.headers["www-authenticate"]
    given = proof(api, challenged.headers["dpop-nonce"], token=bound)
    assert (await ask_api(f"DPoP {bound}", given)).json() == {"data": {"__typename": "Query"}}
    assert (await ask_api(f"DPoP {bound}", given)).status_code == 401
    get = {"Authorization": f"DPoP {bound}", "DPoP": proof(api, nonce, token=bound, htm="GET")}
    found = await served.http.get("/graphql", params={"query": "{ __typename }"}, headers=get)
    assert found.status_code == 200
