"""Candidates (候補者), what they consented to, and what was provided to whom."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import strawberry

from models.candidate import unseal_rows
from planner.declare import PageInfo, column, finished, many, one, part, table
from schema.application import ApplicationOrder
from schema.node import Node
from schema.person import OWN_CANDIDATE, REFERRAL_OF_CANDIDATE
from schema.referral import ReferralOrder
from schema.scalars import DateTime, EmailAddress

if TYPE_CHECKING:
    from schema.agreement import Agreement
    from schema.application import ApplicationConnection
    from schema.partner import Partner
    from schema.prefecture import Prefecture
    from schema.referral import ReferralConnection


# Row-level security leaves the rows that are one's own, or provided to the viewer item by item; what it leaves is
# sealed, and opened on the way out. The copy of who knew the person first comes first; of what one wrote to several, the
# latest.
PERSONAL = """(select jsonb_build_object('key', encode(k.sealed, 'base64'), 'person', k.person_id, 'rows', d.rows)
    from person_key k join lateral (
      select jsonb_agg(jsonb_build_object('candidate', p.candidate_id, 'item', p.item, 'addressee', p.addressee_id,
        'sealed', encode(p.sealed, 'base64')) order by p.candidate_id, p.recorded_at desc) as rows
      from personal_data p
      where p.candidate_id = {row}.id or p.candidate_id = any(array(
        select v.giver_candidate_id from provision v
        where v.receiver_candidate_id = {row}.id and v.receiver_id = {viewer.partner} and v.ended_at is null))) d on true
    where k.person_id = {row}.person_id and d.rows is not null)"""


async def unseal(values: Sequence[Any], context: object) -> Sequence[Any]:
    """Opens what row-level security let through: one object a candidate, by GraphQL field name."""
    return [{item.lower(): text for item, text in opened.items()} for opened in unseal_rows(values)]


@strawberry.enum(description="Item of personal data (個人情報の項目)")
class PersonalItem(enum.Enum):
    NAME = strawberry.enum_value("NAME", description="Name (氏名)")
    EMAIL = strawberry.enum_value("EMAIL", description="E-mail (メール)")
    PHONE = strawberry.enum_value("PHONE", description="Telephone (電話)")
    PREFECTURE = strawberry.enum_value("PREFECTURE", description="Prefecture (居住地)")
    RECOMMENDATION = strawberry.enum_value("RECOMMENDATION", description="Recommendation (推薦文)")
    RESUME = strawberry.enum_value("RESUME", description="Résumé (履歴書)")
    STAGES = strawberry.enum_value("STAGES", description="Stages reached (選考段階)")
    OUTCOME = strawberry.enum_value("OUTCOME", description="Outcome (結果)")


@table("candidate", prefix="can")
@strawberry.federation.type(
    keys=["id"],
    description="Candidate (候補者), a person as known to one partner; never scored. Seen by partners in the person's flow.",
)
class Candidate(Node):
    alias: str = column("Name to show without personal data, such as 候補者 7F3K (仮名)")
    personal: PersonalData | None = finished(
        "Personal data (個人情報); of one's own candidates, or with a record of its provision to the viewer; else null",
        PERSONAL,
        unseal,
        personal=True,
        cost=5,
    )
    referrals: ReferralConnection = many(
        "Referrals (紹介) of this person",
        where=REFERRAL_OF_CANDIDATE,
        order=ReferralOrder.SUBMITTED_AT_DESC,
    )
    applications: ApplicationConnection = many(
        "Applications (応募) of this person",
        where="{row}.person_id = {parent}.person_id and {row}.company_id = {viewer.partner}",
        order=ApplicationOrder.RECEIVED_AT_DESC,
    )
    consents: ConsentConnection = many(
        "What they consented to, as it concerns the viewer (同意)",
        where="{row}.person_id = {parent}.person_id",
        order=("given_at",),
    )
    provisions: ProvisionRecordConnection = many(
        "What was provided to whom, as giver or receiver (提供記録)",
        where="{row}.person_id = {parent}.person_id",
        order=("provided_at",),
    )


@strawberry.federation.type(
    requires_scopes=[["candidates:read"]],
    description="Personal data (個人情報), decrypted on the way out. Seen only where a provision record names the viewer.",
)
class PersonalData:
    name: str | None = column("Name (氏名)")
    kana: str | None = column("Kana (フリガナ)")
    email: EmailAddress | None = column("E-mail address")
    phone: str | None = column("Telephone number")
    prefecture: Prefecture | None = column("Prefecture of residence (居住地)")
    recommendation: str | None = column("Why they were recommended (推薦文)")


@table("consent", prefix="con")
@strawberry.federation.type(
    keys=["id"],
    description="Consent (同意) of one candidate: recipient × purpose × items. Seen by the recipient and by the partner who asked.",
)
class Consent(Node):
    candidate: Candidate | None = one("Whose", where=OWN_CANDIDATE, scopes=[["candidates:read"]])
    recipient: Partner = one("Who may receive", "recipient_id", scopes=[["candidates:read"]])
    purpose: str = column("Purpose (利用目的)", scopes=[["candidates:read"]])
    items: list[PersonalItem] = column("Items (項目)", scopes=[["candidates:read"]], at_most=10)
    text_version: str = column("Version of the text they read (同意文の版)", scopes=[["candidates:read"]])
    given_at: DateTime = column("Given", scopes=[["candidates:read"]])
    withdrawn_at: DateTime | None = column("Withdrawn; nothing flows from then on (撤回)", scopes=[["candidates:read"]])


@table("provision", prefix="pro")
@strawberry.federation.type(
    keys=["id"],
    description="Provision record (第三者提供記録), one per disclosure, by law. Seen by giver and receiver.",
)
class ProvisionRecord(Node):
    candidate: Candidate | None = one("Whose data", where=OWN_CANDIDATE, scopes=[["candidates:read"]])
    giver: Partner = one("Giver (提供元)", "giver_id", scopes=[["candidates:read"]])
    receiver: Partner = one("Receiver (提供先)", "receiver_id", scopes=[["candidates:read"]])
    items: list[PersonalItem] = column("Items (項目)", scopes=[["candidates:read"]], at_most=10)
    consent: Consent | None = one("The consent it rests on", "consent_id", scopes=[["candidates:read"]])
    agreement: Agreement | None = one("The agreement it rests on", "agreement_id", scopes=[["candidates:read"]])
    provided_at: DateTime = column("When", scopes=[["candidates:read"]])


@strawberry.federation.type(
    requires_scopes=[["candidates:read"]], description="Page of consents (同意). Seen by whoever may see consents."
)
class ConsentConnection:
    edges: list[ConsentEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of consents (同意). Seen with its page.")
class ConsentEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Consent | None = part("The object; null when it was hidden meanwhile", "node")


@strawberry.federation.type(
    requires_scopes=[["candidates:read"]],
    description="Page of provision records (提供記録). Seen by whoever may see provision records.",
)
class ProvisionRecordConnection:
    edges: list[ProvisionRecordEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of provision records (提供記録). Seen with its page.")
class ProvisionRecordEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: ProvisionRecord | None = part("The object; null when it was hidden meanwhile", "node")
