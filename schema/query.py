"""Questions: everyone sees their own data; others' data by scope, agreement and consent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from planner.declare import arg, embedded, many, node, nodes, one
from schema import ways
from schema.agreement import AgreementFilter, AgreementOrder
from schema.application import ApplicationFilter, ApplicationOrder, JobFilter, JobOrder
from schema.contribution import ContributionFilter, ContributionOrder, ContributionRole
from schema.kpi import KpiFilter
from schema.ledger import RelayAccountFilter
from schema.outcome import OutcomeFilter, OutcomeOrder
from schema.partner import PartnerFilter, PartnerOrder
from schema.referral import ReferralFilter, ReferralOrder
from schema.relay import HandoverFilter, HandoverOrder
from schema.scalars import CorporateNumber, LicenseNumber, SchoolCode

if TYPE_CHECKING:
    from schema.agreement import AgreementConnection
    from schema.application import ApplicationConnection, Job, JobConnection
    from schema.contribution import ContributionConnection
    from schema.kpi import KpiConnection
    from schema.ledger import RelayAccountConnection
    from schema.neighbourhood import ContributionPath, NeighbourhoodConnection
    from schema.node import Node
    from schema.outcome import OutcomeEventConnection
    from schema.partner import Agency, Company, Partner, PartnerConnection, School
    from schema.referral import ReferralConnection
    from schema.relay import HandoverConnection
    from schema.viewer import Viewer

BY_ID = "{row}.id = {id}"


# A page in recorded order never shows an event behind which another may still slip in.
SETTLED = "{row}.xid < pg_snapshot_xmin(pg_current_snapshot())"

KPI_FIGURES = (
    "kpi_figures({viewer.partner}, {filter.names}, {filter.period.from}, {filter.period.to}, {filter.granularity},"
    " {filter.partnerId}, {filter.agreementId})"
)


@strawberry.type(description="Questions. Everyone sees their own data; others' data by scope, agreement and consent.")
class Query:
    node: Node | None = node(
        "Any object by its global id; null when it does not exist or is not yours to see", "Global id"
    )
    nodes: list[Node | None] = nodes(
        "Up to 100 objects by global id, in the order asked, null where unknown or hidden", "Global ids, at most 100"
    )
    viewer: Viewer = embedded("Who is asking: login, partner, scopes, remaining budget", authenticated=True)

    partner: Partner | None = one(
        "One partner (パートナー) by global id",
        where=BY_ID,
        args={"id": arg(strawberry.ID, "Global id", of="partner")},
        authenticated=True,
    )
    company: Company | None = one(
        "One company (企業) by its corporate number",
        where="{row}.corporate_number = {corporateNumber}",
        args={"corporateNumber": arg(CorporateNumber, "Corporate number (法人番号)")},
        authenticated=True,
    )
    school: School | None = one(
        "One school (学校) by its school code",
        where="{row}.school_code = {schoolCode}",
        args={"schoolCode": arg(SchoolCode, "School code (学校コード)")},
        authenticated=True,
    )
    agency: Agency | None = one(
        "One agency (人材紹介会社) by its licence number",
        where="{row}.license_number = {licenseNumber}",
        args={"licenseNumber": arg(LicenseNumber, "Licence number (許可番号)")},
        authenticated=True,
    )
    partners: PartnerConnection = many(
        "Partners of the network (パートナー)", order_by=PartnerOrder.NAME_ASC, filter=PartnerFilter
    )

    agreements: AgreementConnection = many(
        "Agreements (パートナー契約) the viewer is a party to",
        order_by=AgreementOrder.OFFERED_AT_DESC,
        filter=AgreementFilter,
    )

    referrals: ReferralConnection = many(
        "Referrals (紹介) made, received or shared by agreement",
        order_by=ReferralOrder.SUBMITTED_AT_DESC,
        filter=ReferralFilter,
        ways=ways.REFERRALS,
    )

    job: Job | None = one(
        "One job (求人) by global id",
        where=BY_ID,
        args={"id": arg(strawberry.ID, "Global id", of="job")},
        scopes=[["network:read"]],
    )
    jobs: JobConnection = many(
        "Jobs (求人) of one's own and of companies that share them", order_by=JobOrder.OPENED_AT_DESC, filter=JobFilter
    )
    applications: ApplicationConnection = many(
        "Applications (応募) of one's own and shared by agreement",
        order_by=ApplicationOrder.RECEIVED_AT_DESC,
        filter=ApplicationFilter,
        ways=ways.APPLICATIONS,
    )

    handovers: HandoverConnection = many(
        "Handovers (リレー): an agency's inbox, a company's record",
        order_by=HandoverOrder.REGISTERED_AT_DESC,
        filter=HandoverFilter,
    )
    relay_accounts: RelayAccountConnection = many(
        "Relay accounts (リレー口座), one per company and agency", order=("opened_at",), filter=RelayAccountFilter
    )

    outcomes: OutcomeEventConnection = many(
        "Outcome events (成果), also the poll for reconciliation: its cursors and the subscription's are the same",
        where=SETTLED,
        order_by=OutcomeOrder.RECORDED_ASC,
        filter=OutcomeFilter,
        ways=ways.EVENTS,
    )
    kpis: KpiConnection = many(
        "Shared figures (KPI), one per name, subject and period",
        source=KPI_FIGURES,
        order=("key",),
        args={"filter": arg(KpiFilter, "Which figures")},
        cost=2,
    )
    contributions: ContributionConnection = many(
        "Contributions (貢献), the edges of the graph",
        order_by=ContributionOrder.OCCURRED_AT_DESC,
        filter=ContributionFilter,
        ways=ways.CONTRIBUTIONS,
    )
    neighbourhood: NeighbourhoodConnection = many(
        "Partners within a few contributions of one partner, nearest first (つながり)",
        through="neighbourhood({viewer.partner}, {of}, {depth}, {roles})",
        to="neighbour_id",
        order=("edge.distance", "-edge.contributions"),
        args={
            "of": arg(strawberry.ID, "Partner at the centre", of="partner"),
            "depth": arg(int, "Steps outward, 1 to 3", default=1, among=(1, 3)),
            "roles": arg(list[ContributionRole] | None, "Only these roles"),
        },
        cost=20,
    )
    path: ContributionPath | None = one(
        "How the person of a hire reached the company (採用経路), at most 8 steps",
        source="hire_path({to})",
        args={"to": arg(strawberry.ID, "Global id of the hire", of="hire")},
        cost=10,
    )
