"""The first rows of many values together, in one order, of each no more than a page may need.

A page of each would be read for the sake of one. So a few of each are read first, a page in all: no row of the page
stands behind the last of them, and each value is walked up to there. Where they make no page, few have any rows, and a
page of each of those is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner import tree
from planner.text import where

if TYPE_CHECKING:
    from planner.pages import Source
    from planner.write import Writer


def merged(
    writer: Writer, source: Source, arm: tree.Rows, more: list[str], order: Sequence[tree.Order], rows: int
) -> str:
    """The FROM item of the first `rows` of an arm that has some of each of many values.

    The order knows no null, and goes one way.
    """
    row, values, each = source.scope["row"], writer.alias(), writer.alias()
    few, last = writer.alias(), writer.alias()
    scope = {**source.scope, "each": f'({values}."of")'}
    assert arm.each is not None
    conditions = [*writer.conditions(arm, scope), *more]
    columns = [writer.fill(one.sql, scope) for one in order]
    keys = [f'"k{place}"' for place, _ in enumerate(order)]
    by_key = ", ".join(f"{key}{' desc' if one.descending else ''}" for key, one in zip(keys, order, strict=True))
    in_order = writer.ordered(order, scope)

    def walk(selected: str, *until: str, limit: str = str(rows)) -> str:
        return f"(select {selected} from {source.text}{where([*conditions, *until])}{in_order} limit {limit})"

    keyed = ", ".join(f"{column} as {key}" for column, key in zip(columns, keys, strict=True))
    share = f"{rows} / greatest((select count(*) from {values}), 1) + 1"
    sampled = f'select {values}."of", {few}.* from {values} cross join lateral {walk(keyed, limit=share)} {few}'
    sign = ">=" if order[0].descending else "<="
    until = f"({', '.join(columns)}) {sign} (select {', '.join(keys)} from {last})"
    walks = f"{walk(f'{row}.*', until)} union all {walk(f'{row}.*', f'not exists (select from {last})')}"
    return (
        f'(with {values} as materialized (select {each} as "of" from ({writer.fill(arm.each, scope)}) {each}), '
        f"{few} as materialized ({sampled} order by {by_key} limit {rows}), "
        f"{last} as materialized (select {', '.join(keys)} from {few} order by {by_key} offset {rows - 1}) "
        f'select {row}.* from (select distinct "of" from {few}) {values} cross join lateral ({walks}) {row}'
        f"{in_order} limit {rows}) {row}"
    )
