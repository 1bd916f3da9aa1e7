"""The token endpoint for programs, metadata, keys, revocation and introspection, over real sockets."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from subprocess import run
from sys import executable
from types import SimpleNamespace
from uuid import UUID

import asyncpg
import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from api import oauth as edge
from auth import keys, scopes
from auth.tokens import InvalidTokenError, Tokens
from models.client import find_client
from models.db import pool, unit_of_work
from tests.oauth_house import CALLBACK, MASTER_KEY, House, light_hashes, parameters, proof_key, running_house  # noqa: F401  (fixtures)


async def test_a_backend_gets_a_token_and_the_token_says_who_asks(house: House):
    """RFC 6749"""
    backend = await house.client(scope=["network:read", "relay:write"])
    answer = await house.token(backend, scope="relay:write")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert {name: body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "relay:write",
    }
    viewer = await house.tokens.verify(body["access_token"])
    assert (viewer.partner_id, viewer.kind, viewer.login) == (house.company, "COMPANY", "backend")
    assert (viewer.client_id, viewer.member_id) == (backend.client_id, None)
    assert viewer.scopes == {"relay:write"}
    assert viewer.standing == {"relay:write", "relay:read"}
    assert (await house.token(backend)).json()["scope"] == "network:read relay:write"


async def test_anybody_can_check_the_token_with_the_published_keys(house: House):
    """RFC 7517"""
    token = (await house.token(await house.client())).json()["access_token"]
    found = await house.http.get("/.well-known/jwks.json")
    published = KeySet.import_key_set(found.json())
    read = jwt.decode(token, published, ["ES256"])
    assert read.header == {"alg": "ES256", "typ": "at+jwt", "kid": published.keys[0].kid}
    assert (read.claims["iss"], read.claims["aud"]) == (house.issuer, f"{house.issuer}/graphql")
    assert (read.claims["partner_id"], read.claims["partner_kind"]) == (str(house.company), "COMPANY")
    assert "d" not in found.text.replace('"kid"', "").split('"')
    assert found.headers["cache-control"] == "public, max-age=300"
    assert edge.PUBLIC_SECONDS < keys.PUBLISHED_AHEAD_SECONDS, "no cache lacks a key that signs"


async def test_metadata_says_what_is_there(house: House):
    """RFC 8414, RFC 9728"""
    told = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    AuthorizationServerMetadata({**told, "issuer": "https://kyoso.example.jp"}).validate_issuer()
    assert told["issuer"] == house.issuer
    assert told["code_challenge_methods_supported"] == ["S256"]
    for name in ("token", "revocation", "introspection"):
        assert (await house.http.post(told[f"{name}_endpoint"], data={"x": "y"})).status_code in (400, 401)
    resource = (await house.http.get("/.well-known/oauth-protected-resource/graphql")).json()
    assert resource == {
        "resource": house.tokens.resource,
        "resource_name": "Kyoso 共創",
        "authorization_servers": [told["issuer"]],
        "scopes_supported": told["scopes_supported"][len(scopes.IDENTITY) :],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": told["dpop_signing_alg_values_supported"],
        "dpop_bound_access_tokens_required": False,
    }
    assert told["protected_resources"] == [resource["resource"]]


async def test_authlibs_own_client_gets_revokes_and_introspects(house: House):
    backend = await house.client()
    async with AsyncOAuth2Client(backend.client_id, backend.client_secret, base_url=house.issuer) as partner:
        token = await partner.fetch_token("/oauth/token", grant_type="client_credentials", scope="network:read")
        told = (await partner.introspect_token("/oauth/introspect", token["access_token"])).json()
        assert (told["active"], told["client_id"], told["scope"]) == (True, backend.client_id, "network:read")
        assert (await partner.revoke_token("/oauth/revoke", token["access_token"])).status_code == 200
        assert (await partner.introspect_token("/oauth/introspect", token["access_token"])).json() == {"active": False}
    with pytest.raises(InvalidTokenError, match="invalid or has expired"):
        await house.tokens.verify(token["access_token"])


async def test_introspection_tells_other_partners_nothing(house: House):
    """RFC 7662"""
    token = (await house.token(await house.client())).json()["access_token"]
    stranger = await house.client(partner_id=house.agency)
    assert (await house.post("/oauth/introspect", stranger, token=token)).json() == {"active": False}
    assert (await house.post("/oauth/revoke", stranger, token=token)).json()["error"] == "invalid_grant"
    await house.tokens.verify(token)


async def test_a_scope_beyond_the_client_is_refused(house: House):
    backend = await house.client()
    for scope in ("relay:write", "network:admin", "nonsense", "network:read relay:read", '"'):
        answer = await house.token(backend, scope=scope)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert await house.count("audit", "action = 'token.issued'") == 0


async def test_a_token_is_for_one_resource(house: House):
    """RFC 8707, proof 1.21: that a token for another resource is refused here stands in the forged tokens"""
    told = (await house.http.get("/.well-known/oauth-protected-resource/graphql")).json()
    assert (told["resource"], told["authorization_servers"]) == (f"{house.issuer}/graphql", [house.issuer])
    backend = await house.client()
    answer = await house.token(backend, resource=told["resource"])
    assert house.tokens.claims(answer.json()["access_token"])["aud"] == told["resource"]
    for other in (house.issuer, "https://other.example/api", f"{house.issuer}/graphql/"):
        refused = await house.token(backend, resource=other)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
    web = await house.client(redirect_uris=[CALLBACK])
    query = house.query(web, proof_key()[1], resource="https://other.example/api")
    sent = parameters((await house.http.get("/oauth/authorize", params=query)).headers["location"])
    assert (sent["error"], sent["iss"]) == ("invalid_target", house.issuer)
    assert await house.count("audit", "action = 'token.issued'") == 1


async def test_the_operator_is_no_partner(house: House):
    operator = await house.client(scope=["network:admin", "network:read", "relay:read"], partner_id=None)
    body = (await house.token(operator)).json()
    assert body["scope"] == "network:read network:admin"
    viewer = await house.tokens.verify(body["access_token"])
    assert (viewer.partner_id, viewer.kind) == (UUID(int=0), "OPERATOR")
    with pytest.raises(asyncpg.CheckViolationError):
        await house.client(scope=["network:admin"])


async def test_clients_authenticate_in_exactly_the_way_they_registered(house: House):
    """proof 1.20"""
    backend = await house.client()
    page = await house.client(public=True, redirect_uris=[CALLBACK])
    grant = {"grant_type": "client_credentials"}
    named = {"client_id": backend.client_id, "client_secret": backend.client_secret}
    basic = (backend.client_id, backend.client_secret)
    refused = [
        await house.http.post("/oauth/token", params=named, data=grant),
        await house.http.post("/oauth/token", params={"client_id": backend.client_id}, data=grant, auth=basic),
        await house.http.post("/oauth/token", data=grant | named),
        await house.http.post("/oauth/token", data=grant | named, auth=basic),
        await house.http.post("/oauth/token", data=grant | {"client_assertion": "x"}, auth=basic),
        await house.http.post("/oauth/token", data=grant | {"client_id": page.client_id}, auth=basic),
        await house.http.post("/oauth/token", data=grant | {"client_id": backend.client_id}),
        await house.http.post("/oauth/token", data=grant, auth=(backend.client_id, "wrong")),
        await house.http.post("/oauth/token", data=grant, auth=("unknown", "wrong")),
        await house.http.post("/oauth/token", data=grant, auth=(page.client_id, "")),
        await house.http.post("/oauth/token", data=grant, headers={"Authorization": "Bearer x"}),
        await house.http.post("/oauth/token", data=grant, headers={"Authorization": "Basic /w=="}),
        await house.http.post("/oauth/token", data=grant, headers={"Authorization": "Basic !"}),
        await house.http.post("/oauth/token", data=grant, auth=("%00", "wrong")),
        await house.http.post("/oauth/token", data=grant, auth=("\0", "wrong")),
        await house.http.post("/oauth/token", data=grant | {"client_id": page.client_id}),
    ]
    said = {"error": "invalid_client", "error_description": "Client authentication failed"}
    assert [answer.json() for answer in refused] == [said] * len(refused)
    assert {answer.status_code for answer in refused} == {401}
    assert {answer.headers["www-authenticate"] for answer in refused} == {'Basic realm="kyoso", charset="UTF-8"'}
    assert await house.count("audit", "action = 'token.issued'") == 0
    assert (await house.http.post("/oauth/token", data=grant, auth=basic)).status_code == 200


async def test_forms_are_read_one_way_only(house: House):
    """proof 1.27"""
    backend = await house.client(scope=["network:read", "relay:read"])
    basic = (backend.client_id, backend.client_secret)
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    async def post(body: str, headers: dict[str, str] = form) -> httpx.Response:
        return await house.http.post("/oauth/token", content=body, headers=headers, auth=basic)

    smuggled = await post("grant_type=client_credentials&scope=network:read;scope=relay:read")
    assert smuggled.json()["error"] == "invalid_scope"
    twice = await post("grant_type=client_credentials&scope=network:read&scope=relay:read")
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    assert (await post("&".join(f"a{n}=1" for n in range(41)))).status_code == 413
    assert (await post("&".join(f"a{n}=1" for n in range(1_000_000)))).status_code == 413
    assert (await post('{"grant_type": "client_credentials"}', {"Content-Type": "application/json"})).status_code == 400
    assert (await post("scope=" + "a" * 17_000)).status_code == 413
    assert (await post("grant_type=%ff")).status_code == 400
    assert (await post("grant_type=client_credentials&scope=%00")).status_code == 400
    assert (await post("grant_type=" + "%e6" * 5000)).status_code in (400, 413)
    assert await house.count("audit", "action = 'token.issued'") == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=evil.example;proto=https", "X-Original-Host": "evil.example"},
    ],
)
async def test_what_a_client_claims_as_host_decides_nothing(house: House, headers: dict[str, str]):
    """proof 1.27"""
    for path in (
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/graphql",
        "/device?user_code=BCDF-GHJK",
        "/login",
        "/sessions",
    ):
        told = await house.http.get(path, headers=headers)
        assert told.status_code in (200, 303)
        assert "evil" not in told.text + str(told.headers)
    backend = await house.client(devices=True)
    begun = await house.http.post(
        "/oauth/device_authorization",
        data={"scope": "network:read"},
        auth=(backend.client_id, backend.client_secret),
        headers=headers,
    )
    assert begun.json()["verification_uri"] == f"{house.issuer}/device"
    answer = await house.http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(backend.client_id, backend.client_secret),
        headers=headers,
    )
    assert house.tokens.claims(answer.json()["access_token"])["iss"] == house.issuer


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header: dict, claims: dict, sign: Callable[[bytes], bytes]) -> str:
    """A JWT by hand: libraries refuse to write what an attacker would."""
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{base64url(sign(signed.encode()))}"


def es256(key: ECKey) -> Callable[[bytes], bytes]:
    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.private_key.sign(data, ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    return sign


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.digest(secret, data, "sha256")


async def test_forged_tokens_are_refused(house: House):
    """proof 1.15, RFC 9068"""
    good = (await house.token(await house.client())).json()["access_token"]
    kid, key = house.tokens.keyring.signing()
    claims, header = jwt.decode(good, key, ["ES256"]).claims, {"alg": "ES256", "typ": "at+jwt", "kid": kid}
    ours, own = es256(key), ECKey.generate_key("P-256")
    head, body, signature = good.split(".")
    forged = {
        "alg none": forge({**header, "alg": "none"}, claims, lambda _: b""),
        "public PEM as HMAC secret": forge({**header, "alg": "HS256"}, claims, hs256(key.as_pem(private=False))),
        "empty HMAC secret": forge({**header, "alg": "HS256"}, claims, hs256(b"")),
        "own key": forge(header, claims, es256(own)),
        "own key, inside": forge({**header, "jwk": own.as_dict(private=False)}, claims, es256(own)),
        "own key, by address": forge({**header, "jku": "https://evil.example/jwks"}, claims, es256(own)),
        "unknown crit": forge({**header, "crit": ["exp"], "exp": 1}, claims, ours),
        "jwk beside a good signature": forge({**header, "jwk": key.as_dict(private=False)}, claims, ours),
        "no typ": forge({"alg": "ES256", "kid": kid}, claims, ours),
        "ID token": forge({**header, "typ": "JWT"}, claims, ours),
        "unknown kid": forge({**header, "kid": "other"}, claims, ours),
        "kid is a number": forge({**header, "kid": 1}, claims, ours),
        "signature cut": f"{head}.{body}.{signature[:-4]}",
        "another body": f"{head}.{forge(header, {**claims, 'scope': 'relay:write'}, ours).split('.')[1]}.{signature}",
        "deep header": base64url(b"[" * 2000) + ".e30.AA",
        "no JWT": "abc",
        "not ASCII": "é.é.é",
        "too long": good + "A" * 4096,
        "another issuer": forge(header, {**claims, "iss": "https://evil.example"}, ours),
        "another resource": forge(header, {**claims, "aud": house.issuer}, ours),
        "no exp": forge(header, {name: value for name, value in claims.items() if name != "exp"}, ours),
        "exp as text": forge(header, {**claims, "exp": str(claims["exp"])}, ours),
        "claims are a list": forge(header, [1], ours),
    }
    accepted: list[str] = []
    for name, token in forged.items():
        with suppress(InvalidTokenError):
            await house.tokens.verify(token)
            accepted.append(name)
    assert accepted == []
    await house.tokens.verify(good)
    await house.tokens.verify(forge(header, claims, ours))


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_clocks_may_differ_by_a_minute(house: House, claim: str):
    """proof 1.16"""
    kid, key = house.tokens.keyring.signing()
    good = (await house.token(await house.client())).json()["access_token"]
    claims = jwt.decode(good, key, ["ES256"]).claims

    def ahead(seconds: int) -> str:
        moved = {**claims, claim: int(time.time()) + seconds}
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": kid}, moved, key, ["ES256"])

    await house.tokens.verify(ahead(8))
    with pytest.raises(InvalidTokenError):
        await house.tokens.verify(ahead(62))


async def test_expiry_is_looked_at_every_time(house: House, monkeypatch: pytest.MonkeyPatch):
    token = (await house.token(await house.client())).json()["access_token"]
    expires = (await house.tokens.verify(token)).expires_at.timestamp()
    monkeypatch.setattr("auth.tokens.time.time", lambda: expires - 1)
    await house.tokens.verify(token)
    monkeypatch.setattr("auth.tokens.time.time", lambda: expires)
    with pytest.raises(InvalidTokenError) as refused:
        await house.tokens.verify(token)
    assert refused.value.reason == "expired"


async def test_a_verified_token_costs_no_statement_the_second_time(house: House, monkeypatch: pytest.MonkeyPatch):
    token = (await house.token(await house.client())).json()["access_token"]
    viewer = await house.tokens.verify(token)
    monkeypatch.setattr("auth.tokens.pool", lambda: pytest.fail("asked the database again"))
    assert await house.tokens.verify(token) is viewer


async def believed(tokens: Tokens, token: str) -> bool:
    try:
        await tokens.verify(token)
    except InvalidTokenError:
        return False
    return True


async def test_another_worker_hears_of_a_revocation(house: House, connected: str):
    backend = await house.client()
    token = (await house.token(backend)).json()["access_token"]
    other = Tokens(house.issuer, keys.Keyring(MASTER_KEY))
    async with other.running(connected):
        await other.verify(token)
        assert (await house.post("/oauth/revoke", backend, token=token)).status_code == 200
        # What was verified is believed until it expires, if nothing is heard.
        async with asyncio.timeout(30):
            while await believed(other, token):  # noqa: ASYNC110  (told by NOTIFY, at no known moment)
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("told", ["access_token", "refresh_token"])
async def test_what_was_revoked_is_dead_wherever_clocks_differ(
    house: House, connected: str, monkeypatch: pytest.MonkeyPatch, told: str
):
    app = await house.client(public=True, redirect_uris=[CALLBACK])
    code, verifier = await house.code(app)
    with monkeypatch.context() as ahead:
        clock = SimpleNamespace(time=lambda: time.time() + 20, monotonic=time.monotonic)
        ahead.setattr("auth.tokens.time", clock)
        issued = (await house.redeem(app, code, verifier)).json()
    token = issued["access_token"]
    hears, asks = (Tokens(house.issuer, keys.Keyring(MASTER_KEY)) for _ in range(2))
    async with hears.running(connected):
        assert await believed(hears, token)
        assert await believed(house.tokens, token)
        assert (await house.post("/oauth/revoke", app, token=issued[told])).status_code == 200
        assert not await believed(house.tokens, token), "in the worker that was told"
        async with unit_of_work() as connection:
            await asks.keyring.load(connection)
        assert not await believed(asks, token), "in one that meets the token now"
        async with asyncio.timeout(10):
            while await believed(hears, token):  # noqa: ASYNC110  (told by NOTIFY, at no known moment)
                await asyncio.sleep(0.02)


async def test_ending_a_client_ends_its_tokens(house: House):
    backend = await house.client()
    token = (await house.token(backend)).json()["access_token"]
    async with unit_of_work() as connection:
        await connection.execute("update oauth_client set disabled_at = now() where client_id = $1", backend.client_id)
    with pytest.raises(InvalidTokenError):
        await house.tokens.verify(token)
    assert (await house.token(backend)).json()["error"] == "invalid_client"


async def test_keys_are_sealed_and_two_workers_agree_on_the_first(house: House, connected: str):
    async with pool().acquire() as connection:
        rows = await connection.fetch("select kid, public_jwk::text, sealed from signing_key")
        second = keys.Keyring(MASTER_KEY)
        await second.load(connection)
        assert second.jwks() == house.tokens.keyring.jwks()
        with pytest.raises(keys.MasterKeyError, match="KYOSO_MASTER_KEY"):
            await keys.Keyring(bytes(32)).load(connection)
    assert [row["kid"] for row in rows] == [house.tokens.keyring.signing()[0]]
    private = house.tokens.keyring.signing()[1].as_dict(private=True)["d"]
    assert private.encode() not in rows[0]["sealed"]
    assert private not in rows[0]["public_jwk"]


async def test_a_key_made_by_another_worker_is_found(house: House, monkeypatch: pytest.MonkeyPatch):
    other = Tokens(house.issuer, keys.Keyring(MASTER_KEY))
    client = await house.client()
    async with unit_of_work() as connection:
        await other.keyring.load(connection)
        made = await other.keyring.add(connection, signs_from=datetime.now(UTC))
        await other.keyring.load(connection)
        row = await find_client(connection, client.client_id)
    assert other.keyring.signing()[0] == made
    token = other.issue(row, None, frozenset({"network:read"}), None).access_token
    monkeypatch.setattr(keys, "RELOAD_SECONDS_MIN", 0.0)
    assert (await house.tokens.verify(token)).client_id == client.client_id


async def test_keys_change_under_load_and_no_valid_token_is_refused(house: House):
    """proof 1.26"""
    client = await house.client()
    workers = [house.tokens, Tokens(house.issuer, keys.Keyring(MASTER_KEY))]
    async with unit_of_work() as connection:
        row = await find_client(connection, client.client_id)
        await workers[1].keyring.load(connection)
    first, kids, verified = house.tokens.keyring.signing()[0], set(), 0

    async def traffic(issuing: Tokens, verifying: Tokens) -> None:
        nonlocal verified
        for _ in range(50):
            token = issuing.issue(row, None, frozenset({"network:read"}), None).access_token
            kids.add(issuing.keyring.signing()[0])
            await verifying.verify(token)
            verified += 1
            await asyncio.sleep(0)

    async def change(age_days: int) -> None:
        """Time passes, then each worker tidies up when its turn comes."""
        await house.as_owner("update signing_key set signs_from = signs_from - make_interval(days => $1)", age_days)
        for worker in workers:
            async with unit_of_work() as connection:
                await worker.keyring.renew(connection)
            await asyncio.gather(traffic(*workers), traffic(*reversed(workers)))

    await asyncio.gather(traffic(*workers), traffic(*reversed(workers)))
    assert kids == {first}
    await change(90)
    assert kids == {first}, "published, not signing yet"
    assert len(house.tokens.keyring.jwks()["keys"]) == 2
    await house.as_owner("update signing_key set signs_from = now() where signs_from > now()")
    await change(0)
    assert len(kids) == 2
    assert house.tokens.keyring.signing()[0] != first
    await change(2)
    assert [key["kid"] for key in house.tokens.keyring.jwks()["keys"]] == [house.tokens.keyring.signing()[0]]
    assert await house.count("signing_key") == 2
    assert verified == 700


async def test_the_application_cannot_rewrite_what_was_recorded(house: House):
    await house.token(await house.client())
    before = await house.count("audit")
    async with pool().acquire() as connection:
        for statement in ("update audit set action = 'x.y'", "delete from audit", "truncate audit"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    assert await house.count("audit") == before > 0


async def test_codes_can_only_be_sent_to_exact_safe_addresses(house: House):
    for uri in (
        "javascript:alert(1)",
        "http://app.example.jp/callback",
        "https://app.example.jp/callback#part",
        "https://user@app.example.jp/callback",
        "https://*.example.jp/callback",
        "https:///callback",
        "https://app.example.jp/ça",
        "https://app.example.jp:65536/callback",
        "https://app.example.jp:0/callback",
        "https://app.example.jp:x/callback",
        "https://app.example.jp;sandbox/callback",
        "https://[::1]app/callback",
        "https://[::1/callback",
    ):
        with pytest.raises(ValueError, match="redirect URI"):
            await house.client(redirect_uris=[uri])
    assert await house.count("oauth_client", "kind = 'PARTNER'") == 0


async def test_the_command_line_registers_a_client_and_gets_its_token(house: House, connected: str):
    environment = {
        "KYOSO_DATABASE_URL": connected,
        "KYOSO_ISSUER": house.issuer,
        "KYOSO_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "PYTHONPATH": ".",
    }

    async def kyoso(*words: str):
        return await asyncio.to_thread(
            run, [executable, "-m", "api", *words], env=environment, capture_output=True, text=True, check=False
        )

    made = await kyoso("client", "create", "--partner", "aozora", "--scope", "network:read", "--json")
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    secret = ["--client-id", facts["client_id"], "--client-secret", facts["client_secret"]]
    got = await kyoso("token", *secret, "--scope", "network:read")
    assert (await house.tokens.verify(got.stdout.strip())).partner_id == house.company
    refused = await kyoso("token", *secret, "--scope", "relay:read")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: invalid_scope: ")
    unknown = await kyoso("client", "create", "--partner", "nobody", "--scope", "network:read")
    assert unknown.stderr.endswith("Error: there is no partner 'nobody': --partner takes its short name (slug)\n")
    beyond = await kyoso("client", "create", "--partner", "aozora", "--scope", "network:admin")
    assert "network:admin cannot be held" in beyond.stderr
    assert await house.count("oauth_client", "kind = 'PARTNER'") == 1
