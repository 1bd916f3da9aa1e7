"""Logging in with an organisation's own accounts: at a real provider (this server, elsewhere), and at hostile ones."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from api import consent, login, openid
from api import oauth as edge
from api.settings import Settings
from auth import guarded
from auth.guarded import ForbiddenAddressError
from models import identity_provider, member
from models.db import pool, unit_of_work
from models.identity_provider import Provider
from tests.oauth_house import (
    EMAIL,
    MASTER_KEY,
    PASSWORD,
    House,
    fields,
    light_hashes,  # noqa: F401
    parameters,
    running_house,  # noqa: F401
)

KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
DOMAIN = "aozora.example.jp"


class Elsewhere:
    """A provider that says what a test makes it say; good answers otherwise."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key: Any = KEY
        self.alg = "ES256"
        self.header: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.described: dict[str, Any] = {}
        self.token_answer: Response | None = None
        self.asked: list[dict[str, str]] = []
        self.nonce = ""
        self.routes = [
            Route("/.well-known/openid-configuration", self._described),
            Route("/keys", self._keys),
            Route("/token", self._token, methods=["POST"]),
            Route("/userinfo", self._userinfo),
        ]

    async def _described(self, _: Request) -> Response:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(said | self.described)

    async def _keys(self, _: Request) -> Response:
        known = RSAKey.generate_key(1024).as_dict(private=False) | {"kid": "weak"}
        return JSONResponse({"keys": [known, {"kty": "new"}, KEY.as_dict(private=False) | {"kid": "1"}]})

    async def _token(self, request: Request) -> Response:
        form = dict((await request.form()).items())
        self.asked.append({**{k: str(v) for k, v in form.items()}, "by": request.headers.get("authorization", "")})
        if self.token_answer:
            return self.token_answer
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "kyoso-there",
            "sub": "subject-1",
            "iat": now,
            "exp": now + 60,
            "nonce": self.nonce,
            "email": EMAIL,
            "email_verified": True,
        } | self.claims
        told = {name: value for name, value in claims.items() if value is not None}
        id_token = jwt.encode({"alg": self.alg, "kid": "1"} | self.header, told, self.key, [self.alg])
        return JSONResponse({"access_token": "at", "token_type": "Bearer", "id_token": id_token})

    async def _userinfo(self, _: Request) -> Response:
        return JSONResponse(self.userinfo)


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """The application on a port of its own; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    listening = server.config.bind_socket()
    running = asyncio.create_task(server.serve([listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await running


@pytest.fixture(name="elsewhere")
async def provider_elsewhere(house: House) -> AsyncIterator[Elsewhere]:
    """A provider of the company's, on a port of its own."""
    made = Elsewhere()
    async with serving(Starlette(routes=made.routes)) as address:
        made.issuer = address
        await register(house, address)
        yield made


async def register(house: House, issuer: str, *, required: bool = False, client_id: str = "kyoso-there") -> Provider:
    async with unit_of_work() as connection:
        return await identity_provider.put(
            connection,
            house.company,
            issuer=issuer,
            client_id=client_id,
            secret="s3cret +&",
            domains=[DOMAIN, "aozora.co.jp"],
            required=required,
        )


async def begin(house: House, email: str = EMAIL, target: str = "") -> httpx.Response:
    """Types an address and chooses the organisation's account."""
    form = fields((await house.browser.get("/login", params={"next": target, "again": "1"})).text)
    filled = {**form, "email": email, "password": ""}
    return await house.browser.post("/login/company", data=filled, headers={"Origin": house.issuer})


def sent_to(answer: httpx.Response) -> str:
    """Where the page leads that sends the browser to the provider."""
    assert answer.status_code == 200, answer.text
    found = answer.text.partition('<a class="button primary" href="')[2].partition('"')[0]
    return found.replace("&amp;", "&")


async def come_back(house: House, elsewhere: Elsewhere, email: str = EMAIL, **changes: str | None) -> httpx.Response:
    """Begins a login, and comes back from the provider with a code; `changes` to what it sends along."""
    asked = parameters(sent_to(await begin(house, email)))
    elsewhere.nonce = asked["nonce"]
    answer = {"code": "c", "state": asked["state"], "iss": elsewhere.issuer} | changes
    told = {name: value for name, value in answer.items() if value is not None}
    return await house.browser.get(asked["redirect_uri"], params=told)


async def reasons(house: House) -> list[str]:
    async with pool().acquire() as connection:
        rows = await connection.fetch(
            "select detail->>'reason' as why from audit where action = 'login.refused' order by position"
        )
    return [row["why"] for row in rows]


async def test_this_server_is_a_provider_too(house: House):
    """A second server, real HTTP, the whole dance: discovery, PAR-less code with PKCE, ID token, userinfo."""
    there = Starlette()
    there.router.routes += [*edge.routes, *login.routes, *consent.routes, *openid.routes]
    server = uvicorn.Server(uvicorn.Config(there, port=0, log_level="warning", lifespan="off"))
    listening = server.config.bind_socket()
    issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with edge.running(there, Settings(house.url, house.url, issuer, MASTER_KEY, Path("/tmp"))):
        running = asyncio.create_task(server.serve([listening]))
        provider = await register(house, issuer)
        back = house.app.state.door.providers.callback(provider)
        app = await house.client(["openid", "email"], redirect_uris=[back])
        async with unit_of_work() as connection:
            await identity_provider.put(
                connection,
                house.company,
                issuer=issuer,
                client_id=app.client_id,
                secret=app.client_secret or "",
                domains=[DOMAIN],
                required=False,
            )
        assert await house.count("identity_provider") == 1

        async def through() -> httpx.Response:
            address = sent_to(await begin(house, target="/sessions"))
            async with httpx.AsyncClient(base_url=issuer, timeout=60) as browser:
                sent = await browser.get(address)
                form = fields((await browser.get(sent.headers["location"])).text)
                filled = {**form, "email": EMAIL, "password": PASSWORD}
                shown = await browser.post("/login", data=filled, headers={"Origin": issuer})
                asked = await browser.get(shown.headers["location"])
                form = {**fields(asked.text), "decision": "allow"}
                target = f"/oauth/consent?{asked.url.query.decode()}"
                given = await browser.post(target, data=form, headers={"Origin": issuer})
                assert given.status_code == 303, given.text
            return await house.browser.get(given.headers["location"])

        refused = await through()
        assert refused.status_code == 401
        assert (await reasons(house))[-1] == "identity provider: the address is not verified"
        await house.as_owner("update member set email_verified_at = now()")
        answer = await through()
        server.should_exit = True
        await running
    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions")
    async with pool().acquire() as connection:
        amr = await connection.fetch("select amr from login_session order by created_at")
        linked = await connection.fetchrow("select subject, member_id from identity")
    assert [row["amr"] for row in amr][-1] == ["fed"]
    assert (linked["subject"], linked["member_id"]) == (str(house.member), house.member)
    assert "山田" in (await house.browser.get("/login")).text


async def test_a_subject_stays_the_person_they_were_at_their_first_login(house: House, elsewhere: Elsewhere):
    elsewhere.claims = {"amr": ["pwd", "mfa"], "auth_time": int(time.time()) - 900}
    assert (await come_back(house, elsewhere)).status_code == 303
    asked = elsewhere.asked[-1]
    assert (asked["grant_type"], asked["code"], len(asked["code_verifier"])) == ("authorization_code", "c", 43)
    assert asked["by"].startswith("Basic ")
    async with pool().acquire() as connection:
        row = await connection.fetchrow(
            "select amr, now() - auth_time > interval '14 minutes' as old from login_session"
        )
        verified = await connection.fetchval("select email_verified_at is not null from member")
    assert (row["amr"], row["old"], verified) == (["fed", "mfa"], True, True)
    # The address is somebody else's now: the subject decides, and the newcomer does not take over the account.
    elsewhere.claims = {"email": "hanako.new@aozora.example.jp"}
    assert (await come_back(house, elsewhere)).status_code == 303
    elsewhere.claims = {"sub": "subject-2"}
    assert (await come_back(house, elsewhere)).status_code == 401
    assert await house.count("identity") == 1
    await house.as_owner("update member set disabled_at = now()")
    elsewhere.claims = {}
    assert (await come_back(house, elsewhere)).status_code == 401


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"claims": {"iss": "https://evil.example"}}, "ID token: InvalidClaimError iss"),
    "another audience": ({"claims": {"aud": "somebody"}}, "ID token: InvalidClaimError aud"),
    "for others too": ({"claims": {"aud": ["kyoso-there", "somebody"]}}, "meant for others too"),
    "for another party": ({"claims": {"azp": "somebody"}}, "meant for others too"),
    "another nonce": ({"claims": {"nonce": "x"}}, "ID token: InvalidClaimError nonce"),
    "no nonce": ({"claims": {"nonce": None}}, "ID token: MissingClaimError nonce"),
    "expired": ({"claims": {"exp": 1_700_000_000}}, "ID token: ExpiredTokenError exp"),
    "no expiry": ({"claims": {"exp": None}}, "ID token: MissingClaimError exp"),
    "long ago": ({"claims": {"iat": int(time.time()) - 4000}}, "issued long ago"),
    "from the future": ({"claims": {"iat": int(time.time()) + 4000}}, "ID token: InvalidClaimError iat"),
    "no subject": ({"claims": {"sub": ""}}, "ID token"),
    "unverified": ({"claims": {"email_verified": "true"}}, "the address is not verified"),
    "another domain": ({"claims": {"email": "hanako@evil.example"}}, "an address of another domain"),
    "nobody": ({"claims": {"email": f"nobody@{DOMAIN}"}}, "nobody here, or another subject's"),
    "another partner's": ({"claims": {"email": "taro@aozora.co.jp"}}, "nobody here, or another subject's"),
    "at_hash of another token": ({"claims": {"at_hash": "AAAA"}}, "at_hash is of another access token"),
    "another key": ({"key": OTHER}, "ID token: BadSignatureError"),
    "unknown key": ({"header": {"kid": "2"}}, "ID token"),
    "alg none": ({"key": OctKey.import_key(b"x" * 32), "alg": "none"}, "ID token"),
    "hmac": ({"key": OctKey.import_key(b"x" * 32), "alg": "HS256"}, "ID token"),
    "access token": ({"header": {"typ": "at+jwt"}}, "not an ID token's typ"),
    "userinfo of another": (
        {"claims": {"email": None}, "userinfo": {"sub": "subject-2", "email": EMAIL, "email_verified": True}},
        "userinfo is about somebody else",
    ),
    "refuses": ({"token_answer": JSONResponse({"error": "invalid_grant"}, 400)}, "answers 400"),
    "redirects": ({"token_answer": RedirectResponse("http://127.0.0.1:1/")}, "answers 307"),
    "no JSON": ({"token_answer": Response("<html>")}, "answers without JSON"),
    "no ID token": ({"token_answer": JSONResponse({"access_token": "x"})}, "no ID token"),
    "endless": ({"token_answer": Response(b" " * 300_000)}, "address refused: the answer is too long"),
    "compressed": (
        {"token_answer": Response(b"x", headers={"Content-Encoding": "gzip"})},
        "address refused: a compressed answer was not asked for",
    ),
}


async def test_what_a_hostile_provider_says_lets_nobody_in(house: House, elsewhere: Elsewhere):
    async with unit_of_work() as connection:
        await member.create_member(
            connection,
            partner_id=house.agency,
            email="taro@aozora.co.jp",
            name="太郎",
            password_hash=await member.hash_password(PASSWORD, ()),
            role="ADMIN",
        )
    for name, (answer, reason) in HOSTILE.items():
        await house.as_owner("delete from login_attempt")
        good = {"key": KEY, "alg": "ES256", "header": {}, "claims": {}, "userinfo": {}, "token_answer": None}
        for part, value in (good | answer).items():
            setattr(elsewhere, part, value)
        refused = await come_back(house, elsewhere)
        assert refused.status_code == 401, name
        assert "会社のアカウントでログインできませんでした" in refused.text
        assert (await reasons(house))[-1].startswith(f"identity provider: {reason}"), (name, await reasons(house))
    assert await house.count("login_session") == 0
    assert await house.count("identity") == 0


async def test_an_answer_counts_once_where_it_was_asked_for_and_from_who_was_asked(house: House, elsewhere: Elsewhere):
    asked = parameters(sent_to(await begin(house)))
    elsewhere.nonce = asked["nonce"]
    answer = {"code": "c", "state": asked["state"], "iss": elsewhere.issuer}
    async with house.visitor() as stranger:
        await stranger.get("/login")
        assert (await stranger.get(asked["redirect_uri"], params=answer)).status_code == 401
    assert elsewhere.asked == []
    assert (await house.browser.get(asked["redirect_uri"], params=answer)).status_code == 303
    assert (await house.browser.get(asked["redirect_uri"], params=answer)).status_code == 401
    assert len(elsewhere.asked) == 1
    # Mix-up (RFC 9207): the answer of another provider, none, or an error in its name.
    for changes, reason in (
        ({"iss": "https://evil.example"}, "another issuer answers"),
        ({"iss": None}, "another issuer answers"),
        ({"error": "access_denied"}, "error access_denied"),
        ({"code": None}, "no code"),
        ({"state": "x"}, "a state that this browser has not, or used up"),
    ):
        assert (await come_back(house, elsewhere, **changes)).status_code == 401
        assert (await reasons(house))[-1] == f"identity provider: {reason}"
    assert len(elsewhere.asked) == 1
    await house.as_owner("update identity_request set expires_at = now()")
    asked = parameters(sent_to(await begin(house)))
    await house.as_owner("update identity_request set expires_at = now() - interval '1 second'")
    late = await house.browser.get(asked["redirect_uri"], params={**answer, "state": asked["state"]})
    assert late.status_code == 401
    async with unit_of_work() as connection:
        await identity_provider.sweep(connection)
    assert await house.count("identity_request") == 0


async def test_what_the_provider_says_of_itself_is_held_against_its_name(house: House, elsewhere: Elsewhere):
    for described, reason in (
        ({"issuer": "https://evil.example"}, "discovery names another issuer"),
        ({"token_endpoint": "ftp://evil.example"}, "address refused: not https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "address refused: not a plain address"),
        ({"jwks_uri": None}, "address refused: no address, or too long"),
    ):
        elsewhere.described = described
        refused = await begin(house)
        assert refused.status_code == 401
        assert (await reasons(house))[-1] == f"identity provider: {reason}"
    assert await house.count("identity_request") == 0


async def test_a_fresh_login_is_demanded_of_the_provider_too(house: House, elsewhere: Elsewhere):
    plain = parameters(sent_to(await begin(house)))
    assert "prompt" not in plain
    assert (plain["login_hint"], plain["scope"], plain["code_challenge_method"]) == (EMAIL, "openid email", "S256")
    fresh = parameters(sent_to(await begin(house, target="/oauth/authorize?x=y&asked_at=1.a")))
    assert (fresh["prompt"], fresh["max_age"]) == ("login", "0")


async def test_an_older_provider_takes_the_secret_in_the_body_and_tells_the_address_apart(
    house: House, elsewhere: Elsewhere
):
    elsewhere.described = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    elsewhere.claims = {"email": None, "email_verified": None}
    elsewhere.userinfo = {"sub": "subject-1", "email": EMAIL.upper(), "email_verified": True}
    assert (await come_back(house, elsewhere)).status_code == 303
    asked = elsewhere.asked[-1]
    assert (asked["client_id"], asked["client_secret"], asked["by"]) == ("kyoso-there", "s3cret +&", "")


async def test_where_it_is_required_no_second_door_opens(house: House, monkeypatch: pytest.MonkeyPatch):
    """What asks nobody for a password (a passkey, a login under way) meets the rule where the session is opened."""
    answers = iter([False, True])

    async def is_required(*_: Any) -> bool:
        return next(answers)

    monkeypatch.setattr(identity_provider, "is_required", is_required)
    refused = await house.log_in(house.browser)
    assert refused.status_code == 401
    assert "会社のアカウントでのログインが必要です" in refused.text
    assert await house.count("login_session") == 0


async def test_where_it_is_required_there_is_no_other_way_in(house: House, elsewhere: Elsewhere):
    await house.log_in(house.browser)
    await register(house, elsewhere.issuer, required=True)
    assert await house.count("login_session") == 0
    wrong = await house.log_in(house.browser, password="wrong guess, surely")
    right = await house.log_in(house.browser)
    assert (right.status_code, right.text) == (wrong.status_code, wrong.text)
    assert await house.count("login_session") == 0
    assert (await come_back(house, elsewhere)).status_code == 303
    async with pool().acquire() as connection:
        removed = await identity_provider.remove(connection, house.company)
    assert removed
    house.browser.cookies.delete("kyoso_session")
    assert (await house.log_in(house.browser)).status_code == 303
    assert await house.count("identity") == 0


async def test_a_login_is_begun_from_our_page_by_an_address_of_a_known_domain(house: House, elsewhere: Elsewhere):
    unknown = await begin(house, "hanako@mirai.example.jp")
    assert unknown.status_code == 400
    assert "会社アカウントは登録されていません" in unknown.text
    for nothing in ("", " ", "hanako"):
        asked = await begin(house, nothing)
        assert (asked.status_code, "会社のメールアドレスを入力してから" in asked.text) == (400, True)
        assert "登録されていません" not in asked.text
    nobody = sent_to(await begin(house, f"nobody@{DOMAIN}"))
    assert nobody.startswith(f"{elsewhere.issuer}/authorize?")
    forged = await house.browser.post("/login/company", data={"email": EMAIL}, headers={"Origin": house.issuer})
    assert forged.status_code == 403
    assert (await house.browser.get("/login/company/01a20397-e503-7e5b-93f2-e3239d136a14")).status_code == 400
    assert (await house.browser.get("/login/company/x")).status_code == 404


async def test_the_secret_is_sealed_and_a_new_issuer_means_new_people(house: House, elsewhere: Elsewhere):
    assert (await come_back(house, elsewhere)).status_code == 303
    async with pool().acquire() as connection:
        sealed = await connection.fetchval("select sealed_secret from identity_provider")
        found = await identity_provider.of_partner(connection, house.company)
    assert b"s3cret" not in sealed
    assert found
    assert found.secret == "s3cret +&"
    assert "s3cret" not in repr(found)
    await register(house, elsewhere.issuer)
    assert await house.count("identity") == 1
    await register(house, "https://login.example.jp")
    assert await house.count("identity") == 0


INSIDE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1", "::ffff:0:7f00:1", "fec0::1"),
)


async def test_an_address_inside_is_refused_where_the_connection_is_made(monkeypatch: pytest.MonkeyPatch):
    """proof 4.12, for providers: whatever a name resolves to is looked at when connecting."""
    resolved: list[Any] = []

    async def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        return resolved

    async def connect(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    async with guarded.client(local=False) as client:
        for address in INSIDE:
            assert not guarded.is_public(ip_address(address), local=False)
            resolved[:] = [(2, 1, 6, "", ("93.184.215.14", 443)), (2, 1, 6, "", (address, 443))]
            with pytest.raises(ForbiddenAddressError):
                await client.get("https://login.example.jp/")
        del resolved[1]
        with pytest.raises(AssertionError, match="a connection was made"):
            await client.get("https://login.example.jp/")


async def test_public_addresses_pass_and_this_machine_where_it_serves_itself_alone(house: House, elsewhere: Elsewhere):
    for address in ("93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14"):
        assert guarded.is_public(ip_address(address), local=False)
    async with guarded.client(local=True) as client:
        assert (await client.get(f"{elsewhere.issuer}/keys")).status_code == 200
    async with guarded.client(local=False) as client:
        with pytest.raises(ForbiddenAddressError):
            await client.get(f"{elsewhere.issuer}/keys")
    assert not guarded.is_public(ip_address("10.0.0.1"), local=True)
    for wrong in (
        "http://login.example.jp",
        "https://a@b.jp",
        "https://b.jp/#x",
        "https://",
        "ftp://b.jp",
        None,
        "https://b.jp/ x",
    ):
        with pytest.raises(ForbiddenAddressError):
            guarded.checked(wrong, local=False)
    production = Settings("postgresql://h/d", "postgresql://h/d", "https://kyoso.example.jp", MASTER_KEY, Path("/tmp"))
    assert not production.is_local
