"""One plan for many rows at once: a subscription's events in one statement instead of one each.

Whatever does not depend on the row, such as who shares with the viewer, PostgreSQL then finds out once for all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import asyncpg

from planner.arguments import RowValue, Run
from planner.plan import Plan

ROWS = '"all rows"'
"""Names here have a blank, since those of the statement inside are numbers or GraphQL's: none is taken for another."""
_PARAMETER = re.compile(r"\$([0-9]+)::")


def batched(plan: Plan) -> str | None:
    """The plan's statement over arrays of the row's values: one answer for each, in order. None when it reads no row.

    Parameters keep their numbers; those of the row become arrays. No name or text in a statement holds a dollar sign
    followed by a number and a cast.
    """
    columns = [str(number) for number, bind in enumerate(plan.binds, 1) if isinstance(bind.ref, RowValue)]
    if not columns:
        return None
    text = _PARAMETER.sub(lambda found: f"{ROWS}.{_name(found[1])}::" if found[1] in columns else found[0], plan.sql)
    names = ", ".join(map(_name, columns))
    arrays = ", ".join(f"${number}::{plan.binds[int(number) - 1].type}[]" for number in columns)
    return f'select ({text}) from unnest({arrays}) with ordinality {ROWS} ({names}, "row place") order by "row place"'


def _name(number: str) -> str:
    return f'"row {number}"'


async def read_all(plan: Plan, statement: str, connection: asyncpg.Connection[Any], runs: Sequence[Run]) -> list[bytes]:
    """The answers of a batched plan. The runs differ in their rows alone."""
    values = [
        [bind.read(run) for run in runs] if isinstance(bind.ref, RowValue) else bind.read(runs[0])
        for bind in plan.binds
    ]
    return [row[0] for row in await connection.fetch(statement, *values)]
