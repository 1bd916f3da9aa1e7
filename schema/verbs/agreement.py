"""Verbs about agreements: offer, counter, accept, suspend, resume, end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry import UNSET

from models import agreement as agreements
from models import terms as promises
from models.errors import not_found
from planner.declare import one, returned
from schema.act import Act, Row, given, read_id
from schema.node import Payload
from schema.scalars import Date

if TYPE_CHECKING:
    from schema.agreement import Agreement, AgreementKind, DataCategory, Granularity


@strawberry.input(description="Offers an agreement")
class OfferAgreementInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    kind: AgreementKind = strawberry.field(description="Kind")
    partner_ids: list[strawberry.ID] = strawberry.field(description="The other parties, 1 to 50")
    purpose: str = strawberry.field(description="Purpose of use (利用目的)")
    terms: AgreementTermsInput = strawberry.field(description="What it promises")


@strawberry.input(description="Terms to offer")
class AgreementTermsInput:
    sharing: list[DataSharingInput] = strawberry.field(description="What flows")
    relay: RelayTermsInput | None = strawberry.field(description="Relay rule", default=UNSET)
    starts_on: Date = strawberry.field(description="First day, within 50 years of today")
    ends_on: Date | None = strawberry.field(description="Last day, within 50 years of today", default=UNSET)


@strawberry.input(description="One category to share")
class DataSharingInput:
    category: DataCategory = strawberry.field(description="Category")
    granularity: Granularity = strawberry.field(description="Granularity")


@strawberry.input(description="Relay rule to offer")
class RelayTermsInput:
    handovers_per_slot: int = strawberry.field(description="Handovers per slot", default=10)
    silence_days: int = strawberry.field(description="Days of silence that mean acceptance", default=7)
    slot_months: int = strawberry.field(description="Months until a slot expires", default=12)


@strawberry.input(description="Answers with other terms")
class CounterAgreementInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    agreement_id: strawberry.ID = strawberry.field(description="The agreement")
    version_hash: str = strawberry.field(description="Hash of the version you read")
    terms: AgreementTermsInput = strawberry.field(description="Other terms")


@strawberry.input(description="Accepts a version")
class AcceptAgreementInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    agreement_id: strawberry.ID = strawberry.field(description="The agreement")
    version_hash: str = strawberry.field(description="Hash of the version you read")


@strawberry.input(description="Suspends an agreement")
class SuspendAgreementInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    agreement_id: strawberry.ID = strawberry.field(description="The agreement")
    reason: str = strawberry.field(description="Why")


@strawberry.input(description="Resumes an agreement")
class ResumeAgreementInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    agreement_id: strawberry.ID = strawberry.field(description="The agreement")


@strawberry.input(description="Ends an agreement")
class TerminateAgreementInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    agreement_id: strawberry.ID = strawberry.field(description="The agreement")
    reason: str = strawberry.field(description="Why")


@returned(client_mutation_id="text", user_errors="jsonb", agreement_id="uuid")
@strawberry.type(description="Agreement after a verb. Seen by the caller.")
class AgreementPayload(Payload):
    agreement: Agreement | None = one("The agreement; null when refused", "agreement_id")


async def offer_agreement(act: Act, input: OfferAgreementInput) -> Row:
    """Offers an agreement to other partners."""
    others = [read_id("par", each) for each in input.partner_ids]
    if None in others:
        raise not_found("input", "partnerIds")
    agreement_id = await agreements.offer(
        act.connection,
        kind=input.kind.name,
        party_ids=[each for each in others if each],
        purpose=input.purpose,
        terms=_terms(input.terms),
        said=act.said(),
    )
    return {"agreement_id": agreement_id}


async def counter_agreement(act: Act, input: CounterAgreementInput) -> Row:
    """Answers an offer with other terms."""
    agreement = await act.reach("agreement", "agr", input.agreement_id, "agreementId")
    await agreements.counter(
        act.connection,
        agreement_id=agreement["id"],
        version_hash_read=input.version_hash,
        terms=_terms(input.terms),
        said=act.said(),
    )
    return {"agreement_id": agreement["id"]}


async def accept_agreement(act: Act, input: AcceptAgreementInput) -> Row:
    """Accepts exactly the version that was read."""
    agreement = await act.reach("agreement", "agr", input.agreement_id, "agreementId")
    await agreements.accept(
        act.connection,
        agreement_id=agreement["id"],
        version_hash_read=input.version_hash,
        said=act.said(),
    )
    return {"agreement_id": agreement["id"]}


async def suspend_agreement(act: Act, input: SuspendAgreementInput) -> Row:
    """Stops the sharing with this very commit, until resumed."""
    agreement = await act.reach("agreement", "agr", input.agreement_id, "agreementId")
    await agreements.suspend(act.connection, agreement_id=agreement["id"], reason=input.reason, said=act.said())
    return {"agreement_id": agreement["id"]}


async def resume_agreement(act: Act, input: ResumeAgreementInput) -> Row:
    """The partner who suspended it lets it go on."""
    agreement = await act.reach("agreement", "agr", input.agreement_id, "agreementId")
    await agreements.resume(act.connection, agreement_id=agreement["id"], said=act.said())
    return {"agreement_id": agreement["id"]}


async def terminate_agreement(act: Act, input: TerminateAgreementInput) -> Row:
    """Ends it for good; sharing stops with this very commit."""
    agreement = await act.reach("agreement", "agr", input.agreement_id, "agreementId")
    await agreements.terminate(act.connection, agreement_id=agreement["id"], reason=input.reason, said=act.said())
    return {"agreement_id": agreement["id"]}


def _terms(terms: AgreementTermsInput) -> promises.Terms:
    relay = given(terms.relay)
    return promises.Terms(
        sharing=[promises.Sharing(each.category.name, each.granularity.name) for each in terms.sharing],
        starts_on=terms.starts_on,
        ends_on=given(terms.ends_on),
        relay=relay and promises.RelayTerms(relay.handovers_per_slot, relay.silence_days, relay.slot_months),
    )
