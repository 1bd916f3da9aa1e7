"""Outcomes (成果): decisions with all that follows from them, whoever tells of them (API, ATS, import).

Each verb runs the words in the one order of locks: accounts, slots, invitation, handover, application, referral.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from models import contribution, handover, invitation, placement, relay, seal, selection, slot
from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode, not_found, not_yours, wrong_state
from models.japan import today
from models.outbox import Said, publish
from models.selection import Step

RetentionStatus = Literal["EMPLOYED", "LEFT", "LEFT_BY_COMPANY", "UNKNOWN"]

SURVEY_AFTER_DAYS = 3  # what is asked right after a refusal is not an answer
SURVEY_WITHIN_DAYS = 90  # nobody is asked about the years that an import brings
COMMENT_CHARACTERS = 2_000
RETENTION_DAYS = (30, 90, 180, 365)


@dataclass(frozen=True, slots=True)
class Hired:
    """A hire, its event, and the slot that pays for it, if one does."""

    hire_id: UUID
    event_id: UUID
    slot_id: UUID | None


async def reject(
    connection: Connection, *, application_id: UUID, acting: UUID, said: Said, reason: str | None = None
) -> UUID:
    """Rejects an application (不採用) and invites the candidate to the relay, by the mail with their personal URL.

    Returns the event's id. Raises what `selection.reject` raises.
    """
    _must_act(acting, said)
    [event_id] = await reject_all(connection, [Step(application_id, said, reason=reason)])
    return event_id


async def reject_all(connection: Connection, steps: Sequence[Step]) -> list[UUID]:
    """Rejects applications, each another one, on their companies' word, as `reject` does. Returns the events' ids."""
    event_ids = await selection.reject_all(connection, steps)
    now = datetime.now(UTC)
    for step in steps:
        if invitation.in_time(step.said.at, now):
            await invitation.invite(connection, application_id=step.application_id, now=now)
        await _ask(connection, step.application_id, step.said)
    return event_ids


async def hire(
    connection: Connection,
    *,
    application_id: UUID,
    acting: UUID,
    starts_on: date,
    said: Said,
    slot_id: UUID | None = None,
) -> Hired:
    """Hires (採用): draws the contributions, closes the handover it grew from, and lets a slot pay the fee.

    `slot_id`: a free slot, or the one reserved for this application; left out, a reserved one pays by itself. It is
    redeemed on the first working day. Raises what `selection.hire` and `slot.reserve_slot` raise.
    """
    _must_act(acting, said)
    sql = queries("outcome")
    before = await sql.before_hire(connection, application_id=application_id)
    paying = slot_id or (before and before["slot_id"])
    held = await slot.lock_slot(connection, paying) if paying else None
    if before is not None and before["handover_id"] is not None:
        await handover.hold(connection, await handover.find(connection, before["handover_id"]))
    hired = await selection.hire(
        connection, said=said, application_id=application_id, starts_on=starts_on, slot_id=paying
    )
    if held is not None:
        await _pay(connection, held, application_id, hired.hire_id, acting, said)
    if hired.handover_id is not None:
        await placement.placed(
            connection, handover_id=hired.handover_id, hire_id=hired.hire_id, company_id=acting, said=said
        )
    await contribution.after_hire(connection, hire_id=hired.hire_id, event_id=hired.event_id)
    await _ask(connection, application_id, said)
    return Hired(hired.hire_id, hired.event_id, paying)


async def revert(connection: Connection, *, application_id: UUID, acting: UUID, reason: str, said: Said) -> UUID:
    """Takes back a rejection or a hire (取消). Returns the event's id.

    A rejection's URL dies and its counts are taken back. A hire's reserved slot is free again; a redeemed one stays
    redeemed, since somebody worked: an early leaver is said by `record_retention`. Raises what `selection.revert`
    raises.
    """
    _must_act(acting, said)
    sql = queries("outcome")
    slot_id = await sql.reserved_slot(connection, application_id=application_id)
    if slot_id is not None:
        await slot.lock_slot(connection, slot_id)
    await handover.hold_for_revert(connection, application_id)
    undone = await selection.revert(connection, said=said, application_id=application_id, reason=reason)
    if undone.decision == "REJECTED":
        await relay.revert(connection, application_id=application_id, said=said)
    else:
        await placement.unplaced(connection, hire_id=undone.hire_id)
        if slot_id is not None:
            await slot.release_slot(connection, slot_id=slot_id, acting=acting, said=said)
    await sql.cancel_survey(connection, application_id=application_id)
    return undone.event_id


async def record_retention(
    connection: Connection, *, hire_id: UUID, acting: UUID, day: int, status: RetentionStatus, said: Said
) -> UUID:
    """Records whether a hire is still employed on a day after the first (定着確認). Returns the event's id.

    One who left by day 30 gives 1.00 of the slot back that paid for them, by day 90 it is 0.50, whichever day is told
    first; nothing when the company caused it. The same day again corrects its answer. Raises NOT_FOUND, NOT_YOURS,
    INVALID for another day or one that has not come, and WRONG_STATE when the hire was reverted, another day's answer
    cannot be true beside this one, or a part was given back on the day's answer so far.
    """
    sql = queries("outcome")
    held = await sql.hire(connection, id=hire_id)
    if held is None:
        raise not_found("input", "hireId")
    if held["company_id"] != acting:
        raise not_yours()
    if held["slot_id"] is not None:
        await slot.lock_slot(connection, held["slot_id"])
    await queries("slot").hold_hire(connection, hire_id=hire_id)
    held = await sql.hire_on_day(connection, id=hire_id, day=day, status=status)
    _check_retention(held, day, status, said)
    await sql.record_retention(connection, hire_id=hire_id, day=day, status=status, at=said.at)
    event_id = await publish(
        connection,
        "RETENTION_CHECKED",
        said,
        company_id=acting,
        application_id=held["application_id"],
        hire_id=hire_id,
    )
    if held["redeemed"]:
        await slot.restore(connection, slot_id=held["slot_id"], hire_id=hire_id, said=said)
    return event_id


async def survey_sent(connection: Connection, *, survey_id: UUID) -> None:
    """Notes that a survey's letter went out: from then on it counts as asked."""
    await queries("outcome").survey_sent(connection, id=survey_id)


async def answer_survey(connection: Connection, *, survey_id: UUID, score: int, comment: str | None = None) -> None:
    """A candidate's answer, 1 to 5 (満足度), given once; the comment is sealed. Raises INVALID, TOKEN_INVALID."""
    text = (comment or "").strip()
    if not 1 <= score <= 5 or len(text) > COMMENT_CHARACTERS:
        raise Refusal(
            RefusalCode.INVALID,
            ja=f"評価は1〜5、ご意見は{COMMENT_CHARACTERS}文字までです。",
            en=f"A score is 1 to 5, a comment has at most {COMMENT_CHARACTERS} characters.",
        )
    answered = await queries("outcome").answer_survey(
        connection,
        id=survey_id,
        score=score,
        comment_sealed=seal.seal(text.encode(), context=b"survey" + survey_id.bytes) if text else None,
    )
    if answered is None:
        raise Refusal(
            RefusalCode.TOKEN_INVALID,
            ja="このアンケートは回答済みか、存在しません。",
            en="This survey was answered before, or does not exist.",
        )


async def _pay(
    connection: Connection, held: slot.Slot, application_id: UUID, hire_id: UUID, acting: UUID, said: Said
) -> None:
    """Lets a held slot pay for a hire: reserved if it was still free, redeemed if the work begins today or before."""
    if held.status == "RESERVED" and held.application_id == application_id:
        await queries("outcome").link_slot(connection, slot_id=held.id, hire_id=hire_id)
    elif held.status == "AVAILABLE":
        await slot.reserve_slot(
            connection,
            account_id=held.account_id,
            application_id=application_id,
            acting=acting,
            said=said,
            slot_id=held.id,
        )
    else:
        raise Refusal(
            RefusalCode.SLOT_UNAVAILABLE,
            ja="この枠は、ほかの応募に使われているか、終了しています。",
            en="This slot is another application's, or has ended.",
            path=("input", "slotId"),
        )
    if await queries("outcome").started(connection, hire_id=hire_id, at=datetime.now(UTC)):
        await slot.redeem_for_hire(connection, slot_id=held.id, hire_id=hire_id, said=said)


async def _ask(connection: Connection, application_id: UUID, said: Said) -> None:
    """Queues the survey of a decision, once per application, to one to whom the company may write."""
    now = datetime.now(UTC)
    if said.at + timedelta(days=SURVEY_WITHIN_DAYS) <= now:
        return
    sql = queries("outcome")
    person_id = await sql.person_of(connection, application_id=application_id)
    if not await invitation.may_write(connection, company_id=said.by, person_id=person_id):
        return
    due = now + timedelta(days=SURVEY_AFTER_DAYS)
    survey_id = await sql.add_survey(connection, id=uuid7(), application_id=application_id)
    if survey_id is not None:
        await sql.queue_survey(connection, id=uuid7(), survey_id=survey_id, due=due)


def _check_retention(held: asyncpg.Record, day: int, status: str, said: Said) -> None:
    if held["reverted_at"] is not None or (held["restored"] and held["known"] == "LEFT" and status != "LEFT"):
        raise wrong_state(
            "この採用は取り消されているか、返戻が済んでいるため、変更できません。",
            "This hire was reverted, or part of its slot was given back already.",
        )
    if day not in RETENTION_DAYS or (status == "EMPLOYED" and (today(said.at) - held["starts_on"]).days < day):
        raise Refusal(
            RefusalCode.INVALID,
            ja="定着確認は入社から30・90・180・365日の時点で記録します。",
            en="Retention is recorded for day 30, 90, 180 or 365, once it has come.",
            path=("input", "day"),
        )
    if held["contradicted"]:  # else a slot could be had back for somebody who is known to have stayed
        raise wrong_state(
            "ほかの日の記録と両立しません（離職後の在籍、または異なる離職の区分）。先にその記録を訂正してください。",
            "Another day's answer cannot be true beside this one. Correct that first.",
        )


def _must_act(acting: UUID, said: Said) -> None:
    if acting != said.by:
        raise not_yours()
