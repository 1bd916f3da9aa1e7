"""Root lists on real rows: each filter, order and page, and ids of another kind."""

from typing import Any
from uuid import UUID

import pytest

from models.db import unit_of_work
from tests import builders, network
from tests.network import Network
from tests.served import Served, running

__all__ = ["running"]


@pytest.fixture
async def made(served: Served) -> Network:
    async with unit_of_work() as connection:
        return await network.network(connection)


async def count(served: Served, who: UUID, name: str, given: str) -> int:
    return (await served.ask(who, f"{{ {name}(first: 1, filter: {{{given}}}) {{ totalCount }} }}"))[name]["totalCount"]


def cases(made: Network) -> dict[str, list[tuple[str, int]]]:
    """Of each list: a filter, and how many rows the company sees by it."""
    day = network.DAY
    at = {number: f'"{(made.start + number * day).isoformat()}"' for number in (0, 1, 3, 9, 10, 11, 50)}
    company, agency = f'"par_{made.company}"', f'"par_{made.agency}"'
    junk, other, job = '"par_junk"', f'"agr_{made.relay}"', f'"job_{made.job}"'
    return {
        "partners": [
            ("", 7), ("kinds: [COMPANY]", 3), ("kinds: []", 0), ("kinds: [AGENCY, SCHOOL]", 2),
            ("prefectures: [KYOTO]", 1), ('nameStartsWith: "ﾐﾗｲ"', 1), ('nameStartsWith: "み"', 0),
            ("connected: true", 2), ("connected: false", 5),
        ],
        "agreements": [
            ("", 2), ("kinds: [CAREER_RELAY]", 1), ("statuses: [SUSPENDED]", 0), ("statuses: [ACTIVE]", 2),
            (f"partnerId: {agency}", 1), (f"partnerId: {junk}", 0), (f"partnerId: {other}", 0),
        ],
        "referrals": [
            ("", 2), ("statuses: [HIRED]", 2), (f"referrerId: {agency}", 1), (f"companyId: {company}", 2),
            (f"jobId: {job}", 2), (f"jobId: {company}", 0), (f"submitted: {{from: {at[0]}, to: {at[9]}}}", 2),
            (f"submitted: {{from: {at[1]}}}", 1), (f"submitted: {{to: {at[0]}}}", 0),
        ],
        "jobs": [
            ("", 1), ("statuses: [DRAFT]", 0), ("statuses: [OPEN]", 1), ("prefectures: [TOKYO]", 1),
            (f"companyId: {company}", 1), (f"companyId: {agency}", 0), ('externalIds: ["x"]', 0),
        ],
        "applications": [
            ("", 3), ("statuses: [HIRED]", 2), ("statuses: [HIRED, REJECTED]", 3), ("stages: [APPLIED]", 1),
            ("routes: [DIRECT]", 1), (f"jobId: {job}", 2), (f"received: {{from: {at[9]}}}", 1),
            (f"decided: {{from: {at[10]}, to: {at[11]}}}", 2), ('externalIds: ["x"]', 0),
        ],
        "handovers": [
            ("", 1), ("statuses: [DECLINED]", 0), ("statuses: [ACCEPTED, REGISTERED]", 1), (f"companyId: {company}", 1),
            (f"agencyId: {company}", 0), ("counted: true", 1), ("counted: false", 0),
            (f"registered: {{from: {at[3]}}}", 1), (f"answerBefore: {at[50]}", 0),
        ],
        "relayAccounts": [
            ("", 1), (f"companyId: {company}", 1), (f"agencyId: {agency}", 1), (f"agencyId: {junk}", 0),
            (f"slotExpiresBefore: {at[50]}", 0),
        ],
        "outcomes": [
            ("", 20), ("kinds: [HIRED]", 2), ("kinds: []", 0), (f"companyId: {company}", 20),
            (f'agreementId: "agr_{made.sharing}"', 20), (f"agreementId: {other}", 0), (f"agreementId: {company}", 0),
            (f"occurred: {{to: {at[1]}}}", 2), (f"recorded: {{to: {at[10]}}}", 0), ('sourceEventIds: ["x"]', 0),
        ],
        "contributions": [
            ("", 2), ("roles: [PLACED]", 1), (f"contributorId: {agency}", 1), (f"companyId: {company}", 2),
            (f"companyId: {agency}", 0), (f"occurred: {{to: {at[50]}}}", 2),
        ],
    }  # fmt: skip


async def test_each_filter_counts_what_it_says(served: Served, made: Network) -> None:
    wrong = {
        f"{name}({given})": (found, expected)
        for name, filters in cases(made).items()
        for given, expected in filters
        if (found := await count(served, made.company, name, given)) != expected
    }
    assert wrong == {}


ORDERS = {
    "partners": ["NAME_ASC", "JOINED_AT_DESC"],
    "agreements": ["OFFERED_AT_DESC", "ENDS_AT_ASC"],
    "referrals": ["SUBMITTED_AT_DESC", "SUBMITTED_AT_ASC"],
    "jobs": ["OPENED_AT_DESC", "OPENED_AT_ASC"],
    "applications": ["RECEIVED_AT_DESC", "RECEIVED_AT_ASC", "DECIDED_AT_DESC"],
    "handovers": ["REGISTERED_AT_DESC", "REGISTERED_AT_ASC", "ANSWER_BY_ASC"],
    "outcomes": ["RECORDED_ASC", "RECORDED_DESC"],
    "contributions": ["OCCURRED_AT_DESC", "OCCURRED_AT_ASC"],
}


async def test_each_order_is_walked_page_by_page(served: Served, made: Network) -> None:
    """Every row once, in the order of one long page; the last page says so; the reverse order is the reverse."""
    for name, orders in ORDERS.items():
        walked: dict[str, list[str]] = {}
        for order in orders:
            text = f"""query ($first: Int!, $after: String) {{ {name}(first: $first, after: $after, orderBy: {order})
              {{ totalCount pageInfo {{ hasNextPage endCursor }} edges {{ node {{ id }} }} }} }}"""
            whole = (await served.ask(made.company, text, {"first": 100}))[name]
            expected = [edge["node"]["id"] for edge in whole["edges"]]
            assert len(expected) == whole["totalCount"] == len(set(expected))
            got: list[str] = []
            page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
            while page["hasNextPage"]:
                found = (await served.ask(made.company, text, {"first": 3, "after": page["endCursor"]}))[name]
                got += [edge["node"]["id"] for edge in found["edges"]]
                page = found["pageInfo"]
            assert got == expected
            walked[order] = expected
        for one, other in (("RECORDED_ASC", "RECORDED_DESC"), ("OPENED_AT_ASC", "OPENED_AT_DESC")):
            if one in walked:
                assert walked[one] == walked[other][::-1]


async def test_one_row_and_a_hundred_cost_one_statement(served: Served) -> None:
    """With everything below them: the same number of statements, which `ask` asserts to be one."""
    async with unit_of_work() as connection:
        company = await builders.company(connection)
        job = await builders.open_job(connection, company)
        for number in range(100):
            await builders.application(connection, company, f"person{number}@example.jp", job_id=job)
    text = """query ($first: Int!) { applications(first: $first) { totalCount edges { cursor node {
      id candidate { alias } job { title company { name } }
      events(first: 5) { edges { node { kind reportedBy { name } } } } } } } }"""
    for first in (1, 100):
        edges = (await served.ask(company, text, {"first": first}))["applications"]["edges"]
        assert len(edges) == first
        assert all(edge["node"]["events"]["edges"][0]["node"]["kind"] == "APPLICATION_RECEIVED" for edge in edges)
    ids = [edge["node"]["id"] for edge in edges]
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Application { id job { title } candidate { alias } } } }"
    for some in (ids[:1], ids):
        assert [each["id"] for each in (await served.ask(company, nodes, {"ids": some}))["nodes"]] == some
