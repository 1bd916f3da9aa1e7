"""Attacks on the webhook door: forged, moved, repeated and half-signed deliveries."""

import hashlib
import hmac
import json
from uuid import uuid4

import pytest

from api import integration
from models import ats
from models.errors import Refusal
from tests.edge import SECRET, Edge, edge, fixture

__all__ = ["edge"]

BODY = json.dumps(fixture("new_candidate_application")).encode()


def signed(secret: bytes, body: bytes = BODY) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


async def test_no_signature_but_the_right_one_opens(edge: Edge) -> None:
    company_id = await edge.company()
    right = signed(SECRET.encode())
    wrong = (
        "", right, "sha256", f"sha1 {right}", f"sha256={right}", f"sha256 {right[:-1]}", f"sha256 {right}0",
        f"sha256 {right[:32]}", f"sha256 {signed(b'')}", f"sha256 {signed(b'no such integration')}",
        f"sha256 {signed(SECRET.upper().encode())}", f"sha256 {signed(SECRET.encode(), BODY + b' ')}", "sha256 \u00e9",
    )  # fmt: skip
    before = await edge.everything()
    for given in wrong:
        answer = await edge.post(company_id, BODY, Signature=given.encode("latin-1"))  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (401, "SIGNATURE"), given
    assert await edge.everything() == before


async def test_an_unknown_address_is_no_oracle_and_its_decoy_secret_opens_nothing(edge: Edge) -> None:
    headers = {"Signature": f"sha256 {signed(b'no such integration')}", "Content-Type": "application/json"}
    company_id = await edge.company()
    own = await edge.value("select id from ats_integration where company_id = $1", company_id)
    answers = [
        await edge.http.post(path, content=BODY, headers=headers)
        for path in (f"/ats/greenhouse/{own}", f"/ats/greenhouse/{uuid4()}", f"/ats/csv/{own}", "/ats/nobody/x")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert await edge.value("select count(*) from ats_delivery") == 0


async def test_a_delivery_speaks_for_its_own_company_alone_however_often_it_comes(edge: Edge) -> None:
    """Two companies with the same secret, even: a replay elsewhere is that company's own news, and no other's."""
    one, two = await edge.company("株式会社いち"), await edge.company("株式会社に")
    for _ in range(3):
        await edge.post(one, BODY, event_id="same")
    await edge.post(two, BODY, event_id="same")
    await edge.courier.apply_deliveries()
    rows = await edge.rows("select company_id, count(*)::int as n from application group by 1 order by 1")
    assert rows == [{"company_id": company_id, "n": 1} for company_id in sorted((one, two))]
    assert await edge.value("select count(*) from outcome_event where kind = 'APPLICATION_RECEIVED'") == 2


@pytest.mark.parametrize("secret", ["", " " * 10, "x" * 31, "x" * 201])
async def test_a_secret_that_could_be_guessed_is_none(edge: Edge, secret: str) -> None:
    company_id = await edge.company()
    with pytest.raises(Refusal):
        async with edge.work() as connection:
            await ats.connect(connection, company_id=company_id, system="GREENHOUSE", secret=secret)
    assert (await edge.post(company_id, BODY)).status_code == 200  # the secret from before still stands


async def test_a_secret_that_was_replaced_opens_nothing_from_then_on(edge: Edge) -> None:
    """Another worker replaced it, or ended the integration, and nobody told this one, which remembers it."""
    company_id = await edge.company()
    assert (await edge.post(company_id, BODY, event_id="1")).status_code == 200
    other = "another secret, just as long as the first one"
    async with edge.work() as connection:
        await ats.connect(connection, company_id=company_id, system="GREENHOUSE", secret=other)
    before = await edge.everything()
    refused = await edge.post(company_id, BODY, event_id="2")
    assert (refused.status_code, refused.json()["code"]) == (401, "SIGNATURE")
    assert await edge.everything() == before
    taken = await edge.post(company_id, BODY, event_id="2", Signature=f"sha256 {signed(other.encode())}")
    assert taken.status_code == 200
    assert await edge.value("select count(*) from ats_delivery where event_id = '2'") == 1
    address = f"/ats/greenhouse/{await edge.value('select id from ats_integration')}"
    await edge.owner.execute("delete from ats_integration")
    headers = {"Signature": f"sha256 {signed(other.encode())}", "Greenhouse-Event-ID": "3"}
    gone = await edge.http.post(address, content=BODY, headers=headers)
    assert (gone.status_code, gone.content) == (401, refused.content)
    assert await edge.value("select count(*) from ats_delivery") == 0


async def test_a_worker_remembers_so_many_integrations(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integration, "REMEMBERED_MAX", 2)
    door = integration.Integrations()
    for name in ("株式会社いち", "株式会社に", "株式会社さん"):
        await edge.company(name)
    addresses = [
        ("GREENHOUSE", str(row["id"])) for row in await edge.rows("select id from ats_integration order by id")
    ]
    found = [await door.look(each) for each in (*addresses, ("GREENHOUSE", str(uuid4())), ("GREENHOUSE", "nonsense"))]
    assert [each and each.secret for each in found] == [SECRET.encode()] * 3 + [None, None]
    assert [door.remembered(each) for each in addresses] == [None, *found[1:3]]
