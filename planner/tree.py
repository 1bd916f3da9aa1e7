"""The tree of a plan: everything that the writer, the cost and the completion need. No behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from graphql import FieldNode

from planner.arguments import Bind
from planner.words import Finisher


@dataclass(frozen=True)
class Sql:
    """A declared piece of SQL. Its row names stay open until it is written; its values are binds already."""

    text: str
    binds: Mapping[str, Bind] = field(default_factory=dict[str, Bind])


@dataclass(frozen=True)
class Size:
    """Rows of a page: written as `rows`; `bind` cuts them to what the request asks when that is a variable."""

    rows: int
    bind: Bind | None = None


@dataclass(frozen=True, kw_only=True)
class Field:
    """One response key. `node` is where an error points; two fields are equal without it."""

    key: str
    nonnull: bool = False
    cost: int = 0
    node: FieldNode | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Leaf(Field):
    """A value. `sure`: the database cannot give null. `items`: a list whose items may not be null either."""

    sql: Sql
    sure: bool = False
    items: bool = False
    cast: str = ""


@dataclass(frozen=True, kw_only=True)
class Finish(Field):
    """A value that Python finishes; an object is projected by `record`.."""

    name: str
    sql: Sql
    finisher: Finisher
    personal: bool
    record: Record | None


@dataclass(frozen=True, kw_only=True)
class TypeName(Field):
    """`__typename`: one name, or a name by discriminator value."""

    names: Mapping[str, str]
    column: str | None = None


@dataclass(frozen=True, kw_only=True)
class Member(Field):
    """A leaf of a finished object, by its GraphQL name."""

    name: str


@dataclass(frozen=True)
class Variant:
    """The fields of one concrete shape; `kinds` are the discriminator values it holds for, none for all."""

    kinds: tuple[str, ...]
    fields: tuple[Field, ...]

    @cached_property
    def keys(self) -> frozenset[str]:
        """The response keys."""
        return frozenset(each.key for each in self.fields)


@dataclass(frozen=True)
class Record:
    """An object. Several variants are told apart by the column `discriminator`."""

    variants: tuple[Variant, ...]
    discriminator: str | None = None


@dataclass(frozen=True)
class Rows:
    """Where rows come from: a table, a function call, a jsonb value or a returned row, under its conditions.

    `each` selects rows of which the conditions hold one, `{each}`: what is found with each in turn.
    """

    table: str = ""
    call: Sql | None = None
    json: Sql | None = None
    columns: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, Bind], ...] = ()
    conditions: tuple[Sql, ...] = ()
    limit: int | None = None
    each: Sql | None = None


@dataclass(frozen=True, kw_only=True)
class Object(Field):
    """To one. Without rows it is made of the row around it; `present` says when it is there at all."""

    record: Record
    rows: Rows | None = None
    present: Sql | None = None
    sure: bool = False


@dataclass(frozen=True)
class Order:
    """One column of an order: its SQL, the SQL type its text is cast back to, and its direction. `spare`: no two rows
    are equal in the columns before it, so that it stands in cursors alone.
    """

    sql: Sql
    type: str
    descending: bool
    spare: bool = False


@dataclass(frozen=True, kw_only=True)
class Listed(Field):
    """A plain list of objects of at most so many items."""

    record: Record
    rows: Rows
    order: tuple[Order, ...]
    at_most: int
    item_nonnull: bool
    sure: bool = False


@dataclass(frozen=True, kw_only=True)
class Cursor(Field):
    """The cursor of an edge."""


@dataclass(frozen=True, kw_only=True)
class Edges(Field):
    """The edges of a page. Among the record's fields, `Here` is the node."""

    record: Record


@dataclass(frozen=True, kw_only=True)
class Here(Field):
    """The node of an edge: the page's own row."""

    record: Record


@dataclass(frozen=True, kw_only=True)
class Total(Field):
    """`totalCount`."""


@dataclass(frozen=True, kw_only=True)
class Position(Field):
    """One member of `pageInfo`, by its GraphQL name."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Info(Field):
    """`pageInfo`."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, kw_only=True)
class Page(Field):
    """A connection. With `edge`, rows come through it: `to` is its column that holds the row's key.

    `arms`: the same rows in parts that exclude each other, where that is quicker; see `settle` and `words.Way`.
    """

    fields: tuple[Field, ...]
    rows: Rows
    table_key: str
    edge: Rows | None
    to: str | None
    order: tuple[Order, ...]
    order_name: str
    size: Size
    after: tuple[Bind, ...]
    arms: tuple[Rows, ...] = ()


@dataclass(frozen=True)
class Arm:
    """One table of a lookup: the binds of its keys and of their places in the answer, and the column of the keys."""

    rows: Rows
    record: Record
    keys: Bind
    places: Bind
    column: str


@dataclass(frozen=True, kw_only=True)
class Lookup(Field):
    """`nodes` and `_entities`: arms laid in the order asked. `length` is a bind."""

    arms: tuple[Arm, ...]
    length: Bind


@dataclass(frozen=True, kw_only=True)
class Nothing(Field):
    """A place known to be null: an id of no known prefix."""


@dataclass(frozen=True)
class Operation:
    """The planned root fields, in the document's order, and the nodes of those left to graphql-core: `introspected` of
    the schema itself, `fallback` of resolvers."""

    fields: tuple[Field, ...]
    fallback: tuple[FieldNode, ...] = ()
    introspected: tuple[FieldNode, ...] = ()
