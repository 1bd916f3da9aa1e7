"""What a declaration says, as plain data. `declare` writes these words, `catalog` checks them, `select` reads them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

HOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
CALL = re.compile(r"\s*([a-z_][a-z0-9_.]*)\s*\(")

Order = tuple[str, ...]
Finisher = Callable[[Sequence[Any], Any], Awaitable[Sequence[Any]]]
Verb = Callable[..., Awaitable[Mapping[str, Any]]]
Predicate = str | Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Where the rows of one GraphQL type live. `kind` is (discriminator column, value) when types share a table."""

    name: str
    prefix: str | None = None
    key: str = "id"
    kind: tuple[str, str] | None = None
    source: str | None = None


@dataclass(frozen=True)
class Returned:
    """A row that a verb or an event hands over: column name -> SQL type."""

    columns: Mapping[str, str]


@dataclass(frozen=True)
class Way:
    """Some of the rows that a list may show, as one index finds them: those that meet the condition. Where `each`
    selects rows, those that meet it with each of them in turn, `{each}.giver` being the column that `each` calls so.
    """

    condition: str
    each: str | None = None


@dataclass(frozen=True)
class Argument:
    """What the planner must know of an argument beyond its GraphQL type. `among` is the least and most it may be.
    `ways`: how indexes find the rows of a list that has ways, where this member of its filter is given.
    """

    where: Predicate | None = None
    of: str | None = None
    among: tuple[int, int] | None = None
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Word:
    """Common to all field words. `cost` is the weight of one such field beyond its rows."""

    arguments: Mapping[str, Argument] = field(default_factory=dict[str, Argument])
    cost: int = 0
    at_most: int | None = None


@dataclass(frozen=True, kw_only=True)
class Key(Word):
    """The row's global id."""


@dataclass(frozen=True, kw_only=True)
class Column(Word):
    """A column of the row; named like the field unless `name` says otherwise."""

    name: str | None = None
    total: bool = False


@dataclass(frozen=True, kw_only=True)
class Computed(Word):
    """An SQL expression over the row; `total` promises that it is never null."""

    sql: str
    total: bool = False


@dataclass(frozen=True, kw_only=True)
class Finished(Word):
    """An SQL expression whose values Python finishes, all of one request in one call."""

    sql: str
    finisher: Finisher
    personal: bool = False


@dataclass(frozen=True, kw_only=True)
class One(Word):
    """A to-one relation."""

    column: str | None = None
    back: str | None = None
    same: str | None = None
    owner: tuple[str, str] | None = None
    where: str | None = None
    source: str | None = None
    total: bool = False


@dataclass(frozen=True, kw_only=True)
class Many(Word):
    """A connection."""

    back: str | None = None
    through: str | None = None
    to: str | None = None
    source: str | None = None
    where: str | None = None
    order: Order = ()
    order_name: str = ""
    sortable: bool = False
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Listed(Word):
    """A plain bounded list of objects."""

    back: str | None = None
    source: str | None = None
    json: str | None = None
    where: str | None = None
    order: Order = ()


@dataclass(frozen=True, kw_only=True)
class Embedded(Word):
    """An object made of the parent's own row, of a jsonb value, or (at the root) of viewer values."""

    present: str | None = None
    json: str | None = None


@dataclass(frozen=True, kw_only=True)
class Part(Word):
    """A fixed part of a page or of an edge."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Lookup(Word):
    """`node` and `nodes`."""

    many: bool = False


@dataclass(frozen=True, kw_only=True)
class Act(Word):
    """A mutation field: the verb, and its one argument."""

    verb: Verb


@dataclass(frozen=True, kw_only=True)
class Event(Word):
    """A subscription field: its type is a returned row."""


def relation_name(call_or_table: str) -> str:
    """The name under which a FROM item is known, and its policy asked: the table, or the function called."""
    found = CALL.match(call_or_table)
    return found.group(1) if found else call_or_table


@lru_cache(maxsize=4096)
def holes(sql: str) -> tuple[str, ...]:
    """The names in braces in a piece of declared SQL."""
    return tuple(dict.fromkeys(HOLE.findall(sql)))


def order_columns(order: Enum | Sequence[str] | str | None) -> tuple[str, ...]:
    """The columns of an order: an enum member's value (one column or several), or the columns themselves."""
    value = order.value if isinstance(order, Enum) else order
    return (value,) if isinstance(value, str) else tuple(value or ())
