"""Consents (同意) and the provisions (第三者提供) that rest on them.

A provision record is the legal record and, as long as it has not ended, the grant itself: it is written in the
transaction in which the provision starts, once per consent, receiver and set of items. Reading writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode, not_found
from models.outbox import Said
from models.partner import alias_of

ITEMS = ("NAME", "EMAIL", "PHONE", "PREFECTURE", "RECOMMENDATION", "RESUME", "STAGES", "OUTCOME")
PURPOSE_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Provided:
    """A provision that has started, and the receiver's own candidate."""

    provision_id: UUID
    candidate_id: UUID


@dataclass(frozen=True, slots=True)
class Record:
    """A provision record (第三者提供記録) as the person reads it; it still flows while `ended_at` is None.

    `provided_at`: None for a consent under which nothing was provided so far, which they may take back as well.
    """

    consent_id: UUID
    giver_id: UUID
    giver: str
    receiver_id: UUID
    receiver: str
    purpose: str
    items: list[str]
    given_at: datetime
    provided_at: datetime | None
    ended_at: datetime | None

    @property
    def news(self) -> bool:
        """Whether it is about what became of them, told by who knows, and not about data that they gave."""
        return "OUTCOME" in self.items


async def consent(
    connection: Connection,
    *,
    said: Said,
    person_id: UUID,
    asked_by: UUID,
    recipient_id: UUID,
    purpose: str,
    items: Iterable[str],
    text_version: str,
    language: str,
) -> UUID:
    """A person allows one recipient to receive these items for this purpose. Returns the consent's id.

    Refuses INVALID for unknown or no items, CONSENT_MISSING when the person was erased.
    """
    asked = sorted(set(items))
    if not asked or not set(asked) <= set(ITEMS) or not 1 <= len(purpose) <= PURPOSE_CHARACTERS:
        raise Refusal(
            RefusalCode.INVALID,
            ja=f"同意には項目と、{PURPOSE_CHARACTERS}文字以内の利用目的が必要です。",
            en=f"A consent needs known items and a purpose of at most {PURPOSE_CHARACTERS} characters.",
        )
    consent_id = await queries("consent").consent(
        connection,
        id=uuid7(),
        person_id=person_id,
        asked_by=asked_by,
        recipient_id=recipient_id,
        purpose=purpose,
        items=asked,
        text_version=text_version,
        language=language,
        at=said.at,
    )
    if consent_id is None:
        raise _no_consent()
    return consent_id


async def provide(
    connection: Connection,
    *,
    said: Said,
    consent_id: UUID,
    giver_id: UUID,
    receiver_id: UUID,
    agreement_id: UUID | None,
) -> Provided:
    """Starts a provision in the caller's transaction: one record, which is the grant too, and the receiver's candidate.

    The same consent provided again is the same provision. `agreement_id`: on which it rests; it stops with it.
    Refuses CONSENT_MISSING unless the consent stands and names this receiver, AGREEMENT_MISSING unless the agreement
    is in force between the two, NOT_FOUND when the giver does not know the person.
    """
    terms = {"consent_id": consent_id, "giver_id": giver_id, "receiver_id": receiver_id, "agreement_id": agreement_id}
    if agreement_id is not None:
        await queries("consent").hold_agreement(connection, agreement_id=agreement_id)
    facts = await queries("consent").lock_consent(connection, **terms)
    if facts is None or facts["withdrawn"] or facts["recipient_id"] != receiver_id:
        raise _no_consent()
    if not facts["agreed"]:
        raise Refusal(
            RefusalCode.AGREEMENT_MISSING,
            ja="この提供の根拠となる有効な契約がありません。",
            en="No agreement in force between giver and receiver covers this.",
        )
    if not facts["giver_knows"]:
        raise not_found()
    fresh = uuid7()
    row = await queries("consent").provide(
        connection,
        **terms,
        id=uuid7(),
        fresh_candidate=fresh,
        alias=f"候補者 {alias_of(fresh)}",
        at=said.at,
    )
    row = row or await queries("consent").provision_of(connection, consent_id=consent_id, receiver_id=receiver_id)
    return Provided(row["id"], row["receiver_candidate_id"])


async def withdraw(
    connection: Connection, *, said: Said, person_id: UUID, consent_id: UUID | None = None
) -> list[UUID]:
    """A person withdraws one consent, or all; what was provided under it stops with this commit.

    Returns the consents that ended now: none when the one named is another person's or ended before. What becomes of
    a handover that rested on one is `relay`'s to say.
    """
    rows = queries("consent").withdraw(connection, consent_id=consent_id, person_id=person_id, at=said.at)
    return [row["id"] async for row in rows]


async def records(connection: Connection, person_id: UUID) -> list[Record]:
    """Every provision record of a person, and every consent without one, newest first: what they may ask for (開示)."""
    return [Record(**dict(row)) async for row in queries("consent").records(connection, person_id=person_id)]


def _no_consent() -> Refusal:
    return Refusal(
        RefusalCode.CONSENT_MISSING,
        ja="ご本人の同意がないか、撤回されています。",
        en="The candidate has not consented, or no longer does.",
    )
