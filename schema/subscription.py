"""Live answers: scope, agreement and consent are asked again for every event."""

from __future__ import annotations

import strawberry

from planner.declare import arg, subscribed
from schema.events import OutcomeDelivery
from schema.outcome import OutcomeKind


@strawberry.type(
    description="Live answers over WebSocket or SSE. Scope, agreement and consent are asked again for every event."
)
class Subscription:
    outcome_events: OutcomeDelivery = subscribed(
        "Shared outcomes as they are recorded (成果イベント), a cursor with the first message: resume from the last one"
        " without a gap",
        args={
            "after": arg(str | None, "Resume after this cursor; only new events when left out"),
            "kinds": arg(list[OutcomeKind] | None, "Only these kinds"),
            "agreement": arg(strawberry.ID | None, "Only events shared under this agreement", of="agreement"),
            "bookmarkSeconds": arg(int, "Seconds of silence before a bookmark, 5 to 300", default=30),
        },
        scopes=[["events:subscribe", "outcomes:read"]],
        cost=5,
    )
