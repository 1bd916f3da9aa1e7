"""Facts read from PostgreSQL's catalogue: columns, what cannot be null, what is unique, what is indexed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

_COLUMNS = """
select n.name, a.attname as column,
       case when t.typtype = 'e' then 'enum:' else '' end
       || format_type(case when t.typtype = 'd' then t.typbasetype else t.oid end, null) as type,
       a.attnotnull or t.typnotnull as notnull
from unnest($1::text[]) n(name)
join pg_class c on c.oid = to_regclass(n.name) and c.relkind in ('r', 'p', 'v', 'm', 'f')
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
order by n.name, a.attnum
"""

_INDEXES = """
select n.name, i.indisunique and i.indpred is null as unique,
       array(select a.attname::text from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k(number, place)
             left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
             order by k.place) as columns
from unnest($1::text[]) n(name)
join pg_index i on i.indrelid = to_regclass(n.name)
where i.indisvalid
"""

_REFERENCES = """
select n.name, a.attname as column, t.relname as table, k.attname as key
from unnest($1::text[]) n(name)
join pg_constraint c on c.conrelid = to_regclass(n.name) and c.contype = 'f' and c.convalidated and not c.condeferrable
  and cardinality(c.conkey) = 1
join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
join pg_class t on t.oid = c.confrelid
join pg_attribute k on k.attrelid = c.confrelid and k.attnum = c.confkey[1]
"""

_FUNCTIONS = """
select n.name, o.name as column, format_type(o.type, null) as type
from unnest($1::text[]) n(name)
join pg_proc p on p.oid = to_regproc(n.name)
cross join lateral (
    select m.name, m.type, m.place
    from unnest(p.proargnames, p.proallargtypes, p.proargmodes) with ordinality m(name, type, mode, place)
    where m.mode in ('t', 'o')
    union all
    select a.attname::text, a.atttypid, a.attnum
    from pg_type t join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    where t.oid = p.prorettype and t.typtype = 'c'
) o
where not exists (select 1 from pg_class c where c.oid = to_regclass(n.name))
order by n.name, o.place
"""


@dataclass(frozen=True)
class Fact:
    """A column: its SQL type, whether the database can give null, and the columns of tables it refers to (a foreign
    key), each as table and column."""

    type: str
    notnull: bool
    refers: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Relation:
    """A table, or the rows a function returns. `leading` are the first columns of its indexes."""

    name: str
    columns: Mapping[str, Fact]
    unique: frozenset[frozenset[str]] = frozenset()
    leading: frozenset[str] = frozenset()
    is_table: bool = True


async def read(connection: asyncpg.Connection[Any], names: Iterable[str]) -> dict[str, Relation]:
    """The relations of these names that exist."""
    wanted = list(names)
    found: dict[str, Relation] = {}
    columns: dict[str, dict[str, Fact]] = {}
    refers: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for row in await connection.fetch(_REFERENCES, wanted):
        refers.setdefault((row["name"], row["column"]), set()).add((row["table"], row["key"]))
    for row in await connection.fetch(_COLUMNS, wanted):
        to = frozenset(refers.get((row["name"], row["column"]), ()))
        columns.setdefault(row["name"], {})[row["column"]] = Fact(row["type"], row["notnull"], to)
    unique: dict[str, set[frozenset[str]]] = {}
    leading: dict[str, set[str]] = {}
    for row in await connection.fetch(_INDEXES, wanted):
        if row["columns"] and row["columns"][0] is not None:
            leading.setdefault(row["name"], set()).add(row["columns"][0])
        if row["unique"] and None not in row["columns"]:
            unique.setdefault(row["name"], set()).add(frozenset(row["columns"]))
    for name, each in columns.items():
        found[name] = Relation(name, each, frozenset(unique.get(name, ())), frozenset(leading.get(name, ())))
    returned: dict[str, dict[str, Fact]] = {}
    for row in await connection.fetch(_FUNCTIONS, wanted):
        returned.setdefault(row["name"], {})[row["column"]] = Fact(row["type"], False)
    for name, each in returned.items():
        found[name] = Relation(name, each, is_table=False)
    return found
