"""Roles inside a partner: what each may grant, by every way to a token, and what happens when one is lowered."""

import asyncio
from uuid import UUID

import asyncpg
import httpx
import pytest

from api import letters
from auth.scopes import PARTNER_SCOPES, ROLE_SCOPES
from auth.tokens import InvalidTokenError
from models import mail, member, passkey, team, totp
from models.db import pool, unit_of_work
from models.factor import Factors, factors
from models.team import LastAdministratorError
from tests.conversation import conversation
from tests.oauth_house import (  # noqa: F401  (fixtures)
    CALLBACK,
    EMAIL,
    PASSWORD,
    House,
    fields,
    housed,
    light_hashes,
    parameters,
    proof_key,
    running_house,
)
from tests.served import Served
from tests.served import running as running_application

__all__ = ["running_application"]

WEB = {"redirect_uris": [CALLBACK], "scope": sorted(PARTNER_SCOPES)}
READS = {
    f"{word}:read" for word in ("agreements", "applications", "network", "outcomes", "referrals", "relay", "rewards")
}
MAY_GRANT = {
    "ADMIN": PARTNER_SCOPES,
    "RECRUITER": READS
    | {"candidates:read", "referrals:write", "applications:write", "relay:write", "events:subscribe"},
    "ANALYST": READS | {"events:subscribe"},
    "DEVELOPER": READS | {"events:subscribe"},
}
ICHIRO = "ichiro@aozora.example.jp"


async def colleague(house: House, role: str = "RECRUITER", partner_id: UUID | None = None, email: str = ICHIRO) -> UUID:
    async with unit_of_work() as connection:
        facts = {
            "partner_id": partner_id or house.company,
            "name": "鈴木 一郎",
            "password_hash": await member.hash_password(PASSWORD, ()),
            "role": role,
        }
        return await member.create_member(connection, email=email, **facts)


async def post(house: House, browser: httpx.AsyncClient, **form: str) -> httpx.Response:
    return await browser.post("/team", data=form, headers={"Origin": house.issuer})


async def role_of(member_id: UUID) -> str:
    async with pool().acquire() as connection:
        return await connection.fetchval("select role from member where id = $1", member_id)


async def set_up(member_id: UUID) -> None:
    """An app, a passkey and recovery codes for somebody."""
    async with unit_of_work() as connection:
        await totp.add(connection, member_id, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 1)
        await totp.make_recovery_codes(connection, member_id)
        await passkey.add(
            connection,
            member_id=member_id,
            credential_id=member_id.bytes,
            public_key=b"key",
            name="会社のノートPC",
            sign_count=0,
            synced=False,
            backed_up=False,
            transports=[],
        )


async def factors_of(member_id: UUID) -> Factors:
    async with pool().acquire() as connection:
        return await factors(connection, member_id)


async def reset(house: House, member_id: UUID, **form: str) -> httpx.Response:
    """By the form of the page, of whoever is logged in with the house's browser."""
    token = fields((await house.browser.get("/team")).text)["token"]
    sent = {"token": token, "member": str(member_id), "action": "reset", "language": "JA", **form}
    return await post(house, house.browser, **sent)


async def letter(house: House) -> letters.Letter | None:
    """The next letter that is due."""
    async with unit_of_work() as connection:
        due = await mail.claim(connection)
        return await letters.write(connection, due, issuer=house.issuer) if due else None


async def allowed(house: House, browser: httpx.AsyncClient, scope: str = "network:read") -> dict[str, str]:
    """The tokens of an app that whoever is logged in with this browser allows all of this."""
    app = await house.client(public=True, redirect_uris=[CALLBACK], scope=scope.split())
    verifier, challenge = proof_key()
    ticked = {f"allow {name}": "1" for name in scope.split()}
    answer = await house.allow(browser, house.query(app, challenge, scope=scope), **ticked)
    tokens = (await house.redeem(app, parameters(answer.headers["location"])["code"], verifier)).json()
    return {**tokens, "client_id": app.client_id}


async def give(house: House, role: str) -> None:
    async with unit_of_work() as connection:
        words = {"partner_id": house.company, "member_id": house.member, "role": role}
        assert await team.change_role(connection, **words, keep_seconds=360)


def test_the_table_of_roles_and_scopes():
    assert ROLE_SCOPES == MAY_GRANT


@pytest.mark.parametrize("role", MAY_GRANT)
async def test_a_role_bounds_what_is_offered_and_what_is_given(house: House, role: str):
    """Whoever ticks more by hand gets no more; nor does a refresh, an exchange or a registration."""
    app = await house.client(**WEB)
    await house.as_owner("update member set role = $1", role)
    await house.log_in(house.browser)
    query = house.query(app, proof_key()[1], scope=" ".join(sorted(PARTNER_SCOPES)))
    page = (await house.browser.get("/oauth/authorize", params=query)).text
    assert {name for name in PARTNER_SCOPES if f'name="allow {name}"' in page} == MAY_GRANT[role]
    code, verifier = await house.code(app, scope=" ".join(sorted(PARTNER_SCOPES)))
    first = (await house.redeem(app, code, verifier)).json()
    assert set(first["scope"].split()) == MAY_GRANT[role]
    again = (await house.refresh(app, first["refresh_token"])).json()
    assert set(again["scope"].split()) == MAY_GRANT[role]
    registered = await house.http.post(
        "/oauth/register",
        json={"client_name": "x", "redirect_uris": [CALLBACK], "scope": "network:read"},
        headers={"Authorization": f"Bearer {again['access_token']}"},
    )
    assert registered.status_code == (201 if role == "ADMIN" else 403)


async def exchange(house: House, app, token: str, scope: str) -> httpx.Response:
    kind = "urn:ietf:params:oauth:token-type:access_token"
    grant = "urn:ietf:params:oauth:grant-type:token-exchange"
    return await house.token(app, grant_type=grant, subject_token=token, subject_token_type=kind, scope=scope)


async def test_a_lowered_role_ends_live_tokens_and_bounds_the_next_ones(house: House):
    app = await house.client(**WEB)
    await colleague(house, "ADMIN")
    code, verifier = await house.code(app, scope="network:read candidates:read agreements:write")
    first = (await house.redeem(app, code, verifier)).json()
    lesser = (await exchange(house, app, first["access_token"], "candidates:read")).json()
    for token in (first, lesser):
        assert (await house.tokens.verify(token["access_token"])).member_id == house.member
    waiting, its_verifier = await house.code(app, scope="network:read agreements:write")
    await give(house, "ANALYST")
    house.tokens.forget(house.member)
    for token in (first, lesser):
        with pytest.raises(InvalidTokenError):
            await house.tokens.verify(token["access_token"])
        assert (await exchange(house, app, token["access_token"], "network:read")).status_code == 400
    assert (await house.redeem(app, waiting, its_verifier)).json()["scope"] == "network:read"
    again = (await house.refresh(app, first["refresh_token"])).json()
    assert again["scope"] == "network:read"


async def test_an_administrator_changes_a_role_and_ends_an_access(house: House):
    ichiro = await colleague(house)
    async with house.visitor() as theirs:
        await house.log_in(house.browser)
        await house.log_in(theirs, ICHIRO)
        page = await house.browser.get("/team")
        assert ("鈴木 一郎" in page.text, "山田 花子" in page.text, ICHIRO in page.text) == (True, True, True)
        form = {"token": fields(page.text)["token"], "member": str(ichiro)}
        assert (await post(house, house.browser, **form, action="role", role="DEVELOPER")).status_code == 303
        assert await role_of(ichiro) == "DEVELOPER"
        assert (await post(house, house.browser, **form, action="end", role="DEVELOPER")).status_code == 303
        assert "鈴木" not in (await house.browser.get("/team")).text
        assert (await theirs.get("/security")).headers["location"] == "/login?next=/security"
        assert (await house.log_in(theirs, ICHIRO)).status_code == 401
    async with pool().acquire() as connection:
        rows = await connection.fetch(
            "select action, detail ->> 'role' as role, detail ->> 'by' as by from audit where member_id = $1"
            " and action like 'member.%' order by position",
            ichiro,
        )
    by = str(house.member)
    expected = [("member.role_changed", "DEVELOPER", by), ("member.access_ended", "", by)]
    assert [tuple(row) for row in rows] == expected


async def test_what_somebody_allowed_an_app_is_forgotten_with_their_access(house: House):
    ichiro = await colleague(house)
    await house.log_in(house.browser)
    async with house.visitor() as theirs:
        await house.log_in(theirs, ICHIRO)
        await allowed(house, theirs, "openid network:read")
        await house.as_owner("delete from login_session where member_id = $1", ichiro)
        await house.log_in(theirs, ICHIRO)
        await allowed(house, theirs, "openid network:read")
        page = await house.browser.get("/team")
        form = {"token": fields(page.text)["token"], "member": str(ichiro)}
        assert (await post(house, house.browser, **form, action="end")).status_code == 303
    async with pool().acquire() as connection:
        rows = await connection.fetch("select revoked_because from oauth_grant where member_id = $1", ichiro)
    assert [row[0] for row in rows] == ["the person's access ended"] * 2


async def test_nobody_else_looks_after_people(house: House):
    ichiro = await colleague(house)
    stranger = await colleague(house, "ADMIN", house.agency, "shiro@mirai.example.jp")
    async with house.visitor() as theirs:
        await house.log_in(theirs, ICHIRO)
        assert (await theirs.get("/team")).status_code == 403
        known = fields((await theirs.get("/security")).text)["token"]
        for form in ({"token": known}, {}):
            answer = await post(house, theirs, **form, member=str(ichiro), action="role", role="ADMIN")
            assert answer.status_code == 403
    await house.log_in(house.browser)
    token = fields((await house.browser.get("/team")).text)["token"]
    wrong: list[tuple[dict[str, str], int]] = [
        ({"member": str(stranger), "action": "role", "role": "ANALYST"}, 303),
        ({"member": str(stranger), "action": "end"}, 303),
        ({"member": str(ichiro), "action": "role", "role": "BOSS"}, 400),
        ({"member": "x", "action": "end"}, 400),
        ({"member": str(house.member), "action": "end"}, 409),
        ({"member": str(house.member), "action": "role", "role": "ANALYST"}, 409),
    ]
    for form, status in wrong:
        assert (await post(house, house.browser, token=token, **form)).status_code == status, form
    assert [await role_of(each) for each in (ichiro, stranger, house.member)] == ["RECRUITER", "ADMIN", "ADMIN"]
    assert await house.count("member", "disabled_at is not null") == 0
    assert await house.count("audit", "action like 'member.%'") == 0
    await house.as_owner("update login_session set auth_time = now() - interval '601 seconds'")
    stale = await post(house, house.browser, token=token, member=str(ichiro), action="end")
    assert stale.headers["location"] == "/login?again=unsent&next=/team"
    assert await house.count("member", "disabled_at is not null") == 0


@pytest.mark.parametrize(("language", "subject"), [("JA", "二要素認証が解除されました"), ("EN", "second factor")])
async def test_an_administrator_takes_a_lost_factor_away_and_the_colleague_is_told(
    house: House, language: str, subject: str
):
    ichiro = await colleague(house)
    await house.log_in(house.browser)
    async with house.visitor() as theirs:
        await house.log_in(theirs, ICHIRO)
        tokens = await allowed(house, theirs)
        assert 'value="reset"' not in (await house.browser.get("/team")).text
        await set_up(ichiro)
        page = (await house.browser.get("/team")).text
        assert (page.count('value="reset"'), "二要素認証あり" in page) == (1, True)
        await house.tokens.verify(tokens["access_token"])
        done = await reset(house, ichiro, language=language)
        assert (done.status_code, done.headers["location"]) == (303, "/team?done=factors_reset")
        assert 'role="status"' in (await house.browser.get(done.headers["location"])).text
        assert await factors_of(ichiro) == Factors(app=False, passkeys=0, recovery_codes=0)
        with pytest.raises(InvalidTokenError):
            await house.tokens.verify(tokens["access_token"])
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        refused = await house.http.post("/oauth/token", data={**form, "client_id": tokens["client_id"]})
        assert refused.json()["error"] == "invalid_grant"
        assert (await theirs.get("/security")).headers["location"] == "/login?next=/security"
        assert (await house.log_in(theirs, ICHIRO)).headers["location"] == "/login"
    assert (await house.browser.get("/team")).status_code == 200
    written = await letter(house)
    assert written
    assert (written.to, written.language, subject in written.subject) == ((ICHIRO,), language, True)
    assert ("鈴木 一郎" in written.text, written.text.count(f"{house.issuer}/security")) == (True, 1)
    assert ("None" in written.text, await letter(house)) == (False, None)
    async with pool().acquire() as connection:
        lines = await connection.fetch(
            "select partner_id, member_id, detail ->> 'by' as by from audit where action = 'member.factors_reset'"
        )
    assert [tuple(line) for line in lines] == [(house.company, ichiro, str(house.member))]


async def test_nobody_else_takes_a_factor_away_and_nobody_their_own(house: House):
    ichiro = await colleague(house)
    stranger = await colleague(house, "ADMIN", house.agency, "shiro@mirai.example.jp")
    gone = await colleague(house, email="saburo@aozora.example.jp")
    plain = await colleague(house, email="goro@aozora.example.jp")
    await house.log_in(house.browser)
    browsers = {email: house.visitor() for email in (ICHIRO, "shiro@mirai.example.jp")}
    for email, browser in browsers.items():
        await house.log_in(browser, email)
    everybody = (ichiro, stranger, gone, house.member)
    for each in everybody:
        await set_up(each)
    await house.as_owner("update member set disabled_at = now() where id = $1", gone)
    for member_id in (stranger, gone, plain, house.member, UUID(int=0)):
        answer = await reset(house, member_id)
        assert (answer.status_code, answer.headers["location"]) == (303, "/team"), member_id
    assert (await reset(house, ichiro, member="x")).status_code == 400
    own = {"member": str(ichiro), "action": "reset"}
    token = fields((await house.browser.get("/team")).text)["token"]
    for form in (own, {**own, "token": "0" * 64}):
        assert (await post(house, house.browser, **form)).status_code == 403
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await house.browser.post("/team", data={**own, "token": token}, headers=evil)).status_code == 403
    recruiter, other = browsers.values()
    known = fields((await recruiter.get("/login")).text)["token"]
    assert (await post(house, recruiter, **own, token=known)).status_code == 403
    theirs = fields((await other.get("/team")).text)["token"]
    for member_id in (ichiro, house.member):
        answer = await post(house, other, token=theirs, member=str(member_id), action="reset")
        assert (answer.status_code, answer.headers["location"]) == (303, "/team")
    await house.as_owner("update login_session set auth_time = now() - interval '601 seconds'")
    stale = await post(house, house.browser, **own, token=token)
    assert stale.headers["location"] == "/login?again=unsent&next=/team"
    assert [(await factors_of(each)).any for each in everybody] == [True] * 4
    assert await house.count("login_session") == 3
    assert await house.count("mail") + await house.count("audit", "action = 'member.factors_reset'") == 0


async def test_a_login_with_the_factor_that_comes_between_ends_with_it(house: House):
    """Whoever has stolen a key and uses it at that moment is out all the same."""
    ichiro = await colleague(house)
    await set_up(ichiro)
    begun = asyncio.Event()

    async def resetting() -> bool:
        await begun.wait()
        async with unit_of_work() as connection:
            words = {"partner_id": house.company, "member_id": ichiro, "language": "JA"}
            return await team.reset_factors(connection, **words, keep_seconds=360)

    waits = asyncio.create_task(resetting())
    async with unit_of_work() as connection:
        assert await passkey.lock(connection, ichiro.bytes)
        begun.set()
        done, _ = await asyncio.wait([waits], timeout=0.5)
        assert not done
        await member.open_session(connection, ichiro, ["hwk", "user"])
    assert await waits
    assert await house.count("login_session") == 0


@pytest.mark.usefixtures("light_hashes")
async def test_an_open_conversation_ends_with_the_factor_of_its_person(served: Served):
    async with housed(served) as house, house.visitor() as theirs:
        ichiro = await colleague(house)
        await house.log_in(theirs, ICHIRO)
        await house.log_in(house.browser)
        scope = "network:read outcomes:read events:subscribe"
        token = (await allowed(house, theirs, scope))["access_token"]
        own = (await allowed(house, house.browser, scope))["access_token"]
        await set_up(ichiro)
        async with conversation(served, token) as talk, conversation(served, own) as goes_on:
            await talk.subscribe("subscription { outcomeEvents { cursor } }")
            assert (await talk.said())["type"] == "next"
            assert (await reset(house, ichiro)).headers["location"].endswith("factors_reset")
            async with asyncio.timeout(30):
                assert await talk.closed() == 4401
            await goes_on.send(type="ping")
            assert await goes_on.said() == {"type": "pong"}
        assert (await served.post("{ viewer { login } }", token)).status_code == 401


async def test_of_two_administrators_who_remove_each_other_one_stays(house: House):
    ichiro = await colleague(house, "ADMIN")

    async def end(member_id: UUID) -> bool:
        async with unit_of_work() as connection:
            words = {"partner_id": house.company, "member_id": member_id}
            return await team.end_access(connection, **words, keep_seconds=360)

    for _ in range(5):
        done = await asyncio.gather(end(ichiro), end(house.member), return_exceptions=True)
        assert sorted(type(each) for each in done if each is not True) == [LastAdministratorError]
        assert not [each for each in done if isinstance(each, asyncpg.PostgresError)]
        await house.as_owner("update member set disabled_at = null")


async def test_the_account_page_leads_there(house: House):
    await house.log_in(house.browser)
    page = (await house.browser.get("/login")).text
    assert all(f'href="{path}"' in page for path in ("/security", "/sessions", "/team"))
    await house.as_owner("update member set role = 'ANALYST' where email = $1", EMAIL)
    assert 'href="/team"' not in (await house.browser.get("/login")).text
