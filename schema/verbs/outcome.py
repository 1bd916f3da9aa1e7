"""Verbs about outcomes: retention and surveys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry import UNSET

from models import outcome, seal
from planner.declare import one, returned
from schema.act import Act, Row, given
from schema.node import Payload
from schema.scalars import DateTime
from schema.verbs.referral import token_invalid

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


async def record_retention(act: Act, input: RecordRetentionInput) -> Row:
    """The company says whether a hire still works there."""
    hire = await act.reach("hire", "hire", input.hire_id, "hireId")
    event_id = await outcome.record_retention(
        act.connection,
        hire_id=hire["id"],
        acting=act.partner_id,
        day=input.day,
        status=input.status.name,
        said=act.said(given(input.occurred_at)),
    )
    return {"hire_id": hire["id"], "event_id": event_id}


async def answer_survey(act: Act, input: AnswerSurveyInput) -> Row:
    """The candidate answers a survey, by the token from their mail; the calling partner only carries it."""
    survey_id = seal.read_survey_token(input.token)
    if survey_id is None:
        raise token_invalid()
    await outcome.answer_survey(act.connection, survey_id=survey_id, score=input.score, comment=given(input.comment))
    return {"survey_id": survey_id}
