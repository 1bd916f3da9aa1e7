"""Verbs about jobs and applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry import UNSET

from planner.declare import one, returned
from schema.node import Payload
from schema.scalars import Date, DateTime, EmailAddress

if TYPE_CHECKING:
    from schema.application import Application, Job, JobStatus, Route, Stage
    from schema.outcome import OutcomeEvent
    from schema.prefecture import Prefecture


@strawberry.input(description="Posts a job")
class PostJobInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    title: str = strawberry.field(description="Title")
    requirements: str = strawberry.field(description="Requirements")
    challenge: str | None = strawberry.field(description="Hiring challenge", default=UNSET)
    openings: int = strawberry.field(description="Openings", default=1)
    prefecture: Prefecture = strawberry.field(description="Where")
    open_to_network: bool = strawberry.field(
        description="Open to the whole network, not by agreement only", default=False
    )


@strawberry.input(description="Changes a job")
class UpdateJobInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    job_id: strawberry.ID = strawberry.field(description="The job")
    title: str | None = strawberry.field(description="Title", default=UNSET)
    requirements: str | None = strawberry.field(description="Requirements", default=UNSET)
    challenge: str | None = strawberry.field(description="Hiring challenge", default=UNSET)
    openings: int | None = strawberry.field(description="Openings", default=UNSET)
    status: JobStatus | None = strawberry.field(description="State; CLOSED closes it", default=UNSET)


@strawberry.input(description="Records an application")
class RecordApplicationInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    job_id: strawberry.ID = strawberry.field(description="The job")
    referral_id: strawberry.ID | None = strawberry.field(description="The referral behind it", default=UNSET)
    name: str | None = strawberry.field(description="Name; not needed with a referral", default=UNSET)
    email: EmailAddress | None = strawberry.field(
        description="E-mail address; not needed with a referral", default=UNSET
    )
    route: Route = strawberry.field(description="Route")
    occurred_at: DateTime | None = strawberry.field(
        description="When it was received; now when left out", default=UNSET
    )


@strawberry.input(description="Records a stage")
class RecordStageInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    application_id: strawberry.ID = strawberry.field(description="The application")
    stage: Stage = strawberry.field(description="Stage reached")
    occurred_at: DateTime | None = strawberry.field(description="When; now when left out", default=UNSET)


@strawberry.input(description="Rejects an application")
class RejectApplicationInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    application_id: strawberry.ID = strawberry.field(description="The application")
    reason: str | None = strawberry.field(description="Why; never sent to anyone", default=UNSET)
    occurred_at: DateTime | None = strawberry.field(description="When; now when left out", default=UNSET)


@strawberry.input(description="Closes an application for the candidate")
class WithdrawApplicationInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    application_id: strawberry.ID = strawberry.field(description="The application")
    occurred_at: DateTime | None = strawberry.field(description="When; now when left out", default=UNSET)


@strawberry.input(description="Hires")
class HireApplicationInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    application_id: strawberry.ID = strawberry.field(description="The application")
    starts_on: Date = strawberry.field(description="First working day (入社日)")
    slot_id: strawberry.ID | None = strawberry.field(
        description="The slot that pays the fee (無料紹介枠)", default=UNSET
    )
    occurred_at: DateTime | None = strawberry.field(description="When it was decided; now when left out", default=UNSET)


@strawberry.input(description="Takes back a rejection or a hire")
class RevertDecisionInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    application_id: strawberry.ID = strawberry.field(description="The application")
    reason: str = strawberry.field(description="Why")


@returned(client_mutation_id="text", user_errors="jsonb", job_id="uuid")
@strawberry.type(description="Job after a verb. Seen by the caller.")
class JobPayload(Payload):
    job: Job | None = one("The job; null when refused", "job_id")


@returned(client_mutation_id="text", user_errors="jsonb", application_id="uuid", event_id="uuid")
@strawberry.type(description="Application after a verb. Seen by the caller.")
class ApplicationPayload(Payload):
    application: Application | None = one("The application; null when refused", "application_id")
    event: OutcomeEvent | None = one("The event that was recorded", "event_id")
