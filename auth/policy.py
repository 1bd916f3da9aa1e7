"""Which rows may this viewer read or change? One predicate per table, compiled into the statement.

`{row}` is the row, `{viewer.partner}` the partner behind the token, bound when it runs. A table that is not here
cannot be compiled, so a new table is invisible until somebody has thought about it. Absent and forbidden look the
same: both are no row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from auth import confined
from auth.confined import ONE_AGREEMENT
from auth.gate import Standing
from models.db import Connection
from models.outbox import CATEGORIES

Statement = tuple[str, Sequence[Any]]
"""A query, and its values in order."""
NO_FACTS: Statement = ("select", ())

VIEWER = "{viewer.partner}"

EVERYONE = "true"

# A lists of owners as an array is computed once a statement; EXISTS or IN would be asked for every row.
AGREEMENTS = f"any(array(select m.agreement_id from agreement_party m where m.partner_id = {VIEWER}))"
BOTH_SIDES = f"({{row}}.company_id = {VIEWER} or {{row}}.agency_id = {VIEWER})"


def _shared(category: str) -> str:
    # A function that keeps its plan: one written in SQL would be planned anew in every statement, at each place.
    return f"any((select givers_to({VIEWER}, '{category}'))::uuid[])"


def _shared_with_each(category: str) -> str:
    # Where many viewers are asked about it is asked for every row: a call takes 9 µs, its text within the plan 2.
    return f"any(array(select s from shared_with({VIEWER}, '{category}') s))"


HIRE = (
    f"({{row}}.company_id = {VIEWER} or ({{row}}.company_id = {_shared('OUTCOMES')} and exists ("
    f"select from contribution c where c.hire_id = {{row}}.id and c.contributor_id = {VIEWER})))"
)


def _outcome_event(shared: Callable[[str], str]) -> str:
    # Before a candidate registers there is only the company's own invitation: nothing about it is ever shared.
    arms = " or ".join(
        f"({{row}}.category = '{category}' and {{row}}.company_id = {shared(category)})" for category in CATEGORIES
    )
    return (
        f"({{row}}.parties @> array[{VIEWER}] or ({{row}}.kind not in ('RELAY_INVITED', 'RELAY_OPENED') and ({arms})))"
    )


PREDICATES: dict[str, str] = {
    # Register facts are public on the network.
    "partner": EVERYONE,
    "community_member": EVERYONE,
    "agreement": f"{{row}}.id = {AGREEMENTS}",
    "agreement_party": f"{{row}}.agreement_id = {AGREEMENTS}",
    "agreement_version": f"{{row}}.agreement_id = {AGREEMENTS}",
    "agreement_acceptance": f"{{row}}.version_id = any(array(select v.id from agreement_version v "
    f"where v.agreement_id = {AGREEMENTS}))",
    "candidate": f"{{row}}.partner_id = {VIEWER}",
    "consent": f"({{row}}.recipient_id = {VIEWER} or {{row}}.asked_by = {VIEWER})",
    "provision": f"({{row}}.giver_id = {VIEWER} or {{row}}.receiver_id = {VIEWER})",
    "job": f"({{row}}.company_id = {VIEWER} or ({{row}}.status <> 'DRAFT' "
    f"and ({{row}}.open_to_network or {{row}}.company_id = {_shared('JOBS')})))",
    "referral": f"({{row}}.company_id = {VIEWER} or {{row}}.referrer_id = {VIEWER} "
    f"or {{row}}.company_id = {_shared('REFERRALS')})",
    "application": f"({{row}}.company_id = {VIEWER} or {{row}}.company_id = {_shared('APPLICATIONS')})",
    "relay_invitation": f"{{row}}.company_id = {VIEWER}",
    "rejection_mail": f"{{row}}.company_id = {VIEWER}",
    "handover": BOTH_SIDES,
    "relay_account": BOTH_SIDES,
    "slot": BOTH_SIDES,
    "ledger_transfer": BOTH_SIDES,
    "hire": HIRE,
    "outcome_event": _outcome_event(_shared),
    "contribution": f"({{row}}.contributor_id = {VIEWER} or {{row}}.company_id = {VIEWER} "
    f"or {{row}}.company_id = {_shared('OUTCOMES')})",
    "contribution_evidence": EVERYONE,  # reached from a contribution one sees, to an event one sees
    # A survey is the candidate's; partners see the figure. Only the transaction that wrote the answer reads it back.
    "survey": "{row}.xmin = pg_current_xact_id_if_assigned()::xid",
    "ats_integration": f"{{row}}.company_id = {VIEWER}",
    # Functions take the viewer as an argument and decide themselves; the path leads to a hire one sees.
    "kpi": EVERYONE,
    "neighbourhood": EVERYONE,
    "hire_path": f"exists (select from hire h where h.id = {{row}}.hire_id and {HIRE.replace('{row}', 'h')})",
}


def policy(table: str, standing: Standing) -> str | None:
    """The predicate of one table; None when nobody has thought about it, and then it cannot be read.

    A token for one agreement has predicates of its own.
    """
    return (confined.PREDICATES if ONE_AGREEMENT in standing else PREDICATES).get(table)


async def visible(connection: Connection, table: str, row_id: UUID, partner_id: UUID) -> asyncpg.Record | None:
    """One row by its id, through the same predicate that reads go through; None when absent or hidden.

    Verbs load the objects they are handed through this door before they change anything.
    """
    predicate = PREDICATES[table].replace("{row}", "r").replace(VIEWER, "$2::uuid")
    # Both texts are constants of this file: no caller's value is ever pasted.
    # "$2 is not null" keeps the parameter in the statement of a table that everyone sees.
    return await connection.fetchrow(
        f"select r.* from {table} r where r.id = $1 and $2::uuid is not null and {predicate}", row_id, partner_id
    )


async def all_visible(
    connection: Connection, rows: Sequence[tuple[str, UUID]], partner_id: UUID, facts: Statement = NO_FACTS
) -> asyncpg.Record:
    """Whether each of these rows, by table and id, is there and visible, in their order; then what `facts` selects, of
    which there is one row at most: `visible` for several, and a question beside it, in one statement.
    """
    sql, values = facts
    viewer = f"${len(values) + 1}::uuid"
    asked = [
        f"exists (select from {table} r where r.id = ${place} and "
        + PREDICATES[table].replace("{row}", "r").replace(VIEWER, viewer)
        + ")"
        for place, (table, _) in enumerate(rows, len(values) + 2)
    ]
    # Texts of constants, as in `visible`. The viewer stands in the statement even where no predicate asks for it.
    found = await connection.fetchrow(
        f"select {', '.join([*asked, 'f.*'])} from (select {viewer}) v left join ({sql}) f on true",
        *values,
        partner_id,
        *(each for _, each in rows),
    )
    assert found is not None
    return found


async def seers(connection: Connection, event_ids: list[UUID], partner_ids: list[UUID]) -> set[tuple[UUID, UUID]]:
    """Which of these partners may see which of these outcome events, now: pairs of (partner, event).

    The same predicate that a read of the event goes through; a subscription asks it again for every event.
    """
    predicate = _outcome_event(_shared_with_each).replace("{row}", "e").replace(VIEWER, "p.id")
    rows = await connection.fetch(
        "select p.id as partner_id, e.id as event_id from unnest($2::uuid[]) p(id) "
        f"join outcome_event e on e.id = any($1::uuid[]) where {predicate}",
        event_ids,
        partner_ids,
    )
    return {(row["partner_id"], row["event_id"]) for row in rows}
