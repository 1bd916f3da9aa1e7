"""Verbs about partners: register them, connect their ATS."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg
import strawberry
from strawberry import UNSET

from models import ats, rejection_mail
from models import partner as partners
from models.member import create_member, no_password
from planner.declare import one, returned
from schema.act import Act, Row, given
from schema.node import Payload
from schema.scalars import CorporateNumber, Date, EmailAddress, LicenseNumber, SchoolCode, Url

if TYPE_CHECKING:
    from schema.ats import AtsIntegration, AtsSystem
    from schema.partner import Affiliation, CommunityFocus, Partner, SchoolLevel
    from schema.prefecture import Prefecture

MEMBER_NAME_CHARACTERS = 100


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


async def register_company(act: Act, input: RegisterCompanyInput) -> Row:
    """A company joins, with a rejection mail in each language to begin with."""
    company_id = await partners.register_company(
        act.connection,
        name=input.name,
        corporate_number=input.corporate_number,
        prefecture=input.prefecture.name,
        url=given(input.url),
    )
    await rejection_mail.default_rejection_mails(act.connection, company_id=company_id, at=act.said().at)
    return {"partner_id": company_id}


async def register_school(act: Act, input: RegisterSchoolInput) -> Row:
    """A school joins."""
    school_id = await partners.register_school(
        act.connection,
        name=input.name,
        school_code=input.school_code,
        level=input.level.name,
        prefecture=input.prefecture.name,
        url=given(input.url),
    )
    return {"partner_id": school_id}


async def register_agency(act: Act, input: RegisterAgencyInput) -> Row:
    """An agency joins."""
    agency_id = await partners.register_agency(
        act.connection,
        name=input.name,
        license_number=input.license_number,
        license_expires_on=input.license_expires_on,
        prefecture=input.prefecture.name,
        url=given(input.url),
    )
    return {"partner_id": agency_id}


async def register_referrer(act: Act, input: RegisterReferrerInput) -> Row:
    """A referrer of one's own company joins, and may log in once they have set a password.

    Where the address logs in somewhere already they join without a login: the answer must not say who is a member.
    """
    company = await act.reach("partner", "par", input.company_id, "companyId")
    referrer_id = await partners.register_referrer(
        act.connection,
        acting=act.partner_id,
        company_id=company["id"],
        name=input.name,
        affiliation=input.affiliation.name,
        prefecture=input.prefecture.name,
    )
    with suppress(asyncpg.UniqueViolationError):
        async with act.connection.transaction():
            await create_member(
                act.connection,
                partner_id=referrer_id,
                email=input.email,
                name=input.name.strip()[:MEMBER_NAME_CHARACTERS],
                password_hash=no_password(),
                role="RECRUITER",
            )
    return {"partner_id": referrer_id}


async def register_community(act: Act, input: RegisterCommunityInput) -> Row:
    """A community joins."""
    community_id = await partners.register_community(
        act.connection,
        name=input.name,
        focus=input.focus.name,
        prefectures=[each.name for each in input.prefectures],
        prefecture=input.prefecture.name,
        url=given(input.url),
    )
    return {"partner_id": community_id}


async def connect_ats(act: Act, input: ConnectAtsInput) -> Row:
    """Connects a company's own applicant-tracking system; connecting again changes its secret."""
    act.must_be_company()
    integration_id = await ats.connect(
        act.connection, company_id=act.partner_id, system=input.system.name, secret=input.secret
    )
    return {"integration_id": integration_id}
