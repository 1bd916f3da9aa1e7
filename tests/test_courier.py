"""The courier: by itself, side by side with others, and with nothing lost when it stumbles or stops."""

import asyncio
import email
import email.policy
import re
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from api import courier, letters
from api import mail as post
from api.courier import Courier
from api.mail import Files, message
from models import application, candidate, consent, joining, mail, member, outcome, referral, seal, team, totp
from models.db import unit_of_work
from tests import builders
from tests.deadlock import undone_once
from tests.edge import Edge, edge, fixture
from tests.test_mail import Box, smtp

__all__ = ["edge"]


async def test_a_rejection_in_the_ats_becomes_the_mail_with_the_personal_url(edge: Edge) -> None:
    """From the webhook to the mailbox through a real SMTP server; the URL stands in it exactly once."""
    company_id = await edge.company()
    await edge.relay(company_id)
    box = Box()
    async with smtp(box) as port:
        sender = Courier(replace(edge.settings, smtp_url=f"smtp://127.0.0.1:{port}"))
        await edge.deliver(company_id, "reject_candidate")
        assert await sender.send_mail() == 1
        assert await sender.send_mail() == 0
    ((_, envelope),) = box.envelopes
    assert envelope.rcpt_tos == ["yui.sasaki@example.com"]
    (message,) = box.messages()
    text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    own = seal.email_index("yui.sasaki@example.com")
    url = f"{edge.issuer}/relay/{seal.relay_token(await edge.value('select id from relay_invitation'), own=own)}"
    assert text.startswith("佐々木 結衣 様")
    assert text.count(url) == text.count("/relay/") == 1
    assert (await edge.http.get(url)).status_code == 200
    assert await edge.value("select status from relay_invitation") == "SENT"
    assert await edge.value("select count(*) from outcome_event where kind = 'RELAY_INVITED'") == 1


async def test_whoever_came_by_a_referral_gets_the_mail_too(edge: Edge) -> None:
    """The company keeps no address of theirs: the one that the referral provided serves while it is provided."""
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    box = Box()
    async with edge.work() as connection:
        referral_ids = [
            await builders.referral(connection, agency_id, company_id, email=address)
            for address in ("taro@example.jp", "jiro@example.jp")
        ]
        applications: list[Any] = []
        for referral_id in referral_ids:
            said = builders.said(company_id)
            await referral.confirm(connection, said=said, referral_id=referral_id, confirmed=True)
            applications.append(await application.record(connection, said=said, referral_id=referral_id))
        told = builders.said(company_id, datetime.now(UTC))
        person_id = await connection.fetchval("select person_id from referral where id = $1", referral_ids[1])
        await consent.withdraw(connection, said=told, person_id=person_id)
        for applied in applications:
            await outcome.reject(connection, application_id=applied.application_id, acting=company_id, said=told)
    async with smtp(box) as port:
        assert await Courier(replace(edge.settings, smtp_url=f"smtp://127.0.0.1:{port}")).send_mail() >= 1
    letters_to = [envelope.rcpt_tos for _, envelope in box.envelopes]
    assert letters_to.count(["taro@example.jp"]) == 1
    assert letters_to.count(["jiro@example.jp"]) == 0
    rows = await edge.owner.fetch("select status, waiting_for from relay_invitation order by id")
    assert [tuple(row) for row in rows] == [("SENT", None), ("QUEUED", "EMAIL")]


async def test_without_an_agency_the_mail_goes_out_without_a_url(edge: Edge) -> None:
    """DOMAIN rule 10."""
    company_id = await edge.company()
    await edge.deliver(company_id, "reject_candidate")
    await edge.courier.send_mail()
    (file,) = (edge.settings.data_dir / "mail").iterdir()
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert "/relay/" not in message.get_body(("plain",)).get_content()  # type: ignore[attr-defined]


async def test_a_mail_that_fails_is_tried_again_with_the_same_id(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id)
    away = Courier(replace(edge.settings, smtp_url="smtp://127.0.0.1:1"))
    assert await away.send_mail() == 1
    (row,) = await edge.rows(
        "select status, attempts, failure, due_at > now() as later from mail where kind = 'REJECTION'"
    )
    assert (row["status"], row["attempts"], row["later"]) == ("QUEUED", 1, True)
    assert "SMTP" in row["failure"]
    await edge.owner.execute("update mail set due_at = now() where kind = 'REJECTION'")
    box = Box()
    async with smtp(box) as port:
        await Courier(replace(edge.settings, smtp_url=f"smtp://127.0.0.1:{port}")).send_mail()
    mail_id = await edge.value("select id from mail where kind = 'REJECTION' and status = 'SENT'")
    assert box.messages()[0]["Message-ID"].startswith(f"<{mail_id}@")


async def test_a_recipient_who_does_not_exist_bounces(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id)
    box = Box()
    box.refuse = "550 unknown"
    async with smtp(box) as port:
        await Courier(replace(edge.settings, smtp_url=f"smtp://127.0.0.1:{port}")).send_mail()
    assert await edge.value("select status from relay_invitation") == "BOUNCED"
    assert await edge.value("select status || ' ' || failure from mail where kind = 'REJECTION'") == "FAILED SMTP_550"


async def test_a_survey_counts_as_sent_when_its_letter_is_out_and_not_when_it_failed(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.rejected(company_id)
    await edge.owner.execute("update mail set due_at = now() where kind = 'SURVEY'")
    box = Box()
    box.refuse = "450 later"
    async with smtp(box) as port:
        sender = Courier(replace(edge.settings, smtp_url=f"smtp://127.0.0.1:{port}"))
        await sender.send_mail()
        assert await edge.value("select sent_at from survey") is None
        box.refuse = None
        await edge.owner.execute("update mail set due_at = now() where status = 'QUEUED'")
        await sender.send_mail()
    sent = "select s.sent_at >= m.sent_at from survey s join mail m on m.survey_id = s.id"
    assert await edge.value(sent)
    booked = "select numerator, denominator from kpi_month where measure = 'CANDIDATE_SATISFACTION_REJECTED_RESPONSE'"
    assert await edge.rows(booked) == [{"numerator": 0, "denominator": 1}]


async def test_a_mail_that_was_taken_back_is_not_sent(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.deliver(company_id, "reject_candidate")
    await edge.deliver(company_id, "unreject_candidate")
    assert await edge.courier.send_mail() == 0


async def test_a_mail_that_is_taken_back_while_it_is_lent_is_not_sent(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id)
    claim = mail.claim

    async def claim_then(connection: mail.Connection) -> mail.Mail | None:
        lent = await claim(connection)
        await connection.execute("update mail set status = 'CANCELLED'")
        return lent

    monkeypatch.setattr(mail, "claim", claim_then)
    await edge.courier.send_mail()
    assert {row["status"] for row in await edge.rows("select status from mail")} == {"CANCELLED"}
    assert list(edge.settings.data_dir.rglob("*.eml")) == []
    assert await edge.value("select status from relay_invitation") != "BOUNCED"


async def test_a_letter_whose_person_is_erased_while_it_is_sent_leaves_no_file(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id)
    person_id = await edge.value("select id from person")
    send, written = Files.send, list[Path]()

    async def send_meanwhile(self: Files, message: EmailMessage) -> None:
        async with unit_of_work() as connection:
            ids = await mail.of_person(connection, person_id)
            await candidate.erase(connection, person_id)
        post.erase(edge.settings, ids)
        await send(self, message)
        written.extend(edge.settings.data_dir.rglob("*.eml"))

    monkeypatch.setattr(Files, "send", send_meanwhile)
    await edge.courier.send_mail()
    assert len(written) == 1
    assert list(edge.settings.data_dir.rglob("*.eml")) == []
    assert await edge.value("select count(*) from mail where status = 'SENT'") == 0


async def test_many_couriers_send_each_mail_once_and_apply_each_delivery_once(edge: Edge) -> None:
    companies = [await edge.company(f"株式会社{number}") for number in range(3)]
    for company_id in companies:
        await edge.relay(company_id, f"人材{company_id}")
        for number in range(6):
            told = fixture("reject_candidate")
            application: dict[str, Any] = told["payload"]["application"]
            application.update(id=number + 1, credited_to=None)
            application["candidate"].update(
                id=number + 1, email_addresses=[{"value": f"c{number}@{company_id}.example", "type": "personal"}]
            )
            await edge.deliver(company_id, told, event_id=str(number), apply=False)
    box = Box()
    async with smtp(box) as port:
        couriers = [Courier(replace(edge.settings, smtp_url=f"smtp://127.0.0.1:{port}")) for _ in range(4)]
        for _ in range(3):  # one courier may find a company held by another, and leave it
            await asyncio.gather(*(each.apply_deliveries() for each in couriers))
        await asyncio.gather(*(each.send_mail() for each in couriers))
    assert await edge.value("select count(*) from ats_delivery where state = 'APPLIED'") == 18
    assert await edge.value("select count(*) from outcome_event where kind = 'REJECTED'") == 18
    assert sorted(envelope.rcpt_tos[0] for _, envelope in box.envelopes) == sorted(
        f"c{number}@{company_id}.example" for company_id in companies for number in range(6)
    )


async def test_what_is_stored_goes_before_what_is_applied_for_so_long_at_most(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    company_id = await edge.company()
    for number in range(2):
        await edge.deliver(company_id, "ping", event_id=str(number), apply=False)
    monkeypatch.setattr(courier, "BEHIND_SECONDS", 60)
    edge.courier.wake_to_apply(True)
    async with asyncio.timeout(20):
        applying = asyncio.create_task(edge.courier.apply_deliveries())
        await edge.value("select pg_sleep(0.05)")
        assert await edge.value("select count(*) from ats_delivery where state = 'PENDING'") == 2
        edge.courier.wake_to_apply(False)
        assert await applying == 2
        await edge.deliver(company_id, "ping", event_id="3", apply=False)
        monkeypatch.setattr(courier, "BEHIND_SECONDS", 0.01)
        edge.courier.wake_to_apply(True)
        assert await edge.courier.apply_deliveries() == 1


async def test_a_delivery_that_met_another_the_wrong_way_is_applied_again(edge: Edge) -> None:
    """A rejection is taken back while the person is erased, say: it is no failure of the delivery's."""
    company_id = await edge.company()
    await edge.deliver(company_id, "reject_candidate")
    await edge.deliver(company_id, "unreject_candidate", apply=False)
    applying = edge.courier.apply_deliveries()
    assert await undone_once(edge.settings.database_url, "application", "outcome_event", applying) > 0
    await edge.owner.execute("update ats_delivery set due_at = now()")
    await edge.courier.apply_deliveries()
    assert await edge.rows("select status, decided_at from application") == [{"status": "ACTIVE", "decided_at": None}]
    assert await edge.value("select count(*) from outcome_event where kind = 'REJECTION_REVERTED'") == 1
    assert await edge.value("select count(*) from ats_delivery where state <> 'APPLIED'") == 0


async def test_a_mail_is_lent_to_one_sender_until_its_lease_ends(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.rejected(company_id)
    async with unit_of_work() as connection:
        first = await mail.claim(connection)
    async with unit_of_work() as connection:
        assert await mail.claim(connection) is None
    await edge.owner.execute("update mail set due_at = now() where kind = 'REJECTION'")  # the sender died
    async with unit_of_work() as connection:
        again = await mail.claim(connection)
    assert first is not None
    assert again is not None
    assert (again.id, again.attempts) == (first.id, 2)


async def test_silence_becomes_acceptance_and_terms_run_out(edge: Edge) -> None:
    company_id = await edge.company()
    agency_id = await edge.relay(company_id)
    url = f"/relay/{seal.relay_token(await edge.rejected(company_id))}"
    await edge.http.post(url, data={f"agency {agency_id}": "1", "action": "register"})
    await edge.courier.keep_terms(datetime.now(UTC) + timedelta(days=6))
    assert await edge.value("select status from handover") == "REGISTERED"
    await edge.courier.keep_terms(datetime.now(UTC) + timedelta(days=8))
    assert await edge.rows("select status, by_silence, counted from handover") == [
        {"status": "ACCEPTED", "by_silence": True, "counted": True}
    ]


async def test_one_term_that_stumbles_keeps_no_other_from_running_out(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumbles(_connection: Any, _now: datetime) -> None:
        raise RuntimeError

    company_id = await edge.company()
    await edge.rejected(company_id)
    monkeypatch.setattr("api.courier.TERMS", (stumbles, *courier.TERMS))
    await edge.courier.keep_terms(datetime.now(UTC) + timedelta(days=91))
    assert await edge.value("select status from relay_invitation") == "EXPIRED"
    assert "courier stumbled" in edge.log.getvalue()


async def test_it_works_when_woken_and_stops_when_told(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(edge.courier.running())
        await edge.deliver(company_id, "reject_candidate", apply=False)
        async with asyncio.timeout(30):
            while not list((edge.settings.data_dir / "mail").glob("*.eml")):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert await edge.value("select state from ats_delivery") == "APPLIED"


async def test_a_stumble_does_not_end_a_round(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    company_id = await edge.company()
    stumbled = asyncio.Event()
    works = Courier.apply_deliveries

    async def once(self: Courier) -> int:
        if not stumbled.is_set():
            stumbled.set()
            raise ConnectionError("the database is away")
        return await works(self)

    monkeypatch.setattr("api.courier.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("api.courier.POLL_SECONDS", 0.05)
    monkeypatch.setattr(Courier, "apply_deliveries", once)
    async with edge.courier.running():
        await stumbled.wait()
        await edge.deliver(company_id, "new_candidate_application", apply=False)
        async with asyncio.timeout(30):
            while await edge.value("select count(*) from application") == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert "the database is away" not in edge.log.getvalue()


@pytest.mark.parametrize("language", ["JA", "EN"])
@pytest.mark.parametrize(
    "kind", ["REJECTION", "RELAY_LINK", "REFERRAL_CONFIRMATION", "SURVEY", "COMPANY_CONFIRMATION", "SLOT_NOTICE"]
)
async def test_every_letter_is_written_in_both_languages(edge: Edge, kind: str, language: str) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id)
    person_id, invitation_id = await edge.owner.fetchrow("select person_id, id from relay_invitation")
    async with edge.work() as connection:
        referrer_id = await builders.referrer(connection, company_id)
        items = {"NAME": "架空 花子", "EMAIL": "hanako@example.com"}
        await candidate.keep(connection, partner_id=referrer_id, email=None, person_id=person_id, items=items)
        await member.create_member(
            connection,
            partner_id=company_id,
            email="saiyo@example.co.jp",
            name="採用担当",
            password_hash=await member.hash_password("correct horse battery", ()),
            role="RECRUITER",
        )
    subjects = {
        "REJECTION": ("invitation_id", invitation_id),
        "RELAY_LINK": ("invitation_id", invitation_id),
        "COMPANY_CONFIRMATION": ("invitation_id", invitation_id),
    }
    subjects["SURVEY"] = ("survey_id", await edge.value("select id from survey"))
    subjects["REFERRAL_CONFIRMATION"] = ("referral_id", await edge.value(REFERRAL, referrer_id, company_id, person_id))
    subjects["SLOT_NOTICE"] = ("slot_id", await edge.value(SLOT, datetime(2026, 11, 1, 15, tzinfo=UTC)))
    column, subject_id = subjects[kind]
    await edge.owner.execute("delete from mail")
    await edge.owner.execute(MAIL.format(column=column), kind, company_id, person_id, language, subject_id)
    async with unit_of_work() as connection:
        lent = await mail.claim(connection)
        assert lent is not None
        letter = await letters.write(connection, lent, issuer=edge.issuer)
    assert letter is not None
    staff = kind in ("COMPANY_CONFIRMATION", "SLOT_NOTICE")
    assert letter.to == (("saiyo@example.co.jp",) if staff else ("hanako@example.com",))
    assert letter.text.count(edge.issuer) == 1
    assert "None" not in letter.text + letter.subject
    if kind == "SLOT_NOTICE":
        assert ("2026年11月2日" if language == "JA" else "2 November 2026") in letter.text
    else:  # whatever the browser prefers, which may be a colleague's or a borrowed one
        (url,) = re.findall(r"http\S+", letter.text)
        opened = await edge.http.get(url, headers={"Accept-Language": {"JA": "en", "EN": "ja"}[language]})
        assert f'<html lang="{language.lower()}">' in opened.text


async def test_slots_of_one_agency_that_expire_on_one_day_are_announced_by_one_letter(edge: Edge) -> None:
    """Each was announced by a letter of its own that said the same; one that expires soon, twice at once."""
    company_id = await edge.company()
    await edge.relay(company_id)
    now = datetime(2026, 10, 20, tzinfo=UTC)
    noon, last_minute = datetime(2026, 11, 2, 3, tzinfo=UTC), datetime(2026, 11, 2, 14, 59, tzinfo=UTC)
    for expires_at in (noon, last_minute, last_minute + timedelta(minutes=1)):
        await edge.value(SLOT, expires_at)
    await edge.owner.execute("delete from mail")
    async with unit_of_work() as connection:
        staff = {"email": "saiyo@example.co.jp", "name": "採用担当", "role": "RECRUITER"}
        await member.create_member(connection, partner_id=company_id, password_hash=member.no_password(), **staff)
    for _ in range(2):
        await edge.courier.keep_terms(now)
    await edge.owner.execute("update mail set due_at = now()")
    async with unit_of_work() as connection:
        written = list[str]()
        while lent := await mail.claim(connection):
            letter = await letters.write(connection, lent, issuer=edge.issuer)
            assert letter is not None
            written.append(letter.text)
    said = ["枠1件が、2026年11月3日", "枠2件が、2026年11月2日"]
    assert [words in text for words, text in zip(said, sorted(written), strict=True)] == [True, True]


REFERRAL = """
insert into referral (id, referrer_id, company_id, person_id, status, submitted_at, confirm_by)
values (gen_random_uuid(), $1, $2, $3, 'SUBMITTED', now(), now()) returning id
"""
SLOT = """
insert into slot (id, account_id, company_id, agency_id, status, earned_at, expires_at)
select gen_random_uuid(), id, company_id, agency_id, 'AVAILABLE', $1, $1 from relay_account returning id
"""
MAIL = """
insert into mail (id, kind, company_id, person_id, language, status, due_at, {column})
values (gen_random_uuid(), $1, $2, $3, $4, 'QUEUED', now(), $5)
"""


async def test_only_the_companys_own_letter_comes_in_its_name(edge: Edge) -> None:
    """In a letter that speaks of the company, the platform speaks: above all where the company knows of nothing yet."""
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id)
    slug = await edge.value("select slug from partner where id = $1", company_id)
    for address in ("hanako@example.com", "taro@example.com"):
        await edge.http.post(f"/relay/c/{slug}", data={"email": address})
    async with edge.work() as connection:
        administrator = {"name": "港 かおり", "password_hash": member.no_password(), "role": "ADMIN"}
        by = await member.create_member(connection, partner_id=company_id, email="kaori@example.jp", **administrator)
        await builders.referral(connection, await builders.referrer(connection, company_id), company_id)
        await joining.invite(
            connection, partner_id=company_id, invited_by=by, email="ren@example.jp", role="ANALYST", language="JA"
        )
        await totp.add(connection, by, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 1)
        words = {"partner_id": company_id, "member_id": by, "language": "JA"}
        assert await team.reset_factors(connection, **words, keep_seconds=360)
    await edge.owner.execute("update mail set due_at = now()")
    senders = dict[str, set[str]]()
    async with edge.work() as connection:
        while due := await mail.claim(connection):
            written = await letters.write(connection, due, issuer=edge.issuer)
            assert written
            sender = str(message(written, edge.settings)["From"].addresses[0].display_name)
            senders.setdefault(due.kind, set()).add(sender)
    platform = {"共創 Kyoso"}
    assert senders == {
        "REJECTION": {"株式会社あおぞら（共創 Kyoso）"},
        "RELAY_LINK": platform,
        "REFERRAL_CONFIRMATION": platform,
        "SURVEY": platform,
        "COMPANY_CONFIRMATION": platform,
        "JOINING": platform,
        "FACTORS_RESET": platform,
    }
