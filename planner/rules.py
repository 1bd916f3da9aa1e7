"""The rules a declaration must keep, checked at start. Each error names type, field, table and the cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.catalog import Catalogue


def check(catalogue: Catalogue) -> None:
    """Raises DeclarationError for the first declaration that the database contradicts."""
