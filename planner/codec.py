"""Spelling: global ids, cursors, and how values travel to and from SQL."""

from __future__ import annotations

import base64
import binascii
import enum
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import orjson
from graphql import GraphQLEnumType, GraphQLList, GraphQLNonNull, is_enum_type

from planner.errors import BAD_CURSOR, RequestError

MAXIMUM_KEY_CHARACTERS = 500

SQL_TYPES: Mapping[str, str] = {
    "ID": "text",
    "String": "text",
    "Int": "integer",
    "Float": "double precision",
    "Boolean": "boolean",
    "DateTime": "timestamp with time zone",
    "Date": "date",
    "Decimal": "numeric",
    "UUID": "uuid",
    "BigInt": "bigint",
    "JSON": "jsonb",
}
"""The SQL type in which a scalar is bound and read from jsonb; other scalars are text unless declared."""

FITS: Mapping[str, tuple[str, ...]] = {
    "ID": ("text", "uuid", "character varying"),
    "Int": ("integer", "smallint"),
    "Float": ("double precision", "real", "integer", "smallint"),
    "Decimal": ("numeric", "integer", "smallint", "bigint"),
    "BigInt": ("bigint", "numeric", "xid8"),
    "JSON": ("jsonb",),
}
"""The column types a scalar may show, where that is not just its own SQL type. `json` keeps the caller's bytes."""
TEXTS = ("text", "character varying", "character", "citext", "name")

AS_TEXT = frozenset({"Decimal", "BigInt", "ID"})
"""Written as JSON strings: a number would lose its scale or its last digits on the way."""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""How PostgreSQL spells one."""
_UUID = re.compile(UUID)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def global_id(prefix: str, key: object) -> str:
    """The global id of a key, such as `par_0190…`."""
    return f"{prefix}_{key}"


def read_global_id(text: str) -> tuple[str, str] | None:
    """Prefix and key of a global id; None when it cannot be one."""
    prefix, found, key = text.partition("_")
    if not found or not prefix or not key or len(key) > MAXIMUM_KEY_CHARACTERS or "\0" in key:
        return None
    return prefix, key


def read_key(text: object, prefix: str | None, key_type: str) -> Any:
    """The key in a global id of this prefix, as asyncpg wants it; None for anything else."""
    if not isinstance(text, str):
        return None
    if key_type == "uuid" and prefix:
        found = spelled(prefix)(text)
        return found[1] if found else None
    parts = read_global_id(text)
    if parts is None or parts[0] != prefix:
        return None
    return key_value(parts[1], key_type)


def key_value(key: str, key_type: str) -> Any:
    """A key as asyncpg wants it; None when it is not spelled as the database would spell it."""
    if key_type == "uuid":
        return key if _UUID.fullmatch(key) else None
    if key_type in ("bigint", "integer"):
        return int(key) if _INTEGER.fullmatch(key) else None
    return key


@cache
def spelled(prefix: str | None) -> Callable[[str], re.Match[str] | None]:
    """Finds, as group 1, the UUID in a text that is nothing but one, behind the prefix where one is given."""
    return re.compile(f"{re.escape(prefix)}_({UUID})" if prefix else f"({UUID})").fullmatch


def cursor(order: str, *values: str) -> str:
    """The cursor of a row: the order's name, and the order columns and the key as text."""
    return base64.b64encode(json.dumps([order, *values], ensure_ascii=False).encode()).decode()


def read_cursor(text: str, order: str, values: int) -> list[str]:
    """The texts in a cursor of this order. Raises RequestError(BAD_CURSOR) for any other cursor."""
    try:
        parts = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, RecursionError):
        parts = None
    if not isinstance(parts, list) or len(parts) != values + 1 or parts[0] != order:  # pyright: ignore[reportUnknownArgumentType]
        raise RequestError(BAD_CURSOR, "This cursor belongs to another list or order; start again without `after`.")
    if not all(isinstance(part, str) for part in parts):  # pyright: ignore[reportUnknownVariableType]
        raise RequestError(BAD_CURSOR, "This cursor is damaged; start again without `after`.")
    return parts[1:]  # pyright: ignore[reportUnknownVariableType]


def type_of(holder: Any) -> Any:
    """The type of a field, argument or input member; graphql-core leaves it half known to type checkers."""
    return holder.type


def inner(type_: Any) -> Any:
    """The item type of a list, whatever the list's nullability; None for anything else."""
    outer = type_.of_type if isinstance(type_, GraphQLNonNull) else type_  # pyright: ignore
    return outer.of_type if isinstance(outer, GraphQLList) else None  # pyright: ignore


def named(type_: Any) -> Any:
    """The type without its lists and non-nulls."""
    while isinstance(type_, (GraphQLList, GraphQLNonNull)):
        type_ = type_.of_type  # pyright: ignore
    return type_  # pyright: ignore


def is_plural(type_: Any) -> bool:
    """Whether the type is a list, whatever its nullability."""
    return inner(type_) is not None


def sql_type(type_: Any, scalars: Mapping[str, str]) -> str:
    """The SQL type a value of this GraphQL type is bound as; an input object or list of them as jsonb."""
    base = named(type_)
    plain = "text" if is_enum_type(base) else scalars.get(base.name) or SQL_TYPES.get(base.name, "text")
    return f"{plain}[]" if is_plural(type_) else plain


def fits(type_: Any, column: str, scalars: Mapping[str, str]) -> bool:
    """Whether a column of this SQL type can show this leaf type."""
    base = named(type_)
    if is_plural(type_):
        if not column.endswith("[]"):
            return False
        column = column[:-2]
    if isinstance(base, GraphQLEnumType):
        return column in TEXTS or column.startswith("enum:")
    expected = scalars.get(base.name) or SQL_TYPES.get(base.name, "text")
    return column in FITS.get(base.name, ()) or column == expected or (expected == "text" and column in TEXTS)


def plain(value: Any) -> Any:
    """A coerced input value as asyncpg wants it: enum members by name, lists member by member."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, list):
        return [plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def json_text(value: Any) -> str:
    """A value as asyncpg wants it for jsonb."""
    return orjson.dumps(value).decode()
