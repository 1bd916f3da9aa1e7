"""`nodes` and `_entities` in SQL: each table once, every answer at the place of its question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.marks import distinct
from planner.text import quoted, where
from planner.tree import Arm, Lookup

if TYPE_CHECKING:
    from planner.write import Writer


def lookup(writer: Writer, field: Lookup) -> str:
    """The expression of a list of objects, null where unknown or hidden. Duplicates fall in place by themselves."""
    places = f'generate_series(1, {writer.bound(field.length)}) "g"("o")'
    if not field.arms:
        return f"(select coalesce(json_agg(null::json), '[]') from {places})"
    told = not writer.marked or distinct([each.record for each in field.arms])
    arms = " union all ".join(_arm(writer, each, None if told else number) for number, each in enumerate(field.arms))
    return (
        f'(select coalesce(json_agg("u"."j" order by "g"."o"), \'[]\') from {places}'
        f' left join ({arms}) "u" on "u"."o" = "g"."o")'
    )


def _arm(writer: Writer, arm: Arm, number: int | None) -> str:
    row, out, sought = writer.alias(), writer.alias(), writer.alias()
    scope = {"row": row, "own": row, "parent": "", "key": f'{sought}."k"'}
    joins: list[str] = []
    text, refer = writer.made(arm.record, scope, joins, number)
    conditions = [f'{sought}."k" is not null', *writer.conditions(arm.rows, scope)]
    if arm.rows.call is not None:
        source = f"cross join lateral {writer.fill(arm.rows.call, scope)} {row}"
    else:
        source = f'join {quoted(arm.rows.table)} {row} on {row}.{quoted(arm.column)} = {sought}."k"'
    asked = f'unnest({writer.bound(arm.keys)}, {writer.bound(arm.places)}) {sought}("k", "o")'
    return (
        f'select {sought}."o", to_json({refer(out)}) as "j" from {asked} {source}{"".join(joins)}'
        f" cross join lateral (select {text}) {out}{where(conditions)}"
    )
