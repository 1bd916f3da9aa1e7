"""Policies: every table has one, and each lets through exactly those it is meant for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.app import ALL_SCOPES, SESSION
from api.asker import VIEWER_TYPES
from auth.gate import gate
from auth.policy import PREDICATES, all_visible, policy, visible
from auth.viewer import Viewer
from models import agreement
from models.db import credentials, pool, unit_of_work
from models.errors import Refusal, RefusalCode
from planner import Catalogue, Planner
from planner.errors import DeclarationError
from schema.act import Act, Asked
from schema.build import schema
from schema.scalars import SQL_TYPES
from tests import network
from tests.builders import said
from tests.network import Network

FUNCTIONS = {"kpi", "neighbourhood", "hire_path"}
"""What rows come out of; they take the viewer as an argument and are tried where their words are."""


@pytest.fixture
async def owner(connected: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**credentials(connected))
    yield connection
    await connection.close()


async def test_a_table_without_a_policy_cannot_be_compiled(connected: str) -> None:
    """proof 3.2: the planner asks a policy of every table it can reach; without any one of them it does not start."""
    async with pool().acquire() as connection:
        catalogue = await Catalogue.load(connection, schema(), viewer=VIEWER_TYPES, scalars=SQL_TYPES)

        async def check(without: str, asked: set[str]) -> None:
            def decide(table: str, standing: Any) -> str | None:
                asked.add(table)
                return None if table == without else policy(table, standing)

            planner = Planner(schema(), catalogue, policy=decide, gate=gate, session=SESSION)
            await planner.check(connection, standings=[ALL_SCOPES])

        reached: set[str] = set()
        await check("", reached)
        assert reached == set(PREDICATES)
        for table in PREDICATES:
            with pytest.raises(DeclarationError, match=table):
                await check(table, set())


EVERYBODY = {"company", "agency", "friend", "stranger", "referrer", "school", "community"}
SEEN: dict[str, set[str]] = {
    # Of each table, everybody who sees any row of it that belongs to the company's own flow.
    "partner": EVERYBODY,
    "community_member": EVERYBODY,
    "contribution_evidence": EVERYBODY,
    "candidate": {"company", "agency", "referrer", "stranger"},
    "consent": {"company", "agency", "referrer"},
    "provision": {"company", "agency", "referrer"},
    "referral": {"company", "agency", "referrer", "friend"},
    "application": {"company", "friend"},
    "relay_invitation": {"company"},
    "rejection_mail": {"company"},
    "ats_integration": {"company"},
    "handover": {"company", "agency"},
    "relay_account": {"company", "agency"},
    "slot": {"company", "agency"},
    "ledger_transfer": {"company", "agency"},
    "hire": {"company"},
    "contribution": {"company", "agency", "referrer", "friend"},
    "outcome_event": {"company", "agency", "referrer", "friend"},
    "job": {"company", "friend"},
    "agreement": {"company", "agency", "friend"},
    "agreement_party": {"company", "agency", "friend"},
    "agreement_version": {"company", "agency", "friend"},
    "agreement_acceptance": {"company", "agency", "friend"},
    "survey": set(),
}


async def seen(owner: asyncpg.Connection, made: Network) -> dict[str, set[str]]:
    """Of each table with policies of its own, who sees any of its rows."""
    found: dict[str, set[str]] = {}
    async with unit_of_work() as connection:
        for table, predicate in PREDICATES.items():
            if table in FUNCTIONS:
                continue
            condition = predicate.replace("{row}", "r").replace("{viewer.partner}", "$1::uuid")
            text = f"select exists (select from {table} r where $1::uuid is not null and {condition})"
            found[table] = {name for name, each in made.partners.items() if await connection.fetchval(text, each)}
    return found


async def test_each_table_is_seen_by_its_parties_alone(owner: asyncpg.Connection) -> None:
    async with unit_of_work() as connection:
        made = await network.network(connection)
    assert await seen(owner, made) == SEEN
    async with unit_of_work() as connection:
        await agreement.suspend(connection, said=said(made.company), agreement_id=made.sharing, reason="確認のため")
    after = await seen(owner, made)
    lost = {table for table in SEEN if after[table] != SEEN[table]}
    assert lost == {"referral", "application", "contribution", "outcome_event"}  # of jobs it has one of its own
    assert all(SEEN[table] - after[table] == {"friend"} for table in lost)


async def test_verbs_load_their_rows_through_the_same_door(owner: asyncpg.Connection) -> None:
    async with unit_of_work() as connection:
        made = await network.network(connection)
        rows: list[tuple[str, UUID, set[str]]] = [
            ("agreement", made.relay, {"company", "agency"}),
            ("agreement", made.sharing, {"company", "friend"}),
            ("handover", made.handover, {"company", "agency"}),
            ("application", made.rejected, {"company", "friend"}),
            ("job", made.job, {"company", "friend"}),
            ("job", made.draft, {"friend"}),
            ("referral", made.referral, {"company", "referrer", "friend"}),
            ("slot", made.slot, {"company", "agency"}),
            ("partner", made.school, EVERYBODY),
        ]
        for table, row_id, expected in rows:
            who = {name for name, each in made.partners.items() if await visible(connection, table, row_id, each)}
            assert who == expected, (table, row_id)
        asked = [(table, row_id) for table, row_id, _ in rows]
        for name, each in made.partners.items():
            seen = await all_visible(connection, asked, each)
            assert list(seen.values()) == [name in expected for _, _, expected in rows], name
        assert list((await all_visible(connection, [], made.partners["agency"])).values()) == []
        # A question beside it is answered of its own values, and by nulls where it has no row.
        for wanted, kind in ((made.school, "SCHOOL"), (made.handover, None)):
            facts = ("select p.kind from partner p where p.id = $1", [wanted])
            seen = await all_visible(connection, asked, made.partners["stranger"], facts)
            assert list(seen.values()) == [*("stranger" in expected for _, _, expected in rows), kind]


async def test_an_id_that_is_seen_in_one_table_opens_no_other(connected: str) -> None:
    async with unit_of_work() as connection:
        made = await network.network(connection)
        agency = made.partners["agency"]
        viewer = Viewer(agency, "AGENCY", "agency", "client", frozenset(), datetime.now(UTC), None, "token")
        act, handover = Act(viewer, connection), Asked("handover", "han", f"han_{made.handover}", "handoverId")
        absent = Asked("job", "job", None, "jobId")
        keys, _ = await act.reach_all(absent, handover)
        assert keys == [None, made.handover]
        for job in (Asked("job", "job", f"job_{made.handover}", "jobId"), Asked("job", "job", "", "jobId")):
            with pytest.raises(Refusal) as refused:
                await act.reach_all(job, handover)
            assert (refused.value.code, refused.value.path) == (RefusalCode.NOT_FOUND, ("input", "jobId"))
