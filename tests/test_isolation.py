"""What is hidden is absent: same bytes, same errors, same counts; and nothing joins what two partners know."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from graphql import GraphQLField, GraphQLObjectType, get_named_type

from models import consent
from models.db import credentials, unit_of_work, uuid7
from tests import builders, everything, network
from tests.builders import said
from tests.network import Network, digest
from tests.served import Served, running

__all__ = ["running"]

ID = re.compile(r'"([a-z]+_[0-9a-f]{8}-[0-9a-f-]{27})"')
PERSONAL = frozenset({"Candidate.personal"})
REGISTER = ("par_", "job_")
KEY = "clientMutationId"


@pytest.fixture
async def owner(served: Served) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**credentials(served.database))
    yield connection
    await connection.close()


@pytest.fixture
async def made(served: Served) -> Network:
    async with unit_of_work() as connection:
        return await network.network(connection)


async def rows(owner: asyncpg.Connection) -> dict[str, list[str]]:
    """Every global id there is, by type."""
    found: dict[str, list[str]] = {}
    for name, (table, kind, prefix) in everything.tables().items():
        if table != "kpi":
            where = f" where {kind[0]} = '{kind[1]}'" if kind else ""
            found[name] = [f"{prefix}_{row['id']}" for row in await owner.fetch(f"select id from {table}{where}")]
    return found


async def asked(served: Served, partner_id: UUID, text: str, **variables: Any) -> httpx.Response:
    answer = await served.post(text, await served.token(partner_id), variables)
    assert answer.status_code == 200, answer.text
    return answer


async def test_what_a_company_calls_an_event_is_its_own_to_read_and_to_ask_for(
    served: Served, made: Network, owner: asyncpg.Connection
) -> None:
    """What its other system gave as an id may tell of a person, and nobody else needs it."""
    await owner.execute("update outcome_event set source_event_id = 'x' where kind = 'HIRED'")
    seen = "{ outcomes(first: 9, filter: {kinds: [HIRED]}) { totalCount edges { node { sourceEventId } } } }"
    asked_for = '{ outcomes(first: 9, filter: {sourceEventIds: ["x"]}) { totalCount edges { node { id } } } }'
    for partner_id, told, count in ((made.company, "x", 2), (made.friend, None, 0), (made.agency, None, 0)):
        found = (await served.ask(partner_id, seen))["outcomes"]
        assert {each["node"]["sourceEventId"] for each in found["edges"]} == {told}
        found = (await served.ask(partner_id, asked_for))["outcomes"]
        assert (found["totalCount"], len(found["edges"])) == (count, count)


async def test_a_hidden_id_answers_like_an_unknown_one(
    served: Served, made: Network, owner: asyncpg.Connection
) -> None:
    """proof 2.11: every global id, asked by every partner who does not see it: the bytes of an unknown id.

    Who sees a row is what `test_policy` states; here each road to it must agree with `node`.
    """
    hidden = 0
    for name, known in (await rows(owner)).items():
        ids = [*known, f"{known[0].rpartition('_')[0]}_{uuid7()}"]
        each_alone = " ".join(f'n{place}: node(id: "{id_}") {{ __typename id }}' for place, id_ in enumerate(ids))
        text = f"""query ($ids: [ID!]!, $sent: [_Any!]!) {{ nodes(ids: $ids) {{ __typename id }}
          _entities(representations: $sent) {{ __typename ... on Node {{ id }} }} {each_alone} }}"""
        sent = [{"__typename": name, "id": id_} for id_ in ids]
        for partner_id in made.partners.values():
            data = (await asked(served, partner_id, text, ids=ids, sent=sent)).json()["data"]
            found = data.pop("nodes")
            assert found == data.pop("_entities") == list(data.values())
            assert found[-1] is None
            assert all(each in (None, {"__typename": name, "id": id_}) for each, id_ in zip(found, ids, strict=True))
            hidden += found.count(None) - 1
            for id_ in [id_ for id_, each in zip(ids, found, strict=True) if each is None][:1]:
                alone = await asked(served, partner_id, "query ($id: ID!) { node(id: $id) { id } }", id=id_)
                assert alone.content == b'{"data":{"node":null}}'
    assert hidden > 150


async def test_no_page_leads_to_a_row_that_node_hides(served: Served, made: Network, owner: asyncpg.Connection) -> None:
    """Every page and link of everything a partner sees, walked: each id on it is one that `node` shows them."""
    for partner_id in made.partners.values():
        reached: set[str] = set()
        for name, ids in (await rows(owner)).items():
            reached |= set(ID.findall((await asked(served, partner_id, walk(name), ids=ids)).text))
        known = sorted(each for each in reached if not each.startswith("kpi_"))
        for start in range(0, len(known), 100):
            batch = known[start : start + 100]
            text = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
            nodes = (await asked(served, partner_id, text, ids=batch)).json()["data"]["nodes"]
            assert [each and each["id"] for each in nodes] == batch


def walk(name: str) -> str:
    """Everything of a type, its links and the first rows of its pages, by ids."""
    type_ = everything.graph().type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    text = everything.selection(type_, 1, without=PERSONAL)
    pages = [
        f"p{place}: {field}{everything.arguments(each, {**everything.GIVEN, 'first': '20'})} "
        "{ edges { cursor node { __typename ... on Node { id } } } }"
        for place, (field, each) in enumerate(type_.fields.items())
        if get_named_type(each.type).name.endswith("Connection")
    ]
    return f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {name} {{ {text} {' '.join(pages)} }} }} }}"


VERBS = {
    "acceptAgreement": '{agreementId: $id, versionHash: "x"}',
    "counterAgreement": '{agreementId: $id, versionHash: "x", terms: {sharing: [], startsOn: "2026-04-01"}}',
    "suspendAgreement": '{agreementId: $id, reason: "x"}',
    "resumeAgreement": "{agreementId: $id}",
    "terminateAgreement": '{agreementId: $id, reason: "x"}',
    "updateJob": '{jobId: $id, title: "x"}',
    "recordApplication": '{jobId: $id, route: DIRECT, name: "x", email: "x@example.jp"}',
    "recordStage": "{applicationId: $id, stage: INTERVIEW}",
    "rejectApplication": "{applicationId: $id}",
    "withdrawApplication": "{applicationId: $id}",
    "hireApplication": '{applicationId: $id, startsOn: "2026-04-01"}',
    "revertDecision": '{applicationId: $id, reason: "x"}',
    "acceptHandover": "{handoverId: $id}",
    "declineHandover": "{handoverId: $id, reason: UNREACHABLE}",
    "recordPlacement": '{handoverId: $id, startsOn: "2026-04-01"}',
    "reserveSlot": "{accountId: $id, applicationId: $id}",
    "redeemSlot": "{slotId: $id}",
    "releaseSlot": "{slotId: $id}",
    "recordRetention": "{hireId: $id, day: 30, status: LEFT}",
    "submitReferral": '{companyId: $id, name: "x", email: "x@example.jp", relationship: FRIEND}',
    "registerReferrer": '{companyId: $id, name: "x", email: "x@example.jp", affiliation: EMPLOYEE, prefecture: TOKYO}',
}
"""Each verb that takes the id of something that exists."""


async def test_verbs_refuse_a_hidden_id_like_an_unknown_one(
    served: Served, made: Network, owner: asyncpg.Connection
) -> None:
    """proof 2.11: every verb with an id, for a partner who sees nothing of it: one refusal, and nothing changed."""
    inputs = {name: get_named_type(each.args["input"].type) for name, each in verbs().items()}
    named = {name for name, each in inputs.items() if any(field.endswith("Id") for field in set(each.fields) - {KEY})}
    assert named == set(VERBS)
    prefixes = {"agreementId": made.relay, "jobId": made.draft, "applicationId": made.rejected, "slotId": made.slot}
    prefixes |= {"handoverId": made.handover, "accountId": made.account, "hireId": made.hire}
    short = {"agreementId": "agr", "jobId": "job", "applicationId": "app", "slotId": "slot", "handoverId": "han"}
    short |= {"accountId": "acc", "hireId": "hire"}
    token = await served.token(made.stranger)
    before = await digest(owner)
    for verb, given in VERBS.items():
        member = given[1:].partition(":")[0]
        if member not in prefixes:
            continue  # a partner is no secret: what may not be done to one is said as such, below
        text = f"""mutation ($id: ID!, $key: ID!) {{ {verb}(input: {given.replace("{", "{clientMutationId: $key, ", 1)})
          {{ __typename clientMutationId userErrors {{ code message path }} }} }}"""
        answers = [
            (await served.post(text, token, {"id": f"{short[member]}_{key}", "key": "same"})).content
            for key in (prefixes[member], uuid7(), "nonsense")
        ]
        assert len(set(answers)) == 1, verb
        assert b'"code":"NOT_FOUND"' in answers[0], (verb, answers[0])
    assert await digest(owner) == before


async def test_a_hidden_id_beside_ones_own_is_refused_like_an_unknown_one(
    served: Served, made: Network, owner: asyncpg.Connection
) -> None:
    """proof 2.11: the same for ids that a verb takes besides the one it is about."""
    async with unit_of_work() as connection:
        own_job = await builders.open_job(connection, made.stranger)
        own = await builders.application(connection, made.stranger, "own@example.jp")
    person = f'companyId: "par_{made.company}", name: "x", email: "x@example.jp", relationship: FRIEND'
    cases = [
        ("recordApplication", f'jobId: "job_{own_job}", route: DIRECT, referralId: $id', "ref", made.referral),
        ("hireApplication", f'applicationId: "app_{own}", startsOn: "2026-04-01", slotId: $id', "slot", made.slot),
        ("reserveSlot", f'applicationId: "app_{own}", accountId: $id', "acc", made.account),
        ("submitReferral", f"{person}, jobId: $id", "job", made.draft),
        ("submitReferral", f"{person}, handoverId: $id", "han", made.handover),
    ]
    token = await served.token(made.stranger)
    before = await digest(owner)
    for verb, given, prefix, key in cases:
        text = f"""mutation ($id: ID!) {{ {verb}(input: {{clientMutationId: "same", {given}}})
          {{ userErrors {{ code message path }} }} }}"""
        answers = [(await served.post(text, token, {"id": f"{prefix}_{each}"})).content for each in (key, uuid7())]
        assert answers[0] == answers[1]
        assert b'"code":"NOT_FOUND"' in answers[0], (verb, answers[0])
    assert await digest(owner) == before


def verbs() -> dict[str, GraphQLField]:
    """The fields of Mutation."""
    root = everything.graph().mutation_type
    assert root
    return root.fields


LISTS = """{
  agreements(first: 5) { totalCount pageInfo { hasNextPage endCursor } edges { cursor } }
  referrals(first: 5, orderBy: SUBMITTED_AT_ASC) { totalCount pageInfo { hasNextPage endCursor } edges { cursor } }
  jobs(first: 5, filter: {statuses: [OPEN, CLOSED]}) { totalCount pageInfo { hasNextPage endCursor } edges { cursor } }
  applications(first: 1) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id status } } }
  handovers(first: 5, filter: {counted: true}) { totalCount pageInfo { hasNextPage endCursor } }
  relayAccounts(first: 5) { totalCount pageInfo { hasNextPage } }
  outcomes(first: 1, orderBy: RECORDED_DESC) { totalCount pageInfo { hasNextPage endCursor } edges { node { id } } }
  contributions(first: 5) { totalCount pageInfo { hasNextPage endCursor } }
  kpis(first: 5, filter: {names: [HIRE_RATE, REFERRAL_SUCCESS_RATE, RELAY_REUSE_RATE],
    period: {from: "2025-01", to: "2026-12"}}) { totalCount edges { node { numerator denominator suppressed } } }
  neighbourhood(of: "PARTNER", depth: 3, first: 5) { edges { cursor } pageInfo { hasNextPage } }
}"""


async def test_hidden_rows_change_no_byte_of_any_list(served: Served, owner: asyncpg.Connection) -> None:
    """proof 2.12: counts, pages, orders and filters over hidden rows are those of a world without them."""
    async with unit_of_work() as connection:
        stranger = await builders.company(connection, "株式会社よそ")
        await builders.rejected(connection, stranger, "own1@example.jp")
        await builders.application(connection, stranger, "own2@example.jp")
    text = LISTS.replace("PARTNER", f"par_{stranger}")
    before = (await asked(served, stranger, text)).content
    assert b'"totalCount":2' in before
    async with unit_of_work() as connection:
        # The same people too, so that only the policy keeps them apart.
        made = await network.network(connection)
        await builders.rejected(connection, made.company, "own1@example.jp")
    assert (await asked(served, stranger, text)).content == before
    assert (await asked(served, made.company, text)).content != before


async def test_nothing_joins_one_person_known_to_two_partners(
    served: Served, made: Network, owner: asyncpg.Connection
) -> None:
    """proof 3.11: every path each side can walk: candidates' ids and aliases differ, and no other id is common."""
    people = await owner.fetch(
        "select array_agg(id) as ids, array_agg(alias) as names from candidate group by person_id"
    )
    assert sorted(len(set(person["ids"])) for person in people) == [2, 3]
    walked: dict[str, str] = {}
    for name, partner_id in made.partners.items():
        answers = [
            (await asked(served, partner_id, walk(type_), ids=ids)).text for type_, ids in (await rows(owner)).items()
        ]
        walked[name] = "\n".join(answers)
    for person in people:
        for found in walked.values():
            assert sum(str(id_) in found for id_ in person["ids"]) <= 1
    mine, theirs = (
        {each for each in ID.findall(walked[name]) if not each.startswith(REGISTER)} for name in ("stranger", "company")
    )
    assert any(each.startswith("can_") for each in mine)
    assert mine & theirs == set()
    # A friend who is shown the applications is not told which of its own people they are about.
    assert "can_" not in walked["friend"]
    # Ids of the hidden person, and of other partners' candidates, stand nowhere.
    for row in await owner.fetch("select id from person"):
        assert all(str(row["id"]) not in found for found in walked.values())


async def test_personal_data_is_read_by_its_provision_alone(
    served: Served, made: Network, owner: asyncpg.Connection
) -> None:
    """One's own, or item by item what a provision record names; nothing when the consent ends; reads write nothing."""
    text = """query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Candidate { id personal { name email phone } } } }"""
    candidates = {row["partner_id"]: f"can_{row['id']}" for row in await owner.fetch("select c.* from candidate c "
        "join handover h on h.person_id = c.person_id and c.partner_id in (h.company_id, h.agency_id)")}  # fmt: skip
    ids = list(candidates.values())
    for partner_id in made.partners.values():
        await served.token(partner_id)  # the audit notes each new client
    before = await digest(owner)

    async def read(partner_id: UUID) -> dict[str, Any]:
        nodes = (await served.ask(partner_id, text, {"ids": ids}))["nodes"]
        return {each["id"]: each["personal"] for each in nodes if each}

    jiro = {"name": "高橋 次郎", "email": "jiro@example.jp", "phone": None}
    assert await read(made.company) == {candidates[made.company]: jiro}
    assert await read(made.agency) == {candidates[made.agency]: jiro}
    assert await read(made.friend) == {}
    assert await digest(owner) == before
    async with unit_of_work() as connection:
        for row in await connection.fetch(
            "select id as consent_id, person_id from consent where recipient_id = $1", made.agency
        ):
            await consent.withdraw(connection, said=said(made.company, source="CANDIDATE"), **dict(row))
    # What is left is what the agency itself once wrote about the person.
    assert await read(made.agency) == {candidates[made.agency]: {**jiro, "name": "架空 花子"}}
    assert await read(made.company) == {candidates[made.company]: jiro}
