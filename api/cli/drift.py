"""Where the code and the migrated database tell different stories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
from tortoise import Tortoise
from tortoise.fields.relational import RelationalField

from api.cli.migrate import applied
from models import db
from models.db import Connection

SQL = Path(db.__file__).parent / "sql"
MIGRATIONS = Path(db.__file__).parent / "migrations"


async def drift(url: str) -> list[str]:
    """Migrates an empty database and compares; one line for each difference, none when all is well.

    Every migration file is applied; every column of a model is in its table and may be null in both or in neither;
    a column that the table demands is in the model; PostgreSQL accepts every named statement.
    """
    await db.migrate(url)
    files = [file.stem for file in sorted(MIGRATIONS.glob("[0-9]*.py"))]
    found = [f"migration {name} was not applied" for name in files if name not in await applied(url)]
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        found += [line for file in sorted(SQL.glob("*.sql")) for line in await _refused(connection, file.stem)]
        await Tortoise.init(config=db.configuration(url, role=None), init_connections=False)
        assert Tortoise.apps is not None
        for model in Tortoise.apps["models"].values():
            found += await _differences(connection, model)
    finally:
        await connection.close()
    return found


async def _refused(connection: Connection, word: str) -> list[str]:
    """The named statements of models/sql/<word>.sql that PostgreSQL does not accept."""
    statements = db.queries(word)
    found: list[str] = []
    for name in statements.available_queries:
        if name.endswith("_cursor"):
            continue
        try:
            await connection.prepare(getattr(statements, name).sql)
        except asyncpg.PostgresError as error:
            found.append(f"models/sql/{word}.sql: {name}: {error}")
    return found


async def _differences(connection: Connection, model: Any) -> list[str]:
    table = model._meta.db_table
    columns = {row["name"]: row async for row in db.queries("installation").columns(connection, table=table)}
    fields = {
        field.source_field or name: field
        for name, field in model._meta.fields_map.items()
        if not isinstance(field, RelationalField)
    }
    missing = [f"{table}.{name}: not in the table" for name in sorted(fields.keys() - columns.keys())]
    unknown = [
        f"{table}.{name}: demanded by the table, not in the model"
        for name in sorted(columns.keys() - fields.keys())
        if not columns[name]["nullable"] and not columns[name]["has_default"]
    ]
    unlike = [
        f"{table}.{name}: {'may' if columns[name]['nullable'] else 'may not'} be null in the table, unlike in the model"
        for name in sorted(columns.keys() & fields.keys())
        if columns[name]["nullable"] != fields[name].null
    ]
    return missing + unknown + unlike
