"""Attacks on people: their pages, their identity, and who learns that they look for work."""

import email
import email.policy
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from models import candidate, referral, seal
from models.db import unit_of_work
from models.errors import Refusal, RefusalCode
from models.outbox import Said
from tests import builders
from tests.edge import Edge, edge, fields, fixture
from tests.network import Network, network
from tests.served import Served, running

__all__ = ["edge", "running"]

VICTIM, THIEF = "hanako@example.com", "thief@example.net"


def now(by: UUID) -> Said:
    return Said(by, "API", datetime.now(UTC))


async def world() -> Network:
    async with unit_of_work() as connection:
        return await network(connection)


def letters(edge: Edge) -> dict[str, str]:
    """The plain text of the latest mail that went out, by its addressee."""
    files = sorted((edge.settings.data_dir / "mail").glob("*.eml"))
    mails = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
    return {mail["To"]: mail.get_body(("plain",)).get_content() for mail in mails}


async def test_an_agency_refers_whom_it_was_given_at_no_address_but_theirs(connected: str) -> None:
    """Else it would confirm in their name, read every record about them, and could erase them."""
    at = await world()
    async with unit_of_work() as connection:
        other = await builders.company(connection, "株式会社べつ")
        job_id = await builders.open_job(connection, other, open_to_network=True)
    asked = {"referrer_id": at.agency, "company_id": other, "job_id": job_id, "relationship": "OTHER"}
    with pytest.raises(Refusal) as refused:
        async with unit_of_work() as connection:
            await referral.submit(
                connection, said=now(at.agency), name="高橋 次郎", email=THIEF, handover_id=at.handover, **asked
            )
    assert (refused.value.code, refused.value.path) == (RefusalCode.INVALID, ("input", "email"))
    async with unit_of_work() as connection:
        assert await connection.fetchval("select count(*) from referral where company_id = $1", other) == 0
        assert (
            await connection.fetchval(
                "select count(*) from person_email where email_index = $1", seal.email_index(THIEF)
            )
            == 0
        )
        submitted = await referral.submit(
            connection, said=now(at.agency), name="高橋 次郎", email="JIRO@example.jp", handover_id=at.handover, **asked
        )
    assert submitted.event_id


async def test_one_partners_word_gives_nobody_a_further_address(connected: str) -> None:
    """An address that a partner claims for somebody finds them for that partner alone."""
    async with unit_of_work() as connection:
        thief, other = [await builders.company(connection, name) for name in ("株式会社ぬすみ", "株式会社ほか")]
        known = await builders.kept(connection, other, VICTIM)
        theirs = await builders.kept(connection, thief, VICTIM)
        claimed = await candidate.keep(
            connection, partner_id=thief, email=THIEF, person_id=theirs.person_id, items={"EMAIL": THIEF}
        )
        again = await builders.kept(connection, thief, THIEF)
        elsewhere = await builders.kept(connection, other, THIEF)
    assert claimed == again == theirs
    assert known.person_id == theirs.person_id != elsewhere.person_id


async def test_a_letter_to_a_claimed_address_leads_to_nobodys_whole_page(edge: Edge) -> None:
    """A company moves somebody's address to its own mailbox: it may not read there who else was told what."""
    thief, other = await edge.company("株式会社ぬすみ"), await edge.company("株式会社ほか")
    for company_id in (thief, other):
        await edge.relay(company_id, f"{company_id}人材")
    await edge.rejected(other, VICTIM)
    invitation_id = await edge.rejected(thief, VICTIM)
    person_id = await edge.value("select person_id from relay_invitation where id = $1", invitation_id)
    async with edge.work() as connection:
        await candidate.keep(connection, partner_id=thief, email=THIEF, person_id=person_id, items={"EMAIL": THIEF})
    await edge.courier.send_mail()
    paths = {to: re.search(r"/relay/[\w-]+", text)[0] for to, text in letters(edge).items()}
    links = {}
    for to in (VICTIM, THIEF):
        shown = await edge.http.post(paths[to], data={"action": "continue"}, follow_redirects=True)
        ticks = [name for name in fields(shown.text) if name.startswith("agency ")]
        shown = await edge.http.post(
            paths[to], data={"action": "register", **dict.fromkeys(ticks, "1")}, follow_redirects=True
        )
        links[to] = re.findall(r'"(/relay/me/[^"]+)"', shown.text)
    whole = f"/relay/me/{seal.page_token(person_id, own=seal.email_index(VICTIM))}"
    assert set(links[VICTIM]) == {whole}
    [part] = set(links[THIEF])
    assert part != whole
    names = {company_id: f"{company_id}人材" for company_id in (thief, other)}
    page = (await edge.http.get(part)).text
    assert (names[thief] in page, names[other] in page, "erase" in page) == (True, False, False)
    before = await edge.everything()
    hidden = await edge.value("select id from consent where asked_by = $1", other)
    for given in ({"action": "erase", "sure": "yes"}, {"action": "withdraw", "consent": str(hidden), "sure": "yes"}):
        assert (await edge.http.post(part, data=given)).status_code == 303
    assert await edge.everything() == before
    ours = await edge.value("select id from consent where asked_by = $1", thief)
    await edge.http.post(part, data={"action": "withdraw", "consent": str(ours), "sure": "yes"})
    assert await edge.value("select asked_by from consent where withdrawn_at is not null") == thief
    page = (await edge.http.get(whole)).text
    assert names[thief] in page
    assert names[other] in page


def told_of(event: str, number: int, candidate_id: int, address: str) -> dict[str, Any]:
    """A webhook of Greenhouse about one application of somebody at this address."""
    told = fixture(event)
    application = told["payload"]["application"]
    application |= {"id": number, "credited_to": None}
    application["candidate"] |= {"id": candidate_id, "email_addresses": [{"value": address, "type": "personal"}]}
    if event == "reject_candidate":
        application["rejected_at"] = datetime.now(UTC).isoformat()
    return told


async def registered(edge: Edge, company_id: UUID, address: str) -> UUID:
    """Has somebody rejected, who registers with the company's agency by the letter they got. Returns the agency."""
    agency_id = await edge.relay(company_id, f"{company_id}人材")
    await edge.rejected(company_id, address)
    await edge.courier.send_mail()
    path = re.search(r"/relay/[\w-]+", letters(edge)[address])[0]
    for form in ({"action": "continue"}, {"action": "register", f"agency {agency_id}": "1"}):
        assert (await edge.http.post(path, data=form)).status_code == 303
    return agency_id


async def test_a_merge_gives_nobody_a_strangers_page(edge: Edge) -> None:
    """A company mails its own mailbox a personal URL, and merges that candidate into somebody else's record."""
    thief = await edge.company("株式会社ぬすみ")
    await edge.relay(thief, "ぬすみ人材")
    await edge.deliver(thief, told_of("reject_candidate", 1, 11, THIEF))
    await edge.courier.send_mail()
    path = re.search(r"/relay/[\w-]+", letters(edge)[THIEF])[0]
    await edge.http.post(path, data={"action": "continue"})
    [whole] = set(re.findall(r'"(/relay/me/[^"]+)"', (await edge.http.get(path)).text))
    assert "erase" in (await edge.http.get(whole)).text
    await edge.deliver(thief, told_of("new_candidate_application", 2, 12, VICTIM))
    merge = fixture("merge_candidate")
    merge["payload"]["person"] |= {"id": 11, "new_candidate_id": 12}
    await edge.deliver(thief, merge)
    assert await edge.value("select count(distinct person_id) from application") == 1
    agency_id = await registered(edge, await edge.company("株式会社ほか"), VICTIM)

    assert (await edge.http.get(whole)).status_code == 200  # of whom there is no more
    [part] = set(re.findall(r'"(/relay/me/[^"]+)"', (await edge.http.get(path)).text))
    page = (await edge.http.get(part)).text
    assert ("株式会社ほか" in page, "erase" in page) == (False, False)
    before = await edge.everything()
    for url in (whole, part):
        assert (await edge.http.post(url, data={"action": "erase", "sure": "yes"})).status_code == 303
    assert await edge.everything() == before
    assert len(await edge.items(agency_id)) == 1


def new_address(candidate_id: int, address: str) -> dict[str, Any]:
    """A webhook of Greenhouse: this candidate has another address now."""
    told = fixture("update_candidate")
    told["payload"]["candidate"] |= {"id": candidate_id, "email_addresses": [{"value": address, "type": "personal"}]}
    return told


async def test_a_slip_in_an_address_gives_a_stranger_nothing_once_it_is_corrected(edge: Edge) -> None:
    """Neither by the letter that went there, nor by one that the stranger has sent from the company's URL."""
    company_id = await edge.company()
    await edge.relay(company_id)
    slug = await edge.value("select slug from partner where id = $1", company_id)
    await edge.deliver(company_id, told_of("reject_candidate", 1, 11, THIEF))
    await edge.courier.send_mail()
    path = re.search(r"/relay/[\w-]+", letters(edge)[THIEF])[0]
    await edge.http.post(path, data={"action": "continue"})
    whole = re.search(r'"(/relay/me/[^"]+)"', (await edge.http.get(path)).text)[1]
    assert "erase" in (await edge.http.get(whole)).text

    await edge.deliver(company_id, new_address(11, VICTIM))
    part = re.search(r'"(/relay/me/[^"]+)"', (await edge.http.get(path)).text)[1]
    assert "erase" not in (await edge.http.get(part)).text
    assert (await edge.http.get(whole)).status_code == 404
    for address in (THIEF, VICTIM):
        await edge.http.post(f"/relay/c/{slug}", data={"email": address})
    await edge.owner.execute("update mail set due_at = now() where status = 'QUEUED'")
    await edge.courier.send_mail()
    assert [items["EMAIL"] for items in await edge.items(company_id)] == [VICTIM, THIEF]  # who is somebody else
    assert await edge.value("select count(*) from person") == 2
    paths = {to: re.search(r"/relay/[\w-]+", letters(edge)[to])[0] for to in (THIEF, VICTIM)}
    assert seal.read_relay_token(paths[VICTIM][7:]) == seal.read_relay_token(path[7:])
    assert seal.read_relay_token(paths[THIEF][7:]) != seal.read_relay_token(path[7:])
    own = re.search(r'"(/relay/me/[^"]+)"', (await edge.http.get(paths[VICTIM])).text)[1]
    assert "erase" in (await edge.http.get(own)).text


@pytest.mark.parametrize("known", ["a consent", "another partner"])
async def test_nobody_corrects_the_address_of_whom_others_know(edge: Edge, known: str) -> None:
    """Nor of who gave a consent: a company would move a person's page into its own mailbox."""
    company_id = await edge.company()
    await edge.deliver(company_id, told_of("new_candidate_application", 1, 11, VICTIM))
    if known == "a consent":
        await registered(edge, company_id, VICTIM)
    else:
        await edge.rejected(await edge.company("株式会社ほか"), VICTIM)
    addresses = await edge.rows("select email_index, person_id from person_email")
    await edge.deliver(company_id, new_address(11, THIEF))
    assert await edge.rows("select email_index, person_id from person_email") == addresses
    claims = await edge.rows("select partner_id, email_index, person_id from person_email_claim")
    assert claims == [
        {"partner_id": company_id, "email_index": seal.email_index(THIEF), "person_id": addresses[0]["person_id"]}
    ]


async def test_older_news_corrects_no_address(edge: Edge) -> None:
    company_id = await edge.company()
    await edge.deliver(company_id, told_of("new_candidate_application", 1, 11, THIEF))
    await edge.deliver(company_id, new_address(11, VICTIM))
    told = told_of("candidate_stage_change", 1, 11, THIEF)
    told["payload"]["application"]["last_activity_at"] = "2026-09-02T00:00:00Z"
    await edge.deliver(company_id, told)
    assert await edge.rows("select email_index from person_email") == [{"email_index": seal.email_index(VICTIM)}]


async def test_whom_somebody_recommends_is_theirs_until_the_person_agrees(served: Served) -> None:
    """A company that knows the person already learns nothing of them from a referral they have not confirmed."""
    at = await world()
    async with unit_of_work() as connection:
        referrer = await builders.referrer(connection, at.company)
        submitted = await referral.submit(
            connection, said=now(referrer), referrer_id=referrer, company_id=at.company, job_id=None,
            name="高橋 次郎", email="jiro@example.jp", relationship="FRIEND",
        )  # fmt: skip
    text = """{ referrals(first: 20, filter: {statuses: [%s]}) { edges { node { id referrer { id }
      candidate { id alias referrals(first: 20) { edges { node { id } } } } } } } }"""
    found = (await served.ask(at.company, text % "SUBMITTED"))["referrals"]["edges"]
    assert [edge["node"]["candidate"] for edge in found] == [None]
    own = (await served.ask(referrer, text % "SUBMITTED"))["referrals"]["edges"]
    assert own[0]["node"]["candidate"]["referrals"]["edges"][0]["node"]["id"] == own[0]["node"]["id"]
    waiting = found[0]["node"]["id"]
    seen = (await served.ask(at.company, text % "CONFIRMED, HIRED, IN_SELECTION, CLOSED"))["referrals"]["edges"]
    listed = {each["node"]["id"] for edge in seen for each in edge["node"]["candidate"]["referrals"]["edges"]}
    assert seen
    assert waiting not in listed
    async with unit_of_work() as connection:
        await referral.confirm(connection, said=now(referrer), referral_id=submitted.referral_id, confirmed=False)
    declined = (await served.ask(at.company, text % "DECLINED"))["referrals"]["edges"]
    assert [edge["node"]["candidate"] for edge in declined] == [None]


async def test_an_offer_alone_uncovers_no_referrer(served: Served) -> None:
    """A referrer's real name is their partners' to know: those whose agreement they accepted."""
    at = await world()
    asked = {
        "id": (
            await served.ask(
                at.stranger, "{ partners(first: 50, filter: {kinds: [REFERRER]}) { edges { node { id name } } } }"
            )
        )["partners"]["edges"][0]["node"]["id"]
    }
    offer = """mutation ($id: ID!) { offerAgreement(input: {clientMutationId: "1", kind: INFORMATION_SHARING,
      partnerIds: [$id], purpose: "名前を知りたい", terms: {sharing: [{category: OUTCOMES, granularity: FIELDS}],
      startsOn: "2026-04-01"}}) { userErrors { code message }
      agreement { id parties(first: 9) { edges { node { name } } } } } }"""
    given = (await served.ask(at.stranger, offer, asked))["offerAgreement"]
    assert "佐藤" not in str(given)
    name = await served.ask(at.stranger, "query ($id: ID!) { partner(id: $id) { name } }", asked)
    assert name["partner"]["name"].startswith("紹介者 ")
