"""Agreements share while they are in force, and only then; nobody accepts what they have not read."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.app import make_planner
from api.asker import Budget, asker
from auth import policy
from auth.viewer import Viewer
from models import agreement, consent, ledger, referral
from models.db import credentials, pool, unit_of_work
from models.errors import Refusal, RefusalCode
from models.japan import JAPAN, today
from models.terms import Accepted, RelayTerms, Sharing, Terms, Turn, Weights, succession, version_hash
from planner import Request
from tests import builders
from tests.builders import agreed, days, latest_hash, relay_agreement, said, terms


async def status(agreement_id: UUID) -> str:
    return await pool().fetchval("select status from agreement where id = $1", agreement_id)


async def given_to(receiver: UUID, category: str = "OUTCOMES") -> set[UUID]:
    rows = await pool().fetch("select shared_with($1, $2) as giver", receiver, category)
    return {row["giver"] for row in rows}


async def two_companies() -> tuple[UUID, UUID]:
    async with unit_of_work() as connection:
        return await builders.company(connection), await builders.company(connection, "株式会社もみじ")


async def offered(first: UUID, *others: UUID, given: Terms | None = None) -> tuple[UUID, str]:
    async with unit_of_work() as connection:
        agreement_id = await agreement.offer(
            connection,
            said=said(first),
            kind="INFORMATION_SHARING",
            party_ids=others,
            purpose="採用成果の共有",
            terms=given or terms(),
        )
        return agreement_id, await latest_hash(connection, agreement_id)


async def refused(verb: Callable[..., Awaitable[object]], **arguments: object) -> RefusalCode:
    with pytest.raises(Refusal) as caught:
        async with unit_of_work() as connection:
            await verb(connection, **arguments)
    return caught.value.code


async def do(verb: Callable[..., Awaitable[object]], **arguments: object) -> object:
    async with unit_of_work() as connection:
        return await verb(connection, **arguments)


async def test_it_shares_once_every_party_has_accepted(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        three = await builders.agency(connection)
    agreement_id, digest = await offered(one, two, three)

    assert await status(agreement_id) == "OFFERED"
    assert await do(agreement.accept, said=said(two), agreement_id=agreement_id, version_hash_read=digest) is False
    assert await given_to(one) == await given_to(two) == set()
    assert await do(agreement.accept, said=said(three), agreement_id=agreement_id, version_hash_read=digest) is True
    assert await status(agreement_id) == "ACTIVE"
    assert await given_to(one) == {two, three}
    assert await given_to(three) == {one, two}
    assert await given_to(one, "APPLICATIONS") == set()  # counts only: no records
    rows = await pool().fetch("select granularity, count(*) from agreement_share group by 1 order by 1")
    assert [tuple(row) for row in rows] == [("COUNTS_ONLY", 6), ("FIELDS", 6)]


async def test_accepting_twice_changes_nothing(connected: str) -> None:
    one, two = await two_companies()
    agreement_id, digest = await offered(one, two)

    assert await do(agreement.accept, said=said(one), agreement_id=agreement_id, version_hash_read=digest) is False
    for _ in range(2):
        assert await do(agreement.accept, said=said(two), agreement_id=agreement_id, version_hash_read=digest) is True
    assert await pool().fetchval("select count(*) from agreement_acceptance") == 2
    recorded = await pool().fetch(
        "select detail ->> 'versions' as versions from audit where action = 'agreement.accepted'"
    )
    assert [json.loads(row["versions"]) for row in recorded] == [[digest]]


async def test_only_the_version_that_was_read_is_accepted(connected: str) -> None:
    one, two = await two_companies()
    agreement_id, first = await offered(one, two)
    other_terms = terms(sharing=(Sharing("OUTCOMES", "COUNTS_ONLY"),))
    await do(agreement.counter, said=said(two), agreement_id=agreement_id, version_hash_read=first, terms=other_terms)
    async with unit_of_work() as connection:
        second = await latest_hash(connection, agreement_id)

    stale = {"agreement_id": agreement_id, "version_hash_read": first}
    assert await status(agreement_id) == "COUNTERED"
    assert await refused(agreement.accept, said=said(one), **stale) == RefusalCode.VERSION_CHANGED
    assert await refused(agreement.counter, said=said(one), terms=terms(), **stale) == RefusalCode.VERSION_CHANGED
    assert await status(agreement_id) == "COUNTERED"
    assert await do(agreement.accept, said=said(one), agreement_id=agreement_id, version_hash_read=second) is True
    rows = await pool().fetch("select distinct granularity from agreement_share")
    assert [row["granularity"] for row in rows] == ["COUNTS_ONLY"]


async def test_new_terms_leave_those_in_force_until_all_have_accepted(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        agreement_id = await agreed(connection, "MUTUAL_REFERRAL", one, two)
        first = await latest_hash(connection, agreement_id)
    narrower = terms(sharing=(Sharing("JOBS", "FIELDS"),))

    await do(agreement.counter, said=said(one), agreement_id=agreement_id, version_hash_read=first, terms=narrower)
    assert (await status(agreement_id), await given_to(two)) == ("ACTIVE", {one})
    async with unit_of_work() as connection:
        second = await latest_hash(connection, agreement_id)
    await do(agreement.accept, said=said(two), agreement_id=agreement_id, version_hash_read=second)
    assert (await given_to(two), await given_to(two, "JOBS")) == (set(), {one})
    number = "select v.number from agreement a join agreement_version v on v.id = a.version_id where a.id = $1"
    assert await pool().fetchval(number, agreement_id) == 2


async def test_sharing_rests_with_the_commit_and_only_the_suspender_resumes_it(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        agreement_id = await agreed(connection, "MUTUAL_REFERRAL", one, two)

    elsewhere = pool()
    async with unit_of_work() as connection:
        await agreement.suspend(connection, said=said(one), agreement_id=agreement_id, reason="調査のため")
        assert await elsewhere.fetchval("select shared_with($1, 'OUTCOMES')", two) == one  # not committed yet
    assert (await status(agreement_id), await given_to(one), await given_to(two)) == ("SUSPENDED", set(), set())

    assert await refused(agreement.resume, said=said(two), agreement_id=agreement_id) == RefusalCode.NOT_YOURS
    assert await given_to(two) == set()
    await do(agreement.resume, said=said(one), agreement_id=agreement_id)
    assert (await status(agreement_id), await given_to(two)) == ("ACTIVE", {one})


async def test_any_party_ends_it_for_good(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        agreement_id = await agreed(connection, "MUTUAL_REFERRAL", one, two)
        digest = await latest_hash(connection, agreement_id)
    await do(agreement.terminate, said=said(two), agreement_id=agreement_id, reason="方針変更")

    assert (await status(agreement_id), await given_to(one), await given_to(two)) == ("TERMINATED", set(), set())
    for verb, arguments in (
        (agreement.accept, {"version_hash_read": digest}),
        (agreement.counter, {"version_hash_read": digest, "terms": terms()}),
        (agreement.suspend, {"reason": "x"}),
        (agreement.resume, {}),
        (agreement.terminate, {"reason": "x"}),
    ):
        code = await refused(verb, said=said(one), agreement_id=agreement_id, **arguments)
        assert code == RefusalCode.WRONG_STATE
    assert await given_to(one) == set()


async def test_who_is_no_party_finds_nothing(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        stranger = await builders.company(connection, "株式会社よそ")
    agreement_id, digest = await offered(one, two)

    for sought in (agreement_id, UUID(int=7)):
        code = await refused(agreement.accept, said=said(stranger), agreement_id=sought, version_hash_read=digest)
        assert code == RefusalCode.NOT_FOUND
        assert await refused(agreement.terminate, said=said(stranger), agreement_id=sought, reason="x") == code
    assert await status(agreement_id) == "OFFERED"


async def test_acceptances_at_once_put_it_in_force_once(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        others = [two, *[await builders.company(connection, f"株式会社{number}") for number in range(4)]]
    agreement_id, digest = await offered(one, *others)

    answers = await asyncio.gather(
        *(
            do(agreement.accept, said=said(other), agreement_id=agreement_id, version_hash_read=digest)
            for other in others
        )
    )
    assert sorted(map(bool, answers)) == [False] * 4 + [True]
    assert await status(agreement_id) == "ACTIVE"
    assert await pool().fetchval("select count(*) from agreement_share") == 6 * 5 * 2


async def one_after_the_other(
    first: Callable[..., Awaitable[object]], second: Callable[..., Awaitable[object]]
) -> tuple[object, object]:
    """The first verb commits once the second, in a transaction of its own, waits for it."""
    elsewhere, said_first = pool(), asyncio.Event()

    async def leading() -> object:
        async with unit_of_work() as connection:
            answer = await first(connection)
            said_first.set()
            async with asyncio.timeout(60):
                while not await elsewhere.fetchval("select count(*) from pg_locks where not granted"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            return answer

    async def following() -> object:
        await said_first.wait()
        async with unit_of_work() as connection:
            return await second(connection)

    one, two = await asyncio.gather(leading(), following(), return_exceptions=True)
    return one, two


@pytest.mark.parametrize("end", [agreement.terminate, agreement.suspend])
async def test_nothing_is_provided_under_an_agreement_that_is_being_ended(
    connected: str, end: Callable[..., Awaitable[None]]
) -> None:
    """The candidate confirms while the agreement ends: what was in force when they were asked is no longer."""
    one, two = await two_companies()
    async with unit_of_work() as connection:
        agreement_id = await agreed(connection, "MUTUAL_REFERRAL", one, two)
        referral_id = await builders.referral(connection, one, two)
    yes = said(two, source="CANDIDATE")

    _, confirmed = await one_after_the_other(
        partial(end, said=said(one), agreement_id=agreement_id, reason="x"),
        partial(referral.confirm, said=yes, referral_id=referral_id, confirmed=True),
    )
    assert isinstance(confirmed, Refusal)
    assert confirmed.code == RefusalCode.AGREEMENT_MISSING
    assert await pool().fetchval("select status from referral") == "SUBMITTED"
    assert await pool().fetchval("select (select count(*) from provision) + (select count(*) from consent)") == 0


async def test_while_an_agreement_rests_no_application_leads_to_ones_own_candidate(connected: str) -> None:
    """Whom a shared application is about is known by what was provided, and that rests too; what is one's own stays."""
    async with unit_of_work() as connection:
        company, agency = await builders.company(connection), await builders.agency(connection)
        given = terms(sharing=(Sharing("APPLICATIONS", "FIELDS"),))
        await agreed(connection, "INFORMATION_SHARING", company, agency, given=given)
        await builders.handed_over(connection, company, agency)
        under = await connection.fetchval("select agreement_id from handover")
        application_id = await connection.fetchval("select id from application")
    question = "query($id: ID!) { node(id: $id) { ... on Application { candidate { alias } } } }"
    planner = await make_planner()

    async def known_to(partner_id: UUID) -> bool:
        request = Request(question, None, {"id": f"app_{application_id}"})
        prepared = planner.prepare(request, asker(builders.viewer(partner_id), "https://kyoso", Budget(1000)))
        return json.loads((await planner.run(prepared, pool().acquire)).body)["data"]["node"]["candidate"] is not None

    assert await known_to(agency)
    async with unit_of_work() as connection:
        await agreement.suspend(connection, said=said(company), agreement_id=under, reason="x")
    assert (await known_to(agency), await known_to(company)) == (False, True)
    async with unit_of_work() as connection:
        await agreement.resume(connection, said=said(company), agreement_id=under)
    assert await known_to(agency)
    async with unit_of_work() as connection:
        await connection.execute("update agreement set ends_at = now() where id = $1", under)
    assert not await known_to(agency)


async def test_an_acceptance_that_waited_for_a_counter_accepts_nothing(connected: str) -> None:
    one, two = await two_companies()
    agreement_id, digest = await offered(one, two)
    read = {"agreement_id": agreement_id, "version_hash_read": digest}
    narrower = terms(sharing=(Sharing("JOBS", "FIELDS"),))

    _, accepted = await one_after_the_other(
        partial(agreement.counter, said=said(one), terms=narrower, **read),
        partial(agreement.accept, said=said(two), **read),
    )
    assert isinstance(accepted, Refusal)
    assert accepted.code == RefusalCode.VERSION_CHANGED
    assert await status(agreement_id) == "COUNTERED"
    assert await pool().fetchval("select count(*) from agreement_share") == 0


async def test_a_relay_agreement_opens_the_account_of_its_pair_once(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id, agency_id = await builders.company(connection), await builders.agency(connection)
        first = await relay_agreement(connection, company_id, agency_id)
    account = await pool().fetchrow("select id, company_id, agency_id, agreement_id from relay_account")
    assert account is not None
    assert tuple(account)[1:] == (company_id, agency_id, first)

    with pytest.raises(Refusal) as second:
        async with unit_of_work() as connection:
            await relay_agreement(connection, company_id, agency_id)
    assert second.value.code == RefusalCode.WRONG_STATE
    assert await pool().fetchval("select count(*) from agreement") == 1

    await do(agreement.terminate, said=said(agency_id), agreement_id=first, reason="更新")
    async with unit_of_work() as connection:
        renewed = await relay_agreement(connection, agency_id, company_id)
    account_now = await pool().fetchrow("select id, agreement_id from relay_account")
    assert account_now is not None
    assert tuple(account_now) == (account["id"], renewed)

    async with unit_of_work() as connection:  # over, and no clock has looked
        await connection.execute("update agreement set ends_at = now() where id = $1", renewed)
    async with unit_of_work() as connection:
        third = await relay_agreement(connection, company_id, agency_id)
    assert await pool().fetchval("select agreement_id from relay_account") == third


async def test_two_relay_agreements_of_one_pair_at_once_put_one_in_force(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id, agency_id = await builders.company(connection), await builders.agency(connection)
        ended = await relay_agreement(connection, company_id, agency_id)  # its account stays
        await agreement.terminate(connection, said=said(agency_id), agreement_id=ended, reason="更新")
        given = terms(relay=RelayTerms(), sharing=())
        offers = [
            await agreement.offer(
                connection,
                said=said(company_id),
                kind="CAREER_RELAY",
                party_ids=[agency_id],
                purpose=f"リレー {number}",
                terms=given,
            )
            for number in range(2)
        ]
        digests = [await latest_hash(connection, each) for each in offers]

    accepted, refused_ = await one_after_the_other(
        *(
            partial(agreement.accept, said=said(agency_id), agreement_id=each, version_hash_read=digest)
            for each, digest in zip(offers, digests, strict=True)
        )
    )
    assert accepted is True
    assert isinstance(refused_, Refusal)
    assert refused_.code == RefusalCode.WRONG_STATE
    assert [await status(each) for each in offers] == ["ACTIVE", "OFFERED"]


async def test_an_agency_without_a_valid_licence_makes_no_agreement(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        agency_id = await builders.agency(connection)
        given = terms(relay=RelayTerms(), sharing=())
        kept = await agreement.offer(
            connection,
            said=said(company_id),
            kind="CAREER_RELAY",
            party_ids=[agency_id],
            purpose="x",
            terms=given,
        )
        digest = await latest_hash(connection, kept)
        await connection.execute("update partner set license_expires_on = '2020-03-31' where id = $1", agency_id)

    code = await refused(agreement.accept, said=said(agency_id), agreement_id=kept, version_hash_read=digest)
    assert code == RefusalCode.LICENSE_EXPIRED
    code = await refused(
        agreement.offer,
        said=said(agency_id),
        kind="CAREER_RELAY",
        party_ids=[company_id],
        purpose="x",
        terms=given,
    )
    assert code == RefusalCode.LICENSE_EXPIRED
    assert (await status(kept), await pool().fetchval("select count(*) from relay_account")) == ("OFFERED", 0)


RULE = RelayTerms()


@pytest.mark.parametrize(
    ("kind", "with_", "given", "path"),
    [
        ("CAREER_RELAY", "company", terms(relay=RULE), "partnerIds"),
        ("CAREER_RELAY", "agency", terms(), "relay"),
        ("CAREER_RELAY", "agency", terms(relay=replace(RULE, silence_days=0)), "relay"),
        ("CAREER_RELAY", "agency", terms(relay=replace(RULE, handovers_per_slot=1001)), "relay"),
        ("MUTUAL_REFERRAL", "agency", terms(), "partnerIds"),
        ("MUTUAL_REFERRAL", "company", terms(relay=RULE), "relay"),
        ("ALLIANCE", "community", terms(), "partnerIds"),
        ("SUCCESS_FEE", "company", terms(), "partnerIds"),
        ("INFORMATION_SHARING", "company", terms(sharing=()), "sharing"),
        ("INFORMATION_SHARING", "company", terms(sharing=(Sharing("JOBS", "FIELDS"),) * 2), "sharing"),
        ("INFORMATION_SHARING", "company", terms(sharing=(Sharing("GOSSIP", "FIELDS"),)), "sharing"),
        ("INFORMATION_SHARING", "company", terms(ends_on=date(2024, 3, 31)), "endsOn"),
        ("INFORMATION_SHARING", "company", terms(ends_on=date(2025, 3, 31)), "endsOn"),
        ("INFORMATION_SHARING", "company", terms(ends_on=date.max), "endsOn"),
        ("INFORMATION_SHARING", "company", replace(terms(), starts_on=date.max), "startsOn"),
        ("INFORMATION_SHARING", "company", replace(terms(), starts_on=date.min), "startsOn"),
        ("INFORMATION_SHARING", "self", terms(), "partnerIds"),
    ],
)
async def test_terms_that_make_no_sense_are_refused(
    connected: str, kind: str, with_: str, given: Terms, path: str
) -> None:
    async with unit_of_work() as connection:
        one = await builders.company(connection)
        other = one if with_ == "self" else await getattr(builders, with_)(connection)

    with pytest.raises(Refusal) as caught:
        async with unit_of_work() as connection:
            await agreement.offer(connection, said=said(one), kind=kind, party_ids=[other], purpose="x", terms=given)
    assert (caught.value.code, caught.value.path) == (RefusalCode.INVALID, ("input", path))
    assert await pool().fetchval("select count(*) from agreement") == 0


async def test_it_ends_by_its_own_terms(connected: str) -> None:
    one, two = await two_companies()
    last_day = datetime.now(UTC).date() + timedelta(days=30)
    async with unit_of_work() as connection:
        agreement_id = await agreed(connection, "MUTUAL_REFERRAL", one, two, given=terms(ends_on=last_day))
    midnight = datetime(last_day.year, last_day.month, last_day.day, 15, tzinfo=UTC)  # in Japan, the next day begins

    assert await pool().fetchval("select ends_at from agreement") == midnight
    assert await do(agreement.end_due, now=midnight - timedelta(seconds=1)) == 0
    assert await do(agreement.end_due, now=midnight) == 1
    assert (await status(agreement_id), await given_to(two)) == ("TERMINATED", set())


async def renewed(agreement_id: UUID, by: UUID, other: UUID, given: Terms) -> bool:
    """One party proposes the next version, and the other accepts it."""
    async with unit_of_work() as connection:
        read = {"agreement_id": agreement_id, "version_hash_read": await latest_hash(connection, agreement_id)}
        await agreement.counter(connection, said=said(by, datetime.now(UTC)), terms=given, **read)
        read["version_hash_read"] = await latest_hash(connection, agreement_id)
        return await agreement.accept(connection, said=said(other, datetime.now(UTC)), **read)


def begins(day: date) -> datetime:
    """When a day begins in Japan."""
    return datetime(day.year, day.month, day.day, tzinfo=JAPAN)


async def numbers(agreement_id: UUID) -> tuple[str, int]:
    """The agreement's state, and the number of the version that it shows."""
    shown = "select status, number from agreement a join agreement_version v on v.id = a.version_id where a.id = $1"
    row = await pool().fetchrow(shown, agreement_id)
    assert row is not None
    return row["status"], row["number"]


async def flows() -> list[tuple[date, date | None, str]]:
    """What flows from when to when."""
    rows = await pool().fetch("select distinct starts_on, ends_on, category from agreement_share order by 1, 3")
    return [(row["starts_on"], row["ends_on"], row["category"]) for row in rows]


async def test_a_version_accepted_in_advance_takes_over_on_its_first_day(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id, agency_id = await builders.company(connection), await builders.agency(connection)
        relay_id = await relay_agreement(connection, company_id, agency_id)
        one, two = await builders.company(connection), await builders.company(connection, "株式会社もみじ")
        sharing_id = await agreed(connection, "MUTUAL_REFERRAL", one, two, given=terms(ends_on=today() + days(59)))
    first_day = today() + days(60)
    midnight, moment = begins(first_day), timedelta(seconds=1)
    eight = Terms(sharing=(), starts_on=first_day, relay=RelayTerms(8, 14, 6))
    narrower = Terms(sharing=(Sharing("JOBS", "FIELDS"),), starts_on=first_day)

    assert await renewed(relay_id, company_id, agency_id, eight) is True
    assert await renewed(sharing_id, one, two, narrower) is True
    assert await numbers(relay_id) == await numbers(sharing_id) == ("ACTIVE", 1)
    assert (await given_to(two), await given_to(two, "JOBS")) == ({one}, set())
    assert await flows() == [
        (date(2024, 4, 1), first_day - days(1), "APPLICATIONS"),
        (date(2024, 4, 1), first_day - days(1), "OUTCOMES"),
        (first_day, None, "JOBS"),
    ]
    for at, rule in (
        (datetime.now(UTC), (10, 7, 12)),
        (midnight - moment, (10, 7, 12)),
        (midnight, (8, 14, 6)),  # whether or not the clock has looked
    ):
        async with unit_of_work() as connection:
            assert await ledger.rule(connection, relay_id, at) == ledger.Rule(*rule)
            listed = await connection.fetch("select silence_days from relay_agencies($1, $2)", company_id, at)
            assert [row["silence_days"] for row in listed] == [rule[1]]

    assert await do(agreement.begin_due, now=midnight - moment) == 0
    assert await do(agreement.end_due, now=midnight) == 0  # the next follows without a gap
    assert await do(agreement.begin_due, now=midnight) == 2
    assert await numbers(relay_id) == await numbers(sharing_id) == ("ACTIVE", 2)
    assert await flows() == [(first_day, None, "JOBS")]
    assert await do(agreement.begin_due, now=midnight) == 0


async def test_a_next_version_that_would_begin_after_a_gap_is_refused(connected: str) -> None:
    """It would never begin: the agreement ends with the version in force."""
    one, two = await two_companies()
    last_day = today() + days(30)
    async with unit_of_work() as connection:
        agreement_id = await agreed(connection, "MUTUAL_REFERRAL", one, two, given=terms(ends_on=last_day))
        read = {"agreement_id": agreement_id, "version_hash_read": await latest_hash(connection, agreement_id)}
    late = replace(terms(), starts_on=last_day + days(2))

    assert await refused(agreement.counter, said=said(one), terms=late, **read) == RefusalCode.INVALID
    async with unit_of_work() as connection:
        await agreement.counter(connection, said=said(one), terms=replace(late, starts_on=last_day + days(1)), **read)
        read["version_hash_read"] = await latest_hash(connection, agreement_id)
    owner = await asyncpg.connect(**credentials(connected))  # as it was proposed when that was not refused
    later = "update agreement_version set starts_on = starts_on + $1::int where number = 2"
    await owner.execute(later, 1)
    assert await refused(agreement.accept, said=said(two), **read) == RefusalCode.INVALID
    assert await pool().fetchval("select count(*) from agreement_acceptance") == 3
    assert await pool().fetchval("select ends_at from agreement") == begins(last_day + days(1))
    await owner.execute(later, -1)
    await owner.close()
    assert await do(agreement.accept, said=said(two), **read) is True
    assert await pool().fetchval("select ends_at from agreement") is None


async def test_the_next_version_takes_over_at_rest_too_and_nothing_flows_until_resumed(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        agreement_id = await agreed(connection, "MUTUAL_REFERRAL", one, two)
    first_day = today() + days(1)
    await renewed(agreement_id, one, two, replace(terms(sharing=(Sharing("JOBS", "FIELDS"),)), starts_on=first_day))
    await do(agreement.suspend, said=said(one), agreement_id=agreement_id, reason="調査のため")

    assert await do(agreement.begin_due, now=begins(first_day)) == 1
    assert (await numbers(agreement_id), await flows()) == (("SUSPENDED", 2), [])
    await do(agreement.resume, said=said(one), agreement_id=agreement_id)
    assert (await status(agreement_id), (await flows())[-1]) == ("ACTIVE", (first_day, None, "JOBS"))


async def readers(giver: UUID, reader: UUID, under: UUID, candidate_id: UUID) -> dict[str, bool]:
    """Whether an agreement gives `reader` anything of `giver`'s, as each who judges it says; nothing is changed."""
    planner = await make_planner()

    async def answer(question: str, whose: Viewer, **variables: str) -> Any:
        prepared = planner.prepare(Request(question, None, variables), asker(whose, "https://kyoso", Budget(1000)))
        return json.loads((await planner.run(prepared, pool().acquire)).body)["data"]

    linked = await answer(
        "query($id: ID!) { node(id: $id) { ... on Application { candidate { alias personal { email } } } } }",
        builders.viewer(reader),
        id=f"app_{await pool().fetchval('select id from application')}",
    )
    partners = "{ partners(first: 5, filter: {connected: true}) { edges { node { id } } } }"
    known = await answer(partners, builders.viewer(reader, agreement_id=under))
    rejected = await pool().fetchval("select id from outcome_event where kind = 'REJECTED'")
    async with unit_of_work() as connection:
        figures = await connection.fetch(
            "select from kpi_figures($1, '{HIRE_RATE}', '2026-04-01', '2026-04-01', 'WINDOW', null, $2)", reader, under
        )
        listed = await connection.fetch("select from relay_companies($1, now()) where id = $2", giver, reader)
        sql, values = referral.standing(reader, giver, None, None)
        refers = await connection.fetchrow(sql, *values)
        seen = await policy.seers(connection, [rejected], [reader])
        person_id = await connection.fetchval("select person_id from candidate where id = $1", candidate_id)
        words = {"purpose": "選考のため", "items": ["NAME"], "text_version": "1", "language": "JA"}
        consent_id = await consent.consent(
            connection, said=said(giver), person_id=person_id, asked_by=giver, recipient_id=reader, **words
        )
        await connection.execute("select set_config('kyoso.partner_id', $1, true)", str(reader))
        sealed = await connection.fetch("select from personal_data where candidate_id = $1", candidate_id)
    provision = {"consent_id": consent_id, "giver_id": giver, "receiver_id": reader, "agreement_id": under}

    async def provide_for_a_moment(connection: asyncpg.Connection) -> None:
        await consent.provide(connection, said=said(giver), **provision)
        raise Undone

    with pytest.raises((Undone, Refusal)) as provided:
        await do(provide_for_a_moment)
    if isinstance(provided.value, Refusal):
        assert provided.value.code == RefusalCode.AGREEMENT_MISSING
    return {
        "link": linked["node"]["candidate"] is not None,
        "sealed data": bool(sealed),
        "provision": isinstance(provided.value, Undone),
        "subscription": bool(seen),
        "sharing": giver in await given_to(reader),
        "figures": bool(figures),
        "partners": f"par_{giver}" in str(known),
        "page": bool(listed),
        "referral": refers is not None and refers["agreement_id"] == under,
        "rule": await pool().fetchval("select exists (select from version_in_force($1, now()))", under),
    }


class Undone(Exception):  # noqa: N818
    """Leaves a unit of work as if it had not been."""


PERIODS = {
    "runs": ([(-30, None)], True),
    "the next is accepted and has not begun": ([(-30, None), (1, None)], True),
    "the next follows a last day": ([(-30, 5), (6, None)], True),
    "the next took over and no clock has looked": ([(-30, -1), (0, None)], True),
    "the next took over, which is over since": ([(-30, None), (-20, -1)], False),
    "accepted and not begun": ([(1, None)], False),
    "neither has begun": ([(1, 3), (4, None)], False),
    "over, and no clock has looked": ([(-30, -1)], False),
    "between two": ([(-30, -1), (1, None)], False),
}


@pytest.mark.parametrize(("periods", "gives"), PERIODS.values(), ids=PERIODS)
async def test_all_who_judge_an_agreement_agree_whether_it_gives(
    connected: str, periods: list[tuple[int, int | None]], gives: bool
) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        await builders.open_job(connection, two, open_to_network=True)
        await agreed(
            connection, "INFORMATION_SHARING", one, two, given=terms(sharing=(Sharing("APPLICATIONS", "FIELDS"),))
        )
        under = await agreed(connection, "ALLIANCE", one, two, given=terms(sharing=(Sharing("OUTCOMES", "FIELDS"),)))
        await builders.rejected(connection, one)
        person = await builders.kept(connection, one)
        words = {"purpose": "選考のため", "items": ["EMAIL"], "text_version": "1", "language": "JA"}
        consent_id = await consent.consent(
            connection, said=said(one), person_id=person.person_id, asked_by=one, recipient_id=two, **words
        )
        parties = {"giver_id": one, "receiver_id": two, "agreement_id": under}
        await consent.provide(connection, said=said(one), consent_id=consent_id, **parties)
    for _ in periods[1:]:
        await renewed(under, one, two, terms(sharing=(Sharing("OUTCOMES", "FIELDS"),)))
    owner = await asyncpg.connect(**credentials(connected))
    for number, (first, last) in enumerate(periods, 1):
        sql = "update agreement_version set starts_on = $3, ends_on = $4 where agreement_id = $1 and number = $2"
        ends_on = None if last is None else today() + days(last)
        await owner.execute(sql, under, number, today() + days(first), ends_on)
    await owner.execute("update agreement set next_at = '-infinity' where id = $1", under)
    await owner.execute("update agreement_version set accepted_at = now() - interval '40 days'")
    await owner.close()
    yesterday = datetime.now(UTC) - days(1)
    assert await do(agreement.begin_due, now=yesterday) == 1  # the last time that the clock looked

    found = await readers(one, two, under, person.candidate_id)
    assert found == dict.fromkeys(found, gives)


def test_of_the_versions_that_have_begun_the_one_accepted_last_is_in_force() -> None:
    one, two, three = UUID(int=1), UUID(int=2), UUID(int=3)
    april, may, june = (date(2027, month, 1) for month in (4, 5, 6))
    before, last, open_ = april - days(1), may - days(1), None

    def turns(*accepted: Accepted, on: date = before) -> list[tuple[UUID, date, date | None]]:
        return [(turn.version_id, turn.starts_on, turn.ends_on) for turn in succession(accepted, on)]

    first = Accepted(one, date(2026, 4, 1), open_)
    assert turns(first) == [(one, first.starts_on, open_)]
    assert turns(first, Accepted(two, april, open_)) == [(one, first.starts_on, before), (two, april, open_)]
    assert turns(first, Accepted(two, april, open_), on=april) == [(two, april, open_)]
    assert turns(first, Accepted(two, april, last), Accepted(three, may, open_)) == [
        (one, first.starts_on, before),
        (two, april, last),
        (three, may, open_),
    ]
    # one accepted later that begins earlier leaves the other no day
    assert turns(first, Accepted(two, may, open_), Accepted(three, april, last)) == [
        (one, first.starts_on, before),
        (three, april, last),
    ]
    assert turns(replace(first, ends_on=before), Accepted(two, may, open_)) == [(one, first.starts_on, before)]
    assert turns(Accepted(one, may, open_), Accepted(two, june, open_)) == [
        (one, may, june - days(1)),
        (two, june, open_),
    ]
    assert succession((first,), april) == [Turn(one, first.starts_on, open_)]


def test_the_hash_covers_every_term_and_no_order() -> None:
    one, two = UUID(int=1), UUID(int=2)
    base = terms(relay=RULE)
    digest = version_hash("CAREER_RELAY", "目的", [one, two], base)

    assert digest == "14638c091cc8640f1a2801147a94423f2052402edefb55d0a944c8d4c0bbcfa3"
    assert version_hash("CAREER_RELAY", "目的", [two, one], replace(base, sharing=base.sharing[::-1])) == digest
    others = [
        replace(base, sharing=base.sharing[:1]),
        replace(base, starts_on=date(2024, 4, 2)),
        replace(base, ends_on=date(2030, 4, 2)),
        replace(base, relay=replace(RULE, slot_months=13)),
        replace(base, weights=Weights(hire=Decimal(11))),
    ]
    hashes = {version_hash("CAREER_RELAY", "目的", [one, two], each) for each in others}
    hashes |= {
        version_hash("SUCCESS_FEE", "目的", [one, two], base),
        version_hash("CAREER_RELAY", "別の目的", [one, two], base),
        version_hash("CAREER_RELAY", "目的", [one, UUID(int=3)], base),
    }
    assert len(hashes | {digest}) == len(others) + 4
