"""The synthetic network obeys every rule of the real one, and repeats from its seed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from click.testing import CliRunner

from api.cli.simulate import simulate
from bench.network import hands
from bench.network.demo import set_stage
from bench.network.rows import COLUMNS
from bench.network.size import NATURAL, size, this_month
from bench.network.world import Size
from bench.network.write import NotEmpty, NotPrivileged, Written, write
from models import db, kpi, relay
from models.candidate import read_items
from models.outbox import Said
from models.partner import alias_of
from models.registry import corporate_number_ok, license_number_parts, school_code_ok
from models.terms import RelayTerms, Sharing, Terms, version_hash
from tests.builders import MASTER_KEY
from tests.conftest import ROOT, _database

START_SECONDS = 60
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SMALL = size(partners=240, candidates=3_000, referrals=4_500, months=24, until=UNTIL, contributions=NATURAL)
TINY = size(partners=60, candidates=300, referrals=450, months=12, until=UNTIL)


def quiet(_step: str, _done: float) -> None:
    pass


def written(url: str, asked: Size, seed: int = 7) -> Written:
    return asyncio.run(write(url, MASTER_KEY, asked, seed, quiet))


@pytest.fixture(scope="module")
def network(postgres: str, template_database: str) -> Iterator[str]:
    """The URL of a database with a small network; no test changes it."""
    for url in _database(postgres, template_database):
        written(url, SMALL)
        yield url


@pytest.fixture
async def connection(network: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(**db.credentials(network))
    yield opened
    await opened.close()


async def test_every_reference_leads_somewhere(connection: asyncpg.Connection) -> None:
    references = await connection.fetch(
        """
        select c.conrelid::regclass::text as here, a.attname as link, c.confrelid::regclass::text as there,
          b.attname as key
        from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
          join pg_attribute b on b.attrelid = c.confrelid and b.attnum = c.confkey[1]
        where c.contype = 'f' and cardinality(c.conkey) = 1
        """
    )
    assert len(references) > 80
    for here, link, there, key in references:
        lost = await connection.fetchval(
            f"select count(*) from {here} x left join {there} y on y.{key} = x.{link} "
            f"where x.{link} is not null and y is null"
        )
        assert lost == 0, (here, link, there)


async def test_indexes_triggers_and_checks_are_as_before(connection: asyncpg.Connection, database: str) -> None:
    catalogue = """
        select pg_get_indexdef(indexrelid) as definition from pg_index i
          join pg_class c on c.oid = i.indrelid
          where c.relnamespace = 'public'::regnamespace and i.indisvalid and i.indisready
        union all select pg_get_constraintdef(oid) || convalidated::text from pg_constraint
        union all select tgname || tgenabled::text from pg_trigger where not tgisinternal
        order by 1
    """
    fresh = await asyncpg.connect(**db.credentials(database))
    try:
        assert await connection.fetch(catalogue) == await fresh.fetch(catalogue)
    finally:
        await fresh.close()


async def test_balances_are_the_fold_of_their_transfers_and_never_negative(connection: asyncpg.Connection) -> None:
    wrong = await connection.fetchval(
        """
        select count(*) from relay_account a cross join lateral (
          select coalesce(sum(amount * ((credit = p)::int - (debit = p)::int)), 0) as folded, p
          from unnest(array['COUNTED', 'AVAILABLE', 'RESERVED', 'REDEEMED', 'EXPIRED', 'DEBT']) as p
          left join ledger_transfer t on t.account_id = a.id group by p) f
        where f.folded <> case f.p when 'COUNTED' then counted when 'AVAILABLE' then available
          when 'RESERVED' then reserved when 'REDEEMED' then redeemed when 'EXPIRED' then expired else debt end
        """
    )
    lowest = await connection.fetchval(
        """
        select min(balance) from (
          select sum(amount * ((credit = p)::int - (debit = p)::int))
            over (partition by account_id, p order by posted_at, id) as balance
          from ledger_transfer, unnest(array['COUNTED', 'AVAILABLE', 'RESERVED', 'REDEEMED', 'EXPIRED', 'DEBT']) as p) b
        """
    )
    kinds = {row["kind"] for row in await connection.fetch("select distinct kind from ledger_transfer")}
    assert (wrong, lowest) == (0, 0)
    assert kinds >= {"COUNT", "EARN", "RESERVE", "REDEEM", "EXPIRE", "REVERSE"}


async def test_slots_are_what_their_transfers_say(connection: asyncpg.Connection) -> None:
    wrong = await connection.fetch(
        """
        select s.id, s.status, l.kind from slot s left join lateral (
          select kind from ledger_transfer t where t.slot_id = s.id and t.unit = 'SLOT' and t.kind <> 'RESTORE'
          order by posted_at desc, id desc limit 1) l on true
        where (s.status, coalesce(l.kind, 'PARTS')) not in (values
          ('AVAILABLE', 'EARN'), ('AVAILABLE', 'RELEASE'),
          ('AVAILABLE', 'PARTS'), ('RESERVED', 'RESERVE'), ('REDEEMED', 'REDEEM'), ('EXPIRED', 'EXPIRE'),
          ('REVERSED', 'REVERSE'))
        """
    )
    in_stock = await connection.fetchval(
        """
        select count(*) from relay_account a
        where available / 100 <> (select count(*) from slot where account_id = a.id and status = 'AVAILABLE')
          or reserved / 100 <> (select count(*) from slot where account_id = a.id and status = 'RESERVED')
        """
    )
    misspent = await connection.fetchval(
        """
        select count(*) from slot s left join hire h on h.id = s.hire_id
        where s.status = 'REDEEMED' and (h.application_id is distinct from s.application_id
          or h.company_id <> s.company_id)
        """
    )
    over_age = await connection.fetchval(
        "select count(*) from slot where status = 'AVAILABLE' and expires_at <= $1", UNTIL
    )
    assert (wrong, in_stock, misspent, over_age) == ([], 0, 0, 0)


async def test_a_person_counts_once_a_year_for_an_agency(connection: asyncpg.Connection) -> None:
    twice = await connection.fetchval(
        """
        select count(*) from handover a join handover b on b.person_id = a.person_id and b.agency_id = a.agency_id
        where a.counted and b.counted and a.id < b.id
          and b.counted_at between a.counted_at - interval '12 months' and a.counted_at + interval '12 months'
        """
    )
    uncounted = await connection.fetchval(
        """
        select count(*) from handover h where h.counted <> (
          select count(*) filter (where kind = 'COUNT')
            > count(*) filter (where kind = 'REVERSE' and reverses_id is not null)
          from ledger_transfer t where t.handover_id = h.id)
        """
    )
    late = await connection.fetchval(
        """
        select count(*) from handover h join agreement a on a.id = h.agreement_id join partner p on p.id = h.agency_id
        where h.counted and (a.accepted_at > h.counted_at or a.ends_at <= h.counted_at
          or p.license_expires_on < (h.counted_at at time zone 'Asia/Tokyo')::date)
        """
    )
    assert (twice, uncounted, late) == (0, 0, 0)


async def test_shares_sum_to_one_and_rest_on_evidence(connection: asyncpg.Connection) -> None:
    wrong = await connection.fetch("select hire_id, sum(share) from contribution group by 1 having sum(share) <> 1")
    bare = await connection.fetchval(
        """
        select count(*) from contribution c where not exists (
          select from contribution_evidence v join outcome_event e on e.id = v.event_id
          where v.contribution_id = c.id and e.occurred_at <= c.occurred_at + interval '400 days')
        """
    )
    links = await connection.fetchval(
        """
        select count(*) from (select contributor_id, c.company_id, role, count(*)::int as contributions
          from contribution c join hire h on h.id = c.hire_id where h.reverted_at is null group by 1, 2, 3) c
        full join (
          select l.contributor_id, l.company_id, r.role, r.contributions
          from contribution_link l cross join lateral link_by_role(l) r
        ) l using (contributor_id, company_id, role)
        where c.contributions is distinct from l.contributions
        """
    )
    back = await connection.fetchval(
        """
        select count(*) from contribution_link l
        left join contribution_link b on b.contributor_id = l.company_id and b.company_id = l.contributor_id
        where l.returned <> coalesce(b.contributions, 0)
        """
    )
    own = await connection.fetchval("select count(*) from contribution where contributor_id = company_id")
    assert (wrong, bare, links, back, own) == ([], 0, 0, 0, 0)


async def test_states_are_what_the_events_tell(connection: asyncpg.Connection) -> None:
    applications = await connection.fetch(
        """
        select a.id, a.status, array_agg(e.kind order by e.occurred_at) as told
        from application a join outcome_event e on e.application_id = a.id and e.handover_id is null
        where e.kind in ('APPLICATION_RECEIVED', 'HIRED', 'REJECTED', 'WITHDRAWN', 'REJECTION_REVERTED',
          'HIRE_REVERTED') group by a.id
        """
    )
    last = {"APPLICATION_RECEIVED": "ACTIVE", "REJECTION_REVERTED": "ACTIVE"}
    assert applications
    assert [row for row in applications if row["status"] != last.get(row["told"][-1], row["told"][-1])] == []
    wrong_referrals = await connection.fetchval(
        """
        select count(*) from referral r left join application a on a.referral_id = r.id
        where (a.id is not null and r.status <> case a.status
            when 'ACTIVE' then 'IN_SELECTION' when 'HIRED' then 'HIRED' else 'CLOSED' end)
          or (r.confirmed_at is not null) <> exists (
            select from outcome_event e where e.referral_id = r.id and e.kind = 'REFERRAL_CONFIRMED')
          or (r.confirmed_at is not null) <> (r.consent_id is not null)
        """
    )
    wrong_handovers = await connection.fetchval(
        """
        select count(*) from handover h where
          (h.status = 'ACCEPTED') <> exists (
            select from outcome_event e where e.handover_id = h.id and e.kind = 'RELAY_ACCEPTED')
          and h.status <> 'REVERSED' or not exists (
          select from outcome_event e where e.handover_id = h.id and e.kind = 'RELAY_REGISTERED')
          or (h.status = 'REGISTERED' and h.answer_by <= $1)
        """,
        UNTIL,
    )
    hires = await connection.fetchval(
        "select count(*) from hire h join application a on a.id = h.application_id "
        "where h.reverted_at is null and a.hire_id is distinct from h.id"
    )
    assert (wrong_referrals, wrong_handovers, hires) == (0, 0, 0)


async def test_figures_equal_the_rows(connection: asyncpg.Connection) -> None:
    assert await kpi.differences(connection) == []
    assert await connection.fetchval("select count(distinct measure) from kpi_month") == 17
    kept = await connection.fetchval(
        "select count(*) from referral r where hired_at is distinct from (select min(h.decided_at) from application a "
        "join hire h on h.application_id = a.id where a.referral_id = r.id and h.reverted_at is null)"
    )
    passed = await connection.fetchval(
        "select count(*) from relay_invitation i, relay_milestones(i.id) m "
        "where (i.accepted_at, i.counted_at, i.placed_at) is distinct from (m.accepted_at, m.counted_at, m.placed_at)"
    )
    assert (kept, passed) == (0, 0)


async def test_surveys_ask_about_a_decision_that_stood_and_are_answered_later(connection: asyncpg.Connection) -> None:
    wrong = await connection.fetchval(
        """
        select count(*) from survey s where s.answered_at <= s.sent_at or s.answered_at >= $1 or s.sent_at >= $1
          or s.decision is distinct from (select case when e.kind like '%REVERTED' then null else e.kind end
            from outcome_event e where e.application_id = s.application_id and e.occurred_at < s.sent_at
              and e.kind in ('HIRED', 'REJECTED', 'HIRE_REVERTED', 'REJECTION_REVERTED')
            order by e.occurred_at desc limit 1)
        """,
        UNTIL,
    )
    rates = await connection.fetch(
        "select decision, count(score)::float / count(*) as answered, avg(score)::float as mean, "
        "count(*) filter (where answered_at > sent_at + interval '30 days') as late from survey group by 1 order by 1"
    )
    hired, rejected = rates
    decided = "select count(*) from application where status in ('HIRED', 'REJECTED') and decided_at < $1"
    assert wrong == 0
    assert (hired["answered"], rejected["answered"]) == (pytest.approx(0.47, abs=0.04), pytest.approx(0.2, abs=0.03))
    assert hired["mean"] > 4 > rejected["mean"] > 2.5
    assert rejected["late"] > 0
    asked = await connection.fetchval("select count(*) from survey")
    assert asked >= await connection.fetchval(decided, UNTIL - timedelta(days=4))


async def test_events_stand_in_order_of_time(connection: asyncpg.Connection) -> None:
    backwards = await connection.fetchval(
        """
        select count(*) from (select recorded_at, lag(recorded_at) over (order by xid, position) as before
          from outcome_event) e where before > recorded_at
        """
    )
    outside = await connection.fetchval(
        "select count(*) from outcome_event where recorded_at > $1 or occurred_at > recorded_at", UNTIL
    )
    assert (backwards, outside) == (0, 0)


async def test_every_provision_rests_on_its_consent(connection: asyncpg.Connection) -> None:
    """proof 5.3, of the synthetic network: one record for each consent that let data flow, both parties named."""
    wrong = await connection.fetchval(
        """
        select count(*) from provision v join consent c on c.id = v.consent_id
          join candidate g on g.id = v.giver_candidate_id join candidate r on r.id = v.receiver_candidate_id
        where (c.asked_by, c.recipient_id, c.items, c.person_id, c.given_at) is distinct from
            (v.giver_id, v.receiver_id, v.items, v.person_id, v.provided_at)
          or g.partner_id <> v.giver_id or r.partner_id <> v.receiver_id
          or g.person_id <> v.person_id or r.person_id <> v.person_id
          or (c.withdrawn_at is not null and v.ended_at is null)
        """
    )
    consents, provisions, withdrawn = await connection.fetchrow(
        "select (select count(*) from consent), (select count(*) from provision), "
        "(select count(*) from consent where withdrawn_at is not null)"
    )
    assert wrong == 0
    assert consents == provisions > withdrawn > 0


async def test_agreements_share_only_while_active_and_hash_their_terms(connection: asyncpg.Connection) -> None:
    kinds = await connection.fetch("select distinct kind from agreement")
    states = await connection.fetch("select distinct status from agreement")
    sharing_when_not_active = await connection.fetchval(
        "select count(*) from agreement_share join agreement a on a.id = agreement_id where a.status <> 'ACTIVE'"
    )
    silent = await connection.fetchval(
        "select count(*) from agreement a where status = 'ACTIVE' and "
        "not exists (select from agreement_share where agreement_id = a.id)"
    )
    assert (len(kinds), len(states), sharing_when_not_active, silent) == (6, 5, 0, 0)
    for row in await connection.fetch(
        """
        select v.*, a.kind, a.purpose,
          array(select partner_id from agreement_party p where p.agreement_id = a.id) as parties
        from agreement_version v join agreement a on a.id = v.agreement_id
        """
    ):
        relay = row["handovers_per_slot"] and RelayTerms(
            row["handovers_per_slot"], row["silence_days"], row["slot_months"]
        )
        sharing = [Sharing(**shared) for shared in json.loads(row["sharing"])]
        terms = Terms(sharing, row["starts_on"], row["ends_on"], relay)
        assert row["hash"] == version_hash(row["kind"], row["purpose"], row["parties"], terms)


async def test_public_numbers_are_well_formed(connection: asyncpg.Connection) -> None:
    partners = await connection.fetch("select * from partner")
    assert len(partners) == SMALL.partners
    assert {row["kind"] for row in partners} == {"COMPANY", "SCHOOL", "AGENCY", "REFERRER", "COMMUNITY"}
    assert all(corporate_number_ok(row["corporate_number"]) for row in partners if row["kind"] == "COMPANY")
    assert all(school_code_ok(row["school_code"]) for row in partners if row["kind"] == "SCHOOL")
    assert all(license_number_parts(row["license_number"]) for row in partners if row["kind"] == "AGENCY")
    assert len({row["name"] for row in partners if row["kind"] != "REFERRER"}) == sum(
        row["kind"] != "REFERRER" for row in partners
    )


async def test_personal_data_opens_for_its_keeper_and_its_receiver(network: str) -> None:
    await db.connect(network)
    try:
        async with db.unit_of_work() as connection:
            handover = await connection.fetchrow(
                """
                select h.person_id, h.company_id, h.agency_id from handover h
                join provision v on v.consent_id = h.consent_id and v.ended_at is null limit 1
                """
            )
            names = [
                items["NAME"]
                for partner in ("company_id", "agency_id")
                for items in (
                    await read_items(connection, partner_id=handover[partner], person_id=handover["person_id"])
                ).values()
            ]
            alias, candidate = await connection.fetchrow("select alias, id from candidate limit 1")
    finally:
        await db.disconnect()
    assert len(names) == 2
    assert len(set(names)) == 1
    assert alias == f"候補者 {alias_of(UUID(bytes=candidate.bytes))}"


def test_the_same_seed_gives_the_same_bytes_however_many_processes_write(
    postgres: str, template_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints: dict[str, Written] = {}
    monkeypatch.setattr(hands, "PEOPLE_AT_ONCE", 80)
    for name, small, seed in (("here", 99, 7), ("processes", 0, 7), ("another seed", 99, 8)):
        monkeypatch.setattr(hands, "SMALL", small)
        for url in _database(postgres, template_database):
            prints[name] = written(url, TINY, seed)
    assert prints["here"] == prints["processes"]
    assert prints["here"].fingerprint != prints["another seed"].fingerprint
    assert prints["here"].rows["referral"] == TINY.referrals
    assert prints["here"].rows["person"] == TINY.candidates


def test_an_interrupted_load_leaves_the_database_as_it_was(database: str) -> None:
    async def state() -> list[object]:
        connection = await asyncpg.connect(**db.credentials(database))
        try:
            counts = [await connection.fetchval(f"select count(*) from {table}") for table in COLUMNS]
            indexes = await connection.fetch("select pg_get_indexdef(indexrelid), indisready from pg_index order by 1")
            return [counts, indexes]
        finally:
            await connection.close()

    def interrupted(step: str, _done: float) -> None:
        if step.startswith("Index"):
            raise KeyboardInterrupt

    before = asyncio.run(state())
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(write(database, MASTER_KEY, TINY, 7, interrupted))
    assert asyncio.run(state()) == before
    assert written(database, TINY).rows["person"] == TINY.candidates


def test_a_network_is_never_mixed_into_another(database: str) -> None:
    rows = written(database, TINY).rows
    with pytest.raises(NotEmpty):
        written(database, TINY)
    again = CliRunner().invoke(simulate, ["--database-url", database, "--partners", "60", "--candidates", "300"])
    assert (again.exit_code, again.output.strip()) == (1, "Error: ask for at most 5 referrals per candidate")
    options = ["--partners", "60", "--candidates", "300", "--referrals", "450"]
    again = CliRunner().invoke(simulate, ["--database-url", database, *options])
    assert again.exit_code == 1
    assert "simulate needs an empty one" in again.output
    assert rows["person"] == TINY.candidates


def test_loading_takes_a_superuser(database: str) -> None:
    async def as_another() -> None:
        connection = await asyncpg.connect(**db.credentials(database))
        try:
            await connection.execute("drop role if exists kyoso_plain; create role kyoso_plain login in role kyoso_app")
        finally:
            await connection.close()
        await write(database.replace("postgres@", "kyoso_plain@"), MASTER_KEY, TINY, 7, quiet)

    with pytest.raises(NotPrivileged):
        asyncio.run(as_another())


def test_the_command_prints_counts_and_the_fingerprint(database: str) -> None:
    options = [
        "--partners",
        "60",
        "--candidates",
        "300",
        "--referrals",
        "450",
        "--months",
        "12",
        "--until",
        "2026-11-01",
    ]
    done = CliRunner().invoke(simulate, ["--database-url", database, *options, "--seed", "3", "--json"])
    facts = json.loads(done.stdout)
    assert facts["rows"]["referral"] == 450
    assert len(facts["fingerprint"]) == 64
    assert len(facts["master_key"]) == 44


def test_the_window_ends_with_a_month_unless_it_is_said_otherwise() -> None:
    assert this_month(datetime(2026, 11, 22, tzinfo=UTC)) == datetime(2026, 10, 31, 15, tzinfo=UTC)
    assert this_month(datetime(2026, 10, 31, 15, tzinfo=UTC)) == datetime(2026, 10, 31, 15, tzinfo=UTC)
    assert this_month(datetime(2026, 10, 31, 14, 59, tzinfo=UTC)) == datetime(2026, 9, 30, 15, tzinfo=UTC)


async def test_the_demo_is_one_handover_short_of_a_slot(connected: str) -> None:
    now = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    asked = size(partners=240, candidates=5_000, referrals=6_000, months=24, until=now, contributions=NATURAL)
    await write(connected, MASTER_KEY, asked, 20, quiet)
    async with db.unit_of_work() as connection:
        cast = await set_stage(connection, now)
        account = "select counted, available from relay_account where id = $1"
        before = await connection.fetchrow(account, cast.account_id)
        first, *others = cast.handover_ids
        said = Said(by=cast.players["AGENCY"].id, source="API", at=now)
        answer = await relay.accept(connection, handover_id=first, acting=cast.players["AGENCY"].id, said=said)
        after = await connection.fetchrow(account, cast.account_id)
    assert set(cast.players) == {"COMPANY", "AGENCY", "SCHOOL", "REFERRER", "COMMUNITY"}
    assert len(others) >= 1
    assert (before["counted"], after["counted"]) == (900, 0)
    assert before["available"] >= 100
    assert after["available"] == before["available"] + 100
    assert (answer.counted, len(answer.slot_ids)) == (True, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_one_leaves_nothing(database: str, tmp_path: Path, number: signal.Signals) -> None:
    """Neither rows, nor files, nor processes whose ends the system would have to clean up."""
    words = ["--partners", "400", "--candidates", "40000", "--referrals", "60000", "--database-url", database]
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "simulate", *words],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while not list(tmp_path.glob("kyoso-simulate-*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)  # its other processes start
    process.send_signal(number)
    _, said = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, said.strip()) == (1, "Aborted!")
    assert list(tmp_path.iterdir()) == []

    async def rows() -> int:
        connection = await asyncpg.connect(**db.credentials(database))
        try:
            return await connection.fetchval("select count(*) from partner")
        finally:
            await connection.close()

    assert asyncio.run(rows()) == 0
