"""A place in the outbox, and the cursor that names it."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from graphql import GraphQLError

from planner import InvalidRequestError
from planner.codec import cursor, read_cursor
from planner.errors import BAD_CURSOR, RequestError

ORDER = "RECORDED_ASC"
LARGEST = 2**63 - 1
"""Neither a transaction's number nor a place within one is larger."""


class Place(NamedTuple):
    """A place in the outbox: everything up to it is known."""

    xid: int
    position: int
    event_id: UUID

    @property
    def cursor(self) -> str:
        """The same cursor that `outcomes` gives for this event."""
        return cursor(ORDER, str(self.xid), str(self.position), str(self.event_id))

    def reaches(self, other: Place) -> bool:
        """Whether whoever stands here knows of the event there. Ids do not count: a forged cursor may hold any."""
        return self[:2] >= other[:2]


START = Place(0, 0, UUID(int=0))


def place_of(row: Any) -> Place:
    """Where an event stands."""
    return Place(int(row["xid"]), row["position"], row["id"])


def read_place(after: str | None) -> Place | None:
    """The place that a client names. Raises InvalidRequestError for a cursor that cannot be read."""
    if after is None:
        return None
    try:
        xid, position, event_id = read_cursor(after, ORDER, 3)
        found = Place(int(xid), int(position), UUID(event_id))
        if max(found[:2]) > LARGEST:
            raise ValueError("no event stands there")
        return found
    except (GraphQLError, ValueError) as error:
        known = error if isinstance(error, GraphQLError) else RequestError(BAD_CURSOR, "This cursor is damaged.")
        raise InvalidRequestError([known]) from None
