"""Verbs about the career relay: the mail, handovers and slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from planner.declare import one, returned
from schema.node import Payload
from schema.scalars import Date

if TYPE_CHECKING:
    from schema.ledger import Slot
    from schema.outcome import OutcomeEvent
    from schema.relay import DeclineReason, Handover, Language, RejectionMail


@strawberry.input(description="Saves the rejection mail")
class SaveRejectionMailInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    language: Language = strawberry.field(description="Language")
    subject: str = strawberry.field(description="Subject")
    body: str = strawberry.field(description="Body; without {{relay_url}} the URL goes to the end")


@strawberry.input(description="Accepts a handover")
class AcceptHandoverInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    handover_id: strawberry.ID = strawberry.field(description="The handover")


@strawberry.input(description="Declines a handover")
class DeclineHandoverInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    handover_id: strawberry.ID = strawberry.field(description="The handover")
    reason: DeclineReason = strawberry.field(description="Why")


@strawberry.input(description="Records a placement")
class RecordPlacementInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    handover_id: strawberry.ID = strawberry.field(description="The handover")
    starts_on: Date = strawberry.field(description="Day the work begins")


@strawberry.input(description="Reserves a slot; the one that expires first")
class ReserveSlotInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    account_id: strawberry.ID = strawberry.field(description="The account")
    application_id: strawberry.ID = strawberry.field(description="The application with the offer")


@strawberry.input(description="Redeems a slot")
class RedeemSlotInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    slot_id: strawberry.ID = strawberry.field(description="The slot")


@strawberry.input(description="Releases a slot")
class ReleaseSlotInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    slot_id: strawberry.ID = strawberry.field(description="The slot")


@returned(client_mutation_id="text", user_errors="jsonb", handover_id="uuid", event_id="uuid")
@strawberry.type(description="Handover after a verb. Seen by the caller.")
class HandoverPayload(Payload):
    handover: Handover | None = one("The handover; null when refused", "handover_id")
    event: OutcomeEvent | None = one("The event that was recorded", "event_id")


@returned(client_mutation_id="text", user_errors="jsonb", slot_id="uuid", event_id="uuid")
@strawberry.type(description="Slot after a verb. Seen by the caller.")
class SlotPayload(Payload):
    slot: Slot | None = one("The slot; null when refused", "slot_id")
    event: OutcomeEvent | None = one("The event that was recorded", "event_id")


@returned(client_mutation_id="text", user_errors="jsonb", mail_id="uuid")
@strawberry.type(description="Rejection mail after a verb. Seen by the caller.")
class RejectionMailPayload(Payload):
    mail: RejectionMail | None = one("The mail; null when refused", "mail_id")
