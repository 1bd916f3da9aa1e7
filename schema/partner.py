"""Partners (パートナー): companies, schools, agencies, referrers and communities."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, arg, column, computed, many, one, part, table, where
from schema.application import ApplicationFilter, ApplicationOrder, JobFilter, JobOrder
from schema.contribution import ContributionFilter, ContributionOrder
from schema.kpi import KpiName
from schema.ledger import RelayAccountFilter
from schema.node import MonthRange, Node
from schema.referral import ReferralFilter, ReferralOrder
from schema.relay import HandoverFilter, HandoverOrder, Language
from schema.scalars import CorporateNumber, Date, DateTime, LicenseNumber, SchoolCode, Url

if TYPE_CHECKING:
    from schema.application import ApplicationConnection, JobConnection
    from schema.ats import AtsIntegrationConnection
    from schema.contribution import ContributionConnection
    from schema.kpi import KpiConnection
    from schema.ledger import RelayAccountConnection
    from schema.prefecture import Prefecture
    from schema.referral import ReferralConnection
    from schema.relay import HandoverConnection, RejectionMail


# A referrer is a person: their name is shown to few. The function keeps its plan; its conditions said here would be
# planned anew in every statement that names a partner, which was half of what planning took.
NAME = """case when {row}.kind = 'REFERRER'
    and names_referrer({row}.id, {row}.company_id, {viewer.partner}, {viewer.agreement})
  then {row}.legal_name else {row}.name end"""

CONNECTED = """{value} = exists (
    select from agreement_party a join agreement_party b using (agreement_id)
    where a.partner_id = {row}.id and b.partner_id = {viewer.partner} and a.partner_id <> b.partner_id
    and ({viewer.agreement} is null or agreement_id = {viewer.agreement}) and in_force(agreement_id))"""


@strawberry.enum(description="Order of partners")
class PartnerOrder(enum.Enum):
    NAME_ASC = strawberry.enum_value("sort_name", description="By name, あ first")
    JOINED_AT_DESC = strawberry.enum_value("-joined_at", description="Newest member first")


@strawberry.enum(description="Kind of partner (パートナー種別)")
class PartnerKind(enum.Enum):
    COMPANY = strawberry.enum_value("COMPANY", description="Company (企業)")
    SCHOOL = strawberry.enum_value("SCHOOL", description="School (学校)")
    AGENCY = strawberry.enum_value("AGENCY", description="Agency (人材紹介会社)")
    REFERRER = strawberry.enum_value("REFERRER", description="Referrer (社員・OB)")
    COMMUNITY = strawberry.enum_value("COMMUNITY", description="Community (団体)")


@strawberry.enum(description="A referrer's tie to the company (紹介者種別)")
class Affiliation(enum.Enum):
    EMPLOYEE = strawberry.enum_value("EMPLOYEE", description="Employee (社員)")
    ALUMNUS = strawberry.enum_value("ALUMNUS", description="Former employee (OB・OG)")
    CLIENT = strawberry.enum_value("CLIENT", description="Business client (取引先)")


@strawberry.enum(description="Level of a school (学校種)")
class SchoolLevel(enum.Enum):
    UNIVERSITY = strawberry.enum_value("UNIVERSITY", description="University (大学)")
    JUNIOR_COLLEGE = strawberry.enum_value("JUNIOR_COLLEGE", description="Junior college (短期大学)")
    TECHNICAL_COLLEGE = strawberry.enum_value("TECHNICAL_COLLEGE", description="College of technology (高等専門学校)")
    VOCATIONAL = strawberry.enum_value("VOCATIONAL", description="Vocational school (専修学校)")
    HIGH_SCHOOL = strawberry.enum_value("HIGH_SCHOOL", description="High school (高等学校)")
    OTHER = strawberry.enum_value("OTHER", description="Other (その他)")


@strawberry.enum(description="Kind of placement licence (許可種別)")
class LicenseKind(enum.Enum):
    PAID = strawberry.enum_value("PAID", description="For a fee (有料職業紹介, ユ)")
    FREE = strawberry.enum_value("FREE", description="Free of charge (無料職業紹介, ム)")


@strawberry.enum(description="Focus of a community (団体種別)")
class CommunityFocus(enum.Enum):
    REGIONAL = strawberry.enum_value("REGIONAL", description="Regional body (地域団体)")
    INDUSTRY = strawberry.enum_value("INDUSTRY", description="Industry association (業界団体)")


@strawberry.input(description="Narrows partners")
class PartnerFilter:
    kinds: list[PartnerKind] | None = where("Any of these kinds", "{row}.kind = any({value})")
    prefectures: list[Prefecture] | None = where("Any of these prefectures", "{row}.prefecture = any({value})")
    name_starts_with: str | None = where(
        "Name begins with, kana and width folded, at least 2 characters",
        # Between the name and the last character there is, byte by byte: an index can be walked so, whatever the name.
        "length(fold_name({value})) >= 2 and starts_with({row}.sort_name, fold_name({value})) "
        "and {row}.sort_name ~>=~ fold_name({value}) and {row}.sort_name ~<~ (fold_name({value}) || chr(1114111))",
    )
    connected: bool | None = where("Only with (or without) an active agreement with the viewer", CONNECTED)


@strawberry.federation.interface(
    keys=["id"],
    description="Partner (パートナー): any organisation or referrer on the network. Seen by every partner; figures by agreement.",
)
class Partner(Node):
    name: str = computed("Name (名称); of a referrer, an alias for all but their company", NAME, total=True)
    slug: str = column("Short name in addresses, lower case")
    prefecture: Prefecture = column("Seat (所在地)")
    url: Url | None = column("Website")
    joined_at: DateTime = column("Joined the network")
    verified_at: DateTime | None = column("Identity verified (本人確認); null until then")
    contributions: ContributionConnection = many(
        "Contributions (貢献) it made to hires",
        "contributor_id",
        order=ContributionOrder.OCCURRED_AT_DESC,
        filter=ContributionFilter,
    )
    kpis: KpiConnection = many(
        "Its figures (KPI) for the whole period; per month at the root",
        source="kpi_figures({viewer.partner}, {names}, {period.from}, {period.to}, 'PERIOD', {parent}.id, null)",
        order=("key",),
        args={"names": arg(list[KpiName], "Any of these names"), "period": arg(MonthRange, "Months of start events")},
        cost=2,
    )


@table("partner", prefix="par", kind=("kind", "COMPANY"))
@strawberry.federation.type(
    keys=["id", "corporateNumber"],
    description="Company (企業), which hires. Seen by every partner; its flow by agreement.",
)
class Company(Partner):
    corporate_number: CorporateNumber = column("Corporate number (法人番号)")
    jobs: JobConnection = many(
        "Jobs (求人) that the viewer may see", "company_id", order=JobOrder.OPENED_AT_DESC, filter=JobFilter
    )
    referrals: ReferralConnection = many(
        "Referrals (紹介) received", "company_id", order=ReferralOrder.SUBMITTED_AT_DESC, filter=ReferralFilter
    )
    applications: ApplicationConnection = many(
        "Applications (応募) received", "company_id", order=ApplicationOrder.RECEIVED_AT_DESC, filter=ApplicationFilter
    )
    contributors: ContributionConnection = many(
        "Contributions (貢献) of others to its hires",
        "company_id",
        order=ContributionOrder.OCCURRED_AT_DESC,
        filter=ContributionFilter,
    )
    relay_accounts: RelayAccountConnection = many(
        "Relay accounts (リレー口座) with agencies", "company_id", order=("opened_at",), filter=RelayAccountFilter
    )
    referrers: PartnerConnection = many(
        "Its employee, alumni and client referrers (紹介者)", "company_id", order=PartnerOrder.NAME_ASC
    )
    ats_integrations: AtsIntegrationConnection = many(
        "Its ATS integrations (ATS連携); the company's administrators only", "company_id", order=("connected_at",)
    )
    relay_url: Url | None = computed(
        "Its own relay URL, to paste once into any rejection mail (専用URL); the company only",
        "case when {row}.id = {viewer.partner} then {viewer.issuer} || '/relay/c/' || {row}.slug end",
        scopes=[["relay:read"]],
    )
    rejection_mail: RejectionMail | None = one(
        "Its rejection mail (お祈りメール)",
        where="{row}.company_id = {parent}.id and {row}.language = {language}",
        args={"language": arg(Language, "Language", default=Language.JA)},
    )


@table("partner", prefix="par", kind=("kind", "SCHOOL"))
@strawberry.federation.type(
    keys=["id", "schoolCode"], description="School (学校), which educates. Seen by every partner; cohorts by agreement."
)
class School(Partner):
    school_code: SchoolCode = column("School code (学校コード)")
    level: SchoolLevel = column("Level of a school (学校種)", "school_level", total=True)


@table("partner", prefix="par", kind=("kind", "AGENCY"))
@strawberry.federation.type(
    keys=["id", "licenseNumber"],
    description="Agency (人材紹介会社), which places people; acts only while its licence is valid. Seen by every partner.",
)
class Agency(Partner):
    license_number: LicenseNumber = column("Licence number (許可番号)")
    license_kind: LicenseKind = column("For a fee or free of charge (有料・無料)")
    license_expires_on: Date = column("Last day of the licence (有効期限)")
    handovers: HandoverConnection = many(
        "Handovers (リレー) received", "agency_id", order=HandoverOrder.REGISTERED_AT_DESC, filter=HandoverFilter
    )
    relay_accounts: RelayAccountConnection = many(
        "Relay accounts (リレー口座) with companies", "agency_id", order=("opened_at",), filter=RelayAccountFilter
    )


@table("partner", prefix="par", kind=("kind", "REFERRER"))
@strawberry.federation.type(
    keys=["id"],
    description="Referrer (社員・OB), a person who refers. Name seen by the company they refer to and by parties to its agreements.",
)
class Referrer(Partner):
    affiliation: Affiliation = column("Employee, alumnus or client (社員・OB・取引先)")
    company: Company = one("The company they belong or belonged to", "company_id")
    referrals: ReferralConnection = many(
        "Referrals (紹介) they made", "referrer_id", order=ReferralOrder.SUBMITTED_AT_DESC, filter=ReferralFilter
    )


@table("partner", prefix="par", kind=("kind", "COMMUNITY"))
@strawberry.federation.type(
    keys=["id"], description="Community (地域団体・業界団体), which brings partners together. Seen by every partner."
)
class Community(Partner):
    focus: CommunityFocus = column("Regional body or industry association")
    prefectures: list[Prefecture] = column("Prefectures it speaks for (対象地域)", at_most=47)
    members: PartnerConnection = many(
        "Its member partners (会員)",
        "community_id",
        through="community_member",
        to="partner_id",
        order=PartnerOrder.NAME_ASC,
        filter=PartnerFilter,
    )


@strawberry.federation.type(
    requires_scopes=[["network:read"]], description="Page of partners (パートナー). Seen by whoever may see partners."
)
class PartnerConnection:
    edges: list[PartnerEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of partners (パートナー). Seen with its page.")
class PartnerEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Partner | None = part("The object; null when it was hidden meanwhile", "node")
