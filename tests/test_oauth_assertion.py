"""Clients that sign instead of sending a secret: one way to be right, and every way to be wrong."""

import asyncio
import json
import secrets
import time
from pathlib import Path
from subprocess import run
from sys import executable
from typing import Any

import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from auth import assertion
from auth.signed import UnacceptableError
from models.client import Credentials
from tests.oauth_house import House, light_hashes, running_house  # noqa: F401  (fixtures)
from tests.test_oauth import forge, hs256

REFUSED = {"error": "invalid_client", "error_description": "Client authentication failed"}
ECDSA = ECKey.generate_key("P-256")
EDDSA = OKPKey.generate_key("Ed25519")


def public(*keys: ECKey | OKPKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


async def signing_client(house: House, *keys: ECKey | OKPKey, **words: Any) -> Credentials:
    return await house.client(jwks=assertion.checked_keys(public(*keys)), **words)


def signed(house: House, client: Credentials, key: Any = ECDSA, alg: str = "ES256", **changes: Any) -> str:
    """A good assertion, with `changes` to its claims (None leaves one out); `header` changes the header."""
    now = int(time.time())
    header = {"alg": alg, "kid": key.thumbprint()} | changes.pop("header", {})
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": house.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(),
    } | changes
    told = {name: value for name, value in claims.items() if value is not None}
    header = {name: value for name, value in header.items() if value is not None}
    return jwt.encode(header, told, key, [alg], default_type=None)


async def ask(house: House, given: str, path: str = "/oauth/token", **form: Any) -> httpx.Response:
    asked = {
        "grant_type": "client_credentials",
        "client_assertion_type": assertion.ASSERTION_TYPE,
        "client_assertion": given,
    } | form
    return await house.http.post(path, data={name: value for name, value in asked.items() if value is not None})


async def test_a_client_signs_its_way_in(house: House):
    client = await signing_client(house, ECDSA, EDDSA)
    assert client.client_secret is None
    for key, alg in ((ECDSA, "ES256"), (EDDSA, "EdDSA"), (EDDSA, "Ed25519")):
        answer = await ask(house, signed(house, client, key, alg))
        assert answer.status_code == 200, answer.text
        viewer = await house.tokens.verify(answer.json()["access_token"])
        assert (viewer.partner_id, viewer.client_id) == (house.company, client.client_id)
    told = await ask(house, signed(house, client), "/oauth/introspect", token=answer.json()["access_token"])
    assert (told.json()["active"], told.json()["client_id"]) == (True, client.client_id)
    assert (await ask(house, signed(house, client), "/oauth/revoke", token="x")).status_code == 200


async def test_authlibs_own_client_signs_its_way_in(house: House):
    client = await signing_client(house, ECDSA)
    method = PrivateKeyJWT(house.issuer, alg="ES256", headers={"kid": ECDSA.thumbprint()})
    auth = {"token_endpoint_auth_method": "private_key_jwt", "base_url": house.issuer}
    async with AsyncOAuth2Client(client.client_id, ECDSA, **auth) as partner:
        partner.register_client_auth_method(method)
        token = await partner.fetch_token("/oauth/token", grant_type="client_credentials")
    assert token["scope"] == "network:read"


async def test_every_wrong_assertion_is_refused_alike(house: House):
    """proof 1.19, RFC 7523"""
    client = await signing_client(house, ECDSA, EDDSA)
    now, own = int(time.time()), ECKey.generate_key("P-256")
    rsa = RSAKey.generate_key(2048)
    wrong = {
        "aud is the token endpoint": signed(house, client, aud=f"{house.issuer}/oauth/token"),
        "aud is another server": signed(house, client, aud="https://evil.example"),
        "aud is several": signed(house, client, aud=[house.issuer, "https://evil.example"]),
        "no aud": signed(house, client, aud=None),
        "no sub": signed(house, client, sub=None),
        "no iss": signed(house, client, iss=None),
        "another iss": signed(house, client, iss="somebody"),
        "no jti": signed(house, client, jti=None),
        "long jti": signed(house, client, jti="j" * 201),
        "no exp": signed(house, client, exp=None),
        "exp as text": signed(house, client, exp="soon"),
        "exp beyond numbers": signed(house, client, exp=10**400),
        "expired": signed(house, client, exp=now),
        "lives two hours": signed(house, client, exp=now + 7200),
        "from the future": signed(house, client, iat=now + 100),
        "not yet": signed(house, client, nbf=now + 100),
        "own key": signed(house, client, own, header={"kid": ECDSA.thumbprint()}),
        "own key, inside": signed(house, client, own, header={"jwk": own.as_dict(private=False)}),
        "own key, by address": signed(house, client, own, header={"jku": "https://evil.example/jwks"}),
        "unknown kid": signed(house, client, header={"kid": "other"}),
        "kid left out of two": signed(house, client, header={"kid": None}),
        "RS256": signed(house, client, rsa, "RS256", header={"kid": ECDSA.thumbprint()}),
        "an access token's typ": signed(house, client, header={"typ": "at+jwt"}),
        "no JWT": "abc",
        "empty": "",
        "not ASCII": "é.é.é",
        "too long": signed(house, client) + "A" * 4096,
        "none": "eyJhbGciOiJub25lIn0." + signed(house, client).split(".")[1] + ".",
    }
    answers = {name: await ask(house, given) for name, given in wrong.items()}
    assert {name: answer.json() for name, answer in answers.items()} == dict.fromkeys(wrong, REFUSED)
    assert {answer.status_code for answer in answers.values()} == {401}
    assert await house.count("audit", "action = 'token.issued'") == 0
    assert await house.count("used_once") == 0
    assert await house.count("audit", "detail ->> 'reason' = 'assertion: aud is not the issuer alone'") == 4


async def test_hs256_with_the_public_key_is_refused(house: House):
    """proof 1.19"""
    client = await signing_client(house, ECDSA)
    now = int(time.time())
    claims = {"iss": client.client_id, "sub": client.client_id, "aud": house.issuer, "exp": now + 60, "jti": "j"}
    pem = ECDSA.as_pem(private=False)
    for secret in (pem, b""):
        assert (await ask(house, forge({"alg": "HS256"}, claims, hs256(secret)))).json() == REFUSED
    assert await house.count("audit", "action = 'token.issued'") == 0


async def test_an_assertion_is_good_once(house: House):
    """proof 1.19"""
    client = await signing_client(house, ECDSA)
    given = signed(house, client)
    answers = await asyncio.gather(*(ask(house, given) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
    assert (await ask(house, given, "/oauth/introspect", token="x")).json() == REFUSED
    assert await house.count("audit", "action = 'token.issued'") == 1
    assert await house.count("audit", "detail ->> 'reason' = 'assertion: used twice'") == 10


async def test_one_method_and_the_registered_one(house: House):
    """proof 1.20"""
    signer, backend = await signing_client(house, ECDSA), await house.client()
    page = await house.client(public=True, redirect_uris=["https://app.example.jp/callback"])
    good = {"grant_type": "client_credentials", "client_assertion_type": assertion.ASSERTION_TYPE}
    basic = (backend.client_id, backend.client_secret)

    async def post(given: str | None, **words: Any) -> httpx.Response:
        form = good | ({"client_assertion": given} if given else {}) | words.pop("form", {})
        return await house.http.post("/oauth/token", data=form, **words)

    refused = [
        await post(signed(house, signer), auth=basic),
        await post(signed(house, signer), form={"client_secret": "x"}),
        await post(signed(house, signer), form={"client_id": backend.client_id}),
        await post(signed(house, signer), form={"client_assertion_type": "urn:other"}),
        await post(signed(house, signer), params={"client_id": signer.client_id}),
        await post(None, params={"client_assertion": signed(house, signer)}),
        await post(None, form={"client_id": signer.client_id}),
        await post(signed(house, backend)),
        await post(signed(house, page)),
        await post(signed(house, Credentials("unknown", None))),
        await house.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(signer.client_id, "x")),
        await house.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(signer.client_id, "")),
        await house.http.post("/oauth/token", data={"grant_type": "client_credentials", "client_id": signer.client_id}),
    ]
    assert [answer.json() for answer in refused] == [REFUSED] * len(refused)
    assert await house.count("audit", "action = 'token.issued'") == 0
    assert (await post(signed(house, signer), form={"client_id": signer.client_id})).status_code == 200


async def test_a_person_logs_in_to_a_client_that_signs(house: House):
    web = await signing_client(house, ECDSA, redirect_uris=["https://app.example.jp/callback"])
    code, verifier = await house.code(web)
    form = {"code": code, "code_verifier": verifier, "redirect_uri": "https://app.example.jp/callback"}
    wrong = await ask(house, signed(house, web, aud="x"), grant_type="authorization_code", **form)
    assert wrong.json() == REFUSED
    answer = await ask(house, signed(house, web), grant_type="authorization_code", **form)
    body = answer.json()
    assert (await house.tokens.verify(body["access_token"])).member_id == house.member
    again = await ask(house, signed(house, web), grant_type="refresh_token", refresh_token=body["refresh_token"])
    assert again.status_code == 200


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        [],
        {"keys": []},
        {"keys": {}},
        {"keys": [1]},
        {"keys": [{"kty": "oct", "k": "AAAA"}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": 1, "y": "AA"}]},
        {"keys": [ECKey.generate_key("P-384").as_dict(private=False)]},
        {"keys": [OKPKey.generate_key("X25519").as_dict(private=False)]},
        {"keys": [ECDSA.as_dict(private=True)]},
        {"keys": [ECDSA.as_dict(private=False)] * 2},
        {"keys": [ECDSA.as_dict(private=False) | {"kid": "a\0"}]},
        {"keys": [ECKey.generate_key("P-256").as_dict(private=False) for _ in range(11)]},
    ],
    ids=range(14),
)
def test_only_public_keys_that_we_can_verify_with_are_taken(jwks: object):
    with pytest.raises(UnacceptableError):
        assertion.checked_keys(jwks)


async def test_the_command_line_registers_keys(house: House, connected: str, tmp_path: Path):
    (tmp_path / "jwks.json").write_text(json.dumps(public(ECDSA)))
    (tmp_path / "private.json").write_text(json.dumps({"keys": [ECDSA.as_dict(private=True)]}))
    environment = {
        "KYOSO_DATABASE_URL": connected,
        "KYOSO_ISSUER": house.issuer,
        "KYOSO_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "PYTHONPATH": ".",
    }

    async def create(*words: str):
        told = ["client", "create", "--partner", "aozora", "--scope", "network:read", "--json", *words]
        return await asyncio.to_thread(
            run, [executable, "-m", "api", *told], env=environment, capture_output=True, text=True, check=False
        )

    refused = await create("--jwks", str(tmp_path / "private.json"))
    assert "not a set of public keys: a private key was sent" in refused.stderr
    assert await house.count("oauth_client", "kind = 'PARTNER'") == 0
    made = await create("--jwks", str(tmp_path / "jwks.json"))
    assert made.returncode == 0, made.stderr
    client = Credentials(json.loads(made.stdout)["client_id"], None)
    assert (await ask(house, signed(house, client))).status_code == 200
