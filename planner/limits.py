"""What one request may ask. Each limit is refused before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

MAXIMUM_CHARACTERS = 50_000
MAXIMUM_TOKENS = 2_000
MAXIMUM_ALIASES = 200
MAXIMUM_DIRECTIVES = 100
MAXIMUM_DEPTH = 12
"""Fields below one another, `edges` and `node` included."""
MAXIMUM_FIELDS_PER_SET = 500
"""PostgreSQL's target list ends at 1,664 columns."""
MAXIMUM_FIELDS = 5_000
"""Fields of one plan after fragments are laid out for every type."""
MAXIMUM_ROWS_PER_PAGE = 100
MAXIMUM_ENTITIES = 100
"""Ids in one `nodes`, representations in one `_entities`."""
MAXIMUM_STATEMENT_BYTES = 200_000
MAXIMUM_BINDS = 1_000
"""The protocol ends at 65,535."""
MAXIMUM_COST = 100_000
"""Estimated rows, weighted; see `cost`."""
MAXIMUM_SHAPES_PER_DOCUMENT = 32
"""So that one document cannot push out everybody else's plans."""
MAXIMUM_CACHE_BYTES = 16 * 1024 * 1024
MAXIMUM_TOLD_BYTES = 1024 * 1024
"""What one operation is told of the schema is kept up to this size: the whole schema is 300 kB."""

PAGE_BUCKETS = (1, 5, 10, 20, 50, 100)
"""Page sizes written into a statement; a size from a variable uses the next larger one."""


@dataclass(frozen=True)
class Limits:
    """The limits of one planner, in the units above."""

    characters: int = MAXIMUM_CHARACTERS
    tokens: int = MAXIMUM_TOKENS
    aliases: int = MAXIMUM_ALIASES
    directives: int = MAXIMUM_DIRECTIVES
    depth: int = MAXIMUM_DEPTH
    fields_per_set: int = MAXIMUM_FIELDS_PER_SET
    fields: int = MAXIMUM_FIELDS
    entities: int = MAXIMUM_ENTITIES
    statement_bytes: int = MAXIMUM_STATEMENT_BYTES
    binds: int = MAXIMUM_BINDS
    cost: int = MAXIMUM_COST
    shapes_per_document: int = MAXIMUM_SHAPES_PER_DOCUMENT
    cache_bytes: int = MAXIMUM_CACHE_BYTES
    told_bytes: int = MAXIMUM_TOLD_BYTES


def bucket(rows: int) -> int:
    """The page size a statement is written for: the smallest bucket that holds `rows`."""
    return next((size for size in PAGE_BUCKETS if rows <= size), PAGE_BUCKETS[-1])
