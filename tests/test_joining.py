"""Somebody is invited by mail, comes by its link, once, and is a member."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from api import letters
from models import mail, member, seal, team, totp
from models.db import pool, unit_of_work
from tests.builders import who_logs_in
from tests.oauth_house import (
    CALLBACK,
    EMAIL,
    FRESH,
    PASSWORD,
    House,
    fields,
    hold_hashes,
    light_hashes,  # noqa: F401  (fixture)
    no_connection_is_held,
    parameters,
    proof_key,
    running_house,  # noqa: F401  (fixture)
)

REN = "ren@aozora.example.jp"


async def invite(house: House, email: str = REN, role: str = "RECRUITER", **form: str) -> httpx.Response:
    if not house.browser.cookies.get("kyoso_session"):
        await house.log_in(house.browser)
    token = fields((await house.browser.get("/team")).text)["token"]
    sent = {"token": token, "email": email, "role": role, **form}
    return await house.browser.post("/team/invitations", data=sent, headers={"Origin": house.issuer})


async def letter(house: House) -> tuple[letters.Letter, str]:
    """The next letter, and the path of the link in it."""
    async with unit_of_work() as connection:
        due = await mail.claim(connection)
        assert due
        written = await letters.write(connection, due, issuer=house.issuer)
    assert written
    found = re.search(rf"{house.issuer}(/join/[\w-]+)", written.text)
    assert found, written.text
    return written, found[1]


async def join(house: House, path: str, password: str = FRESH, **form: str) -> httpx.Response:
    sent = {"name": " 佐藤\n蓮 ", "password": password, "repeated": password} | form
    return await house.http.post(path, data=sent, headers={"Origin": house.issuer})


async def test_somebody_is_invited_and_comes_once(house: House):
    done = (await invite(house, f" {REN.upper()} ", language="EN")).headers["location"]
    assert done == "/team?done=invited"
    page = (await house.browser.get(done)).text
    assert (REN in page, '<p class="notice calm" role="status">招待メールを' in page) == (True, True)
    written, path = await letter(house)
    assert (written.to, written.subject) == ((REN,), "青空製作所 invites you to Kyoso")
    for _ in range(2):  # mail scanners open links
        shown = await house.http.get(path)
        assert (shown.status_code, REN in shown.text, "青空製作所" in shown.text) == (200, True, True)
        assert "default-src 'none'" in shown.headers["content-security-policy"]
    answer = await join(house, path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/security?done=joined")
    page = (await house.http.get(answer.headers["location"])).text
    assert ("佐藤 蓮" in page, 'role="status">ようこそ' in page) == (True, True)
    async with pool().acquire() as connection:
        row = await connection.fetchrow("select * from member where email = $1", REN)
        lines = await connection.fetch(
            "select action, detail ->> 'role' as role from audit where action like 'member.%'"
        )
    assert row
    assert (row["partner_id"], row["role"], row["name"]) == (house.company, "RECRUITER", "佐藤 蓮")
    assert row["email_verified_at"] is not None
    assert [tuple(line) for line in lines] == [("member.invited", "RECRUITER"), ("member.joined", "RECRUITER")]
    assert [(await house.http.get(path)).status_code, (await join(house, path)).status_code] == [404, 404]
    assert 'href="/login"' in (await house.http.get(path)).text
    assert await house.count("joining") + await house.count("mail") == 0
    assert (await house.log_in(house.visitor(), REN, FRESH)).status_code == 303


async def test_the_link_ends_with_its_time_a_new_one_and_the_administrators_word(house: House):
    await invite(house)
    _, first = await letter(house)
    await invite(house, role="ANALYST")
    _, second = await letter(house)
    assert [(await house.http.get(path)).status_code for path in (first, second)] == [404, 200]
    await house.as_owner("update joining set expires_at = now()")
    assert [(await house.http.get(second)).status_code, (await join(house, second)).status_code] == [404, 404]
    await house.as_owner("update joining set expires_at = now() + interval '1 day'")
    form = fields((await house.browser.get("/team")).text)
    async with pool().acquire() as connection:
        invitation = str(await connection.fetchval("select id from joining"))
    sent = {"token": form["token"], "invitation": invitation}
    answer = await house.browser.post("/team/invitations/withdraw", data=sent, headers={"Origin": house.issuer})
    assert answer.status_code == 303
    assert (await join(house, second)).status_code == 404
    assert await house.count("member") == 1


async def test_who_joins_holds_no_connection_while_the_password_is_hashed(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    await invite(house)
    _, path = await letter(house)
    held = hold_hashes(monkeypatch)
    coming = [asyncio.create_task(join(house, path)) for _ in range(2)]
    await held.has_begun()
    free = await no_connection_is_held()
    held.go.set()
    assert (sorted([answer.status_code for answer in await asyncio.gather(*coming)]), free) == ([303, 404], True)
    assert await house.count("member") == 2


async def test_what_cannot_be_invited_is_said_and_nothing_is_sent(house: House):
    async with unit_of_work() as connection:
        facts = {
            "partner_id": house.company,
            "name": "鈴木 一郎",
            "password_hash": await member.hash_password(PASSWORD, ()),
            "role": "RECRUITER",
        }
        await member.create_member(connection, email="ichiro@aozora.example.jp", **facts)
    for email, role, status in ((EMAIL, "ANALYST", 409), ("nobody", "ANALYST", 422), (REN, "BOSS", 422)):
        refused = await invite(house, email, role, language="EN")
        assert refused.status_code == status
        (form,) = re.findall(r'<form method="post" action="/team/invitations">.*?</form>', refused.text, re.S)
        assert (f'value="{email}"' in form, 'role="alert"' in form, form.count(" autofocus")) == (True, True, 1)
        chosen = set(re.findall(r'<option value="(\w+)" selected', form))
        assert chosen == {role, "EN"} & {"ANALYST", "EN"}
    async with house.visitor() as theirs:
        await house.log_in(theirs, "ichiro@aozora.example.jp")
        token = fields((await theirs.get("/security")).text)["token"]
        own = {"token": token, "email": REN, "role": "ADMIN"}
        for form in (own, {**own, "token": ""}):
            refused = await theirs.post("/team/invitations", data=form, headers={"Origin": house.issuer})
            assert refused.status_code == 403
    assert await house.count("joining") + await house.count("mail") == 0
    statuses = [(await invite(house, f"{number}@aozora.example.jp")).status_code for number in range(11)]
    assert statuses == [303] * 10 + [429]
    assert await house.count("joining") == await house.count("mail") == 10


@pytest.mark.parametrize(
    "written",
    [
        'a"b@example.jp',
        "a,b@example.jp",
        "a(b)@example.jp",
        "=?utf-8?q?a?=@example.jp",
        "山田@example.jp",
        "a@example..jp",
    ],
)
async def test_what_no_letter_can_be_written_to_is_refused_at_the_form(house: House, written: str):
    assert (await invite(house, written)).status_code == 422
    assert await house.count("joining") + await house.count("mail") == 0
    async with unit_of_work() as connection:
        facts = {"partner_id": house.company, "name": "蓮", "role": "ADMIN", "password_hash": member.no_password()}
        with pytest.raises(ValueError, match="e-mail address"):
            await member.create_member(connection, email=written, **facts)


async def test_an_address_is_written_to_and_logs_in_however_it_was_typed(house: House):
    assert (await invite(house, " Ｒｅｎ＠ａｏｚｏｒａ．ｅｘａｍｐｌｅ．ｊｐ ")).status_code == 303
    written, path = await letter(house)
    assert written.to == (REN,)
    assert (await join(house, path)).status_code == 303
    assert await house.count("member", f"email = '{REN}'") == 1


async def test_an_address_of_another_partner_is_told_to_its_owner_alone(house: House):
    async with unit_of_work() as connection:
        facts = {
            "partner_id": house.agency,
            "name": "蓮",
            "password_hash": await member.hash_password(PASSWORD, ()),
            "role": "ADMIN",
        }
        await member.create_member(connection, email=REN, **facts)
    assert (await invite(house)).status_code == 303
    _, path = await letter(house)
    answer = await join(house, path)
    assert answer.status_code == 409
    assert "すでに使われています" in answer.text
    async with pool().acquire() as connection:
        assert await who_logs_in(connection, REN, FRESH) is None
        known = await who_logs_in(connection, REN, PASSWORD)
    assert known
    assert known.partner_id == house.agency


async def test_somebody_comes_back_without_the_factors_and_apps_of_before(house: House):
    app = await house.client(public=True, redirect_uris=[CALLBACK])
    async with unit_of_work() as connection:
        facts = {
            "partner_id": house.company,
            "name": "前の名",
            "password_hash": await member.hash_password(PASSWORD, ()),
            "role": "ADMIN",
        }
        before = await member.create_member(connection, email=REN, **facts)
    async with house.visitor() as theirs:
        await house.log_in(theirs, REN)
        verifier, challenge = proof_key()
        allowed = await house.allow(theirs, house.query(app, challenge), **{"allow network:read": "1"})
        tokens = (await house.redeem(app, parameters(allowed.headers["location"])["code"], verifier)).json()
    async with unit_of_work() as connection:
        await totp.add(connection, before, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 1)
        assert await team.end_access(connection, partner_id=house.company, member_id=before, keep_seconds=360)
    await invite(house, role="ANALYST")
    _, path = await letter(house)
    for form, said in (
        ({"password": "password1234567"}, "推測されやすい"),
        ({"repeated": "another"}, "一致しません"),
        ({"name": " "}, "お名前を入力"),
    ):
        refused = await join(house, path, **form)
        assert (refused.status_code, said in refused.text) == (422, True)
    assert await house.count("member", "disabled_at is not null") == 1
    assert (await join(house, path)).status_code == 303
    async with pool().acquire() as connection:
        row = await connection.fetchrow("select id, name, role, disabled_at from member where email = $1", REN)
    assert row
    assert tuple(row) == (before, "佐藤 蓮", "ANALYST", None)
    assert await house.count("totp") == 0
    assert (await house.refresh(app, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_only_our_page_joins_and_a_token_is_for_this_alone(house: House):
    await invite(house)
    _, path = await letter(house)
    form = {"name": "蓮", "password": FRESH, "repeated": FRESH}
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}):
        assert (await house.http.post(path, data=form, headers=headers)).status_code == 403
    joining_id = seal.read_joining_token(path.removeprefix("/join/"))
    assert joining_id
    for token in (seal.confirmation_token(joining_id), path[6:-1] + ("A" if path[-1] != "A" else "B"), "x", "%00"):
        assert (await join(house, f"/join/{token}")).status_code == 404
    assert await house.count("member") == 1


def test_the_letter_says_the_same_in_both_languages():
    texts = Path(letters.__file__).parent / "templates" / "mail"
    for language in ("ja", "en"):
        words = (texts / f"joining.{language}.txt").read_text(encoding="utf-8")
        assert [words.count(f"{{{{ {word} }}}}") for word in ("company", "joining_url", "joining_until")] == [2, 1, 1]


@pytest.mark.parametrize("address", ["a@b", "a b@c.jp", "a@b@c.jp", "@c.jp", "a@c.", ""])
def test_what_is_no_address(address: str):
    with pytest.raises(ValueError, match="e-mail address"):
        member.address(address)
