"""Career relay (キャリアリレー): invitations, rejection mails and handovers."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, column, many, one, part, table, where, within
from schema.ledger import TransferOrder
from schema.node import Node
from schema.outcome import OutcomeOrder
from schema.person import OWN_CANDIDATE
from schema.scalars import DateTime

if TYPE_CHECKING:
    from schema.agreement import Agreement
    from schema.application import Application
    from schema.candidate import Candidate
    from schema.ledger import LedgerTransferConnection
    from schema.node import DateTimeRange
    from schema.outcome import Hire, OutcomeEventConnection
    from schema.partner import Agency, Company


# News about a person from the agency's side is a provision of its own: who passed them on sees it as long as that lasts.
PLACEMENT = """{row}.id = {parent}.placement_id and ({parent}.agency_id = {viewer.partner}
    or exists (select from provision v where v.person_id = {parent}.person_id and v.giver_id = {parent}.agency_id
      and v.receiver_id = {viewer.partner} and v.ended_at is null and 'OUTCOME' = any (v.items)))"""


@strawberry.enum(description="State of an invitation (リレー案内の状態)")
class InvitationStatus(enum.Enum):
    QUEUED = strawberry.enum_value("QUEUED", description="Waits to be sent (送信待ち)")
    SENT = strawberry.enum_value("SENT", description="Sent (送信済み)")
    BOUNCED = strawberry.enum_value("BOUNCED", description="Could not be delivered (不達)")
    OPENED = strawberry.enum_value("OPENED", description="Opened (開封)")
    REGISTERED = strawberry.enum_value("REGISTERED", description="Registered (登録)")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Expired (期限切れ)")


@strawberry.enum(description="Language (言語)")
class Language(enum.Enum):
    JA = strawberry.enum_value("JA", description="Japanese (日本語)")
    EN = strawberry.enum_value("EN", description="English (英語)")


@strawberry.enum(description="State of a handover (リレーの状態)")
class HandoverStatus(enum.Enum):
    REGISTERED = strawberry.enum_value("REGISTERED", description="Waits for the agency (回答待ち)")
    ACCEPTED = strawberry.enum_value("ACCEPTED", description="Accepted (受諾)")
    DECLINED = strawberry.enum_value("DECLINED", description="Declined (辞退)")
    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="Candidate withdrew (本人撤回)")
    REVERSED = strawberry.enum_value("REVERSED", description="Reversed (取消)")


@strawberry.enum(description="Reason to decline (辞退理由)")
class DeclineReason(enum.Enum):
    UNREACHABLE = strawberry.enum_value("UNREACHABLE", description="Unreachable (連絡不能)")
    ALREADY_ACTIVE = strawberry.enum_value(
        "ALREADY_ACTIVE", description="Already active with this agency in the last 12 months (登録済み)"
    )
    OUTSIDE_LICENSE = strawberry.enum_value("OUTSIDE_LICENSE", description="Outside the licence (許可範囲外)")


@strawberry.enum(description="Order of handovers")
class HandoverOrder(enum.Enum):
    REGISTERED_AT_DESC = strawberry.enum_value("-registered_at", description="Newest first")
    REGISTERED_AT_ASC = strawberry.enum_value("registered_at", description="Oldest first")
    ANSWER_BY_ASC = strawberry.enum_value("answer_by", description="Soonest deadline first")


@strawberry.input(description="Narrows handovers")
class HandoverFilter:
    statuses: list[HandoverStatus] | None = where("Any of these states", "{row}.status = any({value})")
    company_id: strawberry.ID | None = where("From this company", "{row}.company_id = {value}", of="partner")
    agency_id: strawberry.ID | None = where("To this agency", "{row}.agency_id = {value}", of="partner")
    counted: bool | None = where("Counted, or not", "{row}.counted = {value}")
    registered: DateTimeRange | None = where("Registered within", within("{row}.registered_at"))
    answer_before: DateTime | None = where(
        "To be answered before", "{row}.status = 'REGISTERED' and {row}.answer_by < {value}"
    )


@table("relay_invitation", prefix="inv")
@strawberry.federation.type(
    keys=["id"],
    description="Relay invitation (リレー案内): the personal URL in a rejection mail. Seen by the company that sent it; the URL itself by nobody here.",
)
class RelayInvitation(Node):
    application: Application | None = one("The rejected application", "application_id", scopes=[["relay:read"]])
    status: InvitationStatus = column("State", scopes=[["relay:read"]])
    sent_at: DateTime | None = column("Sent", scopes=[["relay:read"]])
    opened_at: DateTime | None = column("First opened by a person (GET alone changes nothing)", scopes=[["relay:read"]])
    expires_at: DateTime = column("The URL ends", scopes=[["relay:read"]])
    handovers: HandoverConnection = many(
        "Handovers that came of it", "invitation_id", order=HandoverOrder.REGISTERED_AT_ASC
    )


@table("rejection_mail", prefix="rmail")
@strawberry.federation.type(keys=["id"], description="Rejection mail (お祈りメール). Seen by the company.")
class RejectionMail(Node):
    language: Language = column("Language", scopes=[["relay:read"]])
    subject: str = column("Subject", scopes=[["relay:read"]])
    body: str = column("Body; {{relay_url}} marks where the URL goes", scopes=[["relay:read"]])
    saved_at: DateTime = column("Last saved", scopes=[["relay:read"]])


@table("handover", prefix="han")
@strawberry.federation.type(
    keys=["id"],
    description="Handover (リレー): a rejected candidate who registered with one agency. Seen by that company and that agency.",
)
class Handover(Node):
    status: HandoverStatus = column("State", scopes=[["relay:read"]])
    company: Company = one("The company that passes on", "company_id", scopes=[["relay:read"]])
    agency: Agency = one("The agency that receives", "agency_id", scopes=[["relay:read"]])
    candidate: Candidate | None = one("Who", where=OWN_CANDIDATE, scopes=[["relay:read"]])
    agreement: Agreement | None = one("Under which agreement", "agreement_id", scopes=[["relay:read"]])
    registered_at: DateTime = column("Registered and consented", scopes=[["relay:read"]])
    answer_by: DateTime = column(
        "Silence means acceptance from then on (みなし受諾); a decline, where the agency's licence is not valid that day",
        scopes=[["relay:read"]],
    )
    decided_at: DateTime | None = column("Accepted or declined", scopes=[["relay:read"]])
    by_silence: bool = column("Answered by silence", scopes=[["relay:read"]])
    decline_reason: DeclineReason | None = column("Why declined", scopes=[["relay:read"]])
    counted: bool = column("Counts toward a slot (カウント対象)", scopes=[["relay:read"]])
    placement: Hire | None = one(
        "The hire it led to; the company that passed on sees it only by consent",
        where=PLACEMENT,
        scopes=[["relay:read"]],
    )
    transfers: LedgerTransferConnection = many(
        "What it moved in the ledger", "handover_id", order=TransferOrder.POSTED_AT_ASC
    )
    events: OutcomeEventConnection = many(
        "Its events, oldest first", "handover_id", order=OutcomeOrder.RECORDED_ASC, scopes=[["relay:read"]]
    )


@strawberry.federation.type(
    requires_scopes=[["relay:read"]], description="Page of handovers (リレー). Seen by whoever may see handovers."
)
class HandoverConnection:
    edges: list[HandoverEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of handovers (リレー). Seen with its page.")
class HandoverEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Handover | None = part("The object; null when it was hidden meanwhile", "node")
