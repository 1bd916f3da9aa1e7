"""Figures (KPI): kept by the database in every writing transaction, and reproducible from the rows themselves.

The definitions live in SQL (`0003_figures.sql`, restated by `0043_small_cells.sql` and `0047_satisfaction.sql`): one
function per table says what a row adds to which figure, triggers book the difference, and `kpi_raw` adds everything up
anew. `kpi_figures` answers under the small-cell rules.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg

from models.db import Connection, queries

NETWORK = UUID(int=0)  # stands for the whole network where cells are compared


async def rebuild(connection: Connection) -> None:
    """Computes every rollup anew from the rows, as the tables' owner; writers wait for the moment it takes.

    For networks that were loaded with triggers off, and for an operator who doubts a figure. Revisions start at 1.
    """
    await queries("kpi").rebuild(connection)


async def differences(connection: Connection) -> list[asyncpg.Record]:
    """Where rollups and rows disagree, in this transaction's view: empty, always, once writers have committed."""
    return [row async for row in queries("kpi").differences(connection, network=NETWORK)]
