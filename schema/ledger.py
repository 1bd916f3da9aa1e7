"""The relay ledger (リレー口座): accounts, slots and transfers."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import strawberry

from planner.declare import PageInfo, arg, column, computed, embedded, many, one, part, table, where, within
from schema.node import DateTimeRange, Node
from schema.scalars import DateTime, Decimal

if TYPE_CHECKING:
    from schema.agreement import Agreement
    from schema.application import Application
    from schema.outcome import Hire
    from schema.partner import Agency, Company
    from schema.relay import Handover


HANDOVERS_PER_SLOT = """coalesce((select v.handovers_per_slot from agreement a join agreement_version v on v.id = a.version_id
    where a.id = {row}.agreement_id), 10)"""


@strawberry.enum(description="State of a slot (枠の状態)")
class SlotStatus(enum.Enum):
    AVAILABLE = strawberry.enum_value("AVAILABLE", description="Free to use (利用可能)")
    RESERVED = strawberry.enum_value("RESERVED", description="Reserved (予約中)")
    REDEEMED = strawberry.enum_value("REDEEMED", description="Redeemed (利用済み)")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Expired (失効)")
    REVERSED = strawberry.enum_value("REVERSED", description="Reversed (取消)")


@strawberry.enum(description="Order of slots")
class SlotOrder(enum.Enum):
    EXPIRES_AT_ASC = strawberry.enum_value("expires_at", description="Soonest expiry first")
    EARNED_AT_DESC = strawberry.enum_value("-earned_at", description="Newest first")


@strawberry.enum(description="Kind of transfer (取引種別)")
class TransferKind(enum.Enum):
    COUNT = strawberry.enum_value("COUNT", description="Handover counted (カウント)")
    EARN = strawberry.enum_value("EARN", description="Slot earned (枠の獲得)")
    RESERVE = strawberry.enum_value("RESERVE", description="Slot reserved (予約)")
    REDEEM = strawberry.enum_value("REDEEM", description="Slot redeemed (利用)")
    RELEASE = strawberry.enum_value("RELEASE", description="Slot released (解放)")
    EXPIRE = strawberry.enum_value("EXPIRE", description="Slot expired (失効)")
    RESTORE = strawberry.enum_value("RESTORE", description="Restored after an early leaver (返戻)")
    REVERSE = strawberry.enum_value("REVERSE", description="Reversed (取消)")


@strawberry.enum(description="Unit of the ledger (単位)")
class LedgerUnit(enum.Enum):
    HANDOVER = strawberry.enum_value("HANDOVER", description="Handovers (リレー件数)")
    SLOT = strawberry.enum_value("SLOT", description="Slots (枠)")


@strawberry.enum(description="Pocket of the ledger (勘定)")
class LedgerPocket(enum.Enum):
    OUTSIDE = strawberry.enum_value("OUTSIDE", description="Outside the account (外部)")
    COUNTED = strawberry.enum_value("COUNTED", description="Counted handovers (カウント)")
    AVAILABLE = strawberry.enum_value("AVAILABLE", description="Slots available (利用可能)")
    RESERVED = strawberry.enum_value("RESERVED", description="Slots reserved (予約中)")
    REDEEMED = strawberry.enum_value("REDEEMED", description="Slots redeemed (利用済み)")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Slots expired (失効)")
    DEBT = strawberry.enum_value("DEBT", description="Debt (不足)")


@strawberry.enum(description="Order of a statement")
class TransferOrder(enum.Enum):
    POSTED_AT_DESC = strawberry.enum_value("-posted_at", description="Newest first")
    POSTED_AT_ASC = strawberry.enum_value("posted_at", description="Oldest first, to add up")


@strawberry.input(description="Narrows relay accounts")
class RelayAccountFilter:
    company_id: strawberry.ID | None = where("Of this company", "{row}.company_id = {value}", of="partner")
    agency_id: strawberry.ID | None = where("With this agency", "{row}.agency_id = {value}", of="partner")
    slot_expires_before: DateTime | None = where(
        "Only with a slot that expires before",
        "exists (select from slot s where s.account_id = {row}.id and s.status = 'AVAILABLE' and s.expires_at < {value})",
    )


@table("relay_account", prefix="acc")
@strawberry.federation.type(
    keys=["id"], description="Relay account (リレー口座) of one company and one agency. Seen by both."
)
class RelayAccount(Node):
    company: Company = one("The company", "company_id", scopes=[["relay:read"]])
    agency: Agency = one("The agency", "agency_id", scopes=[["relay:read"]])
    agreement: Agreement | None = one("The relay agreement it follows", "agreement_id", scopes=[["relay:read"]])
    balance: RelayBalance = embedded("Balance (残高), the sum of its transfers", scopes=[["relay:read"]])
    progress: RelayProgress = embedded("Way to the next slot (進捗)", scopes=[["relay:read"]])
    slots: SlotConnection = many(
        "Slots (無料紹介枠)",
        "account_id",
        args={"statuses": arg(list[SlotStatus] | None, "Any of these states", where="{row}.status = any({value})")},
        order_by=SlotOrder.EXPIRES_AT_ASC,
    )
    transfers: LedgerTransferConnection = many(
        "Statement (取引明細)",
        "account_id",
        args={"posted": arg(DateTimeRange | None, "Posted within", where=within("{row}.posted_at"))},
        order_by=TransferOrder.POSTED_AT_DESC,
    )


@strawberry.type(description="Balance (残高). Seen by both sides of the account.")
class RelayBalance:
    handovers: int = computed("Counted handovers not yet turned into a slot", "({row}.counted / 100)::int", total=True)
    available: int = computed("Slots free to use (利用可能)", "({row}.available / 100)::int", total=True)
    reserved: int = computed("Slots reserved at offer (予約中)", "({row}.reserved / 100)::int", total=True)
    redeemed: int = computed("Slots redeemed, ever (利用済み)", "({row}.redeemed / 100)::int", total=True)
    expired: int = computed("Slots expired, ever (失効)", "({row}.expired / 100)::int", total=True)
    fraction: Decimal = computed(
        "Part of a slot given back for early leavers, under 1.00; a slot is made of it at 1.00 (端数)",
        "round(({row}.available % 100) / 100.0, 2)",
        total=True,
    )
    debt: int = computed(
        "Handovers owed after a reversal; future counts pay first (不足)", "({row}.debt / 100)::int", total=True
    )
    as_of: DateTime = column("Up to this instant", "balance_at")


@strawberry.type(description="Way to the next slot (進捗). Seen by both sides of the account.")
class RelayProgress:
    counted: int = computed("Counted so far, such as 7", "({row}.counted / 100)::int", total=True)
    needed: int = computed("Needed, such as 10", HANDOVERS_PER_SLOT, total=True)


@table("slot", prefix="slot")
@strawberry.federation.type(
    keys=["id"],
    description="Slot (無料紹介枠): the right to one hire without a fee. Seen by both sides of the account.",
)
class Slot(Node):
    account: RelayAccount | None = one("Its account", "account_id", scopes=[["relay:read"]])
    status: SlotStatus = column("State", scopes=[["relay:read"]])
    earned_at: DateTime = column("Earned", scopes=[["relay:read"]])
    expires_at: DateTime = column("Expires (失効日)", scopes=[["relay:read"]])
    application: Application | None = one(
        "The application it is reserved for", "application_id", scopes=[["relay:read"]]
    )
    hire: Hire | None = one("The hire it paid for", "hire_id", scopes=[["relay:read"]])


@table("ledger_transfer", prefix="tra")
@strawberry.federation.type(
    keys=["id"],
    description="Transfer (振替), immutable, from one pocket to another. Seen by both sides of the account.",
)
class LedgerTransfer(Node):
    account: RelayAccount | None = one("Its account", "account_id", scopes=[["relay:read"]])
    kind: TransferKind = column("Why", scopes=[["relay:read"]])
    unit: LedgerUnit = column("Handovers or slots", scopes=[["relay:read"]])
    amount: Decimal = computed(
        "How much, always positive", "round({row}.amount / 100.0, 2)", total=True, scopes=[["relay:read"]]
    )
    debit: LedgerPocket = column("From", scopes=[["relay:read"]])
    credit: LedgerPocket = column("To", scopes=[["relay:read"]])
    occurred_at: DateTime = column("When it became true (発生日時)", scopes=[["relay:read"]])
    posted_at: DateTime = column("When it was posted (記帳日時)", scopes=[["relay:read"]])
    handover: Handover | None = one("The handover behind it", "handover_id", scopes=[["relay:read"]])
    slot: Slot | None = one("The slot it moves", "slot_id", scopes=[["relay:read"]])
    reverses: LedgerTransfer | None = one("The transfer it reverses (反対仕訳)", "reverses_id", scopes=[["relay:read"]])


@strawberry.federation.type(
    requires_scopes=[["relay:read"]],
    description="Page of relay accounts (リレー口座). Seen by whoever may see relay accounts.",
)
class RelayAccountConnection:
    edges: list[RelayAccountEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of relay accounts (リレー口座). Seen with its page.")
class RelayAccountEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: RelayAccount | None = part("The object; null when it was hidden meanwhile", "node")


@strawberry.federation.type(
    requires_scopes=[["relay:read"]], description="Page of slots (無料紹介枠). Seen by whoever may see slots."
)
class SlotConnection:
    edges: list[SlotEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of slots (無料紹介枠). Seen with its page.")
class SlotEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: Slot | None = part("The object; null when it was hidden meanwhile", "node")


@strawberry.federation.type(
    requires_scopes=[["relay:read"]], description="Page of transfers (振替). Seen by whoever may see transfers."
)
class LedgerTransferConnection:
    edges: list[LedgerTransferEdge] = part("In the order asked", "edges")
    page_info: PageInfo = part("Position", "pageInfo")
    total_count: int = part("Visible matches", "totalCount", cost=2)


@strawberry.type(description="One place in a page of transfers (振替). Seen with its page.")
class LedgerTransferEdge:
    cursor: str = part("Keyset cursor", "cursor")
    node: LedgerTransfer | None = part("The object; null when it was hidden meanwhile", "node")
