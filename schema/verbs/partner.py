"""Verbs about partners: register them, connect their ATS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry import UNSET

from planner.declare import one, returned
from schema.node import Payload
from schema.scalars import CorporateNumber, Date, EmailAddress, LicenseNumber, SchoolCode, Url

if TYPE_CHECKING:
    from schema.ats import AtsIntegration, AtsSystem
    from schema.partner import Affiliation, CommunityFocus, Partner, SchoolLevel
    from schema.prefecture import Prefecture


@strawberry.input(description="Registers a company")
class RegisterCompanyInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    name: str = strawberry.field(description="Name")
    corporate_number: CorporateNumber = strawberry.field(description="Corporate number (法人番号)")
    prefecture: Prefecture = strawberry.field(description="Seat (所在地)")
    url: Url | None = strawberry.field(description="Website", default=UNSET)


@strawberry.input(description="Registers a school")
class RegisterSchoolInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    name: str = strawberry.field(description="Name")
    school_code: SchoolCode = strawberry.field(description="School code (学校コード)")
    level: SchoolLevel = strawberry.field(description="Level (学校種)")
    prefecture: Prefecture = strawberry.field(description="Seat (所在地)")
    url: Url | None = strawberry.field(description="Website", default=UNSET)


@strawberry.input(description="Registers an agency")
class RegisterAgencyInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    name: str = strawberry.field(description="Name")
    license_number: LicenseNumber = strawberry.field(description="Licence number (許可番号)")
    license_expires_on: Date = strawberry.field(description="Last day of the licence (有効期限)")
    prefecture: Prefecture = strawberry.field(description="Seat (所在地)")
    url: Url | None = strawberry.field(description="Website", default=UNSET)


@strawberry.input(description="Registers a referrer")
class RegisterReferrerInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    name: str = strawberry.field(description="Name")
    email: EmailAddress = strawberry.field(description="Address for their login")
    affiliation: Affiliation = strawberry.field(description="Tie to the company")
    company_id: strawberry.ID = strawberry.field(description="The company")
    prefecture: Prefecture = strawberry.field(description="Prefecture")


@strawberry.input(description="Registers a community")
class RegisterCommunityInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    name: str = strawberry.field(description="Name")
    focus: CommunityFocus = strawberry.field(description="Focus")
    prefectures: list[Prefecture] = strawberry.field(description="Prefectures it speaks for (対象地域)")
    prefecture: Prefecture = strawberry.field(description="Seat (所在地)")
    url: Url | None = strawberry.field(description="Website", default=UNSET)


@strawberry.input(description="Connects an ATS")
class ConnectAtsInput:
    client_mutation_id: strawberry.ID = strawberry.field(description="Idempotency key (冪等キー)")
    system: AtsSystem = strawberry.field(description="Which system")
    secret: str = strawberry.field(
        description="Secret that signs its webhooks, at least 32 characters; never shown again"
    )


@returned(client_mutation_id="text", user_errors="jsonb", partner_id="uuid")
@strawberry.type(description="Partner after a verb. Seen by the caller.")
class PartnerPayload(Payload):
    partner: Partner | None = one("The partner; null when refused", "partner_id")


@returned(client_mutation_id="text", user_errors="jsonb", integration_id="uuid")
@strawberry.type(description="ATS integration after a verb. Seen by the caller.")
class AtsIntegrationPayload(Payload):
    integration: AtsIntegration | None = one("The integration; null when refused", "integration_id")
