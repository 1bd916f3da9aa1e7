"""Agreements share while they are in force, and only then; nobody accepts what they have not read."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest

from models import agreement
from models.db import pool, unit_of_work
from models.errors import Refusal, RefusalCode
from models.terms import RelayTerms, Sharing, Terms, Weights, version_hash
from tests import builders
from tests.builders import agreed, latest_hash, relay_agreement, said, terms


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
