"""Verbs about outcomes: retention and surveys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry import UNSET

from planner.declare import one, returned
from schema.node import Payload
from schema.scalars import DateTime

if TYPE_CHECKING:
    from schema.outcome import Hire, OutcomeEvent, RetentionStatus, Survey


@strawberry.input(description="Records a retention check")
class RecordRetentionInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    hire_id: strawberry.ID = strawberry.field(description="The hire")
    day: int = strawberry.field(description="30, 90, 180 or 365")
    status: RetentionStatus = strawberry.field(description="Answer")
    occurred_at: DateTime | None = strawberry.field(description="When; now when left out", default=UNSET)


@strawberry.input(description="Answers a survey")
class AnswerSurveyInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    token: str = strawberry.field(description="Token from the candidate's mail; stands for the person")
    score: int = strawberry.field(description="Satisfaction from 1 to 5")
    comment: str | None = strawberry.field(description="In their own words, at most 2,000 characters", default=UNSET)


@returned(client_mutation_id="text", user_errors="jsonb", hire_id="uuid", event_id="uuid")
@strawberry.type(description="Hire after a verb. Seen by the caller.")
class HirePayload(Payload):
    hire: Hire | None = one("The hire; null when refused", "hire_id")
    event: OutcomeEvent | None = one("The event that was recorded", "event_id")


@returned(client_mutation_id="text", user_errors="jsonb", survey_id="uuid")
@strawberry.type(description="Survey after a verb. Seen by the caller.")
class SurveyPayload(Payload):
    survey: Survey | None = one("The survey; null when refused", "survey_id")
