"""Webhooks of an ATS, through a real socket: kept before they are applied, applied once, in whatever order."""

import hashlib
import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.ats import ADAPTERS
from api.mail import NotSent
from models import ats, candidate, delivery
from tests.edge import SECRET, Edge, edge, fixture

__all__ = ["edge"]

STATE = """
select a.status, a.stage, a.route, a.rejection_reason, a.external_id, a.received_at, a.decided_at, r.status as referral,
  p.legal_name as referrer, j.title, j.status as job_status, h.starts_on, (h.id is not null) as hired,
  (i.id is not null and i.revoked_at is null) as invited, i.waiting_for,
  (select array_agg(m.kind || ' ' || m.status order by m.kind) from mail m where m.person_id = a.person_id) mail
from application a left join referral r on r.id = a.referral_id left join partner p on p.id = r.referrer_id
left join job j on j.id = a.job_id left join hire h on h.id = a.hire_id
left join relay_invitation i on i.application_id = a.id
"""


def changed(name: str, **application: Any) -> dict[str, Any]:
    """A fixture with other values in its application."""
    told = fixture(name)
    told["payload"]["application"].update(application)
    return told


async def test_a_new_application_brings_candidate_job_referrer_and_referral(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "new_candidate_application", event_id="1")
    (state,) = await edge.rows(STATE)
    assert state == {
        "status": "ACTIVE",
        "stage": "SCREENING",
        "route": "EMPLOYEE_REFERRAL",
        "rejection_reason": None,
        "external_id": "90210077",
        "received_at": datetime(2026, 9, 1, 1, 12, 31, tzinfo=UTC),
        "decided_at": None,
        "referral": "IN_SELECTION",
        "referrer": "加藤 陽斗",
        "title": "サーバーサイドエンジニア",
        "job_status": "OPEN",
        "starts_on": None,
        "hired": False,
        "invited": False,
        "waiting_for": None,
        "mail": None,
    }
    assert await edge.items(company_id) == [
        {"NAME": "佐々木 結衣", "EMAIL": "yui.sasaki@example.com", "PHONE": "090-5555-0142", "PREFECTURE": "OSAKA"}
    ]
    assert await edge.rows("select kind, source, source_event_id from outcome_event order by position") == [
        {"kind": "REFERRAL_SUBMITTED", "source": "ATS", "source_event_id": "1"},
        {"kind": "REFERRAL_CONFIRMED", "source": "ATS", "source_event_id": "1"},
        {"kind": "APPLICATION_RECEIVED", "source": "ATS", "source_event_id": "1"},
        {"kind": "STAGE_CHANGED", "source": "ATS", "source_event_id": "1"},
    ]


async def test_a_rejection_before_its_application_makes_it_and_the_mail_is_queued(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.deliver(company_id, "reject_candidate")
    (state,) = await edge.rows(STATE)
    assert (state["status"], state["decided_at"]) == ("REJECTED", datetime(2026, 9, 20, 8, tzinfo=UTC))
    assert state["rejection_reason"] == "経験年数の不足"
    assert state["mail"] == ["REJECTION QUEUED", "SURVEY QUEUED"]
    await edge.deliver(company_id, "new_candidate_application")
    assert await edge.rows(STATE) == [state]


STORY = (
    "job_created",
    "new_candidate_application",
    "candidate_stage_change",
    "update_candidate",
    "offer_created",
    "reject_candidate",
    "unreject_candidate",
)


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_and_any_repeats_end_in_the_same_state(edge: Edge, seed: int) -> None:
    """proof 4.14: repeated and reordered, the deliveries of one story end where the story ends."""
    company_id = await edge.company()
    await edge.relay(company_id)
    order = [*STORY, *STORY]
    random.Random(seed).shuffle(order)
    for name in order:
        await edge.deliver(company_id, name, event_id=name)
    assert await edge.value("select count(*) from ats_delivery where state <> 'APPLIED'") == 0
    (state,) = await edge.rows(STATE)
    assert (state["status"], state["stage"], state["decided_at"]) == ("ACTIVE", "OFFER", None)
    assert (state["referral"], state["title"], state["job_status"]) == (
        "IN_SELECTION",
        "サーバーサイドエンジニア",
        "OPEN",
    )
    assert state["invited"] is False
    assert state["mail"] == ["REJECTION CANCELLED", "SURVEY CANCELLED"]
    assert await edge.items(company_id) == [
        {"NAME": "佐々木 結衣", "EMAIL": "yui.sasaki.new@example.com", "PHONE": "090-5555-0142", "PREFECTURE": "OSAKA"}
    ]
    assert await edge.value("select count(*) from outcome_event where kind = 'REJECTED'") == 1
    assert await edge.value("select count(*) from outcome_event where kind = 'REJECTION_REVERTED'") == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_hired_and_taken_back_in_any_order(edge: Edge, order: tuple[int, ...]) -> None:
    """proof 4.14: a hire and its end, told in any order, leave the application in selection."""
    company_id = await edge.company()
    names = ("new_candidate_application", "hire_candidate", "unhire_candidate")
    for place in order:
        await edge.deliver(company_id, names[place])
    (state,) = await edge.rows(STATE)
    assert (state["status"], state["decided_at"]) == ("ACTIVE", None)
    assert await edge.rows("select starts_on, reverted_at is not null as reverted from hire") == [
        {"starts_on": datetime(2026, 12, 1).date(), "reverted": True}
    ]


async def test_a_repeat_changes_nothing(edge: Edge) -> None:
    """proof 4.14: the same event id again is answered alike and applied no second time."""
    company_id = await edge.company()
    first = await edge.deliver(company_id, "reject_candidate", event_id="7")
    before = await edge.everything()
    again = await edge.deliver(company_id, "reject_candidate", event_id="7")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert await edge.everything() == before


async def test_a_delivery_without_an_id_is_known_by_its_content_and_by_nobodys_guess(edge: Edge) -> None:
    body = json.dumps(fixture("new_candidate_application")).encode()
    for company_id in (await edge.company(), await edge.company("株式会社べつ")):
        for _ in range(2):
            assert (await edge.post(company_id, body)).status_code == 200
    ids = {row["event_id"] for row in await edge.rows("select event_id from ats_delivery")}
    assert (len(ids), await edge.value("select count(*) from ats_delivery")) == (2, 2)
    assert hashlib.sha256(body).hexdigest() not in ids


async def test_a_delivery_cut_off_in_the_middle_is_refused_and_its_retry_taken(edge: Edge) -> None:
    """proof 4.14: half a body has no valid signature; nothing of it is kept, and the whole one is."""
    company_id = await edge.company()
    body = json.dumps(fixture("reject_candidate")).encode()
    whole = await edge.post(company_id, body, event_id="8")
    headers = {"Signature": whole.request.headers["signature"]}
    before = await edge.everything()
    cut = await edge.post(company_id, body[: len(body) // 2], event_id="9", **headers)
    assert cut.status_code == 401
    assert await edge.everything() == before


async def test_a_failure_while_applying_loses_nothing(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """proof 4.14: what could not be applied is rolled back whole, kept, tried later, and can be replayed."""
    company_id = await edge.company()

    async def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("佐々木 結衣")

    with monkeypatch.context() as patch:
        patch.setattr("models.outcome.reject_all", breaks)
        await edge.deliver(company_id, "reject_candidate", event_id="10")
    assert await edge.value("select count(*) from application") == 0
    assert await edge.rows("select state, attempts, failure from ats_delivery") == [
        {"state": "PENDING", "attempts": 1, "failure": "RuntimeError"}
    ]
    async with edge.work() as connection:
        assert await delivery.replay(connection, company_id=company_id, event_id="10", systems=ADAPTERS) == ["10"]
    assert await edge.courier.apply_deliveries() == 1
    assert [state["status"] for state in await edge.rows(STATE)] == ["REJECTED"]


async def test_a_failure_takes_none_with_it_that_is_applied_in_the_same_transaction(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    company_id = await edge.company()
    for event_id, name in enumerate(("job_created", "reject_candidate", "new_candidate_application")):
        await edge.deliver(company_id, name, event_id=str(event_id), apply=False)
    states = "select state from ats_delivery order by event_id"

    async def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("models.outcome.reject_all", breaks)
        assert await edge.courier.apply_deliveries() == 3
    assert [row["state"] for row in await edge.rows(states)] == ["APPLIED", "PENDING", "APPLIED"]
    assert await edge.rows("select status, decided_at from application") == [{"status": "ACTIVE", "decided_at": None}]


async def test_a_delivery_that_does_not_open_holds_up_nobodys(edge: Edge) -> None:
    """A bit of it is flipped on the disk: it fails like any other, and those beside it are applied."""
    one, two = await edge.company(), await edge.company("株式会社みどり")
    await edge.deliver(one, "new_candidate_application", event_id="1", apply=False)
    await edge.owner.execute("update ats_delivery set sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1)")
    await edge.deliver(one, "job_created", event_id="2", apply=False)
    await edge.deliver(two, "new_candidate_application", event_id="3", apply=False)
    assert await edge.courier.apply_deliveries() == 3
    assert await edge.rows("select event_id, state, failure from ats_delivery order by event_id") == [
        {"event_id": "1", "state": "PENDING", "failure": "Unreadable"},
        {"event_id": "2", "state": "APPLIED", "failure": None},
        {"event_id": "3", "state": "APPLIED", "failure": None},
    ]
    for _ in delivery.RETRY_SECONDS:
        await edge.owner.execute("update ats_delivery set due_at = now()")
        await edge.courier.apply_deliveries()
    assert await edge.value("select state from ats_delivery where event_id = '1'") == "FAILED"


async def test_after_the_last_attempt_an_operator_is_needed(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    company_id = await edge.company()

    async def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("models.outcome.reject_all", breaks)
    await edge.deliver(company_id, "reject_candidate", event_id="11")
    for _ in delivery.RETRY_SECONDS:
        await edge.owner.execute("update ats_delivery set due_at = now()")
        await edge.courier.apply_deliveries()
    assert await edge.value("select state from ats_delivery") == "FAILED"
    async with edge.work() as connection:
        assert await delivery.replay(connection, company_id=company_id, event_id=None, systems=ADAPTERS) == ["11"]


async def test_who_does_not_know_the_secret_is_refused_alike_at_any_address(edge: Edge) -> None:
    company_id = await edge.company()
    before = await edge.everything()
    wrong = await edge.post(company_id, b"{}", Signature="sha256 " + "0" * 64)
    unknown = await edge.http.post(f"/ats/greenhouse/{uuid4()}", content=b"{}")
    nonsense = await edge.http.post("/ats/greenhouse/nonsense", content=b"{}")
    other = await edge.http.post(f"/ats/workday/{uuid4()}", content=b"{}")
    assert [each.status_code for each in (wrong, unknown, nonsense, other)] == [401] * 4
    assert wrong.content == unknown.content == nonsense.content == other.content
    assert await edge.everything() == before


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b'{"action": 1, "payload": {}}', b'{"action": "ping"}', b"\xff\xfe", b"[" * 5000],
)
async def test_what_is_no_delivery_is_400_and_not_kept(edge: Edge, body: bytes) -> None:
    company_id = await edge.company()
    assert (await edge.post(company_id, body)).status_code == 400
    assert await edge.value("select count(*) from ats_delivery") == 0


async def test_too_big_is_413(edge: Edge) -> None:
    company_id = await edge.company()
    assert (await edge.post(company_id, b" " * (1024 * 1024 + 1))).status_code == 413


async def test_the_ping_and_unknown_actions_are_recorded(edge: Edge) -> None:
    company_id = await edge.company()
    for name in ("ping", "unknown_action", "new_prospect_application"):
        await edge.deliver(company_id, name)
    rows = await edge.rows("select action, state from ats_delivery order by action")
    assert rows == [
        {"action": "new_prospect_application", "state": "IGNORED"},
        {"action": "ping", "state": "IGNORED"},
        {"action": "scorecard_deleted", "state": "IGNORED"},
    ]
    assert await edge.value("select count(*) from candidate") == 0


async def test_a_delivery_lies_encrypted_and_after_thirty_days_only_its_bones_are_left(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "new_candidate_application", event_id="12")
    sealed = await edge.value("select sealed from ats_delivery")
    assert b"yui.sasaki" not in sealed
    assert "90210077" not in str(await edge.rows("select sealed from ats_delivery"))
    await edge.courier.keep_terms()
    assert await edge.value("select sealed is not null from ats_delivery")
    await edge.courier.keep_terms(datetime.now(UTC) + timedelta(days=31))
    assert await edge.rows("select event_id, action, subject, sealed, state from ats_delivery") == [
        {
            "event_id": "12",
            "action": "new_candidate_application",
            "subject": "application:90210077",
            "sealed": None,
            "state": "APPLIED",
        }
    ]


async def test_an_offer_that_comes_before_its_application_waits_for_it(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "offer_created")
    assert await edge.value("select failure from ats_delivery") == "TOO_EARLY"
    await edge.deliver(company_id, "new_candidate_application")
    assert await edge.value("select stage from application") == "OFFER"
    assert await edge.value("select count(*) from ats_delivery where state = 'APPLIED'") == 2


@pytest.mark.parametrize("name", ["delete_candidate", "candidate_anonymized"])
async def test_deleted_there_is_erased_here_and_older_news_does_not_bring_it_back(edge: Edge, name: str) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "new_candidate_application")
    await edge.deliver(company_id, name)
    before = await edge.rows(STATE)
    assert await edge.items(company_id) == []
    assert await edge.value("select erased_at is not null from person")
    assert await edge.value("select count(*) from person_email") == 0
    assert await edge.value("select count(*) from ats_delivery where sealed is not null") == 0
    for late in ("candidate_stage_change", "update_candidate", "reject_candidate"):
        await edge.deliver(company_id, late)
    assert await edge.items(company_id) == []
    assert await edge.value("select count(*) from person_email") == 0
    if name == "delete_candidate":
        assert await edge.rows(STATE) == before
        assert before[0]["status"] == "WITHDRAWN"


async def test_what_waited_together_is_applied_in_order_and_erased_with_its_person(edge: Edge) -> None:
    company_id = await edge.company()
    others = changed("new_candidate_application", id=90210999)
    others["payload"]["application"]["candidate"].update(id=81200999, email_addresses=[], phone_numbers=[])
    for told in (others, "new_candidate_application", "candidate_stage_change", "delete_candidate"):
        await edge.deliver(company_id, told, apply=False)
    assert await edge.courier.apply_deliveries() == 4
    states = {row["external_id"]: row["status"] for row in await edge.rows(STATE)}
    assert states == {"90210999": "ACTIVE", "90210077": "WITHDRAWN"}
    deliveries = await edge.rows("select action, state, sealed is null as bare from ats_delivery order by received_at")
    assert [tuple(row.values()) for row in deliveries] == [
        ("new_candidate_application", "APPLIED", False),
        ("new_candidate_application", "APPLIED", True),
        ("candidate_stage_change", "APPLIED", True),
        ("delete_candidate", "APPLIED", True),
    ]
    assert await edge.value("select count(*) from person where erased_at is null") == 1


@pytest.mark.parametrize("name", ["delete_candidate", "candidate_anonymized"])
async def test_deleted_before_anything_was_told_stays_unknown(edge: Edge, name: str) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, name)
    for late in ("new_candidate_application", "reject_candidate"):
        await edge.deliver(company_id, late)
    assert await edge.value("select count(*) from application") == 0
    assert await edge.value("select count(*) from personal_data") == 0


@pytest.mark.parametrize("failed", [False, True])
async def test_erasing_reaches_what_is_not_applied_yet_and_it_brings_nobody_back(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, failed: bool
) -> None:
    """Of every company on the person's own word, of one on that company's; also of an application not known here."""
    companies = await edge.company(), await edge.company("株式会社ほか")
    for company_id in companies:
        await edge.deliver(company_id, "new_candidate_application")

    async def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("api.intake_applications.take_in", breaks)
        patch.setattr("api.intake_people.change", breaks)
        for company_id in companies:
            for told in ("reject_candidate", "update_candidate", changed("new_candidate_application", id=777)):
                await edge.deliver(company_id, told)
    if failed:
        await edge.owner.execute("update ats_delivery set state = 'FAILED' where failure is not null")
    states = """select d.state, d.sealed is not null as kept, count(*)::int from ats_delivery d
      join ats_integration i on i.id = d.integration_id
      where i.company_id = $1 and d.action <> 'new_candidate_application' group by 1, 2"""
    person_id = await edge.value("select distinct person_id from application")
    async with edge.work() as connection:
        await candidate.forget(connection, partner_id=companies[0], person_id=person_id)
    waiting = "FAILED" if failed else "PENDING"
    assert await edge.rows(states, companies[0]) == [{"state": "IGNORED", "kept": False, "count": 2}]
    assert await edge.rows(states, companies[1]) == [{"state": waiting, "kept": True, "count": 2}]
    async with edge.work() as connection:
        await candidate.erase(connection, person_id)
    assert await edge.rows(states, companies[1]) == [{"state": "IGNORED", "kept": False, "count": 2}]
    async with edge.work() as connection:
        for company_id in companies:
            await delivery.replay(connection, company_id=company_id, event_id=None, systems=ADAPTERS)
    await edge.owner.execute("update ats_delivery set due_at = now() where state = 'PENDING'")
    await edge.courier.apply_deliveries()
    assert await edge.value("select count(*) from ats_delivery where state = 'PENDING'") == 0
    assert await edge.items(companies[1]) == []


async def test_one_companys_deletion_leaves_what_another_partner_knows(edge: Edge) -> None:
    first, second = await edge.company(), await edge.company("株式会社みなと")
    for company_id in (first, second):
        await edge.deliver(company_id, "new_candidate_application")
    await edge.deliver(first, "delete_candidate")
    assert await edge.items(first) == []
    assert [items["NAME"] for items in await edge.items(second)] == ["佐々木 結衣"]


async def test_a_merge_keeps_the_application_and_its_later_news(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "new_candidate_application")
    await edge.deliver(company_id, "merge_candidate")
    told = changed("reject_candidate")
    told["payload"]["application"]["candidate"]["id"] = 81200999
    await edge.deliver(company_id, told)
    assert [state["status"] for state in await edge.rows(STATE)] == ["REJECTED"]
    assert await edge.value("select count(distinct person_id) from ats_candidate") == 1


async def test_a_deletion_by_merging_keeps_the_application(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "new_candidate_application")
    told = fixture("delete_candidate")
    told["payload"]["person"]["deleted_application_ids"] = []
    await edge.deliver(company_id, told)
    assert [items["NAME"] for items in await edge.items(company_id)] == ["佐々木 結衣"]
    assert [state["status"] for state in await edge.rows(STATE)] == ["ACTIVE"]


async def test_two_records_of_one_person_become_one(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "new_candidate_application")
    other = changed("new_candidate_application", id=90210999, applied_at="2026-09-03T00:00:00Z")
    other["payload"]["application"]["candidate"].update(id=81200999, email_addresses=[], phone_numbers=[])
    await edge.deliver(company_id, other)
    assert await edge.value("select count(distinct person_id) from application") == 2
    merged = fixture("merge_candidate")
    merged["payload"]["person"].update(id=81200999, new_candidate_id=81200417)
    await edge.deliver(company_id, merged)
    assert await edge.value("select count(distinct person_id) from application") == 1


async def test_a_deleted_application_ends_without_a_decision(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "new_candidate_application")
    await edge.deliver(company_id, "delete_application")
    await edge.deliver(company_id, "reject_candidate")
    assert [(state["status"], state["mail"]) for state in await edge.rows(STATE)] == [("WITHDRAWN", None)]


async def test_an_address_that_comes_later_lets_the_waiting_mail_go(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    told = changed("reject_candidate")
    told["payload"]["application"]["candidate"]["email_addresses"] = []
    await edge.deliver(company_id, told)
    assert [(state["waiting_for"], state["mail"]) for state in await edge.rows(STATE)] == [("EMAIL", None)]
    await edge.deliver(company_id, "update_candidate")
    assert [(state["waiting_for"], state["mail"]) for state in await edge.rows(STATE)] == [(None, ["REJECTION QUEUED"])]


async def test_one_who_asked_not_to_be_mailed_is_not(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    told = changed("reject_candidate")
    told["payload"]["application"]["candidate"]["can_email"] = False
    await edge.deliver(company_id, told)
    assert [(state["waiting_for"], state["mail"]) for state in await edge.rows(STATE)] == [("EMAIL", None)]


async def test_one_who_asks_later_not_to_be_mailed_is_not_until_they_allow_it_again(edge: Edge) -> None:
    """Neither by what follows nor by what waits, at whoever's asking; another company may still write."""
    company_id, other_id = await edge.company(), await edge.company("株式会社ほか")
    slug = await edge.value("select slug from partner where id = $1", company_id)

    def may_mail(may: bool) -> dict[str, Any]:
        told = fixture("update_candidate")
        told["payload"]["candidate"] |= {
            "can_email": may,
            "email_addresses": told["payload"]["candidate"]["email_addresses"],
        }
        return told

    told = changed("reject_candidate", rejected_at=datetime.now(UTC).isoformat())
    for each in (company_id, other_id):
        await edge.relay(each)
        await edge.deliver(each, told)
    await edge.deliver(company_id, may_mail(False))
    queued = "select kind from mail where company_id = $1 and status = 'QUEUED' order by kind"
    assert await edge.rows(queued, company_id) == []
    assert [row["kind"] for row in await edge.rows(queued, other_id)] == ["REJECTION", "SURVEY"]
    assert await edge.value("select waiting_for from relay_invitation where company_id = $1", company_id) == "EMAIL"
    again = changed("reject_candidate", id=777, rejected_at=datetime.now(UTC).isoformat())
    del again["payload"]["application"]["candidate"]["can_email"]  # which was not told, and lifts nothing
    await edge.deliver(company_id, again)
    for address in ("yui.sasaki@example.com", "yui.sasaki.new@example.com"):
        await edge.http.post(f"/relay/c/{slug}", data={"email": address})
    assert await edge.rows(queued, company_id) == []
    await edge.deliver(company_id, may_mail(True))
    assert [row["kind"] for row in await edge.rows(queued, company_id)] == ["REJECTION", "REJECTION"]


async def test_a_letter_that_is_to_be_written_asks_once_more_whether_it_may(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.deliver(company_id, changed("reject_candidate", rejected_at=datetime.now(UTC).isoformat()))
    await edge.owner.execute("update candidate set may_mail = false")
    await edge.courier.send_mail()
    assert await edge.value("select failure from mail where kind = 'REJECTION'") == "NO_ADDRESS"
    assert list(edge.settings.data_dir.rglob("*.eml")) == []


async def test_a_referrer_is_known_again_by_id_number_address_or_name(edge: Edge) -> None:
    company_id = await edge.company()
    credits = [
        {"id": 4455, "email": "haruto.kato@aozora.example.jp", "name": "加藤 陽斗", "employee_id": "A-0102"},
        {"id": 4455, "email": "kato@new.example.jp", "name": "加藤 陽斗（開発）", "employee_id": None},
        {"id": 9999, "email": "x@example.jp", "name": "別の人", "employee_id": "A-0102"},
        {"name": "加藤 陽斗"},
        {"id": 7777, "email": "namesake@aozora.example.jp", "name": "加藤 陽斗", "employee_id": "A-0500"},
        {"name": "高橋 誠"},
    ]
    for number, credit in enumerate(credits):
        told = changed("new_candidate_application", id=number + 1, credited_to=credit)
        applicant = told["payload"]["application"]["candidate"]
        applicant.update(id=number + 1, email_addresses=[{"value": f"c{number}@example.com", "type": "personal"}])
        await edge.deliver(company_id, told)
    rows = await edge.rows(
        "select p.legal_name, count(*) from application a join referral r on r.id = a.referral_id "
        "join partner p on p.id = r.referrer_id group by p.id order by p.joined_at"
    )
    assert [(row["legal_name"], row["count"]) for row in rows] == [("加藤 陽斗", 4), ("加藤 陽斗", 1), ("高橋 誠", 1)]


async def test_a_job_closes_when_it_is_deleted_and_older_news_does_not_open_it(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, "job_created")
    await edge.deliver(company_id, "job_updated")
    assert await edge.rows("select title, openings, status, prefecture from job") == [
        {"title": "シニアサーバーサイドエンジニア", "openings": 2, "status": "OPEN", "prefecture": "OSAKA"}
    ]
    await edge.deliver(company_id, "job_deleted")
    for late in ("job_created", "job_approved", "new_candidate_application"):
        await edge.deliver(company_id, late)
    assert await edge.rows("select title, status from job") == [
        {"title": "シニアサーバーサイドエンジニア", "status": "CLOSED"}
    ]


async def test_personal_data_stands_in_no_log_error_or_notification(
    capfd: pytest.CaptureFixture[str], edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """proof 5.13: canaries of every kind pass through, and through a failure, and are seen nowhere."""
    heard: list[str] = []
    await edge.owner.add_listener("kyoso_outbox", lambda *words: heard.append(str(words[-1])))
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.deliver(company_id, "reject_candidate")

    async def breaks(*_: Any, **words: Any) -> None:
        raise RuntimeError(f"佐々木 結衣 yui.sasaki@example.com 090-5555-0142 {words}")

    async def refuses(*_: Any) -> None:
        raise NotSent("SMTP_550", for_good=True)

    monkeypatch.setattr("models.outcome.revert", breaks)
    await edge.deliver(company_id, "unreject_candidate")
    await edge.courier.send_mail()
    await edge.owner.execute("update mail set status = 'QUEUED', due_at = now()")
    monkeypatch.setattr("api.mail.Files.send", refuses)
    await edge.courier.send_mail()
    kept = str(await edge.rows("select failure, action, subject, event_id from ats_delivery"))
    said = capfd.readouterr()
    written = edge.log.getvalue()
    assert "delivery not applied" in written
    assert "mail not sent" in written
    canaries = ("佐々木", "結衣", "yui.sasaki", "090-5555-0142", "加藤", "haruto.kato", "A-0102", "経験年数")
    everywhere = "".join([written, said.out, said.err, kept, *heard])
    assert [canary for canary in canaries if canary in everywhere] == []
    assert set(heard) == {""}


async def test_connecting_again_changes_the_secret_and_keeps_the_address(edge: Edge) -> None:
    company_id = await edge.company()
    before = await edge.value("select id from ats_integration")
    async with edge.work() as connection:
        again: UUID = await ats.connect(connection, company_id=company_id, system="GREENHOUSE", secret=SECRET.upper())
    assert again == before
    assert (await edge.post(company_id, json.dumps(fixture("ping")).encode())).status_code == 401
    assert before == await edge.value("select id from ats_integration")
