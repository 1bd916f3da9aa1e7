"""Agreements (パートナー契約): offered, countered, accepted by hash, suspended, resumed, ended.

Only an ACTIVE agreement shares, and `agreement_share` says so in one place: each verb writes or deletes its rows in its
own transaction, so that the flow begins and stops with that commit. The rows carry days, so that a version accepted in
advance (更新) takes over at midnight in Japan, whenever the clock looks. Every verb holds the agreement's row first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from models import audit
from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode, invalid, not_found, wrong_state
from models.japan import midnight, today
from models.outbox import Said
from models.partner import require_licenses
from models.terms import (
    KINDS,
    PURPOSE_CHARACTERS,
    Accepted,
    Terms,
    Turn,
    check_parties,
    check_terms,
    succession,
    version_hash,
)

REASON_CHARACTERS = 1_000
DUE_AT_ONCE = 100  # agreements per transaction


@dataclass(frozen=True, slots=True)
class _Held:
    """An agreement whose row is held, with its parties and its latest version."""

    id: UUID
    kind: str
    status: str
    purpose: str
    version_id: UUID
    suspended_by: UUID | None
    ends_at: datetime | None
    latest_id: UUID
    number: int
    hash: str
    party_ids: list[UUID]
    accepted_by: list[UUID]


async def offer(
    connection: Connection, *, said: Said, kind: str, party_ids: Iterable[UUID], purpose: str, terms: Terms
) -> UUID:
    """Offers an agreement (契約の申し込み) to other partners; whoever offers is a party and accepts its own words.

    Refuses INVALID for terms or parties that do not fit the kind, NOT_FOUND for an unknown partner, LICENSE_EXPIRED
    when an agency among the parties may not act.
    """
    parties = sorted({said.by, *party_ids})
    kinds = {row["id"]: row["kind"] async for row in queries("agreement").kinds(connection, ids=parties)}
    if len(kinds) != len(parties):
        raise not_found("input", "partnerIds")
    if kind not in KINDS or not 1 <= len(purpose.strip()) <= PURPOSE_CHARACTERS:
        raise invalid(
            "purpose",
            f"利用目的を{PURPOSE_CHARACTERS}文字以内で入力してください。",
            f"Say the purpose in at most {PURPOSE_CHARACTERS} characters.",
        )
    check_parties(kind, kinds)
    check_terms(kind, terms, on=today())
    await require_licenses(connection, parties, on=today())
    agreement_id, digest = uuid7(), version_hash(kind, purpose.strip(), parties, terms)
    await queries("agreement").offer(
        connection,
        id=agreement_id,
        kind=kind,
        purpose=purpose.strip(),
        party_ids=parties,
        **_version(uuid7(), terms, digest, said),
    )
    await _note(connection, "offered", said, agreement_id, digest)
    return agreement_id


async def counter(
    connection: Connection, *, said: Said, agreement_id: UUID, version_hash_read: str, terms: Terms
) -> UUID:
    """Answers with other terms (対案); of an agreement in force, proposes the next version. Returns the version's id.

    Refuses VERSION_CHANGED unless the latest version was read, WRONG_STATE for one that rests or has ended, INVALID for
    terms that break a rule, or that would never begin because the agreement is over before their first day.
    """
    held = await _hold(connection, agreement_id, said.by)
    _must_be(held, "OFFERED", "COUNTERED", "ACTIVE")
    _must_have_read(held, version_hash_read)
    check_terms(held.kind, terms, on=today())
    version_id, digest = uuid7(), version_hash(held.kind, held.purpose, held.party_ids, terms)
    accepted = await _accepted(connection, held.id)
    turns = succession([*accepted, Accepted(version_id, terms.starts_on, terms.ends_on)], today())
    _must_have_its_turn(version_id, turns, "startsOn")
    await queries("agreement").counter(
        connection, id=held.id, number=held.number + 1, **_version(version_id, terms, digest, said)
    )
    await _note(connection, "countered", said, held.id, digest)
    return version_id


async def accept(connection: Connection, *, said: Said, agreement_id: UUID, version_hash_read: str) -> bool:
    """A party accepts exactly the version it read (契約の承諾). Returns whether all have, so that it is in force.

    Before its first day it waits, and the version in force stays so.

    Accepting twice changes nothing. Refuses VERSION_CHANGED when there is a later version, LICENSE_EXPIRED when an
    agency may not act, WRONG_STATE for one that rests or has ended, or when the pair has another relay agreement,
    INVALID when it would never begin (see `counter`).
    """
    held = await _hold(connection, agreement_id, said.by)
    _must_be(held, "OFFERED", "COUNTERED", "ACTIVE")
    _must_have_read(held, version_hash_read)
    if said.by in held.accepted_by:
        return len(held.accepted_by) == len(held.party_ids)
    await require_licenses(connection, held.party_ids, on=today())
    await queries("agreement").accept(connection, version_id=held.latest_id, by=said.by, at=said.at)
    await _note(connection, "accepted", said, held.id, held.hash)
    if len(held.accepted_by) + 1 < len(held.party_ids):
        return False
    if held.kind == "CAREER_RELAY":
        await _follow(connection, held, said.at)
    await queries("agreement").accepted_by_all(connection, id=held.id, version_id=held.latest_id, at=said.at)
    turns = await _put_in_force(connection, held.id, datetime.now(UTC))
    last_day = turns[-1].ends_on
    if last_day is not None and last_day < today():
        raise _not_while("TERMINATED")
    _must_have_its_turn(held.latest_id, turns, "versionHash")
    return True


async def suspend(connection: Connection, *, said: Said, agreement_id: UUID, reason: str) -> None:
    """Sharing stops with this commit (一時停止), until the same partner resumes it; personal data included."""
    held = await _hold(connection, agreement_id, said.by)
    _must_be(held, "ACTIVE")
    await queries("agreement").suspend(connection, id=held.id, by=said.by, reason=_reason(reason))
    await queries("agreement").stop_sharing(connection, id=held.id)
    await _note(connection, "suspended", said, held.id)


async def resume(connection: Connection, *, said: Said, agreement_id: UUID) -> None:
    """The partner that suspended an agreement lets it run again (再開).

    Refuses NOT_YOURS for the others, WRONG_STATE when it does not rest or its last day is over, LICENSE_EXPIRED.
    """
    held = await _hold(connection, agreement_id, said.by)
    _must_be(held, "SUSPENDED")
    if held.suspended_by != said.by:
        raise Refusal(
            RefusalCode.NOT_YOURS,
            ja="再開できるのは、停止したパートナーだけです。",
            en="Only the partner that suspended it can resume it.",
        )
    if held.ends_at is not None and held.ends_at <= datetime.now(UTC):
        raise _not_while("TERMINATED")
    await require_licenses(connection, held.party_ids, on=today())
    await queries("agreement").resume(connection, id=held.id)
    await _put_in_force(connection, held.id, datetime.now(UTC))
    await _note(connection, "resumed", said, held.id)


async def terminate(connection: Connection, *, said: Said, agreement_id: UUID, reason: str) -> None:
    """A party ends an agreement, or turns an offer down (終了): sharing and provisions stop with this commit."""
    held = await _hold(connection, agreement_id, said.by)
    _must_be(held, "OFFERED", "COUNTERED", "ACTIVE", "SUSPENDED")
    await _end(connection, held.id, reason=_reason(reason), at=said.at)
    await _note(connection, "terminated", said, held.id)


async def in_force(connection: Connection, agreement_id: UUID) -> bool:
    """Whether every party has accepted it, its first day has come, and it neither rests nor is over."""
    return await queries("agreement").in_force(connection, id=agreement_id)


async def end_due(connection: Connection, now: datetime) -> int:
    """Ends agreements whose last day is over, at most DUE_AT_ONCE. Returns how many."""
    rows = [row async for row in queries("agreement").ending(connection, now=now, most=DUE_AT_ONCE)]
    for row in rows:
        await _end(connection, row["id"], reason=None, at=now)
    return len(rows)


async def begin_due(connection: Connection, now: datetime) -> int:
    """Has agreements show the next version that all accepted, where its first day has come, at most DUE_AT_ONCE.

    Returns how many.
    """
    rows = [row async for row in queries("agreement").beginning(connection, now=now, most=DUE_AT_ONCE)]
    for row in rows:
        await _put_in_force(connection, row["id"], now)
    return len(rows)


async def _hold(connection: Connection, agreement_id: UUID, by: UUID) -> _Held:
    row = await queries("agreement").hold(connection, id=agreement_id)
    if row is None:
        raise not_found("input", "agreementId")
    held = _Held(**row, **await queries("agreement").standing(connection, id=agreement_id))
    if by not in held.party_ids:
        raise not_found("input", "agreementId")
    return held


async def _accepted(connection: Connection, agreement_id: UUID) -> list[Accepted]:
    return [Accepted(**row) async for row in queries("agreement").accepted_versions(connection, id=agreement_id)]


async def _put_in_force(connection: Connection, agreement_id: UUID, now: datetime) -> list[Turn]:
    """Shows the version whose turn it is, and lets flow what it and its successors say. Returns their turns."""
    sql = queries("agreement")
    turns = succession(await _accepted(connection, agreement_id), today(now))
    last_day = turns[-1].ends_on
    ends_at = last_day and midnight(last_day + timedelta(days=1))
    next_at = midnight(turns[1].starts_on) if turns[1:] else None
    await sql.put_in_force(
        connection, id=agreement_id, version_id=turns[0].version_id, next_at=next_at, ends_at=ends_at
    )
    await sql.stop_sharing(connection, id=agreement_id)
    await sql.share(
        connection,
        id=agreement_id,
        version_ids=[turn.version_id for turn in turns],
        first_days=[turn.starts_on for turn in turns],
        last_days=[turn.ends_on for turn in turns],
    )
    return turns


async def _follow(connection: Connection, held: _Held, at: datetime) -> None:
    sql, parties = queries("agreement"), held.party_ids
    await sql.open_account(connection, account_id=uuid7(), id=held.id, party_ids=parties, at=at)
    account = await sql.hold_account(connection, party_ids=parties)
    if account["agreement_id"] == held.id:
        return
    if account["agreement_id"] and await sql.stands(connection, id=account["agreement_id"]):
        raise wrong_state(
            "この二者間には有効なリレー契約がすでにあります。そちらに対案を出すか、終了してください。",
            "These two have a relay agreement in force already. Counter that one, or end it first.",
        )
    await sql.follow(connection, id=held.id, account_id=account["id"])


async def _end(connection: Connection, agreement_id: UUID, *, reason: str | None, at: datetime) -> None:
    await queries("agreement").terminate(connection, id=agreement_id, reason=reason, at=at)
    await queries("agreement").stop_sharing(connection, id=agreement_id)


async def _note(connection: Connection, what: str, said: Said, agreement_id: UUID, *versions: str) -> None:
    """Records the change for good; `versions`: hashes of the terms that it is about."""
    await audit.record(
        connection,
        f"agreement.{what}",
        partner_id=said.by,
        agreement=str(agreement_id),
        versions=list(versions),
    )


def _version(version_id: UUID, terms: Terms, digest: str, said: Said) -> dict[str, Any]:
    relay, weights = terms.relay, terms.weights
    return {
        "version_id": version_id,
        "hash": digest,
        "by": said.by,
        "at": said.at,
        "sharing": orjson.dumps(list(terms.sharing)).decode(),
        "handovers_per_slot": relay and relay.handovers_per_slot,
        "silence_days": relay and relay.silence_days,
        "slot_months": relay and relay.slot_months,
        "weight_handover": weights.handover,
        "weight_hire": weights.hire,
        "weight_retained": weights.retained,
        "starts_on": terms.starts_on,
        "ends_on": terms.ends_on,
    }


def _reason(reason: str) -> str:
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_CHARACTERS:
        raise invalid(
            "reason",
            f"理由を{REASON_CHARACTERS}文字以内で入力してください。",
            f"Say why, in at most {REASON_CHARACTERS} characters.",
        )
    return reason


def _must_be(held: _Held, *statuses: str) -> None:
    if held.status not in statuses:
        raise _not_while(held.status)


def _must_have_read(held: _Held, digest: str) -> None:
    if digest != held.hash:
        raise Refusal(
            RefusalCode.VERSION_CHANGED,
            ja="お読みになった後に条件が変わりました。最新の版を確かめてください。",
            en="The terms changed since you read them. Read the latest version.",
            path=("input", "versionHash"),
        )


def _must_have_its_turn(version_id: UUID, turns: Sequence[Turn], path: str) -> None:
    if turns[-1].version_id != version_id:
        raise invalid(
            path,
            f"有効な契約は{turns[-1].ends_on}に終わります。次の版は遅くともその翌日から始めてください。",
            f"What is in force ends on {turns[-1].ends_on}: the next version begins on the day after at the latest.",
        )


def _not_while(status: str) -> Refusal:
    return wrong_state(
        f"契約が現在の状態({status})では、この操作はできません。",
        f"The agreement is {status}, which does not allow this.",
    )
