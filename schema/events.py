"""What a live subscription delivers (配信)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from planner.declare import column, one, returned
from schema.scalars import DateTime

if TYPE_CHECKING:
    from schema.outcome import OutcomeEvent


@returned(cursor="text", event_id="uuid", live="boolean", sent_at="timestamptz")
@strawberry.federation.type(
    requires_scopes=[["events:subscribe"]],
    description="One message of the subscription (配信): an event, or a bookmark that says nothing was missed. Seen by its subscriber.",
)
class OutcomeDelivery:
    cursor: str = column("Resume after this; keep the last one you have handled", total=True)
    event: OutcomeEvent | None = one("The event; null in a bookmark (しおり)", "event_id")
    live: bool = column("False while past events are replayed, true from the live edge on", total=True)
    sent_at: DateTime = column("Time of the server", total=True)
