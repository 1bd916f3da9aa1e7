"""Small pieces of SQL text."""

from __future__ import annotations

from collections.abc import Sequence


def quoted(name: str) -> str:
    """An identifier of the schema's author, as SQL."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def where(conditions: Sequence[str]) -> str:
    """A WHERE clause."""
    return f" where {' and '.join(conditions)}" if conditions else ""
