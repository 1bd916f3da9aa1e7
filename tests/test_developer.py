"""The page on which people who develop for a partner look after its clients."""

import asyncio
import json
import re
from collections.abc import Iterable
from html import unescape
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from auth import client as rules
from auth.tokens import InvalidTokenError
from models import client, member
from models.client import DEVICE_GRANT, Credentials
from models.db import pool, unit_of_work
from tests.oauth_house import CALLBACK, PASSWORD, House, light_hashes, running_house  # noqa: F401  (fixtures)
from tests.test_oauth_cli import kyoso

JWKS = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}
PROGRAM = {"name": "夜間バッチ", "kind": "program", "allow network:read": "1"}
AFTER = "https://app.example.jp/bye"
WEB = {
    **PROGRAM,
    "kind": "web",
    "post_logout_redirect_uris": AFTER,
    "redirect_uris": f"{CALLBACK}\r\nhttp://127.0.0.1:9000/back",
}


TEXTS = {"redirect_uris", "post_logout_redirect_uris"}
UNFIT: list[tuple[dict[str, str], str]] = [
    ({"redirect_uris": CALLBACK}, "選んだ種類では使えません"),
    ({"post_logout_redirect_uris": AFTER}, "選んだ種類では使えません"),
    ({"kind": "device", "redirect_uris": CALLBACK}, "選んだ種類では使えません"),
    ({"jwks": json.dumps(JWKS)}, "選んだ種類では使えません"),
    ({"kind": "app", "redirect_uris": CALLBACK, "jwks": "{}"}, "選んだ種類では使えません"),
    ({"allow openid": "1"}, "人がログインするときだけの項目"),
    ({"kind": "signer", "jwks": json.dumps(JWKS), "allow email": "1"}, "人がログインするときだけの項目"),
    ({"kind": "web", "redirect_uris": "https://app.example.jp/#top"}, "「#」と「@」は使えません"),
    ({"kind": "web", "redirect_uris": CALLBACK, "post_logout_redirect_uris": "x"}, "リダイレクトURIを"),
]


async def visitor(house: House, role: str, partner: Any = None) -> httpx.AsyncClient:
    """The browser of somebody with a role."""
    email = f"{role.lower()}{'' if partner is None else 2}@aozora.example.jp"
    async with unit_of_work() as connection:
        facts = {
            "partner_id": partner or house.company,
            "name": "佐藤 一郎",
            "password_hash": await member.hash_password(PASSWORD, ()),
            "role": role,
        }
        await member.create_member(connection, email=email, **facts)
    browser = house.visitor()
    assert (await house.log_in(browser, email)).status_code == 303
    return browser


def hidden(html: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html)}


async def send(
    house: House, browser: httpx.AsyncClient, path: str, form: dict[str, str], **fields: str
) -> httpx.Response:
    """A form of the page; its hidden fields are as the page has them, unless `fields` says otherwise."""
    page = await browser.get("/developer/new" if path == "new" else "/developer")
    filled = hidden(page.text) | form | fields
    return await browser.post(f"/developer/{path}", data=filled, headers={"Origin": house.issuer})


def shown(html: str) -> list[str]:
    """What a page shows as code: a client's id and its secret."""
    return [unescape(each) for each in re.findall(r"<code>([^<]+)</code>", html)]


async def created(house: House, browser: httpx.AsyncClient, form: dict[str, str] = PROGRAM) -> Credentials:
    answer = await send(house, browser, "new", form)
    assert answer.status_code == 200, answer.text
    client_id, *secret = shown(answer.text)
    return Credentials(client_id, secret[0] if secret else None)


async def statuses(house: House, client: Credentials, secrets: Iterable[str | None]) -> list[int]:
    """How the token endpoint answers each secret."""
    return [(await house.token(Credentials(client.client_id, secret))).status_code for secret in secrets]


async def alive(house: House, token: str) -> bool:
    try:
        await house.tokens.verify(token)
    except InvalidTokenError:
        return False
    return True


async def test_a_developer_creates_a_program_that_gets_a_token(house: House):
    browser = await visitor(house, "DEVELOPER")
    empty = await browser.get("/developer")
    assert "クライアントはまだありません" in empty.text
    answer = await send(house, browser, "new", PROGRAM)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    client_id, secret = shown(answer.text)
    token = await house.token(Credentials(client_id, secret))
    assert token.json()["scope"] == "network:read"
    listed = (await browser.get("/developer")).text
    assert (listed.count(client_id) > 0, secret in listed, "夜間バッチ" in listed) == (True, False, True)
    assert await house.count("oauth_client", f"position('{secret}'::bytea in coalesce(secret_hash, '')) > 0") == 0
    assert await house.count("audit", "action = 'client.registered' and member_id is not null") == 1


async def test_each_kind_is_what_it_says(house: House):
    people, device = {"authorization_code", "refresh_token"}, {DEVICE_GRANT, "refresh_token"}
    kinds = [
        (WEB, "client_secret_basic", people),
        ({**WEB, "kind": "app", "dpop": "1"}, "none", people),
        ({**PROGRAM, "kind": "signer", "jwks": json.dumps(JWKS)}, "private_key_jwt", {"client_credentials"}),
        ({**PROGRAM, "kind": "device"}, "none", device),
    ]
    browser = await visitor(house, "ADMIN")
    for form, method, grants in kinds:
        made = await created(house, browser, form)
        async with pool().acquire() as connection:
            listed, *_ = await client.listed(connection, house.company)
        assert (listed.client_id, listed.auth_method, set(listed.grant_types)) == (made.client_id, method, grants)
        assert (made.client_secret is None) == (method != "client_secret_basic")
        assert listed.redirect_uris == form.get("redirect_uris", "").split()
        assert listed.dpop_bound == ("dpop" in form)
    assert await house.count("oauth_client", f"post_logout_redirect_uris = '{{{AFTER}}}'") == 2


async def test_what_cannot_be_is_explained_and_kept_on_the_page(house: House):
    wrong: list[tuple[dict[str, str], str]] = [
        ({"name": " "}, "名前を"),
        ({"name": "x" * 101}, "名前を"),
        ({"allow network:read": ""}, "スコープを"),
        ({"allow partner:admin": "1"}, "スコープを"),
        ({"allow candidates:read": "1"}, "スコープを"),
        ({"allow relay:write": "1"}, "スコープを"),
        ({"kind": "web", "redirect_uris": "javascript:alert(1)"}, "リダイレクトURIを"),
        ({"kind": "app", "redirect_uris": "http://app.example.jp/"}, "リダイレクトURIを"),
        ({"kind": "app"}, "リダイレクトURIを"),
        ({"kind": "signer", "jwks": "{"}, "公開鍵を"),
        ({"kind": "signer", "jwks": json.dumps({"keys": [RSAKey.generate_key(2048).as_dict()]})}, "公開鍵を"),
        ({"kind": "password"}, "入力を"),
    ]
    browser = await visitor(house, "DEVELOPER")
    for changes, about in [*wrong, *UNFIT]:
        form = {name: value for name, value in {**PROGRAM, **changes}.items() if value}
        answer = await send(house, browser, "new", form)
        assert (answer.status_code, about in answer.text) == (400, True), changes
        assert f'value="{form["name"]}"' in answer.text
        assert all(f">{value}</textarea>" in answer.text for name, value in changes.items() if name in TEXTS)
        (focused,) = re.findall(r"<[^>]* autofocus[^>]*>", answer.text)
        told = focused.startswith("<p ")  # where no field can be marked, the notice itself is where the page begins
        assert told or f'id="{list(changes)[-1]}"' in focused or changes.keys() == {"kind"}, changes
    assert await house.count("oauth_client", "kind = 'PARTNER'") == 0
    mended = hidden(answer.text) | PROGRAM
    assert (await browser.post("/developer/new", data=mended, headers={"Origin": house.issuer})).status_code == 200
    assert await house.count("oauth_client", "kind = 'PARTNER'") == 1


async def test_a_form_sent_twice_makes_one_client(house: House):
    browser = await visitor(house, "DEVELOPER")
    filled = hidden((await browser.get("/developer/new")).text) | PROGRAM
    answers = [await browser.post("/developer/new", data=filled, headers={"Origin": house.issuer}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 303]
    assert await house.count("oauth_client", "kind = 'PARTNER'") == 1


async def test_two_secrets_open_side_by_side_and_never_three(house: House):
    browser = await visitor(house, "DEVELOPER")
    made = await created(house, browser)
    first = made.client_secret
    answer = await send(house, browser, "secret", {"client": made.client_id})
    _, second = shown(answer.text)
    assert await statuses(house, made, [first, second, "wrong"]) == [200, 200, 401]
    third = await send(house, browser, "secret", {"client": made.client_id})
    assert (third.status_code, "すでに2つ" in third.text) == (409, True)
    assert await statuses(house, made, [first, second]) == [200, 200]
    ended = await send(house, browser, "previous", {"client": made.client_id})
    assert ended.status_code == 303
    assert await statuses(house, made, [first, second]) == [401, 200]
    again = await send(house, browser, "secret", {"client": made.client_id})
    _, third_secret = shown(again.text)
    assert await statuses(house, made, [first, second, third_secret]) == [401, 200, 200]
    await house.as_owner(
        "update oauth_client set previous_secret_ends_at = now() where previous_secret_hash is not null"
    )
    assert await statuses(house, made, [second, third_secret]) == [401, 200]
    actions = "action in ('client.secret_rotated', 'client.secret_ended') and member_id is not null"
    assert await house.count("audit", actions) == 3


async def test_a_deleted_client_has_no_tokens_at_once(house: House):
    browser = await visitor(house, "DEVELOPER")
    made = await created(house, browser)
    token = (await house.token(made)).json()["access_token"]
    assert await alive(house, token)
    assert (await send(house, browser, "delete", {"client": made.client_id})).status_code == 303
    assert not await alive(house, token)
    assert (await house.token(made)).status_code == 401
    assert made.client_id not in (await browser.get("/developer")).text
    assert await house.count("audit", "action = 'client.removed' and member_id is not null") == 1


async def test_who_develops_looks_after_no_more_than_their_role_holds(house: House):
    admin, developer = await visitor(house, "ADMIN"), await visitor(house, "DEVELOPER")
    stranger = await visitor(house, "ADMIN", house.agency)
    powerful = await created(house, admin, {**PROGRAM, "allow candidates:read": "1", "allow partner:admin": "1"})
    page = (await developer.get("/developer")).text
    assert (powerful.client_id in page, 'value="' + powerful.client_id in page) == (True, False)
    assert powerful.client_id not in (await stranger.get("/developer")).text
    for browser in (developer, stranger):
        for path in ("secret", "previous", "delete"):
            token = hidden((await browser.get("/developer/new")).text)["token"]
            refused = await send(house, browser, path, {"client": powerful.client_id}, token=token)
            assert (refused.status_code, "見つからないか" in refused.text) == (404, True)
    assert await statuses(house, powerful, [powerful.client_secret]) == [200]
    assert await house.count("oauth_client", "secret_rotated_at is not null or disabled_at is not null") == 0
    assert (await send(house, admin, "secret", {"client": powerful.client_id})).status_code == 200


async def test_forms_from_elsewhere_and_other_roles_change_nothing(house: House):
    browser = await visitor(house, "DEVELOPER")
    other = await visitor(house, "ADMIN")
    made = await created(house, browser)
    foreign = hidden((await other.get("/developer/new")).text)["token"]
    paths = {"new": PROGRAM, "secret": {"client": made.client_id}, "delete": {"client": made.client_id}}
    for path, form in paths.items():
        assert (await send(house, browser, path, form, token=foreign)).status_code == 403
        filled = hidden((await browser.get("/developer/new")).text) | form
        for headers in ({"Origin": "https://evil.example"}, {"Origin": house.issuer, "Sec-Fetch-Site": "cross-site"}):
            assert (await browser.post(f"/developer/{path}", data=filled, headers=headers)).status_code == 403
        nobody = await house.http.post(f"/developer/{path}", data=filled, headers={"Origin": house.issuer})
        assert nobody.status_code == 403
    for role in ("RECRUITER", "ANALYST"):
        shut = await visitor(house, role)
        for page in ("/developer", "/developer/new"):
            assert (await shut.get(page)).status_code == 403
    assert await house.count("oauth_client", "kind = 'PARTNER' and disabled_at is null") == 1
    assert await statuses(house, made, [made.client_secret]) == [200]


async def test_every_change_asks_for_a_fresh_login(house: House):
    browser = await visitor(house, "DEVELOPER")
    made = await created(house, browser)
    token = hidden((await browser.get("/developer/new")).text)["token"]
    await house.as_owner("update login_session set auth_time = auth_time - interval '11 minutes'")
    for path in ("new", "secret", "previous", "delete"):
        form = PROGRAM | {"client": made.client_id}
        asked = await send(house, browser, path, form, token=token)
        back = "/developer/new" if path == "new" else "/developer"
        assert (asked.status_code, asked.headers["location"]) == (303, f"/login?again=unsent&next={back}")
    assert (await browser.get("/developer/new")).headers["location"] == "/login?again=1&next=/developer/new"
    assert (await browser.get("/developer")).status_code == 200
    unchanged = "kind = 'PARTNER' and secret_rotated_at is null and disabled_at is null"
    assert await house.count("oauth_client", unchanged) == 1


async def test_the_page_asks_for_a_login_and_comes_back(house: House):
    sent = await house.browser.get("/developer")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/developer")
    await house.log_in(house.browser)
    back = await house.browser.get("/login?next=/developer")
    assert back.headers["location"] == "/developer"


async def test_last_use_is_one_write_an_hour(house: House):
    browser = await visitor(house, "DEVELOPER")
    made = await created(house, browser)
    assert "まだありません" in (await browser.get("/developer")).text
    versions = []
    for _ in range(3):
        assert (await house.token(made)).status_code == 200
        async with pool().acquire() as connection:
            row = await connection.fetchrow(
                "select xmin::text, last_used_at from oauth_client where client_id = $1", made.client_id
            )
        versions.append(tuple(row))
    assert (len(set(versions)), versions[0][1] is not None) == (1, True)
    await house.as_owner("update oauth_client set last_used_at = last_used_at - interval '61 minutes'")
    await house.token(made)
    async with pool().acquire() as connection:
        (listed,) = await client.listed(connection, house.company)
    assert listed.last_used_at >= versions[0][1]
    assert "まだありません" not in (await browser.get("/developer")).text


async def test_there_is_an_end_to_clients(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rules, "CLIENTS_MAX", 1)
    browser = await visitor(house, "DEVELOPER")
    await created(house, browser)
    refused = await send(house, browser, "new", PROGRAM)
    assert (refused.status_code, "上限" in refused.text) == (400, True)
    assert await house.count("oauth_client", "kind = 'PARTNER'") == 1


async def test_the_operator_does_the_same_from_the_command_line(house: House):
    made = await house.client(["network:read", "candidates:read"])
    await house.client(partner_id=house.agency)
    first, access = made.client_secret, (await house.token(made)).json()["access_token"]
    listed = await kyoso(house, "client", "list", "--partner", "aozora", "--json")
    (line,) = map(json.loads, listed.stdout.splitlines())
    assert (line["client_id"], line["scope"]) == (made.client_id, "network:read candidates:read")
    assert (line["last_used"] is not None, line["previous_secret_ends"]) == (True, None)
    rotated = await kyoso(house, "client", "rotate", "--client-id", made.client_id, "--json")
    second = json.loads(rotated.stdout)["client_secret"]
    assert await statuses(house, made, [first, second]) == [200, 200]
    refused = await kyoso(house, "client", "rotate", "--client-id", made.client_id)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Error: it has no secret, or two: end the one before with --end\n"
    assert (await kyoso(house, "client", "rotate", "--client-id", made.client_id, "--end")).returncode == 0
    assert await statuses(house, made, [first, second]) == [401, 200]
    assert (await kyoso(house, "client", "delete", "--client-id", made.client_id)).returncode == 0
    async with asyncio.timeout(30):
        while await alive(house, access):  # noqa: ASYNC110  (told by NOTIFY: the command is another process)
            await asyncio.sleep(0.05)
    assert (await kyoso(house, "client", "delete", "--client-id", "graphiql")).returncode == 1
    told = await kyoso(house, "audit", "--client-id", made.client_id, "--action", "client", "--json")
    actions = [json.loads(line)["action"] for line in told.stdout.splitlines()]
    assert actions == ["client.secret_rotated", "client.secret_ended", "client.removed"]
