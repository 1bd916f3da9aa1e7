"""Verbs about agreements: offer, counter, accept, suspend, resume, end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry import UNSET

from planner.declare import one, returned
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
    starts_on: Date = strawberry.field(description="First day")
    ends_on: Date | None = strawberry.field(description="Last day", default=UNSET)


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
