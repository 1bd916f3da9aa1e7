"""From the tree to SQL: records, to-one joins, lists, conditions. Pages and lookups are written next door.

Aliases are quoted numbers, which no GraphQL name can equal: a whole-row reference `t9` would mean a column of that
name first, and a document may ask for one. Values are markers until the very end, when those that remained in the
text are numbered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from planner import lookups, pages, tree
from planner.arguments import Bind, Constant, Run
from planner.errors import DeclarationError
from planner.marks import ARM, MARK, distinct
from planner.text import quoted, where
from planner.tree import Field, Record, Rows, Sql
from planner.words import HOLE

LONGEST_NAME_BYTES = 63
"""PostgreSQL cuts longer identifiers with a mere notice."""

Scope = Mapping[str, str]
"""The SQL names of `row`, `parent`, `edge`, `own` (what a child calls parent), and on edges `cursor` and `key`."""
Reference = Callable[[str], str]

NOBODY = Run({}, {}, {})
"""Whose run: a constant's value is the same in all."""

_WORD = re.compile("(?!NULL$)[A-Z][A-Z_]{1,40}")
"""As members of enumerations are spelled, but for what would be null within an array."""
_MARKER = re.compile("\x01([0-9]+)\x01")


class Writer:
    """Writes one statement. With `marked`, records whose keys do not tell their variant carry its number."""

    def __init__(self, marked: bool = False) -> None:
        self.marked = marked
        self._aliases = 0
        self._binds: dict[Bind, int] = {}

    def finished(self, text: str) -> tuple[str, tuple[Bind, ...]]:
        """The statement with its values numbered, and the binds in that order."""
        numbers: dict[str, int] = {}
        text = _MARKER.sub(lambda found: f"${numbers.setdefault(found.group(1), len(numbers) + 1)}", text)
        binds = list(self._binds)
        return text, tuple(binds[int(name)] for name in numbers)

    def alias(self) -> str:
        """A name for a FROM item."""
        self._aliases += 1
        return f'"{self._aliases}"'

    def bound(self, bind: Bind) -> str:
        """A parameter, with its type. Numbers, truth values, null and words that the document itself says stand in the
        text: PostgreSQL can then leave out what it rules out, and nobody can smuggle anything in with letters alone."""
        if isinstance(bind.ref, Constant):
            value = bind.read(NOBODY)
            if value is None or type(value) in (int, bool):
                return f"{'null' if value is None else str(value).lower()}::{bind.type}"
            if _is_word(value):
                return f"'{value}'::{bind.type}"
            if isinstance(value, list) and all(map(_is_word, cast("list[Any]", value))):
                return f"'{{{','.join(cast('list[str]', value))}}}'::{bind.type}"
        return f"\x01{self._binds.setdefault(bind, len(self._binds))}\x01::{bind.type}"

    def fill(self, sql: Sql, scope: Scope) -> str:
        """Declared SQL with its rows and values in place."""

        def name(found: re.Match[str]) -> str:
            hole = found.group(1)
            if hole in sql.binds:
                return self.bound(sql.binds[hole])
            if hole not in scope:
                raise DeclarationError(f"{{{hole}}} has no row here, in: {sql.text}")
            return scope[hole]

        return HOLE.sub(name, sql.text)

    def value(self, field: Field, scope: Scope, joins: list[str] | None) -> str:
        """The expression of one field. To-one relations become joins where the record has a FROM to hang them on."""
        if isinstance(field, (tree.Leaf, tree.Finish)):
            text = self.fill(field.sql, scope)
            cast = field.cast if isinstance(field, tree.Leaf) else ""
            return f"({text}){cast}" if cast else text
        if isinstance(field, tree.TypeName):
            return self._type_name(field, scope)
        if isinstance(field, tree.Object):
            return self.object(field, scope, joins)
        if isinstance(field, tree.Listed):
            return self._listed(field, scope)
        if isinstance(field, tree.Cursor):
            return scope["cursor"]
        if isinstance(field, tree.Here):
            return self._here(field, scope, joins)
        if isinstance(field, tree.Page):
            return pages.page(self, field, scope)
        if isinstance(field, tree.Lookup):
            return lookups.lookup(self, field)
        return "null::json"

    def made(
        self, record: Record, scope: Scope, joins: list[str] | None, arm: int | None = None
    ) -> tuple[str, Reference]:
        """What to select for a record, and how to refer to it by the alias of that selection.

        `arm`: the number that its objects carry.
        """
        marks = [(ARM, str(arm))] if arm is not None else []
        if len(record.variants) == 1:
            return self.laid(self.columns(record.variants[0].fields, scope, joins) + marks)
        arms = ""
        for number, variant in enumerate(record.variants):
            columns = self.columns(variant.fields, scope, None) + marks
            if self.marked and not distinct([record]):
                columns.append((MARK, str(number)))
            text, refer = self.laid(columns)
            alias = self.alias()
            kinds = ", ".join("'" + kind.replace("'", "''") + "'" for kind in variant.kinds)
            condition = f"{scope['row']}.{quoted(record.discriminator or '')} in ({kinds})"
            arms += f" when {condition} then (select to_json({refer(alias)}) from (select {text}) {alias})"
        return f'case{arms} end as "j"', _member

    def columns(self, fields: Sequence[Field], scope: Scope, joins: list[str] | None) -> list[tuple[str, str]]:
        """Response key and expression of each field."""
        return [(field.key, self.value(field, scope, joins)) for field in fields]

    def laid(self, columns: list[tuple[str, str]]) -> tuple[str, Reference]:
        """Columns as a composite; as text where a key is longer than a name of PostgreSQL may be."""
        if all(len(key) <= LONGEST_NAME_BYTES for key, _ in columns):
            return ", ".join(f'{text} as "{key}"' for key, text in columns), _whole
        pairs = " || ',' || ".join(f"'\"{key}\":' || coalesce(to_json({text})::text, 'null')" for key, text in columns)
        return f"('{{' || {pairs} || '}}')::json as \"j\"", _member

    def object(self, field: tree.Object, scope: Scope, joins: list[str] | None) -> str:
        """A to-one relation, or an object of the row around it."""
        out = self.alias()
        if field.rows is None:
            text, refer = self.made(field.record, scope, joins)
            present = where([self.fill(field.present, scope)] if field.present is not None else [])
            return f"(select {refer(out)} from (select {text}{present}) {out})"
        row = self.alias()
        inner = {"row": row, "own": row, "parent": scope.get("own", "")}
        joined: list[str] = []
        text, refer = self.made(field.record, inner, joined)
        conditions = self.conditions(field.rows, inner)
        if field.rows.json is not None:
            conditions.append(f"jsonb_typeof({self.fill(field.rows.json, scope)}) = 'object'")
        if field.present is not None:
            conditions.append(self.fill(field.present, scope))
        limit = f" limit {field.rows.limit}" if field.rows.limit is not None else ""
        source = self.source(field.rows, row, scope)
        select = f"select {text} from {source}{''.join(joined)}{where(conditions)}{limit}"
        if joins is None:
            return f"(select {refer(out)} from ({select}) {out})"
        joins.append(f" left join lateral ({select}) {out} on true")
        return refer(out)

    def source(self, rows: Rows, alias: str, scope: Scope) -> str:
        """A FROM item under this alias."""
        if rows.values:
            values = ", ".join(f"{self.bound(bind)} as {quoted(name)}" for name, bind in rows.values)
            return f"(select {values}) {alias}"
        if rows.json is not None:
            return f"jsonb_to_record({self.fill(rows.json, scope)}) {alias}({_defined(rows)})"
        if rows.call is not None:
            return f"{self.fill(rows.call, {**scope, 'parent': scope.get('own', '')})} {alias}"
        return f"{quoted(rows.table)} {alias}"

    def conditions(self, rows: Rows, scope: Scope) -> list[str]:
        """The conditions of rows, each in brackets: their authors may have written an OR."""
        return [f"({self.fill(each, scope)})" for each in rows.conditions]

    def ordered(self, order: Sequence[tree.Order], scope: Scope) -> str:
        """An ORDER BY clause."""
        if not order:
            return ""
        needed = [each for each in order if not each.spare]
        entries = [self.fill(each.sql, scope) + (" desc" if each.descending else "") for each in needed]
        return f" order by {', '.join(entries)}"

    def _listed(self, field: tree.Listed, scope: Scope) -> str:
        out, row = self.alias(), self.alias()
        inner = {"row": row, "own": row, "parent": scope.get("own", "")}
        joined: list[str] = []
        text, refer = self.made(field.record, inner, joined)
        if field.rows.json is not None:
            value = self.fill(field.rows.json, scope)
            names = ", ".join(quoted(name) for name, _ in field.rows.columns)
            source = (
                f"rows from (jsonb_to_recordset({value}) as ({_defined(field.rows)}))"
                f' with ordinality {row}({names}, "#")'
            )
            select = f'select {text} from {source}{"".join(joined)} order by {row}."#"'
            listed = f"(select coalesce(json_agg({refer(out)}), '[]') from ({select}) {out})"
            return f"case when jsonb_typeof({value}) = 'array' then {listed} end"
        conditions = where(self.conditions(field.rows, inner))
        source = self.source(field.rows, row, scope)
        order = self.ordered(field.order, inner)
        select = f"select {text} from {source}{''.join(joined)}{conditions}{order} limit {field.at_most}"
        return f"(select coalesce(json_agg({refer(out)}), '[]') from ({select}) {out})"

    def _here(self, field: tree.Here, scope: Scope, joins: list[str] | None) -> str:
        inner = {"row": scope["row"], "own": scope["row"], "parent": scope["parent"]}
        text, refer = self.made(field.record, inner, joins)
        out = self.alias()
        if joins is None:
            return f"(select {refer(out)} from (select {text}) {out})"
        joins.append(f" cross join lateral (select {text}) {out}")
        return refer(out)

    def _type_name(self, field: tree.TypeName, scope: Scope) -> str:
        if field.column is None:
            return f"'{field.names['']}'::text"
        arms = "".join(f" when '{kind}' then '{name}'" for kind, name in field.names.items())
        return f"case {scope['row']}.{quoted(field.column)}{arms} end"


def _whole(alias: str) -> str:
    return alias


def _member(alias: str) -> str:
    return f'{alias}."j"'


def _defined(rows: Rows) -> str:
    return ", ".join(f"{quoted(name)} {type_}" for name, type_ in rows.columns)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None
