"""Attacks by input: what breaks a statement, an adapter or a rule is refused in words, and changes nothing."""

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request

from api.page import address_of
from models import outcome
from models.db import unit_of_work
from models.errors import Refusal, RefusalCode
from models.outbox import Said
from tests.edge import Edge, edge, fixture
from tests.network import Network, network
from tests.served import Served, running

__all__ = ["edge", "running"]

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    1.5e308,
    "",
    "\0",
    "x" * 5000,
    [],
    [[]],
    {},
    {"id": {}},
    "9999-12-31T23:59:59-23:59",
)


async def world() -> Network:
    async with unit_of_work() as connection:
        return await network(connection)


@pytest.mark.parametrize(
    ("verb", "member"),
    [
        ('postJob(input: {clientMutationId: "k", title: "a", requirements: "b\\u0000", prefecture: TOKYO})', None),
        ('saveRejectionMail(input: {clientMutationId: "k", language: JA, subject: "a", body: "\\u0000"})', None),
        ('saveRejectionMail(input: {clientMutationId: "", language: JA, subject: "a", body: "b"})', "clientMutationId"),
        ('recordRetention(input: {clientMutationId: "k", hireId: "hire_%s", day: 2147483647, status: LEFT})', "day"),
    ],
)
async def test_what_no_column_takes_is_refused_in_words(served: Served, verb: str, member: str | None) -> None:
    at = await world()
    told = verb % at.hire if "%s" in verb else verb
    answer = await served.ask(at.company, f"mutation {{ verb: {told} {{ userErrors {{ code path }} }} }}")
    assert answer["verb"]["userErrors"] == [{"code": "INVALID", "path": ["input", member] if member else ["input"]}]


async def test_nobody_learns_who_logs_in_on_the_network(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registering a referrer at an address answers the same, whether or not that address logs in somewhere."""
    monkeypatch.setattr("models.member._hashing", None)  # which would keep the connection from others
    at = await world()
    register = """mutation ($key: ID!, $name: String!) { registerReferrer(input: {clientMutationId: $key, name: $name,
      email: "hanako@example.com", affiliation: EMPLOYEE, companyId: "par_%s", prefecture: TOKYO}) {
      userErrors { code } partner { __typename } } }"""
    answers = [
        await served.ask(partner_id, register % partner_id, {"key": "k", "name": name})
        for partner_id, name in ((at.company, "佐藤 花子"), (at.stranger, "架空" * 90))
    ]
    assert answers[0] == answers[1] == {"registerReferrer": {"userErrors": [], "partner": {"__typename": "Referrer"}}}
    async with unit_of_work() as connection:
        members = await connection.fetch("select p.company_id from member m join partner p on p.id = m.partner_id")
        assert [row["company_id"] for row in members] == [at.company]


@pytest.mark.parametrize("path", ["/relay/c/%00", "/relay/%00", "/relay/me/%00", "/survey/%E3%80%80", "/ats/x/%00"])
async def test_no_address_breaks_a_page(edge: Edge, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await edge.http.request(method, path, data={"email": "a\0@example.com"})
        assert answer.status_code in (400, 401, 404, 405)


@pytest.mark.parametrize("name", ["new_candidate_application", "reject_candidate", "merge_candidate", "hire_candidate"])
async def test_whatever_stands_in_a_delivery_nothing_breaks(edge: Edge, name: str) -> None:
    """Each value of the payload in turn is something else: stored, and applied or set aside, never an error of ours."""
    company_id = await edge.company()
    told = fixture(name)
    places = [path for path in paths(told["payload"]) if len(path) <= 3]
    for number, path in enumerate(places):
        spoiled = copy.deepcopy(told)
        within(spoiled["payload"], path[:-1])[path[-1]] = ODD[number % len(ODD)]
        answer = await edge.post(company_id, json.dumps(spoiled).encode(), event_id=f"{number}")
        assert answer.status_code in (200, 400), path
    for number, body in enumerate(
        (b"[]", b"null", b'"x"', b"{}", b"[" * 5000, b"\xff", b'{"action": {}, "payload": {}}')
    ):
        assert (await edge.post(company_id, body, event_id=f"b{number}")).status_code == 400, body[:20]
    await edge.courier.apply_deliveries()
    failures = await edge.rows("select distinct failure from ats_delivery where failure is not null")
    assert {row["failure"] for row in failures} <= {"TOO_EARLY", "INVALID", "WRONG_STATE", "NOT_FOUND"}


@pytest.mark.parametrize(
    "odd",
    [
        "0001-01-01T00:00:00+09:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01",
        "9999-12-31",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
    ],
)
@pytest.mark.parametrize("name", ["new_candidate_application", "reject_candidate", "hire_candidate", "job_approved"])
async def test_a_time_at_which_nothing_can_be_was_not_told(edge: Edge, name: str, odd: str) -> None:
    company_id = await edge.company()
    told = fixture(name)
    spoiled = [path for path in paths(told["payload"]) if str(path[-1]).endswith(("_at", "_date"))]
    assert spoiled
    for path in spoiled:
        within(told["payload"], path[:-1])[path[-1]] = odd
    assert (await edge.post(company_id, json.dumps(told).encode(), event_id="x")).status_code == 200
    await edge.courier.apply_deliveries()
    assert await edge.rows("select state, failure from ats_delivery") == [{"state": "APPLIED", "failure": None}]
    years = await edge.rows(
        "select extract(year from received_at)::int as y from application"
        " union select extract(year from decided_at)::int from application"
        " union select extract(year from starts_on)::int from hire"
        " union select extract(year from opened_at)::int from job"
    )
    assert {row["y"] for row in years} <= {None, *range(1990, 2100)}


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in a document."""
    if isinstance(value, dict):
        return [way for key, each in value.items() for way in [(*before, key), *paths(each, (*before, key))]]
    if isinstance(value, list):
        return [way for key, each in enumerate(value) for way in [(*before, key), *paths(each, (*before, key))]]
    return []


def within(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


async def test_no_slot_comes_back_for_somebody_who_stayed(connected: str) -> None:
    at = await world()
    said = Said(at.company, "API", datetime.now(UTC) + timedelta(days=90))
    told = {"hire_id": at.hire, "acting": at.company, "said": said}
    async with unit_of_work() as connection:
        await outcome.record_retention(connection, day=90, status="EMPLOYED", **told)
        before = await connection.fetch("select * from ledger_transfer order by id")
    for status in ("LEFT", "LEFT_BY_COMPANY"):
        with pytest.raises(Refusal) as refused:
            async with unit_of_work() as connection:
                await outcome.record_retention(connection, day=30, status=status, **told)
        assert refused.value.code is RefusalCode.WRONG_STATE
    async with unit_of_work() as connection:
        assert await connection.fetch("select * from ledger_transfer order by id") == before


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
    ],
)
def test_whoever_owns_a_whole_network_of_addresses_is_one_guesser(host: str, counted: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1), "headers": []})) == counted


@pytest.mark.parametrize("who", ["agency", "school", "community", "referrer"])
@pytest.mark.parametrize(
    "verb",
    [
        'postJob(input: {clientMutationId: "k", title: "a", requirements: "b", prefecture: TOKYO})',
        'saveRejectionMail(input: {clientMutationId: "k", language: JA, subject: "a", body: "b"})',
        'connectAts(input: {clientMutationId: "k", system: GREENHOUSE, secret: "12345678901234567890123456789012"})',
    ],
)
async def test_only_companies_hire_and_reject(served: Served, who: str, verb: str) -> None:
    at = await world()
    answer = await served.ask(at.partners[who], f"mutation {{ verb: {verb} {{ userErrors {{ code }} }} }}")
    assert answer["verb"]["userErrors"] == [{"code": "NOT_YOURS"}]
    async with unit_of_work() as connection:
        for table in ("job", "rejection_mail", "ats_integration"):
            found = await connection.fetchval(f"select count(*) from {table} where company_id = $1", at.partners[who])
            assert found == 0
