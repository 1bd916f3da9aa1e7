"""The one door to rows: nothing is read from a table or function but through here, under its policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planner import settle
from planner.catalog import Home
from planner.errors import DeclarationError
from planner.facts import Relation
from planner.fragments import Named
from planner.spot import Asked
from planner.text import quoted
from planner.tree import Order, Rows, Sql
from planner.words import relation_name

if TYPE_CHECKING:
    from planner.select import Selector


def permitted(selector: Selector, name: str) -> list[Sql]:
    """The policy of a table or function for the standing in hand. Raises DeclarationError when nobody decided one."""
    policy = selector.policy(name)
    if policy is None:
        raise DeclarationError(f"{name!r} has no policy: decide who may read it before it can be planned")
    return [] if policy.strip() == "true" else [selector.sql.sql(policy)]


def rows_of(
    selector: Selector, type_: Any, home: Home | None, call: Sql | None, name: str, conditions: Sequence[Sql],
    limit: int | None = None,
) -> Rows:  # fmt: skip
    """Rows of a type under their policy, of its kinds only."""
    found = [*conditions, *permitted(selector, name)]
    if home is not None and home.kinds:
        kinds = sorted(home.kinds[each.name] for each in selector.catalogue.possible(type_) if each.name in home.kinds)
        if len(kinds) < len(home.kinds):
            assert home.discriminator is not None
            spelled = ", ".join("'" + kind.replace("'", "''") + "'" for kind in kinds)
            found.append(Sql(f"{{row}}.{quoted(home.discriminator)} in ({spelled})"))
    table = "" if call is not None else name
    return Rows(table=table, call=call, conditions=tuple(found), limit=limit)


def settled(selector: Selector, rows: Rows, column: str, key: str) -> tuple[Rows, ...]:
    """The rows of one parent in arms, by what the parent settles of their policy; none when it settles nothing."""
    whole = permitted(selector, rows.table)
    others = [each for each in rows.conditions if each not in whole]
    parts = settle.arms(selector.policy(rows.table) or "", column, quoted(key)) if whole else ()
    return tuple(replace(rows, conditions=(*others, selector.sql.sql(part))) for part in parts)


def found_by(selector: Selector, rows: Rows, condition: Sql, each: Sql | None) -> Rows:
    """Those of the rows that one way finds, under the same conditions."""
    whole = permitted(selector, rows.table)
    # An OR is taken for rare, so that PostgreSQL would sort all that the index finds; of this it thinks that half pass.
    told = [Sql(f"coalesce({one.text}, false)", one.binds) if one in whole else one for one in rows.conditions]
    return replace(rows, conditions=(*told, condition), each=each)


def permitted_edge(selector: Selector, name: str) -> list[Sql]:
    """The policy of an edge table: its own row is the edge."""
    return [Sql(each.text.replace("{row}", "{edge}"), each.binds) for each in permitted(selector, name)]


def target(
    selector: Selector, asked: Asked, type_: Any, source: str | None, arguments: Mapping[str, Named]
) -> tuple[Home | None, Relation, Sql | None, str]:
    """Where the target lives, its columns, the call that makes its rows, and the name of its policy."""
    home = selector.catalogue.homes.get(type_.name)
    if source is not None:
        relation = selector.catalogue.relation_of(source)
        return home, relation, selector.sql.sql(source, arguments), home.name if home else relation_name(source)
    if home is None:
        raise DeclarationError(f"{asked.place}: {type_.name} has no table of its own; give source=")
    if home.source is not None:
        raise DeclarationError(f"{asked.place}: rows of {type_.name} come out of a function; give source=")
    return home, home.relation, None, home.name


def order_of(
    entries: Sequence[str], home: Home | None, relation: Relation, edge: Relation | None = None, to: str | None = None
) -> tuple[Order, ...]:
    """The columns of an order, the key last, so that no two rows stand equal; of edges the column `to` holds it."""
    found: list[Order] = []
    for entry in entries:
        body = entry.removeprefix("-")
        descending = entry != body
        if "{" in body:
            found.append(Order(Sql(f"({body})"), body.rpartition("::")[2].strip(), descending))
        elif body.startswith("edge.") and edge is not None:
            name = body.removeprefix("edge.")
            found.append(Order(Sql(f"{{edge}}.{quoted(name)}"), edge.columns[name].type, descending))
        else:
            found.append(Order(Sql(f"{{row}}.{quoted(body)}"), relation.columns[body].type, descending))
    if home is not None and home.key not in entries:
        descending = bool(found) and found[-1].descending
        key = f"{{row}}.{quoted(home.key)}" if to is None else f"{{edge}}.{quoted(to)}"
        alone = any(unique <= {entry.removeprefix("-") for entry in entries} for unique in relation.unique)
        found.append(Order(Sql(key), home.key_type, descending, spare=alone and edge is None))
    return tuple(found)
