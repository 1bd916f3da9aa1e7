"""Career relay (キャリアリレー): handovers from a company that said no to an agency that may help.

What counts, and what a count earns, is decided here and booked in the ledger. Locks are taken in one order: accounts,
slots, invitation, handovers, then the lock on person and agency; consents and provisions after them. What comes before
stands in `rejection_mail`, `invitation` and `registration`, what comes after in `placement` and `slot`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from models import invitation, ledger
from models.db import Connection, queries
from models.errors import Refusal, RefusalCode, wrong_state
from models.handover import Record, find, hold, hold_accounts, hold_all, must_act, tell
from models.invitation import Invitation
from models.outbox import Said
from models.placement import record_placement

__all__ = [
    "accept",
    "accept_silent",
    "confirm_by_company",
    "decline",
    "record_placement",
    "revert",
    "take_back",
    "withdrawn",
]


SILENT_AT_ONCE = 100  # handovers per transaction

DeclineReason = Literal["UNREACHABLE", "ALREADY_ACTIVE", "OUTSIDE_LICENSE"]


@dataclass(frozen=True, slots=True)
class Answered:
    """A handover after the agency's answer.

    `counted` false says no more than "not eligible" (対象外): nobody learns why, or because of whom.
    """

    handover_id: UUID
    event_id: UUID
    counted: bool
    slot_ids: Sequence[UUID]


async def accept(connection: Connection, *, handover_id: UUID, acting: UUID, said: Said) -> Answered:
    """The agency accepts a handover (受諾). It counts unless this person counted for this agency within twelve months.

    Raises NOT_YOURS, WRONG_STATE, AGREEMENT_MISSING when the relay agreement runs no more, LICENSE_EXPIRED.
    """
    found = await find(connection, handover_id)
    must_act(acting, found["agency_id"])
    pair = (found["company_id"], found["agency_id"])
    account = (await ledger.lock_pairs(connection, [pair])).get(pair)
    rule = await ledger.rule(connection, found["agreement_id"], said.at)
    if account is None or rule is None:
        raise Refusal(
            RefusalCode.AGREEMENT_MISSING,
            ja="この企業とのリレー契約が有効ではありません。契約を確かめてください。",
            en="No relay agreement with this company is in force. Check the agreement.",
        )
    await _must_be_licensed(connection, found["agency_id"], said.at)
    invited, handover = await hold(connection, found)
    _must_wait(handover)
    return await _accepted(connection, account, rule, invited, handover, said, by_silence=False)


async def decline(
    connection: Connection, *, handover_id: UUID, acting: UUID, reason: DeclineReason, said: Said
) -> UUID:
    """The agency declines (辞退), and what was provided to it flows no longer. Returns the event's id.

    Raises NOT_YOURS, WRONG_STATE.
    """
    found = await find(connection, handover_id)
    must_act(acting, found["agency_id"])
    _, handover = await hold(connection, found)
    _must_wait(handover)
    return await _declined(connection, handover, reason, said, by_silence=False, now=said.at)


async def accept_silent(connection: Connection, now: datetime) -> list[Answered]:
    """Accepts what agencies left unanswered past its deadline (みなし受諾), at most SILENT_AT_ONCE handovers.

    An agency without a valid licence on that day cannot accept, and so its silence declines.
    """
    due = [row async for row in queries("relay").due_handovers(connection, now=now, most=SILENT_AT_ONCE)]
    accounts = await ledger.lock_pairs(connection, [(row["company_id"], row["agency_id"]) for row in due])
    answers: list[Answered] = []
    for row in due:
        found = await find(connection, row["id"])
        invited, handover = await hold(connection, found)
        at: datetime = handover["answer_by"]
        rule = await ledger.rule(connection, handover["agreement_id"], at)
        account = accounts.get((row["company_id"], row["agency_id"]))
        if handover["status"] != "REGISTERED" or rule is None or account is None:
            continue
        said = Said(by=handover["agency_id"], source="SYSTEM", at=at)
        if await queries("relay").licensed(connection, agency_id=handover["agency_id"], at=at):
            answers.append(await _accepted(connection, account, rule, invited, handover, said, by_silence=True))
        else:
            event_id = await _declined(connection, handover, "OUTSIDE_LICENSE", said, by_silence=True, now=now)
            answers.append(Answered(handover["id"], event_id, counted=False, slot_ids=[]))
    return answers


async def confirm_by_company(connection: Connection, *, invitation_id: UUID, said: Said) -> list[UUID]:
    """The company confirms a rejection that no application of its own shows; what was accepted meanwhile counts now.

    Returns the slots that this earned. Raises WRONG_STATE when nobody asked, or more than CONFIRM_DAYS ago.
    """
    accounts = await hold_accounts(connection, invitation_id)
    invited = await invitation.confirm(connection, invitation_id=invitation_id, said=said)
    slots: list[UUID] = []
    for handover in await hold_all(connection, invitation_id):
        account = accounts.get((handover["company_id"], handover["agency_id"]))
        rule = await ledger.rule(connection, handover["agreement_id"], said.at)
        if handover["status"] == "ACCEPTED" and not handover["counted"] and account and rule:
            slots += (await _count(connection, account, rule, invited, handover, said)) or []
    return slots


async def revert(connection: Connection, *, application_id: UUID, said: Said) -> None:
    """A rejection was taken back (不採用取消): its URL dies, and its handovers and their counts are taken back."""
    invitation_id = await invitation.of_application(connection, application_id)
    if invitation_id is not None:
        await take_back(connection, invitation_id=invitation_id, said=said)
        await invitation.revoke(connection, invitation_id=invitation_id, at=said.at)


async def take_back(connection: Connection, *, invitation_id: UUID, said: Said) -> None:
    """Takes back every handover of an invitation, and what it counted: its rejection was reverted, or it was a fraud.

    What still waits for an answer ends with its provision; an agency that accepted keeps what the candidate gave it.
    """
    sql = queries("relay")
    await hold_accounts(connection, invitation_id)
    await invitation.hold(connection, invitation_id)
    for handover in await hold_all(connection, invitation_id):
        if handover["status"] not in ("REGISTERED", "ACCEPTED"):
            continue
        if handover["counted"]:
            slot_id = await ledger.reverse_count(connection, handover_id=handover["id"], at=said.at)
            if slot_id is not None:
                await tell(connection, "SLOT_MOVED", said, handover, slot_id=slot_id)
        if handover["status"] == "REGISTERED":
            await sql.end_provisions(connection, consent_id=handover["consent_id"], at=said.at)
        await sql.mark_reversed(connection, id=handover["id"])


async def withdrawn(connection: Connection, *, consent_ids: Sequence[UUID], said: Said) -> list[UUID]:
    """The candidate took these consents back (撤回): a handover not yet accepted ends; one accepted keeps its count.

    Returns the handovers that ended.
    """
    ended: list[UUID] = []
    waiting = queries("relay").handovers_of_consents(connection, consent_ids=list(consent_ids))
    for handover_id in [row["id"] async for row in waiting]:
        _, handover = await hold(connection, await find(connection, handover_id))
        if handover["status"] == "REGISTERED":
            await _answer(connection, handover, "WITHDRAWN", said)
            await tell(connection, "WITHDRAWN", said, handover)
            ended.append(handover_id)
    return ended


async def _accepted(
    connection: Connection,
    account: ledger.Account,
    rule: ledger.Rule,
    invited: Invitation,
    handover: Record,
    said: Said,
    *,
    by_silence: bool,
) -> Answered:
    await _answer(connection, handover, "ACCEPTED", said, by_silence=by_silence)
    event_id = await tell(connection, "RELAY_ACCEPTED", said, handover)
    slots = await _count(connection, account, rule, invited, handover, said)
    return Answered(handover["id"], event_id, slots is not None, slots or [])


async def _declined(
    connection: Connection, handover: Record, reason: DeclineReason, said: Said, *, by_silence: bool, now: datetime
) -> UUID:
    await _answer(connection, handover, "DECLINED", said, by_silence=by_silence, reason=reason)
    await queries("relay").end_provisions(connection, consent_id=handover["consent_id"], at=now)
    return await tell(connection, "RELAY_DECLINED", said, handover)


async def _count(
    connection: Connection,
    account: ledger.Account,
    rule: ledger.Rule,
    invited: Invitation,
    handover: Record,
    said: Said,
) -> list[UUID] | None:
    """Counts a held, accepted handover if it may count. Returns slots earned; None when it is not eligible."""
    sql = queries("relay")
    who = {"person_id": handover["person_id"], "agency_id": handover["agency_id"]}
    if not invited.may_count:
        return None
    _ = [row async for row in sql.hold_person_and_agency(connection, **who)]
    if await sql.counted_within_a_year(connection, at=said.at, **who):
        return None
    await sql.mark_counted(connection, id=handover["id"], at=said.at)
    held = await ledger.lock(connection, account.id)
    slots = await ledger.count(connection, held, handover_id=handover["id"], rule=rule, at=said.at)
    for slot_id in slots:
        await tell(connection, "SLOT_EARNED", said, handover, slot_id=slot_id)
    return slots


async def _answer(
    connection: Connection,
    handover: Record,
    status: str,
    said: Said,
    *,
    by_silence: bool = False,
    reason: DeclineReason | None = None,
) -> None:
    await queries("relay").decide(
        connection, id=handover["id"], status=status, at=said.at, by_silence=by_silence, reason=reason
    )


async def _must_be_licensed(connection: Connection, agency_id: UUID, at: datetime) -> None:
    if not await queries("relay").licensed(connection, agency_id=agency_id, at=at):
        raise Refusal(
            RefusalCode.LICENSE_EXPIRED,
            ja="許可番号の有効期限が切れています。許可を更新してから受諾してください。",
            en="The licence has expired. Renew it, then accept.",
        )


def _must_wait(handover: Record) -> None:
    if handover["status"] != "REGISTERED":
        raise wrong_state("この引き継ぎはすでに回答済みか、終了しています。", "This handover is answered or has ended.")
