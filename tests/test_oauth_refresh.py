"""Refresh tokens: one lineage per grant, a grace for lost answers, and the end of the family for anything else."""

import asyncio

import pytest

from auth.tokens import InvalidTokenError
from models import member, oauth
from models.db import pool, unit_of_work
from tests.oauth_house import (
    CALLBACK,
    House,
    light_hashes,  # noqa: F401
    running_house,  # noqa: F401
)

SCOPE = "network:read relay:read"
APP = {"redirect_uris": [CALLBACK], "scope": [*SCOPE.split(), "outcomes:read"], "public": True}


@pytest.fixture
async def family(house: House):
    """An app with the first tokens of a fresh grant."""
    app = await house.client(**APP)
    code, verifier = await house.code(app, scope=SCOPE)
    return app, (await house.redeem(app, code, verifier)).json()


async def pass_time(house: House, seconds: int) -> None:
    """What waiting would do."""
    await house.as_owner("update oauth_refresh_token set used_at = used_at - make_interval(secs => $1)", seconds)


async def assert_family_is_dead(house: House, app, *bodies: dict) -> None:
    """No token of it opens anything any more."""
    assert await house.count("oauth_grant", "revoked_because = 'refresh token used twice'") == 1
    for body in bodies:
        assert (await house.refresh(app, body["refresh_token"])).json()["error"] == "invalid_grant"
        with pytest.raises(InvalidTokenError):
            await house.tokens.verify(body["access_token"])


async def test_each_use_gives_a_new_token(house: House, family):
    app, first = family
    second = await house.refresh(app, first["refresh_token"])
    assert second.status_code == 200
    third = (await house.refresh(app, second.json()["refresh_token"])).json()
    assert len({first["refresh_token"], second.json()["refresh_token"], third["refresh_token"]}) == 3
    assert third["scope"] == SCOPE
    assert (await house.tokens.verify(third["access_token"])).member_id == house.member


async def test_a_second_use_after_the_grace_ends_the_family(house: House, family):
    """proof 1.9, RFC 9700"""
    app, first = family
    second = (await house.refresh(app, first["refresh_token"])).json()
    await pass_time(house, 11)
    again = await house.refresh(app, first["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    await assert_family_is_dead(house, app, first, second)


async def test_a_grandparent_within_the_grace_ends_the_family(house: House, family):
    """proof 1.10"""
    app, first = family
    second = (await house.refresh(app, first["refresh_token"])).json()
    third = (await house.refresh(app, second["refresh_token"])).json()
    again = await house.refresh(app, first["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    await assert_family_is_dead(house, app, first, second, third)


async def test_a_lost_answer_can_be_asked_for_again(house: House, family):
    """proof 1.11"""
    app, first = family
    lost = (await house.refresh(app, first["refresh_token"])).json()
    await pass_time(house, 9)
    retry = await house.refresh(app, first["refresh_token"])
    assert retry.status_code == 200
    assert retry.json()["refresh_token"] == lost["refresh_token"]
    assert await house.count("oauth_refresh_token", "used_at is null") == 1
    assert (await house.refresh(app, retry.json()["refresh_token"])).status_code == 200


async def test_twenty_at_once_get_one_child(house: House, family):
    """proof 1.12"""
    app, first = family
    together = await asyncio.gather(*(house.refresh(app, first["refresh_token"]) for _ in range(20)))
    assert [answer.status_code for answer in together] == [200] * 20
    assert len({answer.json()["refresh_token"] for answer in together}) == 1
    assert await house.count("oauth_refresh_token") == 2
    async with pool().acquire() as connection:
        forks = await connection.fetchval(
            "select count(*) from (select parent_id from oauth_refresh_token group by 1 having count(*) > 1) as fork"
        )
    assert forks == 0


async def test_scopes_can_only_be_narrowed_and_the_grant_stays_as_wide(house: House, family):
    """proof 1.13"""
    app, first = family
    wider = await house.refresh(app, first["refresh_token"], scope=f"{SCOPE} outcomes:read")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    assert await house.count("oauth_refresh_token", "used_at is not null") == 0
    narrower = (await house.refresh(app, first["refresh_token"], scope="relay:read")).json()
    assert narrower["scope"] == "relay:read"
    assert (await house.tokens.verify(narrower["access_token"])).scopes == {"relay:read"}
    assert (await house.refresh(app, narrower["refresh_token"])).json()["scope"] == SCOPE


async def test_another_client_gets_nothing_and_ends_nothing(house: House, family):
    app, first = family
    stranger = await house.client(**APP)
    assert (await house.refresh(stranger, first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await house.refresh(app, first["refresh_token"])).status_code == 200


async def test_giving_a_refresh_token_back_ends_the_whole_grant(house: House, family):
    """RFC 7009"""
    app, first = family
    second = (await house.refresh(app, first["refresh_token"])).json()
    assert (await house.post("/oauth/revoke", app, token=second["refresh_token"])).status_code == 200
    assert (await house.refresh(app, second["refresh_token"])).json()["error"] == "invalid_grant"
    for body in (first, second):
        with pytest.raises(InvalidTokenError):
            await house.tokens.verify(body["access_token"])
    assert (await house.post("/oauth/revoke", app, token="unknown")).status_code == 200


async def test_a_smaller_role_narrows_the_next_token(house: House):
    app = await house.client(**APP | {"scope": ["network:read", "partner:admin"]})
    code, verifier = await house.code(app, scope="network:read partner:admin")
    first = (await house.redeem(app, code, verifier)).json()
    assert first["scope"] == "network:read partner:admin"
    async with pool().acquire() as connection:
        await connection.execute("update member set role = 'ANALYST'")
    assert (await house.refresh(app, first["refresh_token"])).json()["scope"] == "network:read"


async def test_a_grant_ends_after_ninety_days_however_often_it_was_renewed(house: House, family):
    app, first = family
    async with pool().acquire() as connection:
        days = await connection.fetchrow(
            "select round(extract(epoch from g.expires_at - g.created_at) / 86400) as grant_days,"
            " round(extract(epoch from t.expires_at - t.issued_at) / 86400) as token_days"
            " from oauth_grant g join oauth_refresh_token t on t.grant_id = g.id"
        )
    await house.as_owner("update oauth_grant set expires_at = now()")
    assert tuple(days) == (90, 14)
    assert (await house.refresh(app, first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_sweeping_removes_what_tells_nothing_more_and_nothing_else(house: House, family):
    app, first = family
    old, verifier = await house.code(app)
    ended = (await house.redeem(app, old, verifier)).json()
    assert (await house.post("/oauth/revoke", app, token=ended["refresh_token"])).status_code == 200
    await house.as_owner(
        "update oauth_grant set expires_at = now() - interval '31 days' where revoked_at is not null",
    )
    await house.as_owner(
        "update oauth_code set expires_at = now() - interval '25 hours'"
        " where id = (select code_id from oauth_grant where revoked_at is not null)"
    )
    await house.as_owner("update oauth_revocation set expires_at = now() - interval '1 second'")
    await house.as_owner("insert into login_attempt values (sha256('old'), 3, now() - interval '16 minutes')")
    async with unit_of_work() as connection:
        await oauth.sweep(connection)
        await member.sweep(connection)
    tables = ("oauth_grant", "oauth_refresh_token", "oauth_code", "oauth_revocation", "login_attempt", "login_session")
    left = [await house.count(table) for table in tables]
    assert left == [1, 1, 1, 0, 1, 1]  # the attempt left is the login's own address
    assert (await house.refresh(app, first["refresh_token"])).status_code == 200
