"""Roles inside a partner: what each may grant, by every way to a token, and what happens when one is lowered."""

import asyncio
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth.scopes import PARTNER_SCOPES, ROLE_SCOPES
from auth.tokens import InvalidTokenError
from models import member, team
from models.db import pool, unit_of_work
from models.team import LastAdministratorError
from tests.oauth_house import (  # noqa: F401  (fixtures)
    CALLBACK,
    EMAIL,
    PASSWORD,
    House,
    fields,
    light_hashes,
    proof_key,
    running_house,
)

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
