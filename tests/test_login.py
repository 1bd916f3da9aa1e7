"""Logging in, allowing an app, logging out: the pages as a browser uses them."""

import asyncio

import asyncpg
import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from auth import session
from models import member
from models.db import POOL_MAX, credentials, pool, queries, unit_of_work, uuid7
from tests.builders import who_logs_in
from tests.oauth_house import (  # noqa: F401  (fixtures)
    CALLBACK,
    EMAIL,
    PASSWORD,
    House,
    add_partner,
    fields,
    hold_hashes,
    light_hashes,
    no_connection_is_held,
    parameters,
    proof_key,
    running_house,
)

APP = {"redirect_uris": [CALLBACK], "public": True, "scope": ["network:read", "relay:write", "candidates:read"]}


async def test_a_person_logs_in_allows_less_than_asked_and_the_app_gets_that(house: House):
    app = await house.client(**APP)
    verifier, challenge = proof_key()
    query = house.query(app, challenge, scope="network:read relay:write")
    sent_to_login = await house.browser.get("/oauth/authorize", params=query)
    assert sent_to_login.status_code == 303
    form = fields((await house.browser.get(sent_to_login.headers["location"])).text)
    filled = {**form, "email": f" {EMAIL.upper()} ", "password": "correct horse battery"}
    back = await house.browser.post("/login", data=filled, headers={"Origin": house.issuer})
    assert (back.status_code, back.headers["location"]) == (303, str(sent_to_login.request.url)[len(house.issuer) :])
    answer = await house.allow(house.browser, query, **{"allow relay:write": None})
    given = parameters(answer.headers["location"])
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    assert (given["state"], given["iss"]) == ("opaque", house.issuer)
    body = (await house.redeem(app, given["code"], verifier)).json()
    assert body["scope"] == "network:read"
    viewer = await house.tokens.verify(body["access_token"])
    assert (viewer.member_id, viewer.partner_id, viewer.login) == (house.member, house.company, "山田 花子")


async def test_denying_sends_the_refusal_to_the_app(house: House):
    app = await house.client(**APP)
    await house.log_in(house.browser)
    query = house.query(app, proof_key()[1])
    answer = await house.allow(house.browser, query, decision="deny")
    assert parameters(answer.headers["location"]) == {
        "error": "access_denied",
        "error_description": "The request was denied",
        "state": "opaque",
        "iss": house.issuer,
    }
    assert await house.count("oauth_code") == 0
    assert await house.count("audit", "action = 'consent.given'") == 0


async def test_allowing_without_a_tick_asks_again(house: House):
    app = await house.client(**APP)
    await house.log_in(house.browser)
    query = house.query(app, proof_key()[1])
    answer = await house.allow(house.browser, query, **{"allow network:read": None})
    assert (answer.status_code, "許可する項目が選ばれていません" in answer.text) == (422, True)
    assert "form-action 'self' https://app.example.jp" in answer.headers["content-security-policy"]
    form = fields(answer.text)
    assert set(form) == {"token"}, "nothing is ticked for them"
    sent = {**form, "allow network:read": "1", "decision": "allow"}
    again = await house.browser.post(str(answer.url), data=sent, headers={"Origin": house.issuer})
    assert "code" in parameters(again.headers["location"])


async def test_a_ticked_scope_that_was_not_asked_for_is_not_granted(house: House):
    app = await house.client(**APP)
    await house.log_in(house.browser)
    verifier, challenge = proof_key()
    answer = await house.allow(house.browser, house.query(app, challenge), **{"allow candidates:read": "1"})
    code = parameters(answer.headers["location"])["code"]
    assert (await house.redeem(app, code, verifier)).json()["scope"] == "network:read"


async def test_what_is_sensitive_starts_unticked_unless_it_was_allowed_before(house: House):
    app = await house.client(**APP)
    await house.log_in(house.browser)
    asked = "network:read candidates:read"

    async def ticked() -> set[str]:
        query = house.query(app, proof_key()[1], scope=asked)
        return {
            name for name in fields((await house.browser.get("/oauth/authorize", params=query)).text) if " " in name
        }

    assert await ticked() == {"allow network:read"}
    code, verifier = await house.code(app, scope=asked)
    await house.redeem(app, code, verifier)
    assert await ticked() == {"allow network:read", "allow candidates:read"}
    await house.as_owner("update oauth_grant set revoked_at = now(), revoked_because = 'revoked by the client'")
    assert await ticked() == {"allow network:read"}


@pytest.mark.parametrize("broken", ["token", "session", "origin", "query", "no origin"])
async def test_a_consent_that_our_page_did_not_send_is_refused(house: House, broken: str):
    """proof 1.22"""
    app = await house.client(**APP)
    await house.log_in(house.browser)
    query = house.query(app, proof_key()[1])
    form = {**fields((await house.browser.get("/oauth/authorize", params=query)).text), "decision": "allow"}
    headers = {"Origin": house.issuer}
    async with house.visitor() as other:
        await house.log_in(other)
        sender = other if broken == "session" else house.browser
        if broken == "token":
            del form["token"]
        if broken == "origin":
            headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        if broken == "no origin":
            headers = {}
        if broken == "query":
            query["scope"] = "relay:write"
        answer = await sender.post("/oauth/consent", params=query, data=form, headers=headers)
    assert answer.status_code == 403
    assert "location" not in answer.headers
    assert await house.count("oauth_code") == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
    ],
)
async def test_a_page_without_referrer_is_told_from_a_foreign_one(house: House, headers: dict[str, str], status: int):
    form = fields((await house.browser.get("/login")).text)
    filled = {**form, "email": EMAIL, "password": "correct horse battery"}
    answer = await house.browser.post("/login", data=filled, headers=headers)
    assert answer.status_code == status
    assert await house.count("login_session") == (status == 303)


async def test_a_token_that_anybody_can_make_opens_nothing(house: House):
    made = {"token": session.form_token("", "login"), "email": EMAIL, "password": PASSWORD}
    assert (await house.http.post("/login", data=made, headers={"Origin": house.issuer})).status_code == 403
    assert await house.count("login_session") == 0


async def test_pages_cannot_be_framed_kept_or_traced(house: House):
    """proof 1.23"""
    app = await house.client(**APP)
    query = house.query(app, proof_key()[1])
    login = await house.browser.get("/login")
    await house.log_in(house.browser)
    consent = await house.browser.get("/oauth/authorize", params=query)
    refused = await house.browser.get("/oauth/authorize", params={**query, "redirect_uri": "https://evil.example"})
    for page in (login, consent, refused):
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in page.text
    assert "form-action 'self' https://app.example.jp" in consent.headers["content-security-policy"]
    assert "form-action 'self'" in login.headers["content-security-policy"].split("; ")


async def test_wrong_passwords_are_counted_per_account_and_say_nothing(house: House):
    unknown = await house.log_in(house.browser, email="nobody@aozora.example.jp")
    wrong = [await house.log_in(house.browser, password=f"wrong guess {n}") for n in range(11)]
    assert [answer.status_code for answer in wrong] == [401] * 10 + [429]
    assert wrong[-1].headers["retry-after"] == "900"
    masked = [a.text.replace("nobody@", "hanako@") for a in (unknown, wrong[0])]
    assert masked[0] == masked[1]
    right_but_late = await house.log_in(house.browser)
    assert right_but_late.status_code == 429
    assert await house.count("login_session") == 0
    async with pool().acquire() as connection:
        told = await connection.fetchval("select string_agg(a::text, ' ') from audit a")
        why = await connection.fetch("select member_id, detail ->> 'reason' as reason from audit order by position")
        keys = await connection.fetchval("select string_agg(encode(key, 'escape'), ' ') from login_attempt")
    nobody = (None, "wrong password: nobody has this address")
    theirs = [(house.member, "wrong password")] * 10 + [(house.member, "too many on one account")] * 2
    assert [(each["member_id"], each["reason"]) for each in why] == [nobody, *theirs], "said here and nowhere else"
    assert "hanako" not in told + keys
    assert "127.0.0.1" not in told + keys


async def test_the_right_password_forgives_the_account(house: House):
    for n in range(9):
        await house.log_in(house.browser, password=f"wrong guess {n}")
    assert (await house.log_in(house.browser)).status_code == 303
    assert (await house.log_in(house.visitor(), password="wrong")).status_code == 401


async def test_whoever_guesses_elsewhere_keeps_nobody_out_who_was_in(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("auth.session.ADDRESS_ATTEMPTS_MAX", 100)
    await house.log_in(house.browser)
    house.browser.cookies.delete("kyoso_session")
    async with house.visitor() as guesser, house.visitor() as elsewhere:
        wrong = [(await house.log_in(guesser, password=f"wrong guess {n}")).status_code for n in range(11)]
        assert wrong == [401] * 10 + [429]
        again = await house.log_in(house.browser)
        assert again.status_code == 303
        assert (await house.log_in(elsewhere)).status_code == 429, "another browser's login forgives no guesses"
        elsewhere.cookies.set("kyoso_known", guesser.cookies.get("kyoso_known", "made up"))
        assert (await house.log_in(elsewhere)).status_code == 429
    cookie = next(each for each in again.headers.get_list("set-cookie") if each.startswith("kyoso_known="))
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "max-age=31536000" in cookie.lower()


async def test_a_known_browser_guesses_no_more_than_others(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("auth.session.ADDRESS_ATTEMPTS_MAX", 100)
    await house.log_in(house.browser)
    taken = house.browser.cookies["kyoso_known"]
    async with house.visitor() as thief, house.visitor() as elsewhere:
        statuses = []
        for n in range(11):
            thief.cookies.set("kyoso_known", f"{taken[:n]}!{taken[n:]}")  # which base64 reads as the same
            statuses.append((await house.log_in(thief, password=f"wrong guess {n}")).status_code)
        assert statuses == [401] * 10 + [429]
        assert (await house.log_in(elsewhere)).status_code == 303, "their person is not kept out by it"


async def test_a_browser_is_known_for_the_account_that_it_was_in(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("auth.session.ADDRESS_ATTEMPTS_MAX", 100)
    async with unit_of_work() as connection:
        await member.create_member(
            connection,
            partner_id=house.agency,
            email="ren@example.jp",
            name="佐藤 蓮",
            password_hash=await member.hash_password(PASSWORD, ()),
            role="RECRUITER",
        )
    async with house.visitor() as guesser, house.visitor() as other:
        assert (await house.log_in(other, email="ren@example.jp")).status_code == 303
        other.cookies.delete("kyoso_session")
        for n in range(10):
            await house.log_in(guesser, password=f"wrong guess {n}")
        assert (await house.log_in(other)).status_code == 429


async def test_an_office_may_log_in_often_from_one_address_but_not_guess(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("auth.session.ADDRESS_ATTEMPTS_MAX", 3)
    for _ in range(5):
        assert (await house.log_in(house.browser)).status_code == 303
        house.browser.cookies.delete("kyoso_session")
    guesses = [await house.log_in(house.browser, email=f"guess{n}@aozora.example.jp") for n in range(3)]
    assert [answer.status_code for answer in guesses] == [401, 401, 429]


async def test_the_page_says_whom_to_ask_and_why_it_asks_again(house: House):
    page = (await house.browser.get("/login")).text
    assert "パスワードがわからないときは、共創の運営者に" in page
    await house.log_in(house.browser)
    why = {"1": "続けるには、もう一度ログインしてください", "unsent": "まだ何も変更していません"}
    for word, said in why.items():
        page = (await house.browser.get(f"/login?again={word}&next=/developer/new")).text
        assert [text in page for text in why.values()] == [text == said for text in why.values()]
        form = {**fields(page), "email": EMAIL, "password": PASSWORD}
        answer = await house.browser.post("/login", data=form, headers={"Origin": house.issuer})
        assert answer.headers["location"] == "/developer/new"


async def test_logging_out_ends_the_session_everywhere(house: House):
    await house.log_in(house.browser)
    cookie = house.browser.cookies["kyoso_session"]
    form = fields((await house.browser.get("/logout")).text)
    assert (await house.browser.post("/logout", data=form)).status_code == 403
    assert await house.count("login_session") == 1
    answer = await house.browser.post("/logout", data=form, headers={"Origin": house.issuer})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert await house.count("login_session") == 0
    replayed = await house.http.get("/login", headers={"Cookie": f"kyoso_session={cookie}"})
    assert "山田" not in replayed.text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/oauth/authorize\\@evil", "/other"])
async def test_after_the_login_nobody_is_sent_elsewhere(house: House, target: str):
    form = fields((await house.browser.get("/login", params={"next": target})).text)
    filled = {**form, "next": target, "email": EMAIL, "password": "correct horse battery"}
    answer = await house.browser.post("/login", data=filled, headers={"Origin": house.issuer})
    assert answer.headers["location"] == "/login"


async def test_the_session_cookie_is_out_of_reach_and_new_at_each_login(house: House):
    first = await house.log_in(house.browser)
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    one = house.browser.cookies["kyoso_session"]
    async with house.visitor(cookies={"kyoso_session": one}) as fixed:
        await house.browser.get("/login")
        assert "山田" in (await fixed.get("/login")).text
    async with house.visitor(cookies={"kyoso_session": "chosen-by-a-stranger"}) as fixed:
        await house.log_in(fixed)
        assert [c.value for c in fixed.cookies.jar if c.name == "kyoso_session"][-1] != "chosen-by-a-stranger"
    assert await house.count("login_session", "session_hash = sha256('chosen-by-a-stranger')") == 0


async def test_an_app_of_another_partner_and_a_role_that_may_not_are_told_so(house: House):
    stranger = await house.client(**{**APP, "partner_id": house.agency})
    await house.log_in(house.browser)
    answer = await house.browser.get("/oauth/authorize", params=house.query(stranger, proof_key()[1]))
    assert answer.status_code == 403
    assert "別の組織" in answer.text
    async with pool().acquire() as connection:
        await connection.execute("update member set role = 'ANALYST'")
    app = await house.client(**APP)
    query = house.query(app, proof_key()[1], scope="candidates:read")
    refused = await house.browser.get("/oauth/authorize", params=query)
    assert refused.status_code == 403
    assert "役割" in refused.text


async def test_a_person_whose_access_ended_is_out_at_once(house: House):
    await house.log_in(house.browser)
    async with pool().acquire() as connection:
        await connection.execute("update member set disabled_at = now()")
    assert "パスワード" in (await house.browser.get("/login")).text
    assert (await house.log_in(house.browser)).status_code == 401


async def test_passwords_are_stored_as_rfc_9106_wants_them_and_older_hashes_are_renewed(connected: str):
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse battery")
    async with pool().acquire() as connection:
        partner = await add_partner(connection, "COMMUNITY", "地域会", "chiiki", focus="REGIONAL")
        await queries("member").add_member(
            connection, id=uuid7(), partner_id=partner, email=EMAIL, name="花子", password_hash=weak, role="ADMIN"
        )
        assert await who_logs_in(connection, EMAIL, "correct horse battery")
        stored = await connection.fetchval("select password_hash from member")
        assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert await who_logs_in(connection, EMAIL, "correct horse battery")
        assert not await who_logs_in(connection, EMAIL, "correct horse")


async def test_a_password_has_a_length(house: House):
    async with pool().acquire() as connection:
        words = {"partner_id": house.company, "email": "a@b.jp", "name": "短", "role": "BOSS"}
        with pytest.raises(ValueError, match="15 to 200"):
            await member.hash_password("short", ())
        with pytest.raises(ValueError, match="ADMIN, RECRUITER"):
            await member.create_member(connection, password_hash=member.no_password(), **words)


async def test_who_waits_for_a_hash_holds_no_connection(house: House, monkeypatch: pytest.MonkeyPatch):
    held = hold_hashes(monkeypatch)
    form = fields((await house.browser.get("/login")).text)

    async def guess(email: str) -> int:
        filled = {**form, "email": email, "password": "wrong guess"}
        return (await house.browser.post("/login", data=filled, headers={"Origin": house.issuer})).status_code

    guesses = [asyncio.create_task(guess(f"nobody{n}@example.jp")) for n in range(POOL_MAX - 1)]
    guesses.append(asyncio.create_task(guess(EMAIL)))
    owner = await asyncpg.connect(**credentials(house.url))
    while await owner.fetchval("select max(attempts) from login_attempt") != POOL_MAX:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await owner.close()
    free = await no_connection_is_held()
    held.go.set()
    assert (await asyncio.gather(*guesses), free) == ([401] * POOL_MAX, True)


@pytest.mark.parametrize("meanwhile", ["disabled_at = now()", "password_hash = $1"])
async def test_a_password_counts_if_it_still_is_one_once_it_is_checked(
    house: House, monkeypatch: pytest.MonkeyPatch, meanwhile: str
):
    held = hold_hashes(monkeypatch)
    other = member.no_password()
    trying = asyncio.create_task(house.log_in(house.browser))
    await held.has_begun()
    await house.as_owner(f"update member set {meanwhile}", *([other] if "$1" in meanwhile else []))
    held.go.set()
    assert (await trying).status_code == 401
    assert await house.count("login_session") == 0


async def test_a_renewed_hash_replaces_no_password_but_its_own(house: House, monkeypatch: pytest.MonkeyPatch):
    async with unit_of_work() as connection:
        stored = await member.stored_password(connection, EMAIL)
    monkeypatch.setattr(member, "_hasher", PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    right = await member.check_password(stored, PASSWORD)
    assert right
    assert right.renewed
    another = member.no_password()
    await house.as_owner("update member set password_hash = $1", another)
    async with unit_of_work() as connection:
        assert await member.with_password(connection, right) is None
        assert await connection.fetchval("select password_hash from member") == another


def test_what_no_password_opens_is_as_much_work_as_any_other():
    made = PasswordHasher().hash("correct horse battery")
    assert member.no_password().split("$")[:4] == made.split("$")[:4]
    assert [len(each) for each in member.no_password().split("$")] == [len(each) for each in made.split("$")]
    assert member.no_password() != member.no_password()
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(member.no_password(), "correct horse battery")


async def test_beyond_some_number_a_login_is_told_to_come_again(house: House, monkeypatch: pytest.MonkeyPatch):
    held = hold_hashes(monkeypatch)
    monkeypatch.setattr(member, "CHECKS_AT_ONCE", 1)
    first = asyncio.create_task(house.log_in(house.browser))
    await held.has_begun()
    async with house.visitor() as late:
        turned_away = await house.log_in(late)
    assert (turned_away.status_code, turned_away.headers["retry-after"]) == (503, "5")
    assert "混み合っています" in turned_away.text
    assert await house.count("login_attempt", "attempts > 1") == 0, "what was not checked was no attempt"
    held.go.set()
    assert (await first).status_code == 303
    async with house.visitor() as late:
        assert (await house.log_in(late)).status_code == 303
