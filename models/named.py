"""Named statements on a connection in hand. aiosql's own adapter asks at every call whether it was given a pool, by
listing every name that the connection has: a tenth of what a short statement costs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter

Values = Mapping[str, Any]


class Held(AsyncPGAdapter):
    """Runs statements on the connection given; each of its methods is one kind of statement of aiosql's."""

    async def select(
        self, conn: Any, query_name: str, sql: str, parameters: Values, record_class: object = None
    ) -> AsyncGenerator[Any]:
        for row in await conn.fetch(sql, *self._ordered(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: Any, query_name: str, sql: str, parameters: Values, record_class: object = None
    ) -> Any:
        return await conn.fetchrow(sql, *self._ordered(query_name, parameters))

    async def select_value(self, conn: Any, query_name: str, sql: str, parameters: Values) -> Any:
        return await conn.fetchval(sql, *self._ordered(query_name, parameters))

    async def insert_update_delete(self, conn: Any, query_name: str, sql: str, parameters: Values) -> Any:
        return await conn.execute(sql, *self._ordered(query_name, parameters))

    def _ordered(self, query_name: str, parameters: Values) -> list[Any]:
        names: dict[str, list[str]] = cast(Any, self).var_sorted
        return [parameters[name] for name in names[query_name]]


@cache
def unended(statement: Any) -> str:
    """The text of a named statement, to stand within another: without the semicolon at its end."""
    return statement.sql.rstrip().removesuffix(";")


def statements(path: Path) -> Any:
    """The named statements of a file; each takes the connection first, then its `:names`."""
    return cast(Any, aiosql).from_path(path, Held, mandatory_parameters=False)
