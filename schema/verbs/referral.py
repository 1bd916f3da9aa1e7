"""Verbs about referrals: recommend, confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry import UNSET

from planner.declare import one, returned
from schema.node import Payload
from schema.scalars import EmailAddress

if TYPE_CHECKING:
    from schema.outcome import OutcomeEvent
    from schema.referral import Referral, Relationship


@strawberry.input(description="Recommends a candidate; the candidate gets a mail and must confirm")
class SubmitReferralInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    company_id: strawberry.ID = strawberry.field(description="To which company")
    job_id: strawberry.ID | None = strawberry.field(description="For which job", default=UNSET)
    name: str = strawberry.field(description="Name (氏名)")
    email: EmailAddress = strawberry.field(description="E-mail address")
    relationship: Relationship = strawberry.field(description="How you know them")
    recommendation: str | None = strawberry.field(
        description="Why you recommend them (推薦文), at most 2,000 characters", default=UNSET
    )
    handover_id: strawberry.ID | None = strawberry.field(
        description="The handover it grows from (再紹介)", default=UNSET
    )


@strawberry.input(description="Confirms or declines a referral")
class ConfirmReferralInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    token: str = strawberry.field(description="Token from the candidate's mail; stands for the person")
    confirmed: bool = strawberry.field(description="Yes, or no")


@returned(client_mutation_id="text", user_errors="jsonb", referral_id="uuid", event_id="uuid")
@strawberry.type(description="Referral after a verb. Seen by the caller.")
class ReferralPayload(Payload):
    referral: Referral | None = one("The referral; null when refused", "referral_id")
    event: OutcomeEvent | None = one("The event that was recorded", "event_id")
