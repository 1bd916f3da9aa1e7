"""Attacks by mail: letters of ours that say somebody else's words, go where nobody looked, or never stop coming."""

import email
import email.policy
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from api.mail import Letter, message
from api.settings import Settings
from models import candidate, referral, seal
from models.db import unit_of_work
from models.errors import Refusal, RefusalCode
from models.outbox import Said
from tests import builders
from tests.builders import MASTER_KEY
from tests.edge import Edge, edge

__all__ = ["edge"]

CROOKED = (
    "=?utf-8?q?victim=40bank.example=2C?=x@example.net",
    "a,b@example.net",
    "a:b;c@example.net",
    "x<y@example.net>",
    '"y@example.net',
    "(a)b@example.net",
    "a@example.net,",
    "a@example.net;b",
    "a\x00@example.net",
    "a@example\u2028.net",
    "a@b",
    "a" * 65 + "@example.net",
)
LURES = (
    "花子\n\n当選しました",
    "https://evil.example/",
    "WWW.evil.example",
    "x@evil.example",
    "花\u2028子",
    "",
    "あ" * 101,
)


def now(by: UUID) -> Said:
    return Said(by, "API", datetime.now(UTC))


async def referrer_of(edge: Edge) -> tuple[UUID, UUID]:
    async with edge.work() as connection:
        company_id = await builders.company(connection)
        return company_id, await builders.referrer(connection, company_id)


async def refer(company_id: UUID, referrer_id: UUID, address: str, name: str = "架空 花子") -> UUID:
    async with unit_of_work() as connection:
        submitted = await referral.submit(
            connection, said=now(referrer_id), referrer_id=referrer_id, company_id=company_id, job_id=None,
            name=name, email=address, relationship="FRIEND",
        )  # fmt: skip
    return submitted.referral_id


@pytest.mark.parametrize("address", CROOKED)
async def test_what_is_more_or_less_than_one_mailbox_is_no_address(edge: Edge, address: str) -> None:
    company_id, referrer_id = await referrer_of(edge)
    before = await edge.everything()
    with pytest.raises(Refusal) as refused:
        await refer(company_id, referrer_id, address)
    assert (refused.value.code, refused.value.path) == (RefusalCode.INVALID, ("input", "email"))
    with pytest.raises(Refusal):
        async with edge.work() as connection:
            await candidate.keep(connection, partner_id=company_id, email=None, items={"EMAIL": address})
    slug = await edge.value("select slug from partner where id = $1", company_id)
    assert (await edge.http.post(f"/relay/c/{slug}", data={"email": address})).status_code == 400
    assert await edge.everything() == before


@pytest.mark.parametrize("address", ["a..b.@docomo.example", "o'neil+x@mail.example.co.jp"])
def test_an_address_is_an_envelope_of_its_own(tmp_path: Path, address: str) -> None:
    settings = Settings(*["postgresql://u@h/d"] * 2, "http://127.0.0.1:1", MASTER_KEY, tmp_path)
    made = message(Letter(uuid4(), (address, "b@example.jp"), "架空", "件\u2028名\x0b", "本文", "JA"), settings)
    assert [each.addr_spec for each in made["To"].addresses] == [address, "b@example.jp"]
    assert f"To: {address}, b@example.jp".encode() in made.as_bytes().replace(b",b@", b", b@")
    assert made["Subject"] == "件 名"


@pytest.mark.parametrize("name", LURES)
async def test_a_name_is_a_name_and_no_letter(edge: Edge, name: str) -> None:
    """Whoever refers could else write, in our name and to anybody, whatever they like."""
    company_id, referrer_id = await referrer_of(edge)
    before = await edge.everything()
    with pytest.raises(Refusal) as refused:
        await refer(company_id, referrer_id, "hanako@example.com", name)
    assert (refused.value.code, refused.value.path) == (RefusalCode.INVALID, ("input", "name"))
    assert await edge.everything() == before


async def test_names_that_others_tell_stay_on_their_line(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id, NAME="架空\r\nBcc: x@example.net\n\n花子\u202e")
    await edge.courier.send_mail()
    (file,) = (edge.settings.data_dir / "mail").glob("*.eml")
    made = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert (made["Bcc"], made["To"]) == (None, "hanako@example.com")
    assert made.get_body(("plain",)).get_content().startswith("架空 Bcc: x@example.net 花子 様\r\n")


async def test_one_letter_that_cannot_be_written_holds_up_no_other(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.relay(company_id)
    poisoned = await edge.rejected(company_id, "first@example.com")
    person = await edge.value("select person_id from relay_invitation where id = $1", poisoned)
    await edge.owner.execute("update personal_data set sealed = 'broken' where person_id = $1", person)
    await edge.rejected(company_id, "second@example.com")
    assert await edge.courier.send_mail() == 2
    states = await edge.rows("select status, failure from mail where kind = 'REJECTION' order by id")
    assert states == [{"status": "QUEUED", "failure": "Unreadable"}, {"status": "SENT", "failure": None}]


async def test_the_door_writes_to_nobody_all_day(edge: Edge) -> None:
    """Anybody may type anybody's address at every company's door: few letters a day come of it, whatever they do."""
    slugs = []
    for number in range(4):
        company_id = await edge.company(f"株式会社{number}")
        await edge.relay(company_id, f"人材{number}")
        slugs.append(await edge.value("select slug from partner where id = $1", company_id))
    for minutes in (0, 20, 40):
        await edge.owner.execute(
            "update mail set sent_at = clock_timestamp() - make_interval(mins => $1) where status = 'SENT'",
            minutes or 1,
        )
        for slug in slugs:
            assert (await edge.http.post(f"/relay/c/{slug}", data={"email": "hanako@example.com"})).status_code in (
                200,
                429,
            )
        await edge.courier.send_mail()
    assert await edge.value("select count(*) from mail where kind = 'RELAY_LINK'") == 5


async def test_many_who_recommend_one_do_not_flood_them(edge: Edge) -> None:
    """The letters come a few a day; nobody is told that others recommend the same person."""
    asked = [await referrer_of(edge) for _ in range(7)]
    for company_id, referrer_id in asked:
        await refer(company_id, referrer_id, "hanako@example.com")
    await edge.courier.send_mail()
    assert len(list((edge.settings.data_dir / "mail").glob("*.eml"))) == 3
    days = await edge.rows(
        "select round(extract(epoch from due_at - now()) / 86400)::int as day, count(*)::int as n "
        "from mail where status = 'QUEUED' group by 1 order by 1"
    )
    assert days == [{"day": 1, "n": 3}, {"day": 2, "n": 1}]


async def test_the_door_changes_no_address_that_the_company_has(edge: Edge) -> None:
    """Another spelling of the same address, from anybody in the street, replaces nothing."""
    company_id = await edge.company()
    await edge.relay(company_id)
    await edge.rejected(company_id, "hanako@example.com")
    slug = await edge.value("select slug from partner where id = $1", company_id)
    for spelling in ("ｈａｎａｋｏ@ｅｘａｍｐｌｅ.com", "HANAKO@EXAMPLE.COM"):
        assert (await edge.http.post(f"/relay/c/{slug}", data={"email": spelling})).status_code == 200
    assert [items["EMAIL"] for items in await edge.items(company_id)] == ["hanako@example.com"]
    assert await edge.value("select count(*) from person") == 1
    assert seal.email_index("ＨＡＮＡＫＯ@example.com") == seal.email_index("hanako@example.com")


async def test_no_company_writes_to_one_person_all_day(edge: Edge) -> None:
    """A company may record and reject whom it likes, as often as it likes: ten letters a day reach one person."""
    company_id = await edge.company()
    await edge.relay(company_id)
    for _ in range(13):
        await edge.rejected(company_id)
    await edge.courier.send_mail()
    states = await edge.rows(
        "select status, max(attempts) as attempts, count(*)::int as n "
        "from mail where kind = 'REJECTION' group by 1 order by 1"
    )
    assert states == [{"status": "QUEUED", "attempts": 0, "n": 3}, {"status": "SENT", "attempts": 1, "n": 10}]
    await edge.owner.execute(
        "update mail set sent_at = sent_at - interval '1 day', due_at = now() where kind = 'REJECTION'"
    )
    await edge.courier.send_mail()
    assert await edge.value("select count(*) from mail where kind = 'REJECTION' and status = 'QUEUED'") == 0
