"""Verbs about jobs and applications."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import strawberry
from strawberry import UNSET

from models import application as applications
from models import candidate, outcome, selection
from models import job as jobs
from planner.declare import one, returned
from schema.act import Act, Row, given
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
    starts_on: Date = strawberry.field(description="First working day (入社日), within two years of the decision")
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


async def post_job(act: Act, input: PostJobInput) -> Row:
    """The company opens a job."""
    act.must_be_company()
    job_id = await jobs.post_job(
        act.connection,
        title=input.title,
        requirements=input.requirements,
        challenge=given(input.challenge),
        openings=input.openings,
        prefecture=input.prefecture.name,
        open_to_network=input.open_to_network,
        said=act.said(),
    )
    return {"job_id": job_id}


async def update_job(act: Act, input: UpdateJobInput) -> Row:
    """The company changes a job; what is left out stays."""
    job = await act.reach("job", "job", input.job_id, "jobId")
    status = given(input.status)
    await jobs.update_job(
        act.connection,
        job_id=job["id"],
        title=given(input.title),
        requirements=given(input.requirements),
        challenge=given(input.challenge),
        openings=given(input.openings),
        status=status.name if status else None,
        said=act.said(),
    )
    return {"job_id": job["id"]}


async def record_application(act: Act, input: RecordApplicationInput) -> Row:
    """The company records an application that no ATS does."""
    job = await act.reach("job", "job", input.job_id, "jobId")
    referral_id = given(input.referral_id)
    referral = await act.reach("referral", "ref", referral_id, "referralId") if referral_id else None
    said = act.said(given(input.occurred_at))
    recorded = await applications.record(
        act.connection,
        job_id=job["id"],
        referral_id=referral["id"] if referral else None,
        person_id=None if referral else await _person(act, input, said.at),
        route=input.route.name,
        said=said,
    )
    return {"application_id": recorded.application_id, "event_id": recorded.event_id}


async def record_stage(act: Act, input: RecordStageInput) -> Row:
    """The company records the stage that was reached."""
    application = await act.reach("application", "app", input.application_id, "applicationId")
    event_id = await selection.stage(
        act.connection,
        application_id=application["id"],
        stage=input.stage.name,
        said=act.said(given(input.occurred_at)),
    )
    return {"application_id": application["id"], "event_id": event_id}


async def reject_application(act: Act, input: RejectApplicationInput) -> Row:
    """The company says no, and the mail with the personal relay URL goes out."""
    application = await act.reach("application", "app", input.application_id, "applicationId")
    event_id = await outcome.reject(
        act.connection,
        application_id=application["id"],
        acting=act.partner_id,
        reason=given(input.reason),
        said=act.said(given(input.occurred_at)),
    )
    return {"application_id": application["id"], "event_id": event_id}


async def withdraw_application(act: Act, input: WithdrawApplicationInput) -> Row:
    """The candidate withdrew."""
    application = await act.reach("application", "app", input.application_id, "applicationId")
    event_id = await selection.withdraw(
        act.connection,
        application_id=application["id"],
        said=act.said(given(input.occurred_at)),
    )
    return {"application_id": application["id"], "event_id": event_id}


async def hire_application(act: Act, input: HireApplicationInput) -> Row:
    """The company hires; a slot may pay the fee."""
    application = await act.reach("application", "app", input.application_id, "applicationId")
    slot_id = given(input.slot_id)
    slot = await act.reach("slot", "slot", slot_id, "slotId") if slot_id else None
    hired = await outcome.hire(
        act.connection,
        application_id=application["id"],
        acting=act.partner_id,
        starts_on=input.starts_on,
        slot_id=slot["id"] if slot else None,
        said=act.said(given(input.occurred_at)),
    )
    return {"application_id": application["id"], "event_id": hired.event_id}


async def revert_decision(act: Act, input: RevertDecisionInput) -> Row:
    """Takes back a rejection or a hire by a later event."""
    application = await act.reach("application", "app", input.application_id, "applicationId")
    event_id = await outcome.revert(
        act.connection,
        application_id=application["id"],
        acting=act.partner_id,
        reason=input.reason,
        said=act.said(),
    )
    return {"application_id": application["id"], "event_id": event_id}


async def _person(act: Act, input: RecordApplicationInput, at: datetime) -> UUID | None:
    """The applicant, kept as a candidate of the company's own; None when nobody was named."""
    name, email = given(input.name), given(input.email)
    if email is None:
        return None
    items = {"NAME": name, "EMAIL": email} if name else {"EMAIL": email}
    kept = await candidate.keep(act.connection, partner_id=act.partner_id, email=email, items=items, at=at)
    return kept.person_id
