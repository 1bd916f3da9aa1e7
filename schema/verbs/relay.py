"""Verbs about the career relay: the mail, handovers and slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from models import rejection_mail, relay
from models import slot as slots
from planner.declare import one, returned
from schema.act import Act, Row
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
    starts_on: Date = strawberry.field(description="Day the work begins: from the registration to two years from now")


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


async def save_rejection_mail(act: Act, input: SaveRejectionMailInput) -> Row:
    """Saves the company's own rejection mail."""
    act.must_be_company()
    mail_id = await rejection_mail.save_rejection_mail(
        act.connection,
        company_id=act.partner_id,
        language=input.language.name,
        subject=input.subject,
        body=input.body,
        at=act.said().at,
    )
    return {"mail_id": mail_id}


async def accept_handover(act: Act, input: AcceptHandoverInput) -> Row:
    """The agency takes the person on; the handover counts where it may."""
    handover = await act.reach("handover", "han", input.handover_id, "handoverId")
    answered = await relay.accept(act.connection, handover_id=handover["id"], acting=act.partner_id, said=act.said())
    return {"handover_id": answered.handover_id, "event_id": answered.event_id}


async def decline_handover(act: Act, input: DeclineHandoverInput) -> Row:
    """The agency cannot take the person on, and says why."""
    handover = await act.reach("handover", "han", input.handover_id, "handoverId")
    event_id = await relay.decline(
        act.connection,
        handover_id=handover["id"],
        acting=act.partner_id,
        reason=input.reason.name,
        said=act.said(),
    )
    return {"handover_id": handover["id"], "event_id": event_id}


async def record_placement(act: Act, input: RecordPlacementInput) -> Row:
    """The agency found the person work outside the network."""
    handover = await act.reach("handover", "han", input.handover_id, "handoverId")
    event_id = await relay.record_placement(
        act.connection,
        handover_id=handover["id"],
        acting=act.partner_id,
        starts_on=input.starts_on,
        said=act.said(),
    )
    return {"handover_id": handover["id"], "event_id": event_id}


async def reserve_slot(act: Act, input: ReserveSlotInput) -> Row:
    """The company reserves a slot at offer: the one that expires first."""
    account = await act.reach("relay_account", "acc", input.account_id, "accountId")
    application = await act.reach("application", "app", input.application_id, "applicationId")
    moved = await slots.reserve_slot(
        act.connection,
        account_id=account["id"],
        application_id=application["id"],
        acting=act.partner_id,
        said=act.said(),
    )
    return {"slot_id": moved.slot_id, "event_id": moved.event_id}


async def redeem_slot(act: Act, input: RedeemSlotInput) -> Row:
    """The hire has begun: the reserved slot pays for it."""
    slot = await act.reach("slot", "slot", input.slot_id, "slotId")
    event_id = await slots.redeem_slot(act.connection, slot_id=slot["id"], acting=act.partner_id, said=act.said())
    return {"slot_id": slot["id"], "event_id": event_id}


async def release_slot(act: Act, input: ReleaseSlotInput) -> Row:
    """The offer came to nothing: the slot is free again."""
    slot = await act.reach("slot", "slot", input.slot_id, "slotId")
    event_id = await slots.release_slot(act.connection, slot_id=slot["id"], acting=act.partner_id, said=act.said())
    return {"slot_id": slot["id"], "event_id": event_id}
