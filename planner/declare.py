"""The words a schema file uses to say where its types live. The only room of the planner that imports Strawberry.

Every word returns `Any`, so that `name: str = column("…")` type-checks and the annotation stays the one truth about
type and nullability. Inside SQL, braces name values, never text: `{row}` the row itself (of a relation: the row it
leads to), `{parent}` the row that holds the field, `{edge}` the row of the edge table, `{viewer.x}` a value of the
viewer, `{name}` an argument and `{name.member}` a member of it, both by their GraphQL names; in the SQL of one
argument or filter member also `{value}`. `{key}` is the key asked for, in a table's `source`. All of them are bound
when a request runs and written with the SQL type that belongs to them, so no cast is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.federation.schema_directives import ListSize
from strawberry.types.unset import UNSET

from planner import words
from planner.directives import cost_on_objects_only, entity_keys, required_scopes, requires_login, type_word, word_of
from planner.inputs import Arg, Scopes, arg, argument_words, field, where, within
from planner.words import Finisher, Table, Verb, Way, order_columns

__all__ = [
    "PageInfo", "arg", "column", "computed", "embedded", "entity_keys", "finished", "key", "listed", "many", "node",
    "nodes", "one", "part", "required_scopes", "requires_login", "returned", "subscribed", "table", "type_word", "verb",
    "where", "within", "word_of",
]  # fmt: skip

MINIMUM_PAGE_ROWS = 1
MAXIMUM_PAGE_ROWS = 100

Order = Enum | Sequence[str]
T = TypeVar("T", bound=type)


# ------------------------------------------------------------------------------------------------------------ types


def table(
    name: str,
    *,
    prefix: str | None = None,
    key: str = "id",
    kind: tuple[str, str] | None = None,
    source: str | None = None,
) -> Callable[[T], T]:
    """The rows of this object type live in table `name`; stand it above `@strawberry.federation.type`.

    `prefix` makes global ids: `par_<key>`. `kind=("kind", "COMPANY")` lets several types share one table and prefix.
    `source="kpi_figure({viewer.partner}, {key})"` says that the rows come out of a function, and how one is found by
    its key; `name` is then only the name under which the policy is asked.
    """

    def mark(cls: T) -> T:
        type.__setattr__(cls, "__planner_table__", Table(name, prefix, key, kind, source))
        cost_on_objects_only(cls)
        return cls

    return mark


def returned(**columns: str) -> Callable[[T], T]:
    """A payload or an event: a row that Python hands over, with the SQL type of each column."""

    def mark(cls: T) -> T:
        type.__setattr__(cls, "__planner_returned__", words.Returned(columns))
        return cls

    return mark


# ------------------------------------------------------------------------------------------------------ leaf fields


def key(description: str) -> Any:
    """The global id of the row: prefix and key. Asks no scope."""
    return field(words.Key(), description)


def column(
    description: str,
    name: str | None = None,
    *,
    total: bool = False,
    at_most: int | None = None,
    scopes: Scopes = (),
    cost: int = 0,
    deprecated: str | None = None,
) -> Any:
    """A column of the row, named like the field unless `name` is given. A list annotation reads an SQL array.

    `total` promises that the value is never null where the catalogue cannot know it (columns of a source, of jsonb).
    `at_most` is the length to assume of an array.
    """
    word = words.Column(name=name, total=total, cost=cost, at_most=at_most)
    return field(word, description, scopes=scopes, deprecated=deprecated)


def computed(
    description: str,
    sql: str,
    *,
    name: str | None = None,
    total: bool = False,
    args: Mapping[str, Arg] | None = None,
    at_most: int | None = None,
    scopes: Scopes = (),
    cost: int = 0,
    deprecated: str | None = None,
) -> Any:
    """An SQL expression over `{row}`. It must not fail for any row, seen or hidden: no division, no risky cast.

    `name` is the GraphQL name where Python cannot spell it (`from`).
    """
    word = words.Computed(sql=sql, total=total, arguments=argument_words(args), cost=cost, at_most=at_most)
    return field(word, description, name=name, args=args, scopes=scopes, deprecated=deprecated)


def finished(
    description: str,
    sql: str,
    finisher: Finisher,
    *,
    personal: bool = False,
    args: Mapping[str, Arg] | None = None,
    scopes: Scopes = (),
    cost: int = 0,
) -> Any:
    """A value that Python finishes: `await finisher(values, context)` gets all values of one request (JSON read back,
    never null) and returns as many: leaf values as JSON, an object as a dict by GraphQL field name.

    `personal` runs the operation in a short transaction in which the planner's session settings are set first.
    """
    word = words.Finished(sql=sql, finisher=finisher, personal=personal, arguments=argument_words(args), cost=cost)
    return field(word, description, args=args, scopes=scopes)


# --------------------------------------------------------------------------------------------------------- relations


def one(
    description: str,
    column: str | None = None,
    *,
    back: str | None = None,
    same: str | None = None,
    owner: tuple[str, str] | None = None,
    where: str | None = None,
    source: str | None = None,
    total: bool = False,
    args: Mapping[str, Arg] | None = None,
    scopes: Scopes = (),
    authenticated: bool = False,
    cost: int = 0,
) -> Any:
    """To one object. Exactly one of:

    `one("…", "company_id")`: my column holds its key. `one("…", back="referral_id")`: its unique column holds my key.
    `one("…", "candidate_id", same="person_id", owner=("partner_id", "{viewer.partner}"))`: the row of the same person
    that is the viewer's own; (same, owner column) must be unique. `one("…", where="{row}.x = {y}")`: the row for
    which this holds; its author promises that there is at most one. `one("…", source="f({parent}.id)")`: the row that
    a function returns. `total` promises, for a non-null field, that every viewer of this row finds the other
    one; without it each answer is searched for a null.
    """
    word = words.One(
        column=column,
        back=back,
        same=same,
        owner=owner,
        where=where,
        source=source,
        total=total,
        arguments=argument_words(args),
        cost=cost,
    )
    return field(word, description, args=args, scopes=scopes, authenticated=authenticated)


def many(
    description: str,
    back: str | None = None,
    *,
    through: str | None = None,
    to: str | None = None,
    source: str | None = None,
    where: str | None = None,
    order: Order | None = None,
    order_by: Enum | None = None,
    filter: Any = None,
    ways: Sequence[Way] = (),
    args: Mapping[str, Arg] | None = None,
    scopes: Scopes = (),
    authenticated: bool = False,
    cost: int = 0,
) -> Any:
    """A forward page. `back`: the column (of the target, or of `through`) that holds my key; none for a root list.

    `through="membership", to="partner_id"`: many to many, by an edge table, or by a function when it is a call:
    `through="neighbourhood({viewer.partner}, {of}, {depth})"`, which returns keys of rows that are there. `source`
    calls a function of the target's rows.
    `order_by=ReferralOrder.SUBMITTED_AT_DESC` prints `orderBy` with that default; `order=` fixes an order, by a member
    of such an enum or by columns. A column is `"name"`, `"-name"` (descending), `"edge.name"`, or an SQL expression
    with `{row}` that is never null. The key is appended by itself. `filter` is an input class of `where` members.
    `ways`: how indexes find the rows of a root list, where its policy is an OR that none of them serves. They exclude
    each other and leave out no row that the policy lets through, which is asked of each row all the same.
    """
    default = order if order_by is None else order_by
    word = words.Many(
        back=back,
        through=through,
        to=to,
        source=source,
        where=where,
        order=order_columns(default),
        order_name=default.name if isinstance(default, Enum) else ",".join(default or ()),
        sortable=order_by is not None,
        ways=tuple(ways),
        arguments=argument_words(args),
        cost=cost,
    )
    paging = _paging(filter, args or {}, order_by)
    size = ListSize(
        assumed_size=UNSET, slicing_arguments=["first"], sized_fields=["edges"], require_one_slicing_argument=UNSET
    )
    return field(word, description, args=paging, scopes=scopes, authenticated=authenticated, directives=[size])


def _paging(filter: Any, args: Mapping[str, Arg], order_by: Enum | None) -> dict[str, Arg]:
    paging: dict[str, Arg] = {
        "first": arg(int, f"Page size, {MINIMUM_PAGE_ROWS}–{MAXIMUM_PAGE_ROWS}"),
        "after": arg(str | None, "After this cursor", default=UNSET),
    }
    if filter is not None:
        paging["filter"] = arg(filter | None, "Narrow the list", default=UNSET)
    paging.update(args)
    if order_by is not None:
        paging["orderBy"] = arg(type(order_by), "Order", default=order_by)
    return paging


def listed(
    description: str,
    *,
    at_most: int,
    back: str | None = None,
    source: str | None = None,
    json: str | None = None,
    where: str | None = None,
    order: Order | None = None,
    args: Mapping[str, Arg] | None = None,
    scopes: Scopes = (),
    cost: int = 0,
) -> Any:
    """A plain bounded list of objects: rows of another table (`back`, `where`, `order`), rows that a function returns
    (`source`), or the objects in a jsonb array (`json="{row}.funnel"`). `at_most` bounds rows and is printed."""
    word = words.Listed(
        back=back,
        source=source,
        json=json,
        where=where,
        order=order_columns(order),
        arguments=argument_words(args),
        cost=cost,
        at_most=at_most,
    )
    return field(word, description, args=args, scopes=scopes)


def embedded(
    description: str,
    *,
    present: str | None = None,
    json: str | None = None,
    args: Mapping[str, Arg] | None = None,
    scopes: Scopes = (),
    authenticated: bool = False,
    cost: int = 0,
) -> Any:
    """An object without a table. Its fields are columns and expressions of the parent's row; with `json`, members of
    that jsonb value (`column` reads the member of its name); at the root, expressions over `{viewer.x}`.
    It is null when the condition `present` does not hold."""
    word = words.Embedded(present=present, json=json, arguments=argument_words(args), cost=cost)
    return field(word, description, args=args, scopes=scopes, authenticated=authenticated)


def part(description: str, name: str, *, cost: int = 0, at_most: int | None = None) -> Any:
    """A fixed part: `edges`, `pageInfo`, `totalCount` of a connection; `cursor`, `node` of an edge."""
    return field(words.Part(name=name, cost=cost, at_most=at_most), description)


# ----------------------------------------------------------------------------------------------------- root fields


def node(description: str, argument: str, *, authenticated: bool = True) -> Any:
    """The root field `node(id:)`."""
    args = {"id": arg(strawberry.ID, argument)}
    return field(words.Lookup(), description, args=args, authenticated=authenticated)


def nodes(description: str, argument: str, *, authenticated: bool = True) -> Any:
    """The root field `nodes(ids:)`, at most 100."""
    args = {"ids": arg(list[strawberry.ID], argument)}
    word = words.Lookup(many=True, at_most=MAXIMUM_PAGE_ROWS)
    return field(word, description, args=args, authenticated=authenticated)


def verb(
    description: str, verb: Verb, argument: str, *, scopes: Scopes = (), authenticated: bool = False, cost: int = 0
) -> Any:
    """A mutation field. `verb` is `async def act(context, input: SomeInput) -> dict`: the payload's returned row."""
    annotation = StrawberryAnnotation(verb.__annotations__["input"], namespace=verb.__globals__)  # type: ignore[attr-defined]
    args = {"input": Arg(annotation, argument, UNSET, words.Argument())}
    return field(words.Act(verb=verb, cost=cost), description, args=args, scopes=scopes, authenticated=authenticated)


def subscribed(
    description: str,
    *,
    args: Mapping[str, Arg] | None = None,
    scopes: Scopes = (),
    authenticated: bool = False,
    cost: int = 0,
) -> Any:
    """A subscription field. Its type is a `returned` row; the edge hands the planner one row per event."""
    return field(
        words.Event(arguments=argument_words(args), cost=cost),
        description,
        args=args,
        scopes=scopes,
        authenticated=authenticated,
    )


# ------------------------------------------------------------------------------------------------- the shared object


@strawberry.federation.type(
    shareable=True,
    description="Where a page stands (ページ情報), truthful in both directions. Seen by everyone.",
)
class PageInfo:
    """Part of every connection."""

    has_next_page: bool = part("More after this page", "hasNextPage")
    has_previous_page: bool = part("More before this page", "hasPreviousPage")
    start_cursor: str | None = part("Cursor of the first edge; null on an empty page", "startCursor")
    end_cursor: str | None = part("Cursor of the last edge; null on an empty page", "endCursor")
