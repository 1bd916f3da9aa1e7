"""The planner's own errors: a declaration that cannot be kept, and the codes of refused requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError, Node


class DeclarationError(Exception):
    """The schema's words and the database disagree, or a rule is broken. Raised at start; names what to change."""


class RequestError(GraphQLError):
    """A request error with a code. `extensions.code` is for programs, the message says what to do."""

    def __init__(self, code: str, message: str, nodes: Sequence[Node] | Node | None = None, **extensions: Any) -> None:
        super().__init__(message, nodes, extensions={"code": code, **extensions})


class InvalidRequestError(Exception):
    """A request that cannot be answered at all; `errors` are for the answer's `errors`, without `data`.

    Each has a code: those of graphql-core, which has none, get BAD_REQUEST.
    """

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = tuple(errors)
        for error in self.errors:
            error.extensions = {"code": BAD_REQUEST} | (error.extensions or {})


BAD_PAGE = "BAD_PAGE"
BAD_CURSOR = "BAD_CURSOR"
BAD_VALUE = "BAD_VALUE"
BAD_REQUEST = "BAD_REQUEST"
TOO_LARGE = "TOO_LARGE"
TOO_COSTLY = "TOO_COSTLY"
TIMEOUT = "TIMEOUT"
INTERNAL = "INTERNAL"
