"""Verbs about referrals: recommend, confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry import UNSET

from models import referral as referrals
from models import seal
from models.errors import Refusal, RefusalCode
from planner.declare import one, returned
from schema.act import Act, Asked, Row, given
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


async def submit_referral(act: Act, input: SubmitReferralInput) -> Row:
    """Recommends a candidate, who is asked by mail to confirm."""
    (company_id, job_id, handover_id), facts = await act.reach_all(
        Asked("partner", "par", input.company_id, "companyId"),
        Asked("job", "job", given(input.job_id), "jobId"),
        Asked("handover", "han", given(input.handover_id), "handoverId"),
        facts=referrals.standing,
    )
    assert company_id is not None
    submitted = await referrals.submit(
        act.connection,
        referrer_id=act.partner_id,
        company_id=company_id,
        job_id=job_id,
        name=input.name,
        email=input.email,
        relationship=input.relationship.name,
        recommendation=given(input.recommendation),
        handover_id=handover_id,
        facts=facts,
        said=act.said(),
    )
    return {"referral_id": submitted.referral_id, "event_id": submitted.event_id}


async def confirm_referral(act: Act, input: ConfirmReferralInput) -> Row:
    """The candidate answers, by the token from their mail; the calling partner only carries it."""
    referral_id = seal.read_referral_token(input.token)
    if referral_id is None:
        raise token_invalid()
    confirmed = await referrals.confirm(
        act.connection, referral_id=referral_id, confirmed=input.confirmed, said=act.candidate_said()
    )
    return {"referral_id": confirmed.referral_id, "event_id": confirmed.event_id}


def token_invalid() -> Refusal:
    """One answer for a token that is unknown, used or expired."""
    return Refusal(
        RefusalCode.TOKEN_INVALID,
        ja="このリンクは使えません。メールのリンクをもう一度開いてください。",
        en="This link cannot be used. Open the link in your mail once more.",
        path=("input", "token"),
    )
