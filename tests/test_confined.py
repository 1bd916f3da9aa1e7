"""A token for one agreement sees what flows through it, on real rows, and nothing that another agreement shares."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from auth import confined
from auth.exchange import TOKEN_TYPE
from auth.policy import PREDICATES
from models import agreement
from models.client import create_client
from models.db import credentials, unit_of_work
from models.japan import today
from models.member import create_member, hash_password
from models.terms import Terms
from tests import builders, network
from tests.builders import said
from tests.network import Network
from tests.served import Served, running  # noqa: F401  (fixture)

FUNCTIONS = {"kpi", "neighbourhood", "hire_path"}
KEYS = {"agreement_party": "agreement_id", "community_member": "community_id", "agreement_acceptance": "version_id"}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@pytest.fixture
async def owner(connected: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**credentials(connected))
    yield connection
    await connection.close()


async def world(connection: asyncpg.Connection) -> tuple[Network, UUID]:
    """The network, and a second agreement by which the stranger gives the friend everything, on rows of its own."""
    made = await network.network(connection)
    given = builders.terms(sharing=network.SHARED)
    second = await builders.agreed(connection, "INFORMATION_SHARING", made.stranger, made.friend, given=given)
    await builders.open_job(connection, made.stranger)
    employee = await builders.referrer(connection, made.stranger, "ALUMNUS")
    await network.referred(connection, employee, made.stranger, made.start, "saburo@example.jp")
    await builders.application(connection, made.stranger, "shiro@example.jp")
    return made, second


async def rows(connection: asyncpg.Connection, predicates: dict[str, str], viewer: UUID, one: UUID) -> set[Any]:
    """Every row that these predicates show to this viewer, as (table, row)."""
    found: set[Any] = set()
    for table, predicate in predicates.items():
        if table in FUNCTIONS:
            continue
        said = predicate.replace("{row}", "r").replace("{viewer.partner}", "$1::uuid")
        condition = said.replace("{viewer.agreement}", "$2::uuid")
        text = f"select r::text from {table} r where $1::uuid is not null and $2::uuid is not null and {condition}"
        found |= {(table, row[0]) for row in await connection.fetch(text, viewer, one)}
    return found


async def test_it_sees_no_row_more_and_none_of_another_agreement(owner: asyncpg.Connection) -> None:
    """RFC 8693"""
    assert confined.PREDICATES.keys() == PREDICATES.keys()
    async with unit_of_work() as connection:
        made, second = await world(connection)
        viewers = made.partners.values()
        agreements = (made.sharing, made.relay, second)
        before = {(each, one): await rows(connection, confined.PREDICATES, each, one)
                  for each in viewers for one in agreements}  # fmt: skip
        for (each, one), seen in before.items():
            assert seen <= await rows(connection, PREDICATES, each, one)
    for one in agreements:
        other = await owner.fetch("delete from agreement_share where agreement_id <> $1 returning *", one)
        assert other
        async with unit_of_work() as connection:
            for each in viewers:
                assert await rows(connection, confined.PREDICATES, each, one) == before[each, one]
        await owner.executemany(
            "insert into agreement_share values ($1, $2, $3, $4, $5, $6, $7, $8)", [tuple(row) for row in other]
        )
    of_friend = {one: {table for table, _ in before[made.friend, one]} for one in agreements}
    flows = {"referral", "application", "outcome_event"}
    assert flows <= of_friend[made.sharing]
    assert flows <= of_friend[second]
    assert of_friend[made.relay] == {"partner", "community_member", "contribution_evidence"}
    for table in flows:
        companies = {
            one: {row for name, row in before[made.friend, one] if name == table} for one in (made.sharing, second)
        }
        assert not companies[made.sharing] & companies[second]
    relay = {table for table, _ in before[made.agency, made.relay]}
    assert {"handover", "relay_account", "slot", "ledger_transfer", "outcome_event"} <= relay
    assert not relay & {"candidate", "consent", "provision", "referral", "job"}


async def lesser(served: Served, partner: UUID, scope: str, **words: str) -> dict[str, Any]:
    """A backend's token, exchanged; the token endpoint's answer."""
    async with unit_of_work() as connection:
        client = await create_client(
            connection, name="backend", partner_id=partner, scope=sorted({*scope.split(), "applications:write"})
        )
    basic = (client.client_id, client.client_secret or "")
    form = {"grant_type": "client_credentials"}
    first = (await served.http.post("/oauth/token", data=form, auth=basic)).json()["access_token"]
    form = {"grant_type": EXCHANGE, "subject_token": first, "subject_token_type": TOKEN_TYPE, "scope": scope} | words
    body = (await served.http.post("/oauth/token", data=form, auth=basic)).json()
    return body | {"client": basic}


READS = "network:read referrals:read applications:read relay:read outcomes:read agreements:read"
VERB = """mutation ($id: ID!) {
  rejectApplication(input: {applicationId: $id, clientMutationId: "1"}) { application { id } }
}"""
FLOW = """{
  referrals(first: 20) { edges { node { company { id } } } totalCount }
  applications(first: 20) { edges { node { id company { id } } } totalCount }
  agreements(first: 20) { edges { node { id } } }
  jobs(first: 20) { edges { node { company { id } } } }
  outcomes(first: 50) { edges { node { id company { id } } } }
  kpis(first: 5, filter: {names: [HIRE_RATE], period: {from: "2025-01", to: "2026-12"}}) { edges { node { value } } }
}"""


async def test_the_api_answers_within_the_agreement(served: Served) -> None:
    async with unit_of_work() as connection:
        made, second = await world(connection)
        ichiro = await create_member(
            connection, partner_id=made.friend, email="ichiro@midori.example.jp", name="佐藤 一郎",
            password_hash=await hash_password("correct horse battery", ()), role="ANALYST",
        )  # fmt: skip
    whole = await served.ask(made.friend, FLOW)
    one = await lesser(served, made.friend, READS, agreement=f"agr_{made.sharing}")
    seen = (await served.post(FLOW, one["access_token"])).json()["data"]
    everything = str(whole)
    assert str(made.company) in everything
    assert str(made.stranger) in everything
    assert str(made.stranger) not in str(seen)
    assert str(made.company) in str(seen)
    assert seen["agreements"]["edges"] == [{"node": {"id": f"agr_{made.sharing}"}}]
    assert seen["referrals"]["totalCount"] < whole["referrals"]["totalCount"]
    assert (len(whole["kpis"]["edges"]), seen["kpis"]["edges"]) == (1, [])
    nodes = [each["node"] for each in whole["applications"]["edges"]]
    hidden = [each["id"] for each in nodes if str(made.stranger) in each["company"]["id"]]
    by_id = await served.post("query ($id: ID!) { node(id: $id) { id } }", one["access_token"], {"id": hidden[0]})
    assert by_id.json()["data"] == {"node": None}
    refused = (await served.post(VERB, one["access_token"], {"id": hidden[0]})).json()
    assert {each["extensions"]["code"] for each in refused["errors"]} == {"INSUFFICIENT_SCOPE"}
    again = await lesser(served, made.friend, "network:read", agreement=f"agr_{second}")
    for_person = await lesser(served, made.friend, READS, requested_subject="Ichiro@midori.example.jp")
    claims = served.app.state.tokens.claims(for_person["access_token"])
    assert (claims["sub"], claims["act"]) == (str(ichiro), {"sub": for_person["client"][0]})
    who = (await served.post("{ viewer { login scopes } }", for_person["access_token"])).json()["data"]["viewer"]
    assert who == {"login": "佐藤 一郎", "scopes": sorted(READS.split())}
    assert again["scope"] == "network:read"
    async with unit_of_work() as connection:
        words = {"said": said(made.company), "agreement_id": made.sharing, "reason": "確認のため"}
        await agreement.suspend(connection, **words)
    gone = (await served.post(FLOW, one["access_token"])).json()["data"]
    assert (gone["referrals"]["totalCount"], gone["applications"]["totalCount"]) == (0, 0)


async def test_what_is_not_lesser_is_refused(served: Served) -> None:
    async with unit_of_work() as connection:
        made, second = await world(connection)
        for email, partner in (("ichiro@midori.example.jp", made.friend), ("jiro@yoso.example.jp", made.stranger)):
            await create_member(
                connection,
                partner_id=partner,
                email=email,
                name="佐藤",
                password_hash=await hash_password("correct horse battery", ()),
                role="ANALYST",
            )
        await agreement.suspend(connection, said=said(made.stranger), agreement_id=second, reason="確認のため")
        tomorrow = Terms(sharing=network.SHARED, starts_on=today() + builders.days(1))
        third = await builders.agreed(connection, "INFORMATION_SHARING", made.stranger, made.friend, given=tomorrow)
    read, write = "network:read", "applications:write"
    refusals = {
        "somebody else's agreement": await lesser(served, made.friend, read, agreement=f"agr_{made.relay}"),
        "an agreement that is suspended": await lesser(served, made.friend, read, agreement=f"agr_{second}"),
        "an agreement that begins tomorrow": await lesser(served, made.friend, read, agreement=f"agr_{third}"),
        "no agreement's id": await lesser(served, made.friend, read, agreement=f"par_{made.sharing}"),
        "a scope that writes": await lesser(served, made.friend, write, agreement=f"agr_{made.sharing}"),
        "personal data": await lesser(served, made.friend, "candidates:read", agreement=f"agr_{made.sharing}"),
        "somebody of another partner": await lesser(
            served, made.friend, read, requested_subject="jiro@yoso.example.jp"
        ),
        "nobody": await lesser(served, made.friend, read, requested_subject="nobody@midori.example.jp"),
        "beyond their role": await lesser(served, made.friend, write, requested_subject="ichiro@midori.example.jp"),
    }
    assert {name: body.get("error") for name, body in refusals.items()} == {
        "somebody else's agreement": "invalid_target",
        "an agreement that is suspended": "invalid_target",
        "an agreement that begins tomorrow": "invalid_target",
        "no agreement's id": "invalid_target",
        "a scope that writes": "invalid_scope",
        "personal data": "invalid_scope",
        "somebody of another partner": "invalid_request",
        "nobody": "invalid_request",
        "beyond their role": "invalid_scope",
    }
    texts = {
        body["error_description"]
        for name, body in refusals.items()
        if name in ("nobody", "somebody of another partner")
    }
    assert len(texts) == 1
    one = await lesser(served, made.friend, read, agreement=f"agr_{made.sharing}")
    person = await lesser(served, made.friend, read, requested_subject="ichiro@midori.example.jp")

    async def further(first: dict[str, Any], **words: str) -> dict[str, Any]:
        form = {"grant_type": EXCHANGE, "subject_token": first["access_token"], "subject_token_type": TOKEN_TYPE}
        answer = await served.http.post("/oauth/token", data=form | {"scope": read} | words, auth=first["client"])
        return answer.json()

    claims = served.app.state.tokens.claims
    kept = claims((await further(one))["access_token"])
    assert kept["agreement_id"] == str(made.sharing)
    assert (await further(one, agreement=f"agr_{second}"))["error"] == "invalid_target"
    assert claims((await further(person))["access_token"])["sub"] == claims(person["access_token"])["sub"]
    assert (await further(person, requested_subject="ichiro@midori.example.jp"))["error"] == "invalid_request"
