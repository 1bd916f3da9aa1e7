"""A connection in SQL. Plain: one scan makes the edges. With `pageInfo`: one row more is read, and all is numbered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner import tree
from planner.merge import merged
from planner.text import quoted, where
from planner.tree import Field, Page
from planner.words import HOLE

if TYPE_CHECKING:
    from planner.write import Scope, Writer


@dataclass(frozen=True)
class Source:
    """What all parts of one page share: the FROM item, the scope of its rows, the conditions without the cursor.

    `through`: the FROM item of edges alone, and how their rows are joined.
    """

    text: str
    through: tuple[str, str] | None
    scope: Scope
    conditions: list[str]
    after: str


def page(writer: Writer, field: Page, scope: Scope) -> str:
    """The expression of a connection."""
    source = _source(writer, field, scope)
    if any(isinstance(each, tree.Info) for each in field.fields):
        return _numbered(writer, field, source)
    columns = [(each.key, _plain(writer, field, source, each)) for each in field.fields]
    text, refer = writer.laid(columns)
    out = writer.alias()
    return f"(select {refer(out)} from (select {text}) {out})"


def _source(writer: Writer, field: Page, scope: Scope) -> Source:
    row = writer.alias()
    edge = writer.alias() if field.edge is not None else row
    inner = {"row": row, "edge": edge, "own": edge, "parent": scope.get("own", "")}
    text, through = writer.source(field.rows, row, scope), None
    conditions = writer.conditions(field.rows, inner)
    if field.edge is not None:
        join = f" join {text} on {row}.{quoted(field.table_key)} = {edge}.{quoted(field.to or '')}"
        through = writer.source(field.edge, edge, scope), join
        text = "".join(through)
        conditions = writer.conditions(field.edge, inner) + conditions
    after = _beyond(writer, field, inner) if field.after else ""
    return Source(text, through, {**inner, "cursor": _cursor(writer, field, inner)}, conditions, after)


def _cursor(writer: Writer, field: Page, scope: Scope) -> str:
    parts = "".join(f", {writer.fill(each.sql, scope)}::text" for each in field.order)
    name = field.order_name.replace("'", "''")
    array = f"json_build_array('{HOLE.sub('', name)}'{parts})"
    return f"translate(encode(convert_to({array}::text, 'UTF8'), 'base64'), E'\\n', '')"


def _beyond(writer: Writer, field: Page, scope: Scope) -> str:
    columns = [writer.fill(each.sql, scope) for each in field.order]
    values = [f"{writer.bound(bind)}::{each.type}" for bind, each in zip(field.after, field.order, strict=True)]
    directions = {each.descending for each in field.order}
    if len(directions) == 1:
        sign = "<" if directions.pop() else ">"
        return f"(({', '.join(columns)}) {sign} ({', '.join(values)}))"
    ladder = ""
    for column, value, each in reversed(list(zip(columns, values, field.order, strict=True))):
        step = f"{column} {'<' if each.descending else '>'} {value}"
        ladder = f"({step} or ({column} = {value} and {ladder}))" if ladder else f"({step})"
    return ladder


def _plain(writer: Writer, field: Page, source: Source, part: Field) -> str:
    if isinstance(part, tree.Total):
        return _count(writer, field, source)
    if isinstance(part, tree.TypeName):
        return writer.value(part, source.scope, None)
    assert isinstance(part, tree.Edges)
    joins: list[str] = []
    text, refer = writer.made(part.record, source.scope, joins)
    rows = _rows(writer, field, source, text, joins, 0)
    out = writer.alias()
    return f"(select coalesce(json_agg({refer(out)}), '[]') from ({rows}) {out})"


def _rows(writer: Writer, field: Page, source: Source, text: str, joins: list[str], more: int) -> str:
    found = _found(writer, field, source, joins, more)
    rows = f"select {text} from {found}"
    if field.size.bind is None:
        return rows
    # A literal inside lets PostgreSQL settle on a generic plan; the size that was asked cuts outside.
    alias = writer.alias()
    return f"select * from ({rows}) {alias} limit {writer.bound(field.size.bind)} + {more}"


def _found(writer: Writer, field: Page, source: Source, joins: list[str], more: int) -> str:
    """The page's rows, with what is joined to them."""
    after = [source.after] if source.after else []
    row, joined = source.scope["row"], "".join(joins)
    order, size = writer.ordered(field.order, source.scope), field.size.rows + more
    limit = f" limit {size}"
    if source.through is not None:
        cut = f"{where([*source.conditions, *after])}{order}{limit}"
        if not _edges_suffice(field):
            return f"{source.text}{joined}{cut}"
        edges, join = source.through
        return f"(select * from {edges}{cut}) {source.scope['edge']}{join}{joined}{order}"
    arms = [
        _arm(writer, source, each, after, f"{order}{limit}")
        if each.each is None
        else merged(writer, source, each, after, field.order, size)
        for each in field.arms
    ]
    if not arms:
        found = f"{source.text}{where([*source.conditions, *after])}{order}{limit}"
    elif len(arms) == 1:
        found = arms[0]
    else:
        found = f"({' union all '.join(f'(select {row}.* from {each})' for each in arms)}) {row}{order}{limit}"
    # Joined before the limit, relations would be read for every row there is instead of for the page's.
    return f"(select * from {found}) {row}{joined}{order}" if joins else found


def _edges_suffice(field: Page) -> bool:
    """Whether a page can be cut before its rows are joined: by its edges it is ordered, and no row of theirs is kept
    away. What a function returns is there, as `many` says; a table's column may refer to nothing."""
    by_edges = all("{row}" not in each.sql.text for each in field.order)
    return field.edge is not None and field.edge.call is not None and not field.rows.conditions and by_edges


def _arm(writer: Writer, source: Source, arm: tree.Rows, more: list[str], cut: str = "") -> str:
    """The FROM item of one arm's rows."""
    row = source.scope["row"]
    if arm.each is None:
        return f"{source.text}{where([*writer.conditions(arm, source.scope), *more])}{cut}"
    each = writer.alias()
    scope = {**source.scope, "each": each}
    found = f"select * from {source.text}{where([*writer.conditions(arm, scope), *more])}"
    return f"({writer.fill(arm.each, scope)}) {each} cross join lateral ({found}) {row}"


def _count(writer: Writer, field: Page, source: Source) -> str:
    if not field.arms:
        return f"(select count(*) from {source.text}{where(source.conditions)})"
    counts = " + ".join(f"(select count(*) from {_arm(writer, source, each, [])})" for each in field.arms)
    return f"({counts})"


def _numbered(writer: Writer, field: Page, source: Source) -> str:
    joins: list[str] = []
    inner = [f'{source.scope["cursor"]} as "c"']
    outer: list[str] = []
    size = str(field.size.rows) if field.size.bind is None else writer.bound(field.size.bind)
    for place, part in enumerate(each for each in field.fields if isinstance(each, tree.Edges)):
        text, refer = writer.made(part.record, source.scope, joins)
        alias = writer.alias()
        joins.append(f" cross join lateral (select {text}) {alias}")
        inner.append(f'{refer(alias)} as "e{place}"')
        outer.append(f'coalesce(json_agg("i"."e{place}") filter (where "i"."n" <= {size}), \'[]\') as "e{place}"')
    rows = _rows(writer, field, source, ", ".join(inner), joins, 1)
    outer.append(f'count(*) > {size} as "more"')
    outer.append(f'array_agg("i"."c") filter (where "i"."n" <= {size}) as "cs"')
    numbered = f'select "r".*, row_number() over () as "n" from ({rows}) "r"'
    middle, out = writer.alias(), writer.alias()
    columns = _laid_out(writer, field, source, middle)
    text, refer = writer.laid(columns)
    gathered = f'select {", ".join(outer)} from ({numbered}) "i"'
    return f"(select {refer(out)} from (select {text} from ({gathered}) {middle}) {out})"


def _laid_out(writer: Writer, field: Page, source: Source, middle: str) -> list[tuple[str, str]]:
    columns: list[tuple[str, str]] = []
    place = 0
    for part in field.fields:
        if isinstance(part, tree.Edges):
            columns.append((part.key, f'{middle}."e{place}"'))
            place += 1
        elif isinstance(part, tree.Info):
            text, refer = writer.laid(
                [(each.key, _position(writer, field, source, each, middle)) for each in part.fields]
            )
            out = writer.alias()
            columns.append((part.key, f"(select {refer(out)} from (select {text}) {out})"))
        else:
            columns.append((part.key, _plain(writer, field, source, part)))
    return columns


def _position(writer: Writer, page: Page, source: Source, field: Field, middle: str) -> str:
    if not isinstance(field, tree.Position):
        return writer.value(field, source.scope, None)
    if field.name == "hasNextPage":
        return f'{middle}."more"'
    if field.name == "startCursor":
        return f'{middle}."cs"[1]'
    if field.name == "endCursor":
        return f'{middle}."cs"[cardinality({middle}."cs")]'
    if not source.after:
        return "false"
    before = f"not {source.after}"
    found = [_arm(writer, source, each, [before]) for each in page.arms]
    found = found or [f"{source.text}{where([*source.conditions, before])}"]
    return " or ".join(f"exists (select 1 from {each})" for each in found)
