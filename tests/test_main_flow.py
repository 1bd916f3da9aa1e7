"""The main job, end to end and through the front doors only: from an ATS's rejection to a hire without a fee.

Real webhooks, real mail files, the candidates' real pages, GraphQL over HTTP and WebSocket. Nothing is put into a
table by hand.
"""

import asyncio
import email
import hashlib
import hmac
import json
import re
from email.policy import default as policy
from typing import Any
from uuid import UUID

import websockets
from graphql import parse

from schema.act import read_id
from tests import builders
from tests.edge import fields, fixture
from tests.served import Served, running

__all__ = ["running"]

SECRET = "a secret of at least thirty-two characters"
HANDOVERS_PER_SLOT = 10


def partner_id(global_id: str) -> UUID:
    found = read_id("par", global_id)
    assert found
    return found


async def verb(served: Served, who: UUID | None, name: str, given: dict[str, Any], select: str, **words: Any) -> Any:
    """Runs one verb and gives what was selected of its payload; a refusal fails the test."""
    kind = name[0].upper() + name[1:] + "Input"
    text = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ userErrors {{ code message path }} {select} }} }}"
    parse(text)
    key = hashlib.sha256(json.dumps([name, given], sort_keys=True, default=str).encode()).hexdigest()[:24]
    data = await served.ask(who, text, {"input": {"clientMutationId": key, **given}}, **words)
    assert data[name]["userErrors"] == [], data
    return data[name]


async def register(served: Served) -> tuple[UUID, UUID]:
    """The operator registers a company and an agency."""
    scope = ("network:admin", "network:read")
    company = await verb(
        served,
        None,
        "registerCompany",
        {"name": "株式会社青空製作所", "corporateNumber": builders.corporate_number(77), "prefecture": "OSAKA"},
        "partner { id }",
        scope=scope,
    )
    agency = await verb(
        served,
        None,
        "registerAgency",
        {
            "name": "みらい人材",
            "licenseNumber": "27-ユ-300123",
            "licenseExpiresOn": "2031-03-31",
            "prefecture": "OSAKA",
        },
        "partner { id name }",
        scope=scope,
    )
    return partner_id(company["partner"]["id"]), partner_id(agency["partner"]["id"])


async def agree(served: Served, company: UUID, agency: UUID) -> str:
    """The company offers a relay agreement; the agency accepts exactly the version it read."""
    terms = {
        "sharing": [{"category": "OUTCOMES", "granularity": "COUNTS_ONLY"}],
        "relay": {"handoversPerSlot": HANDOVERS_PER_SLOT},
        "startsOn": "2026-01-01",
    }
    offered = await verb(
        served,
        company,
        "offerAgreement",
        {"kind": "CAREER_RELAY", "partnerIds": [f"par_{agency}"], "purpose": "不採用者の再就職支援", "terms": terms},
        "agreement { id status version { hash } }",
    )
    agreement = offered["agreement"]
    assert agreement["status"] == "OFFERED"
    accepted = await verb(
        served,
        agency,
        "acceptAgreement",
        {"agreementId": agreement["id"], "versionHash": agreement["version"]["hash"]},
        "agreement { status version { terms { relay { handoversPerSlot silenceDays } sharing { category } } } }",
    )
    assert accepted["agreement"]["status"] == "ACTIVE"
    assert accepted["agreement"]["version"]["terms"]["relay"] == {"handoversPerSlot": 10, "silenceDays": 7}
    return agreement["id"]


async def connect(served: Served, company: UUID) -> str:
    """The company connects its Greenhouse and gets the address to enter there."""
    connected = await verb(
        served,
        company,
        "connectAts",
        {"system": "GREENHOUSE", "secret": SECRET},
        "integration { deliveryUrl pending failed }",
    )
    return connected["integration"]["deliveryUrl"]


def told(name: str, number: int) -> dict[str, Any]:
    """A webhook about the candidate of this number."""
    text = json.dumps(fixture(name))
    for known in ("81200417", "90210077"):
        text = text.replace(known, f"{known[:4]}{number:04d}")
    text = text.replace("yui.sasaki@example.com", f"candidate{number}@example.com")
    return json.loads(text)


async def deliver(served: Served, url: str, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Signature": f"sha256 {signature}",
        "Greenhouse-Event-ID": hashlib.sha256(body).hexdigest(),
        "Content-Type": "application/json",
    }
    answer = await served.http.post(url, content=body, headers=headers)
    assert answer.status_code == 200, answer.text


async def mail_to(served: Served, address: str) -> str:
    """The text of the mail that this person has got, as soon as it is there."""
    for _ in range(600):
        for file in served.mails.glob("*.eml"):
            message = email.message_from_bytes(file.read_bytes(), policy=policy)
            if address in str(message["To"]):
                part = message.get_body(("plain",))
                assert part is not None
                return part.get_content()
        await asyncio.sleep(0.05)
    raise AssertionError(f"no mail to {address}")


async def register_candidate(served: Served, number: int, agency: UUID) -> None:
    """The candidate follows the personal URL, continues, and ticks the agency."""
    text = await mail_to(served, f"candidate{number}@example.com")
    [url] = set(re.findall(r"http://\S+/relay/[\w-]+", text))
    origin = {"Origin": served.issuer}
    first = await served.http.get(url)
    assert first.status_code == 200
    opened = await served.http.post(url, data=fields(first.text), headers=origin, follow_redirects=True)
    assert "みらい人材" in opened.text
    choice = {name: value for name, value in fields(opened.text).items() if name == "action"}
    done = await served.http.post(url, data={**choice, f"agency {agency}": "1"}, headers=origin, follow_redirects=True)
    assert done.status_code == 200, done.text


HANDOVERS = """{ handovers(first: 50, orderBy: REGISTERED_AT_ASC) { totalCount edges { node {
  id status counted company { name } candidate { id alias personal { name email phone } } } } } }"""

ACCOUNT = """{ relayAccounts(first: 5) { edges { node {
  id progress { counted needed } balance { handovers available reserved redeemed }
  slots(first: 5) { edges { node { id status hire { id } } } } } } } }"""


async def account(served: Served, who: UUID) -> dict[str, Any]:
    data = await served.ask(who, ACCOUNT)
    [edge] = data["relayAccounts"]["edges"]
    return edge["node"]


async def listen(served: Served, who: UUID, heard: list[str], ready: asyncio.Event) -> None:
    """A live subscription of this partner's, over the protocol that browsers' clients speak."""
    url = served.issuer.replace("http://", "ws://") + "/graphql"
    async with websockets.connect(url, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        token = await served.token(who)
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        query = "subscription { outcomeEvents { cursor live event { kind company { name } handover { status } } } }"
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        async for message in socket:
            document = json.loads(message)
            assert document["type"] == "next", document
            ready.set()
            event = document["payload"]["data"]["outcomeEvents"]["event"]
            if event:
                heard.append(event["kind"])


async def accept_everybody(served: Served, company: UUID, agency: UUID) -> None:
    """Ten register with the agency, which accepts each: only then does it know them, and each counts."""
    for number in range(1, HANDOVERS_PER_SLOT + 1):
        await register_candidate(served, number, agency)
    inbox = (await served.ask(agency, HANDOVERS))["handovers"]
    assert inbox["totalCount"] == HANDOVERS_PER_SLOT
    people = [edge["node"]["candidate"] for edge in inbox["edges"]]
    assert {person["personal"]["email"] for person in people} == {
        f"candidate{number}@example.com" for number in range(1, HANDOVERS_PER_SLOT + 1)
    }
    assert {person["personal"]["phone"] for person in people} == {None}  # nobody ticked the telephone number

    # Each side knows the person by an id of its own.
    own = {edge["node"]["candidate"]["id"] for edge in (await served.ask(company, HANDOVERS))["handovers"]["edges"]}
    assert len(own) == HANDOVERS_PER_SLOT
    assert own.isdisjoint(person["id"] for person in people)

    for place, edge in enumerate(inbox["edges"], 1):
        accepted = await verb(
            served,
            agency,
            "acceptHandover",
            {"handoverId": edge["node"]["id"]},
            "handover { status counted } event { kind }",
        )
        assert accepted["handover"] == {"status": "ACCEPTED", "counted": True}
        progress = (await account(served, company))["progress"]
        assert progress == {"counted": place % HANDOVERS_PER_SLOT, "needed": HANDOVERS_PER_SLOT}


async def hire_by_slot(served: Served, company: UUID, agency: UUID, account_id: str, slot_id: str) -> None:
    """The agency introduces somebody; the slot is reserved at the offer and pays for the hire."""
    application = await introduced(served, company, agency)
    reserved = await verb(
        served,
        company,
        "reserveSlot",
        {"accountId": account_id, "applicationId": application},
        "slot { id status } event { kind }",
    )
    assert reserved == {
        "userErrors": [],
        "slot": {"id": slot_id, "status": "RESERVED"},
        "event": {"kind": "SLOT_MOVED"},
    }
    hired = await verb(
        served,
        company,
        "hireApplication",
        {"applicationId": application, "startsOn": "2026-01-05", "slotId": slot_id},
        "application { status hire { id startsOn slot { id status } } }",
    )
    assert hired["application"]["status"] == "HIRED"
    assert hired["application"]["hire"]["slot"] == {"id": slot_id, "status": "REDEEMED"}  # the work has begun
    spent = await account(served, company)
    assert spent["balance"] == {"handovers": 0, "available": 0, "reserved": 0, "redeemed": 1}


async def test_from_a_rejection_to_a_hire_without_a_fee(served: Served) -> None:
    """proof 5.2 end to end: before a candidate acts, the agency sees nothing."""
    company, agency = await register(served)
    await agree(served, company, agency)
    url = await connect(served, company)

    for number in range(1, HANDOVERS_PER_SLOT + 1):
        await deliver(served, url, told("reject_candidate", number))
    for number in range(1, HANDOVERS_PER_SLOT + 1):
        await mail_to(served, f"candidate{number}@example.com")

    # Rejected, mailed, and nobody has clicked: for the agency nothing has happened.
    before = await served.ask(agency, HANDOVERS)
    assert before["handovers"] == {"totalCount": 0, "edges": []}
    events = await served.ask(agency, "{ outcomes(first: 10) { totalCount } }")
    assert events["outcomes"]["totalCount"] == 0

    heard: list[str] = []
    ready = asyncio.Event()
    listening = asyncio.create_task(listen(served, agency, heard, ready))
    await asyncio.wait_for(ready.wait(), 30)

    await accept_everybody(served, company, agency)
    earned = await account(served, company)
    assert earned["balance"] == {"handovers": 0, "available": 1, "reserved": 0, "redeemed": 0}
    [slot] = [edge["node"] for edge in earned["slots"]["edges"]]
    assert slot["status"] == "AVAILABLE"
    assert (await account(served, agency))["balance"] == earned["balance"]
    await hire_by_slot(served, company, agency, earned["id"], slot["id"])

    for _ in range(600):
        if heard.count("RELAY_ACCEPTED") == HANDOVERS_PER_SLOT and "SLOT_MOVED" in heard:
            break
        await asyncio.sleep(0.05)
    assert heard.count("RELAY_REGISTERED") == HANDOVERS_PER_SLOT
    assert heard.count("RELAY_ACCEPTED") == HANDOVERS_PER_SLOT
    assert heard.count("SLOT_EARNED") == 1
    assert "RELAY_INVITED" not in heard
    assert "REJECTED" not in heard
    listening.cancel()

    figures = await served.ask(
        company,
        """{ kpis(first: 10, filter: {names: [RELAY_REUSE_RATE, HIRE_RATE],
          period: {from: "2026-01", to: "2026-12"}}) { edges { node { name numerator denominator suppressed
          funnel { kind count } } } } }""",
    )
    by_name = {edge["node"]["name"]: edge["node"] for edge in figures["kpis"]["edges"]}
    assert (by_name["RELAY_REUSE_RATE"]["numerator"], by_name["RELAY_REUSE_RATE"]["denominator"]) == (10, 10)
    assert by_name["HIRE_RATE"]["suppressed"] is False
    assert {step["kind"]: step["count"] for step in by_name["RELAY_REUSE_RATE"]["funnel"]}["RELAY_ACCEPTED"] == 10


async def introduced(served: Served, company: UUID, agency: UUID) -> str:
    """The agency refers a candidate to a job, the candidate confirms on their page, the company records it."""
    posted = await verb(
        served,
        company,
        "postJob",
        {"title": "品質管理", "requirements": "製造業の経験", "prefecture": "OSAKA", "openToNetwork": True},
        "job { id }",
    )
    job = posted["job"]["id"]
    submitted = await verb(
        served,
        agency,
        "submitReferral",
        {
            "companyId": f"par_{company}",
            "jobId": job,
            "name": "高橋 次郎",
            "email": "jiro@example.com",
            "relationship": "CLIENT",
            "recommendation": "現場に強い方です。",
        },
        "referral { id status }",
    )
    assert submitted["referral"]["status"] == "SUBMITTED"
    text = await mail_to(served, "jiro@example.com")
    [url] = set(re.findall(r"http://\S+/referral/[\w-]+", text))
    shown = await served.http.get(url)
    assert "青空製作所" in shown.text
    answered = await served.http.post(
        url, data={**fields(shown.text), "answer": "yes"}, headers={"Origin": served.issuer}, follow_redirects=True
    )
    assert answered.status_code == 200, answered.text
    recorded = await verb(
        served,
        company,
        "recordApplication",
        {"jobId": job, "referralId": submitted["referral"]["id"], "route": "AGENCY"},
        "application { id route candidate { personal { name recommendation } } }",
    )
    assert recorded["application"]["route"] == "AGENCY"
    assert recorded["application"]["candidate"]["personal"] == {
        "name": "高橋 次郎",
        "recommendation": "現場に強い方です。",
    }
    return recorded["application"]["id"]
