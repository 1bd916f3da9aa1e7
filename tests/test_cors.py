"""Browser programs on other sites: registered clients' sites are answered, every other one is not, and no cookie helps.

Beside it what the API tells a program that lacks scopes, and tokens with keys in long conversations.
"""

import json
from uuid import UUID

import httpx
import pytest
import websockets

from auth.tokens import Tokens
from models.client import create_client, find_client
from models.db import unit_of_work
from tests import builders
from tests.conversation import PROTOCOL
from tests.served import Served, running  # noqa: F401  (fixture)
from tests.test_oauth_dpop import proof

APP, EVIL = "https://app.example.jp", "https://evil.example"
EVENTS = "subscription { outcomeEvents { live } }"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
FOR_CLIENTS = ("/graphql", "/oauth/token", "/oauth/par", "/oauth/revoke", "/oauth/userinfo")
FOR_EVERYBODY = (
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource/graphql",
)
WITH_COOKIES = ("/login", "/logout", "/oauth/authorize", "/oauth/consent", "/device", "/sessions", "/allowed")


@pytest.fixture
async def company(served: Served) -> UUID:
    """A company with a client whose people return to APP."""
    async with unit_of_work() as connection:
        made = await builders.company(connection)
        uris = [f"{APP}/callback", "https://other.example.jp:443/callback"]
        words = {"partner_id": made, "scope": ["network:read"], "public": True}
        await create_client(connection, name="app", redirect_uris=uris, **words)
    return made


def leave(answer: httpx.Response) -> dict[str, str]:
    names = ("origin", "credentials", "methods", "headers")
    return {name: answer.headers[f"access-control-allow-{name}"] for name in names
            if f"access-control-allow-{name}" in answer.headers}  # fmt: skip


async def test_preflights_let_in_registered_sites_alone(served: Served, company: UUID) -> None:
    async def ask(path: str, site: str) -> httpx.Response:
        return await served.http.options(path, headers={"Origin": site, **ASKS})

    for path in FOR_CLIENTS:
        for site in (APP, "https://other.example.jp"):
            let_in = await ask(path, site)
            assert (let_in.status_code, let_in.headers["vary"]) == (204, "origin")
            assert (leave(let_in)["origin"], leave(let_in)["headers"]) == (site, "authorization, content-type, dpop")
            assert "POST" in leave(let_in)["methods"]
            assert "credentials" not in leave(let_in)
        for site in (EVIL, "null", APP + ".evil.example", "http://app.example.jp", f"{APP}:8443", ""):
            refused = await ask(path, site)
            assert (refused.status_code, leave(refused)) == (403, {}), (path, site)
    for path in FOR_EVERYBODY:
        assert leave(await ask(path, EVIL))["origin"] == "*"
        assert leave(await served.http.get(path, headers={"Origin": EVIL})) == {"origin": "*"}
    for path in (*WITH_COOKIES, "/oauth/introspect", "/oauth/register", "/"):
        assert leave(await ask(path, APP)) == {}, path
        assert leave(await served.http.get(path, headers={"Origin": APP})) == {}, path
    for path in FOR_CLIENTS:
        assert (await served.http.options(path)).status_code in (401, 405)


async def test_answers_are_for_registered_sites_to_read(served: Served, company: UUID) -> None:
    token = await served.token(company, ("network:read",))

    async def ask(site: str, **headers: str) -> httpx.Response:
        sent = {"Origin": site, "Authorization": f"Bearer {token}", **headers}
        return await served.http.post("/graphql", json={"query": "{ viewer { login } }"}, headers=sent)

    ours = await ask(APP)
    assert ours.json() == {"data": {"viewer": {"login": "test"}}}
    assert (leave(ours), ours.headers["vary"]) == ({"origin": APP}, "origin")
    assert ours.headers["access-control-expose-headers"] == "dpop-nonce, www-authenticate, retry-after"
    assert leave(await ask(EVIL)) == {}
    assert leave(await ask(served.issuer)) == {}
    refused = await ask(APP, Authorization="")
    assert (refused.status_code, leave(refused)) == (401, {"origin": APP})
    for path in ("/oauth/token", "/oauth/revoke", "/oauth/par"):
        wrong = await served.http.post(path, data={"client_id": "nobody"}, headers={"Origin": APP})
        assert (wrong.status_code in (400, 401), leave(wrong)) == (True, {"origin": APP})
    async with unit_of_work() as connection:
        await connection.execute(
            "update oauth_client set disabled_at = now() where 'authorization_code' = any(grant_types)"
        )
    served.app.state.door.origins._read_at = 0.0
    assert leave(await ask(APP)) == {}


async def test_a_cookie_from_another_site_opens_nothing(served: Served, company: UUID) -> None:
    """proof 2.8: forms and texts, questions that change something, and cookies of a foreign site are refused."""
    token = await served.token(company, ("applications:write", "network:read"))
    cookie = {"Cookie": f"kyoso_session={token}"}
    bearer = {"Authorization": f"Bearer {token}"}
    body = json.dumps({"query": "{ __typename }"})
    for site in (EVIL, APP, "null"):
        answer = await served.http.post(
            "/graphql", json={"query": "{ __typename }"}, headers={"Origin": site, **cookie}
        )
        assert (answer.status_code, "data" in answer.json()) == (401, False)
        assert "access-control-allow-credentials" not in answer.headers
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {"Origin": EVIL, "Content-Type": media, **bearer}
        answer = await served.http.post("/graphql", content=body, headers=headers)
        assert (answer.status_code, "data" in answer.json()) == (415, False)
    verb = """mutation { postJob(input: {clientMutationId: "1", title: "設計", requirements: "CAD", prefecture: TOKYO})
      { job { id } } }"""
    got = await served.http.get("/graphql", params={"query": verb}, headers=bearer)
    assert (got.status_code, "data" in got.json()) == (405, False)


async def test_a_request_beyond_its_scopes_names_them(served: Served, company: UUID) -> None:
    """RFC 6750"""
    token = await served.token(company, ("network:read",))

    async def ask(query: str, accept: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": accept}
        return await served.http.post("/graphql", json={"query": query}, headers=headers)

    beyond = "{ referrals(first: 1) { totalCount } handovers(first: 1) { totalCount } viewer { login } }"
    where = f'resource_metadata="{served.issuer}/.well-known/oauth-protected-resource/graphql"'
    said = 'error="insufficient_scope", scope="referrals:read relay:read"'
    told = f'Bearer realm="kyoso", {said}, {where}, DPoP realm="kyoso", algs="ES256 EdDSA Ed25519", {said}'
    for accept, status in (("application/graphql-response+json", 403), ("application/json", 200)):
        answer = await ask(beyond, accept)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (status, told)
        assert {each["extensions"]["code"] for each in answer.json()["errors"]} == {"INSUFFICIENT_SCOPE"}
        assert "data" not in answer.json()
        mixed = await ask("{ referrals(first: 1) { totalCount } nonsense }", accept)
        assert "www-authenticate" not in mixed.headers
        assert mixed.status_code == (400 if status == 403 else 200)


async def test_a_token_comes_once(served: Served, company: UUID) -> None:
    token = await served.token(company, ("network:read",))
    once = [("Content-Type", "application/json"), ("Authorization", f"Bearer {token}")]
    for again in (("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")):
        for headers in ([*once, again], [once[0], again, once[1]]):
            refused = await served.http.post("/graphql", content='{"query": "{ __typename }"}', headers=headers)
            assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")
    headers = [*once, ("DPoP", "x.y.z"), ("DPoP", "x.y.z")]
    assert (
        await served.http.post("/graphql", content='{"query": "{ __typename }"}', headers=headers)
    ).status_code == 400
    others = [*once, ("X-Other", "1"), ("X-Other", "2")]
    assert (
        await served.http.post("/graphql", content='{"query": "{ __typename }"}', headers=others)
    ).status_code == 200


async def test_a_token_for_another_resource_is_refused(served: Served, company: UUID) -> None:
    """proof 1.21: signed by our own key, alive and of a client that stands, but meant for somebody else."""
    tokens: Tokens = served.app.state.tokens
    async with unit_of_work() as connection:
        name = await connection.fetchval("select client_id from oauth_client where partner_id = $1", company)
        client = await find_client(connection, name)
    assert client is not None

    async def ask(issuer: str, resource: str) -> httpx.Response:
        other = Tokens(issuer, tokens.keyring)
        other.resource = resource
        token = other.issue(client, None, frozenset({"network:read"}), None).access_token
        return await served.http.post(
            "/graphql", json={"query": "{ viewer { login } }"}, headers={"Authorization": f"Bearer {token}"}
        )

    assert (await ask(tokens.issuer, tokens.resource)).json() == {"data": {"viewer": {"login": "app"}}}
    for issuer, resource in (
        (tokens.issuer, f"{tokens.issuer}/billing"),
        (tokens.issuer, f"{tokens.resource}/"),
        (tokens.issuer, tokens.issuer),
        ("https://other.example", tokens.resource),
        ("https://other.example", "https://other.example/graphql"),
    ):
        refused = await ask(issuer, resource)
        assert (refused.status_code, "data" in refused.json()) == (401, False)
        assert refused.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


async def test_a_bound_token_converses_by_events_and_not_by_socket(served: Served, company: UUID) -> None:
    """RFC 9449, proof 1.17: over server-sent events with a proof; a WebSocket carries none, and is closed with 4403."""
    scope = ["events:subscribe", "outcomes:read"]
    async with unit_of_work() as connection:
        client = await create_client(connection, name="bound", scope=scope, partner_id=company, dpop_bound=True)
    proofs = served.app.state.tokens.proofs
    answer = await served.http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(client.client_id, client.client_secret or ""),
        headers={"DPoP": proof(f"{served.issuer}/oauth/token", proofs.nonce())},
    )
    token = answer.json()["access_token"]
    headers = {"Authorization": f"DPoP {token}", "Accept": "text/event-stream"}
    given = proof(f"{served.issuer}/graphql", proofs.nonce(), token=token)
    subscription = {"query": EVENTS.replace("outcomeEvents", "outcomeEvents(bookmarkSeconds: 5)")}
    for wrong in ({}, {"DPoP": "x.y.z"}):
        refused = await served.http.post("/graphql", json=subscription, headers=headers | wrong)
        assert refused.status_code == 401
        assert 'DPoP realm="kyoso", error="invalid_dpop_proof"' in refused.headers["www-authenticate"]
    ended = await served.http.post("/graphql", json=subscription, headers=headers | {"Authorization": "DPoP x.y.z"})
    assert ended.headers["www-authenticate"].startswith('DPoP realm="kyoso", error="invalid_token"')
    async with served.http.stream("POST", "/graphql", json=subscription, headers=headers | {"DPoP": given}) as stream:
        assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        again = await served.http.post("/graphql", json=subscription, headers=headers | {"DPoP": given})
        assert again.status_code == 401
    for scheme in ("Bearer", "DPoP"):
        address = served.issuer.replace("http", "ws") + "/graphql"
        async with websockets.connect(address, subprotocols=[PROTOCOL], origin=served.issuer) as socket:
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"authorization": f"{scheme} {token}"}})
            )
            await socket.wait_closed()
            assert socket.close_code == 4403
