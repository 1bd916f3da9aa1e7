"""The pages behind a personal URL: nothing by GET, everything by choice, each choice its own consent."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import httpx
import pytest

from api.letters import day
from models import candidate, handover, job, referral, relay, seal
from models.db import retried, unit_of_work
from models.japan import today
from models.outbox import Said
from tests import builders
from tests.deadlock import undone_once
from tests.edge import Edge, edge, fields

__all__ = ["edge"]

STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


def ticked(html: str) -> set[str]:
    """The names of the boxes that are ticked on a page."""
    return set(re.findall(r'<input type="checkbox" name="([^"]*)"[^>]* checked', html))


def focused(html: str) -> str:
    """The name of the one field where the page lets people begin."""
    (found,) = re.findall(r"<input[^>]* autofocus[^>]*>", html)
    return re.findall(r' name="([^"]*)"', found)[0]


async def partner_company(edge: Edge, company_id: UUID, name: str = "株式会社みなと") -> UUID:
    """A company that refers mutually with this one and has an open job for its candidates."""
    async with edge.work() as connection:
        other_id = await builders.company(connection, name)
        await builders.agreed(connection, "MUTUAL_REFERRAL", company_id, other_id)
        said = Said(other_id, "API", datetime.now(UTC))
        await job.post_job(
            connection, said=said, title="営業", requirements="", prefecture="TOKYO", open_to_network=True
        )
    return other_id


def own_page(person_id: UUID, email: str = "hanako@example.com") -> str:
    """Where the letters to this address lead."""
    return f"/relay/me/{seal.page_token(person_id, own=seal.email_index(email))}"


async def test_get_changes_nothing_however_often_and_wherever(edge: Edge) -> None:
    """proof 5.1: every page, by GET and HEAD, leaves every table as it was."""
    company_id = await edge.company()
    await edge.relay(company_id)
    invitation_id = await edge.rejected(company_id)
    person_id = await edge.value("select person_id from relay_invitation")
    slug = await edge.value("select slug from partner where id = $1", company_id)
    paths = (
        f"/relay/{seal.relay_token(invitation_id)}",
        own_page(person_id),
        f"{own_page(person_id)}?erase=ask",
        f"/relay/c/{slug}",
        f"/relay/{'A' * 43}",
        "/relay/confirm/x",
        f"/survey/{seal.survey_token(await edge.value('select id from survey'))}",
    )
    before = await edge.everything()
    answers = [await edge.http.request(method, path) for path in paths for method in ("GET", "HEAD", "GET")]
    assert [answer.status_code for answer in answers] == [200] * 12 + [404] * 6 + [200] * 3
    assert await edge.everything() == before


async def test_rejected_and_no_click_the_agency_sees_nothing(edge: Edge) -> None:
    """proof 5.2: the mail is sent, the page scanned, Continue even pressed, and still the agency has no row."""
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    await edge.courier.send_mail()
    await edge.http.get(url)
    await edge.http.post(url, data={"action": "continue"})
    assert await edge.value("select status from relay_invitation") == "OPENED"
    assert await edge.items(agency_id) == []
    for table in ("handover", "provision", "consent"):
        assert await edge.value(f"select count(*) from {table}") == 0
    assert await edge.value("select count(*) from candidate where partner_id = $1", agency_id) == 0
    assert await edge.value("select count(*) from outcome_event where $1 = any(parties)", agency_id) == 0


async def test_from_the_mail_to_a_handover(edge: Edge) -> None:
    """proof 5.3: each tick becomes one consent and one record, with the handover; reading writes none."""
    company_id = await edge.company()
    chosen, other = await edge.relay(company_id, "みらい人材"), await edge.relay(company_id, "のぞみキャリア")
    partner_id = await partner_company(edge, company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id, PHONE='090-5555-0101'))}"
    preview = await edge.http.get(url)
    assert "みらい人材" in preview.text
    assert "のぞみキャリア" in preview.text
    assert "checkbox" not in preview.text
    opened = await edge.http.post(url, data={"action": "continue"})
    assert (opened.status_code, opened.headers["location"]) == (303, url)
    page = await edge.http.get(url)
    assert "checked" not in page.text
    assert {f"agency {chosen}", f"agency {other}", f"company {partner_id}", "item PHONE", "tell"} <= set(
        fields(page.text)
    )
    form = {f"agency {chosen}": "1", f"company {partner_id}": "1", "tell": "1", "action": "register"}
    assert (await edge.http.post(url, data=form)).status_code == 303
    assert await edge.rows("select agency_id, status from handover") == [{"agency_id": chosen, "status": "REGISTERED"}]
    assert await edge.rows("select referrer_id, company_id, role, status from referral") == [
        {"referrer_id": company_id, "company_id": partner_id, "role": "RELAYED", "status": "CONFIRMED"}
    ]
    records = await edge.rows("select giver_id, receiver_id, items from provision order by provided_at, id")
    assert {(row["giver_id"], row["receiver_id"], *sorted(row["items"])) for row in records} == {
        (company_id, chosen, "EMAIL", "NAME"),
        (company_id, partner_id, "EMAIL", "NAME"),
    }
    consents = await edge.rows("select recipient_id, text_version, language from consent order by recipient_id")
    assert len(consents) == 3
    assert {row["text_version"] for row in consents} == {"relay-1"}
    assert await edge.items(chosen) == [{"NAME": "架空 花子", "EMAIL": "hanako@example.com"}]
    assert await edge.items(other) == []
    before = await edge.everything()
    again = await edge.http.get(url)
    await edge.items(chosen)
    assert f"agency {chosen}" not in again.text
    assert f"agency {other}" in again.text
    assert await edge.everything() == before
    assert (await edge.http.post(url, data=form)).status_code == 303
    assert await edge.value("select count(*) from provision") == 2


async def test_what_is_not_on_the_page_cannot_be_chosen(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    async with edge.work() as connection:
        stranger = await builders.agency(connection, "よその人材")
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    await edge.http.post(url, data={"action": "continue"})
    before = await edge.everything()
    for form in ({f"agency {stranger}": "1"}, {"agency x": "1"}, {}):
        answer = await edge.http.post(url, data={**form, "action": "register"})
        assert answer.status_code == 409
        assert "選" in answer.text
    assert await edge.everything() == before


async def test_a_foreign_page_cannot_post_here(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    before = await edge.everything()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await edge.http.post(url, data={"action": "continue"}, headers=headers)).status_code == 403
    assert await edge.everything() == before
    assert (await edge.http.post(url, data={"action": "continue"}, headers={"Origin": edge.issuer})).status_code == 303


async def test_every_page_forbids_frames_caches_and_referrers(edge: Edge) -> None:
    """proof 1.23: the relay's pages too."""
    company_id = await edge.company()
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    slug = await edge.value("select slug from partner where id = $1", company_id)
    for path in (url, f"/relay/c/{slug}", "/relay/unknown", "/relay/me/unknown", "/referral/x", "/survey/x"):
        answer = await edge.http.get(path)
        assert answer.headers["content-security-policy"] == STRICT
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "<script" not in answer.text


async def test_guessing_is_throttled_and_a_good_url_waits_too(edge: Edge) -> None:
    """proof 2.13: after twenty wrong URLs from one address the door stays shut for a while."""
    company_id = await edge.company()
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    before = await edge.everything()
    wrong = [await edge.http.get(f"/relay/{number:043d}") for number in range(25)]
    assert [answer.status_code for answer in wrong] == [404] * 20 + [429] * 5
    assert wrong[-1].headers["retry-after"] == "900"
    assert (await edge.http.get(url)).status_code == 429
    assert await edge.everything() == before


async def test_an_url_that_expired_or_was_taken_back_is_gone(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    await edge.owner.execute("update relay_invitation set expires_at = now()")
    assert (await edge.http.get(url)).status_code == 410
    assert (await edge.http.post(url, data={"action": "continue"})).status_code == 410
    assert await edge.value("select opened_at from relay_invitation") is None


async def test_the_language_is_the_readers(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    english = await edge.http.get(url, headers={"Accept-Language": "en-GB,en;q=0.9,ja;q=0.5"})
    assert '<html lang="en">' in english.text
    assert "Continue" in english.text
    assert "つづける" in (await edge.http.get(f"{url}?lang=ja", headers={"Accept-Language": "en"})).text
    assert '<html lang="ja">' in (await edge.http.get(url, headers={"Accept-Language": "fr"})).text
    page = await edge.http.post(f"{url}?lang=en", data={"action": "continue"})
    assert page.headers["location"] == f"{url}?lang=en"


async def test_the_second_door_answers_alike_and_mails_the_personal_url(edge: Edge) -> None:
    """DOMAIN rule 9: matched or not, the same answer; the personal URL goes to the address, and nowhere else."""
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id)
    slug = await edge.value("select slug from partner where id = $1", company_id)
    matched = await edge.http.post(f"/relay/c/{slug}", data={"email": " Hanako@Example.com"})
    unmatched = await edge.http.post(f"/relay/c/{slug}", data={"email": "taro@example.com"})
    assert (matched.status_code, unmatched.status_code) == (200, 200)
    assert matched.text == unmatched.text
    assert seal.relay_token(await edge.value("select id from relay_invitation limit 1")) not in matched.text
    rows = await edge.rows(
        "select m.kind, i.application_id is not null as matched from mail m join relay_invitation i "
        "on i.id = m.invitation_id where m.kind <> 'REJECTION' order by m.kind, matched"
    )
    assert rows == [
        {"kind": "COMPANY_CONFIRMATION", "matched": False},
        {"kind": "RELAY_LINK", "matched": False},
        {"kind": "RELAY_LINK", "matched": True},
    ]
    for wrong in ("", "nobody", "a@b", "a@b.jp\r\nBcc: c@d.jp", "<a@b.jp>"):
        assert (await edge.http.post(f"/relay/c/{slug}", data={"email": wrong})).status_code == 400
    assert (await edge.http.get("/relay/c/nobody")).status_code == 404


async def test_the_second_door_sends_no_flood(edge: Edge) -> None:
    company_id = await edge.company()
    slug = await edge.value("select slug from partner where id = $1", company_id)
    for _ in range(10):
        await edge.http.post(f"/relay/c/{slug}", data={"email": "taro@example.com"})
    assert (await edge.http.post(f"/relay/c/{slug}", data={"email": "taro@example.com"})).status_code == 429
    assert await edge.value("select count(*) from mail where kind = 'RELAY_LINK'") == 1


async def test_who_came_unmatched_gives_a_name_and_counts_when_the_company_confirms(edge: Edge) -> None:
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    slug = await edge.value("select slug from partner where id = $1", company_id)
    await edge.http.post(f"/relay/c/{slug}", data={"email": "taro@example.com"})
    invitation_id = await edge.value("select id from relay_invitation")
    url = f"/relay/{seal.relay_token(invitation_id)}"
    await edge.http.post(url, data={"action": "continue"})
    assert "name" in fields((await edge.http.get(url)).text)
    form = {f"agency {agency_id}": "1", "name": "架空 太郎", "action": "register"}
    assert (await edge.http.post(url, data=form)).status_code == 303
    assert await edge.items(agency_id) == [{"NAME": "架空 太郎", "EMAIL": "taro@example.com"}]
    confirm = f"/relay/confirm/{seal.confirmation_token(invitation_id)}"
    assert "taro@example.com" in (await edge.http.get(confirm)).text
    await edge.http.post(confirm, data={"answer": "no"})
    assert await edge.value("select company_confirmed_at from relay_invitation") is None
    await edge.http.post(confirm, data={"answer": "yes"})
    assert await edge.value("select company_confirmed_at is not null from relay_invitation")
    assert "ご確認ありがとうございました" in (await edge.http.get(confirm)).text


async def test_the_persons_page_shows_every_record_and_ends_one_or_all(edge: Edge) -> None:
    company_id = await edge.company()
    first, second = await edge.relay(company_id, "みらい人材"), await edge.relay(company_id, "のぞみキャリア")
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    form = {f"agency {first}": "1", f"agency {second}": "1", "action": "register"}
    await edge.http.post(url, data=form)
    await edge.courier.send_mail()
    files = list((edge.settings.data_dir / "mail").iterdir())
    assert len(files) == 1
    me = own_page(await edge.value("select person_id from relay_invitation"))
    page = (await edge.http.get(me)).text
    assert page.count("撤回する") == 2
    consent_id = await edge.value("select consent_id from handover where agency_id = $1", first)
    assert (
        await edge.http.post(me, data={"action": "withdraw", "consent": str(consent_id), "sure": "yes"})
    ).status_code == 303
    assert await edge.items(first) == []
    assert len(await edge.items(second)) == 1
    assert {row["agency_id"]: row["status"] for row in await edge.rows("select agency_id, status from handover")} == {
        first: "WITHDRAWN",
        second: "REGISTERED",
    }
    await edge.http.post(me, data={"action": "erase"})
    assert len(await edge.items(second)) == 1  # not without being sure
    assert (await edge.http.post(me, data={"action": "erase", "sure": "yes"})).status_code == 303
    assert await edge.items(second) == await edge.items(company_id) == []
    assert await edge.value("select count(*) from person_key") == 0
    assert [file for file in files if file.exists()] == []
    assert "消去しました" in (await edge.http.get(me)).text
    assert (await edge.http.get(url)).status_code == 410


async def registered(edge: Edge) -> tuple[UUID, UUID, str, dict[str, str]]:
    """An agency and the handover that waits for it; the person's page, and the form that withdraws its consent."""
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    await edge.http.post(url, data={f"agency {agency_id}": "1", "action": "register"})
    [row] = await edge.rows("select id, consent_id, person_id from handover")
    me = own_page(row["person_id"])
    return agency_id, row["id"], me, {"action": "withdraw", "consent": str(row["consent_id"]), "sure": "yes"}


async def somebody_waits(edge: Edge) -> None:
    """Until a transaction waits for another's row."""
    async with asyncio.timeout(60):
        while not await edge.value("select count(*) from pg_locks where not granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_withdrawing_waits_for_an_agency_that_declines_and_holds_nothing_meanwhile(edge: Edge) -> None:
    agency_id, handover_id, me, form = await registered(edge)
    async with edge.work() as connection:
        await handover.hold(connection, await handover.find(connection, handover_id))
        page = asyncio.create_task(edge.http.post(me, data=form))
        await somebody_waits(edge)
        await connection.fetch("select from consent for update nowait")
        await connection.fetch("select from provision for update nowait")
        said = Said(agency_id, "API", datetime.now(UTC))
        words = {"handover_id": handover_id, "acting": agency_id, "reason": "UNREACHABLE", "said": said}
        await relay.decline(connection, **words)
    assert (await page).status_code == 303
    assert await edge.value("select status from handover") == "DECLINED"
    assert await edge.value("select count(*) from consent where withdrawn_at is null") == 0


async def test_a_page_and_another_that_deadlock_are_both_answered(edge: Edge) -> None:
    """PostgreSQL undoes one of the two, and it is run again."""
    _, handover_id, me, form = await registered(edge)
    pages: list[asyncio.Task[httpx.Response]] = []

    async def the_other_way() -> None:
        async with edge.work() as connection:
            await connection.fetch("select from consent for update")
            if not pages:
                pages.append(asyncio.create_task(edge.http.post(me, data=form)))
                await somebody_waits(edge)
            await handover.hold(connection, await handover.find(connection, handover_id))

    await retried(the_other_way)
    assert (await pages[0]).status_code == 303
    assert await edge.value("select status from handover") == "WITHDRAWN"
    assert await edge.value("select count(*) from consent where withdrawn_at is null") == 0
    assert await edge.value("select count(*) from outcome_event where kind = 'WITHDRAWN'") == 1


async def test_whoever_took_a_choice_back_may_make_it_again_until_it_counted(edge: Edge) -> None:
    company_id = await edge.company()
    agency_id = await edge.relay(company_id, "みらい人材")
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    form = {f"agency {agency_id}": "1", "action": "register"}
    me = own_page(await edge.value("select person_id from relay_invitation"))
    for _ in range(2):
        await edge.http.post(url, data=form)
        assert "登録が済んでいます" in (await edge.http.get(url)).text
        consent_id = await edge.value("select consent_id from handover where status = 'REGISTERED'")
        await edge.http.post(me, data={"action": "withdraw", "consent": str(consent_id), "sure": "yes"})
        page = (await edge.http.get(url)).text
        assert "登録が済んでいます" not in page
        assert f"agency {agency_id}" in fields(page)
    await edge.http.post(url, data=form)
    waiting = await edge.rows("select id, consent_id from handover where status = 'REGISTERED'")
    async with edge.work() as connection:
        said = builders.said(agency_id, datetime.now(UTC))
        assert (await relay.accept(connection, handover_id=waiting[0]["id"], acting=agency_id, said=said)).counted
    await edge.http.post(me, data={"action": "withdraw", "consent": str(waiting[0]["consent_id"]), "sure": "yes"})
    await edge.http.post(url, data=form)
    assert await edge.rows("select status, counted, count(*)::int as n from handover group by 1, 2 order by 1") == [
        {"status": "ACCEPTED", "counted": True, "n": 1},
        {"status": "WITHDRAWN", "counted": False, "n": 2},
    ]
    assert await edge.value("select counted from relay_account") == 100


async def test_a_strangers_consent_is_not_mine_to_withdraw(edge: Edge) -> None:
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    pages = []
    for email in ("hanako@example.com", "taro@example.com"):
        invitation_id = await edge.rejected(company_id, email)
        await edge.http.post(
            f"/relay/{seal.relay_token(invitation_id)}", data={f"agency {agency_id}": "1", "action": "register"}
        )
        person_id = await edge.value("select person_id from relay_invitation where id = $1", invitation_id)
        pages.append((person_id, own_page(person_id, email)))
    theirs = await edge.value(
        "select id from consent where person_id = $1 and recipient_id = $2", pages[1][0], agency_id
    )
    before = await edge.everything()
    await edge.http.post(pages[0][1], data={"action": "withdraw", "consent": str(theirs), "sure": "yes"})
    assert await edge.everything() == before
    assert (await edge.http.post(pages[0][1], data={"action": "withdraw", "sure": "yes"})).status_code == 409


async def submitted(edge: Edge) -> tuple[UUID, UUID]:
    company_id = await edge.company()
    async with edge.work() as connection:
        referrer_id = await builders.referrer(connection, company_id)
        made = await referral.submit(
            connection,
            said=Said(referrer_id, "API", datetime.now(UTC)),
            referrer_id=referrer_id,
            company_id=company_id,
            job_id=None,
            name="架空 太郎",
            email="taro@example.com",
            relationship="FRIEND",
        )
    return company_id, made.referral_id


@pytest.mark.parametrize(("answer", "status", "seen"), [("yes", "CONFIRMED", 1), ("no", "DECLINED", 0)])
async def test_a_referral_waits_for_the_persons_own_answer(edge: Edge, answer: str, status: str, seen: int) -> None:
    company_id, referral_id = await submitted(edge)
    url = f"/referral/{seal.referral_token(referral_id)}"
    page = await edge.http.get(url)
    assert "佐藤 花子" in page.text  # whom they know by name
    assert "<dd>お名前、メールアドレス</dd>" in page.text
    assert await edge.items(company_id) == []
    assert (await edge.http.post(url, data={"answer": "maybe"})).status_code == 409
    assert (await edge.http.post(url, data={"answer": answer})).status_code == 303
    assert await edge.value("select status from referral") == status
    assert len(await edge.items(company_id)) == seen
    assert (await edge.http.post(url, data={"answer": answer})).status_code == 409
    assert (await edge.http.get(url)).status_code == 200


async def test_a_referral_not_answered_in_time_is_gone(edge: Edge) -> None:
    _, referral_id = await submitted(edge)
    await edge.courier.keep_terms(datetime.now(UTC) + timedelta(days=365))
    assert (await edge.http.get(f"/referral/{seal.referral_token(referral_id)}")).status_code == 410


async def test_a_survey_is_answered_once(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.rejected(company_id)
    url = f"/survey/{seal.survey_token(await edge.value('select id from survey'))}"
    assert (await edge.http.post(url, data={"score": "6"})).status_code == 409
    assert (await edge.http.post(url, data={"score": "4", "comment": "丁寧でした"})).status_code == 303
    assert await edge.value("select score from survey") == 4
    assert "丁寧" not in str(await edge.rows("select * from survey"))
    assert (await edge.http.post(url, data={"score": "1"})).status_code == 409
    assert "ありがとうございました" in (await edge.http.get(url)).text


async def test_an_erased_persons_survey_is_gone(edge: Edge) -> None:
    await edge.rejected(await edge.company())
    url = f"/survey/{seal.survey_token(await edge.value('select id from survey'))}"
    async with unit_of_work() as connection:
        await candidate.erase(connection, await edge.value("select person_id from survey"))
    assert (await edge.http.get(url)).status_code == 404
    assert (await edge.http.post(url, data={"score": "4", "comment": "丁寧でした"})).status_code == 404
    assert await edge.value("select answered_at is null and comment_sealed is null from survey")


async def test_the_companys_no_is_noted_and_may_become_a_yes(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    slug = await edge.value("select slug from partner where id = $1", company_id)
    await edge.http.post(f"/relay/c/{slug}", data={"email": "taro@example.com"})
    confirm = f"/relay/confirm/{seal.confirmation_token(await edge.value('select id from relay_invitation'))}"
    before = await edge.everything()
    answer = await edge.http.post(f"{confirm}?lang=en", data={"answer": "no"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{confirm}?answered=no&lang=en")
    until = await edge.value("select company_confirm_by from relay_invitation")
    noted = (await edge.http.get(f"{confirm}?answered=no")).text
    assert f"{day(until, 'JA')}までに「はい、お断りしました」とのお答えがなければ" in noted
    assert fields(noted) == {"answer": "yes"}
    assert (
        f"Unless you answer “Yes, we did” by {day(until, 'EN')}"
        in (await edge.http.get(str(answer.next_request.url))).text
    )
    assert await edge.everything() == before
    await edge.http.post(f"{confirm}?answered=no", data={"answer": "yes"})
    confirmed = (await edge.http.get(f"{confirm}?answered=no")).text
    assert "ご確認ありがとうございました" in confirmed
    assert fields(confirmed) == {}


async def test_english_stays_english_on_every_page_behind_a_link(edge: Edge) -> None:
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    await edge.http.post(url, data={f"agency {agency_id}": "1", "action": "register"})
    _, referral_id = await submitted(edge)
    asked = f"/referral/{seal.referral_token(referral_id)}"
    await edge.http.post(asked, data={"answer": "yes"})
    await edge.owner.execute("update relay_invitation set revoked_at = now()")
    for path in (asked, url):
        page = await edge.http.get(f"{path}?lang=en")
        (link,) = re.findall(r'href="(/relay/me/[^"]+)">See what', page.text)
        assert '<html lang="en">' in (await edge.http.get(unescape(link))).text
        assert "lang=" not in re.findall(r'href="(/relay/me/[^"]+)"', (await edge.http.get(path)).text)[0]


async def test_another_language_is_another_language_of_the_same_page(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.rejected(company_id)
    me = own_page(await edge.value("select person_id from relay_invitation"))
    (other,) = re.findall(r'class="lang" href="([^"]+)"', (await edge.http.get(f"{me}?erase=ask")).text)
    assert unescape(other) == "?erase=ask&lang=en"
    assert "This cannot be undone" in (await edge.http.get(me + unescape(other))).text


async def test_an_erasure_that_met_another_the_wrong_way_is_run_again(edge: Edge) -> None:
    """An ATS takes a rejection back, say, while the person is erased."""
    await edge.rejected(await edge.company())
    me = own_page(await edge.value("select person_id from relay_invitation"))
    sent = edge.http.post(me, data={"action": "erase", "sure": "yes"})
    assert (await undone_once(edge.settings.database_url, "person", "survey", sent)).status_code == 303
    assert await edge.value("select erased_at is not null from person")
    assert await edge.value("select count(*) from personal_data") == 0


@pytest.mark.parametrize("told", [False, True])
async def test_a_consent_to_be_told_of_is_shown_and_taken_back_by_itself(edge: Edge, told: bool) -> None:
    """An agency that accepted, and may tell the company how it went, no longer may; all else stays as it was. What it
    told stands in the record."""
    company_id = await edge.company()
    agency_id = await edge.relay(company_id, "みらい人材")
    invitation_id = await edge.rejected(company_id)
    url = f"/relay/{seal.relay_token(invitation_id)}"
    await edge.http.post(url, data={f"agency {agency_id}": "1", "tell": "1", "action": "register"})
    said = builders.said(agency_id, datetime.now(UTC))
    handover_id = await edge.value("select id from handover")
    async with edge.work() as connection:
        await relay.accept(connection, handover_id=handover_id, acting=agency_id, said=said)
    placement = {"handover_id": handover_id, "acting": agency_id, "starts_on": today(), "said": said}
    if told:
        async with edge.work() as connection:
            assert await relay.record_placement(connection, **placement)
    telling = await edge.value("select id from consent where asked_by = $1", agency_id)
    part = seal.page_part_token(await edge.value("select id from candidate where partner_id = $1", company_id))
    me = own_page(await edge.value("select person_id from relay_invitation"))
    for page in (me, f"/relay/me/{part}"):
        own = (await edge.http.get(page)).text
        assert (own.count("お渡しした日"), own.count("お伝えする会社")) == ((2, 0) if told else (1, 1))
        asked = (await edge.http.get(f"{page}?withdraw={telling}")).text
        assert "伝えられなくなります" in asked
        assert fields(asked) == {"consent": str(telling), "sure": "yes", "action": "withdraw"}
    await edge.http.post(me, data=fields(asked))
    assert await edge.rows(
        "select withdrawn_at is not null as over from consent order by asked_by = $1", agency_id
    ) == [
        {"over": False},
        {"over": True},
    ]
    assert len(await edge.items(agency_id)) > 0
    ended = await edge.rows("select ended_at is not null as over from provision where giver_id = $1", agency_id)
    assert ended == [{"over": True}] * told
    async with edge.work() as connection:
        assert await relay.record_placement(connection, **placement) is None


async def test_what_ends_and_what_stays_is_said_before_a_consent_is_withdrawn(edge: Edge) -> None:
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    await edge.http.post(url, data={f"agency {agency_id}": "1", "action": "register"})
    me = own_page(await edge.value("select person_id from relay_invitation"))
    consent_id = await edge.value("select consent_id from handover")
    before = await edge.everything()
    page = (await edge.http.get(f"{me}?lang=en")).text
    (link,) = re.findall(r'href="(\?withdraw=[^"]+)"', page)
    assert unescape(link) == f"?withdraw={consent_id}&lang=en"
    asked = (await edge.http.get(me + unescape(link))).text
    assert "Withdraw your consent?" in asked
    assert fields(asked) == {"consent": str(consent_id), "sure": "yes", "action": "withdraw"}
    for form in ({"action": "withdraw", "consent": str(consent_id)}, {"action": "erase"}):
        assert (await edge.http.post(me, data=form)).status_code == 303
    for wrong in ("x", "%00", str(company_id)):
        assert "あなたの情報のページ" in (await edge.http.get(f"{me}?withdraw={wrong}")).text
    assert await edge.everything() == before
    await edge.http.post(me, data={"action": "withdraw", "consent": str(consent_id), "sure": "yes"})
    assert await edge.items(agency_id) == []
    over = (await edge.http.get(f"{me}?withdraw={consent_id}")).text
    assert ("停止済み" in over, fields(over)) == (True, {})


async def test_a_form_without_anybody_ticked_comes_back_as_it_was_filled_in(edge: Edge) -> None:
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id, PHONE='090-5555-0101'))}"
    await edge.http.post(url, data={"action": "continue"})
    before = await edge.everything()
    answer = await edge.http.post(url, data={"item PHONE": "1", "tell": "1", "action": "register"})
    assert answer.status_code == 409
    assert "お伝えする会社を、1つ以上お選びください" in answer.text
    assert ticked(answer.text) == {"item PHONE", "tell"}
    assert focused(answer.text) == f"agency {agency_id}"
    assert (
        "Choose at least one"
        in (await edge.http.post(f"{url}?lang=en", data={"item PHONE": "1", "action": "register"})).text
    )
    assert await edge.everything() == before


@pytest.mark.parametrize("blank", ["", "   ", "\u3000\u3000", "\u200b \u200b"])
async def test_nobody_is_handed_over_without_a_name(edge: Edge, blank: str) -> None:
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    slug = await edge.value("select slug from partner where id = $1", company_id)
    await edge.http.post(f"/relay/c/{slug}", data={"email": "taro@example.com"})
    url = f"/relay/{seal.relay_token(await edge.value('select id from relay_invitation'))}"
    await edge.http.post(url, data={"action": "continue"})
    before = await edge.everything()
    form = {f"agency {agency_id}": "1", "tell": "1", "name": blank, "action": "register"}
    answer = await edge.http.post(url, data=form)
    assert answer.status_code == 409
    assert "お名前をご入力ください" in answer.text
    assert ticked(answer.text) == {f"agency {agency_id}", "tell"}
    assert focused(answer.text) == "name"
    assert await edge.everything() == before
    named = await edge.http.post(url, data={"name": "架空\u3000太郎", "action": "register"})
    assert 'value="架空 太郎"' in named.text
    assert "お伝えする会社を" in named.text
    assert await edge.everything() == before


async def test_a_mistyped_address_is_there_to_be_mended(edge: Edge) -> None:
    company_id = await edge.company()
    slug = await edge.value("select slug from partner where id = $1", company_id)
    answer = await edge.http.post(f"/relay/c/{slug}", data={"email": "taro@exmaple"})
    assert (answer.status_code, 'value="taro@exmaple"' in answer.text) == (400, True)
    assert focused(answer.text) == "email"
    sent = await edge.http.post(f"/relay/c/{slug}?lang=en", data={"email": "taro@exmaple.com"})
    assert '<a href="?lang=en">Enter another address</a>' in sent.text
