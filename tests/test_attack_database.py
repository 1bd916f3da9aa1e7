"""Attacks by whoever can make the application's role run a statement: it gains no more than the application has."""

from datetime import UTC, datetime

import asyncpg
import pytest

from models import candidate, consent
from models.db import credentials, pool, unit_of_work
from tests import builders

DEFINERS = """select oid::regprocedure::text as name, proconfig from pg_proc
    where prosecdef and pronamespace = 'public'::regnamespace"""


async def test_no_function_of_the_owner_looks_into_temporary_tables(connected: str) -> None:
    """An owner's function that meets a temporary table first would work on it, and run its triggers, as the owner."""
    found = {row["name"]: row["proconfig"] for row in await pool().fetch(DEFINERS)}
    assert "erase_person(uuid)" in found
    assert {
        name for name, settings in found.items() if "search_path=pg_catalog, public, pg_temp" not in settings
    } == set()


async def test_a_temporary_table_does_not_stand_in_for_a_real_one(ended: str) -> None:
    """Erasing reaches the real rows, whatever the session calls by their names; and no trigger of its own runs."""
    async with unit_of_work() as connection:
        one = await builders.company(connection, "株式会社もう一つ")
        person = await builders.kept(connection, one, "second@example.jp")
    connection = await asyncpg.connect(**credentials(ended))
    await connection.execute("set session authorization kyoso_app")
    await connection.execute("""
        create temporary table person_email (email_index bytea, person_id uuid);
        create function pg_temp.pwn() returns trigger language plpgsql as $$
          begin raise exception 'runs as %', current_user; end $$;
        create trigger pwn before delete on person_email for each row execute function pg_temp.pwn();
    """)
    await connection.execute("insert into person_email values ('x', $1)", person.person_id)
    await connection.execute("select erase_person($1)", person.person_id)
    await connection.close()
    assert await pool().fetchval("select count(*) from person_email") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "insert into relay_account (id, company_id, agency_id, opened_at, balance_at, available) "
        "select gen_random_uuid(), id, id, now(), now(), 1000 from partner",
        "update provision set ended_at = null",
        "update consent set withdrawn_at = null",
        "update person set erased_at = null",
        "update relay_account set available = 1000",
        "update ledger_transfer set amount = 1",
        "delete from ledger_transfer",
        "delete from provision",
        "update provision set items = array['PHONE']",
        "update outcome_event set kind = 'HIRED'",
        "delete from audit",
        "update audit set action = 'x.y'",
        "truncate provision",
        "alter table personal_data disable row level security",
        "set role postgres; select 1",
        "create function pwn() returns int language sql as 'select 1'",
        "create table pwn (a int)",
        "select set_config('row_security', 'off', false), * from pg_authid",
        "copy person to program 'true'",
        "select pg_read_file('/etc/hostname')",
    ],
)
async def test_the_application_can_neither_forge_nor_escape(ended: str, statement: str) -> None:
    connection = await asyncpg.connect(**credentials(ended))
    await connection.execute("set session authorization kyoso_app")
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute(statement)
    await connection.close()


@pytest.fixture(name="ended")
async def ended_provision(connected: str) -> str:
    """A network in which one person gave, took back, and was erased."""
    async with unit_of_work() as connection:
        one, two = await builders.company(connection), await builders.agency(connection)
        under = await builders.relay_agreement(connection, one, two)
        person = await builders.kept(connection, one)
        said = builders.said(one, datetime.now(UTC), "CANDIDATE")
        consent_id = await consent.consent(
            connection, said=said, person_id=person.person_id, asked_by=one, recipient_id=two, purpose="職業紹介",
            items=["NAME"], text_version="1", language="JA",
        )  # fmt: skip
        await consent.provide(
            connection, said=said, consent_id=consent_id, giver_id=one, receiver_id=two, agreement_id=under
        )
        await consent.withdraw(connection, said=said, person_id=person.person_id)
        await candidate.erase(connection, person.person_id)
    return connected
