"""Candidates (候補者): people as known to one partner, and their personal data.

One hidden person ties the candidates together and is never exposed: `person_id` stays inside `models`. Personal data
is sealed per person and candidate, and row-level security shows it to its keeper and to whom a live provision names.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypedDict
from uuid import UUID

import asyncpg

from models.db import Connection, queries, recordset, uuid7
from models.errors import Refusal, RefusalCode, not_found
from models.mailbox import plain_email
from models.partner import alias_of
from models.seal import (
    email_index,
    fold_email,
    new_person_key,
    open_person_key,
    seal_items,
    unseal_item,
)

# Items of personal data that are kept; KANA travels with NAME and is never consented to on its own.
KEPT_ITEMS = ("NAME", "KANA", "EMAIL", "PHONE", "PREFECTURE", "RECOMMENDATION")
# Written to one partner, and read by no other: a partner's candidate may have one for each whom it wrote to.
ADDRESSED_ITEM = "RECOMMENDATION"
ITEM_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A candidate that a partner is to keep; `keep` says what each field means.

    `addressee_id`: to whom a recommendation among the items is written; there is none without.
    """

    partner_id: UUID
    email: str | None = field(default=None, repr=False)
    person_id: UUID | None = None
    items: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    addressee_id: UUID | None = None

    @property
    def addressed(self) -> dict[str, UUID]:
        """The items that are for one partner's eyes, and for whose."""
        return {item: self.addressee_id for item in self.items if item == ADDRESSED_ITEM and self.addressee_id}

    @property
    def addressees(self) -> list[UUID | None]:
        """For whose eyes each item is; None for whoever the person allows."""
        return [self.addressed.get(item) for item in self.items]


@dataclass(frozen=True, slots=True)
class Kept:
    """A partner's candidate, and the hidden person behind."""

    candidate_id: UUID
    person_id: UUID


@dataclass(frozen=True, slots=True)
class Keeping:
    """A candidate on its way into a statement that calls `keep_candidate`: ids and a key, should candidate or person be
    new, and the items sealed for them; of a person who is known, none yet."""

    wanted: Wanted
    candidate_id: UUID
    person_id: UUID
    sealed_key: bytes | None
    sealed: Sequence[bytes]

    def asked(self) -> dict[str, Any]:
        """What `keep_candidate` takes, by the names that statements give it."""
        wanted = self.wanted
        return {
            "partner_id": wanted.partner_id,
            "known_person": wanted.person_id,
            "email_index": email_index(wanted.email) if wanted.email and fold_email(wanted.email) else None,
            "fresh_person": self.person_id,
            "fresh_key": self.sealed_key,
            "fresh_candidate": self.candidate_id,
            "alias": f"候補者 {alias_of(self.candidate_id)}",
            "at": wanted.at,
        }


def plain_line(text: str) -> str:
    """A text on one line, without what cannot be seen: empty when only blanks were given."""
    return " ".join("".join(each for each in text if each.isprintable() or each.isspace()).split())


async def keep(
    connection: Connection,
    *,
    partner_id: UUID,
    email: str | None,
    person_id: UUID | None = None,
    items: Mapping[str, str],
    at: datetime | None = None,
) -> Kept:
    """A partner keeps a candidate: found by person, else by address, else new; given items replace older ones.

    `email` finds the person and is not kept as an item by itself. Of a known person who has another address it is a
    correction, and theirs from now on, where nobody outside the partner's house knows them and they consented to
    nothing; else it becomes the partner's claim, which finds them for this partner alone. Another partner's knowledge
    of the same person changes nothing in the answer. Leaves `partner_id` as the viewer of personal data until the
    transaction ends.

    Refuses INVALID for an item that is unknown, empty or too long, NOT_FOUND for a person who was erased.
    """
    [kept] = await keep_all(connection, [Wanted(partner_id, email, person_id, items, at or datetime.now(UTC))])
    return kept


async def keep_all(connection: Connection, wanted: Sequence[Wanted]) -> list[Kept]:
    """Keeps candidates in this order, as `keep` does. Those who bring items are all of one partner, the viewer then.

    Raises as `keep` does for any of them; what was done for the others is then the caller's to undo.
    """
    return await _keep_all(connection, [keeping(each) for each in wanted]) if wanted else []


def keeping(wanted: Wanted) -> Keeping:
    """Makes a candidate ready for its statement; `settle` is to follow that. Refuses INVALID as `keep` does."""
    plain = replace(wanted, items={item: _plain(item, text) for item, text in wanted.items.items()})
    _check_items(plain.items)
    return _made_ready(plain)


async def settle(connection: Connection, kept: Sequence[tuple[Keeping, asyncpg.Record]]) -> list[Kept]:
    """What candidates became, by the rows (candidate_id, person_id, sealed_key) of their statement. The items of a
    person who was known already are written now. Refuses NOT_FOUND for a person who was erased."""
    if any(row["sealed_key"] is None for _, row in kept):
        raise not_found()
    newer = dict[tuple[UUID, str, UUID | None], dict[str, Any]]()  # of an item that was brought twice, the later
    for each, row in kept:
        if each.wanted.items and row["person_id"] != each.person_id:
            key = open_person_key(row["sealed_key"], row["person_id"])
            where = {"candidate_id": row["candidate_id"], "partner_id": each.wanted.partner_id, "at": each.wanted.at}
            sealed = seal_items(key, row["candidate_id"], each.wanted.items, each.wanted.addressed)
            for item, addressee, text in zip(each.wanted.items, each.wanted.addressees, sealed, strict=True):
                given = {"person_id": row["person_id"], "item": item, "addressee_id": addressee, "sealed": text}
                newer[row["candidate_id"], item, addressee] = where | given
    if newer:
        await queries("candidate").keep_items(connection, items=recordset(newer.values()))
    return [Kept(row["candidate_id"], row["person_id"]) for _, row in kept]


async def read_items(
    connection: Connection,
    *,
    partner_id: UUID,
    candidate_ids: Sequence[UUID] = (),
    person_id: UUID | None = None,
) -> dict[UUID, dict[str, str]]:
    """Item and text of a partner's own candidates, named by their ids or by their person; reading records nothing.

    Only what the partner keeps itself or was provided with is there; of what it wrote to several partners, the latest.
    Leaves `partner_id` as the viewer.
    """
    found: dict[UUID, dict[str, str]] = {}
    for candidate_id, item, _, text in await _read(connection, partner_id, candidate_ids, person_id):
        found.setdefault(candidate_id, {}).setdefault(item, text)
    return found


async def _read(
    connection: Connection, partner_id: UUID, candidate_ids: Sequence[UUID], person_id: UUID | None
) -> list[tuple[UUID, str, UUID | None, str]]:
    """What `read_items` finds: candidate, item, for whose eyes it is, and text; what counts first comes first."""
    await queries("candidate").view_as(connection, partner_id=partner_id)
    rows = queries("candidate").items_of(
        connection, partner_id=partner_id, candidate_ids=list(candidate_ids), person_id=person_id
    )
    keys: dict[UUID, bytes] = {}
    found = list[tuple[UUID, str, UUID | None, str]]()
    async for row in rows:
        person, item, addressee = row["person_id"], row["item"], row["addressee_id"]
        if person not in keys:
            keys[person] = open_person_key(row["sealed_key"], person)
        text = unseal_item(keys[person], row["source_id"], item, row["sealed"], addressee)
        found.append((row["candidate_id"], item, addressee, text))
    return found


class SealedRow(TypedDict):
    """One item as a statement brings it: whose candidate's copy, which item, to whom it was written, if to one partner,
    and the ciphertext in base64."""

    candidate: str
    item: str
    addressee: str | None
    sealed: str


class SealedItems(TypedDict):
    """One candidate's items as a statement brings them, with the person's sealed key in base64."""

    key: str
    person: str
    rows: Sequence[SealedRow]


def unseal_rows(values: Sequence[SealedItems]) -> list[dict[str, str]]:
    """Item and text of each candidate whose rows a statement has brought; the first row of an item wins.

    Raises seal.Unreadable when a row does not stand where it was sealed for.
    """
    opened: list[dict[str, str]] = []
    for value in values:
        key = open_person_key(b64decode(value["key"]), UUID(value["person"]))
        items: dict[str, str] = {}
        for row in value["rows"]:
            if row["item"] not in items:
                addressee = UUID(row["addressee"]) if row["addressee"] else None
                place = (UUID(row["candidate"]), row["item"], b64decode(row["sealed"]), addressee)
                items[row["item"]] = unseal_item(key, *place)
        opened.append(items)
    return opened


async def is_address_of(connection: Connection, *, person_id: UUID, email: str) -> bool:
    """Whether an address is the person's own, and no mere claim of a partner: whose mailbox may lead to their page."""
    return await queries("candidate").is_address_of(connection, person_id=person_id, email_index=email_index(email))


async def candidate_of(connection: Connection, *, partner_id: UUID, person_id: UUID) -> UUID | None:
    """One partner's own candidate for a person."""
    return await queries("candidate").candidate_of(connection, partner_id=partner_id, person_id=person_id)


async def erase(connection: Connection, person_id: UUID) -> None:
    """Erases a person everywhere, on their own word: key, personal data, blind index, stored deliveries, free texts.

    The records that the law demands stay, without anything that names them. Leaves no viewer of personal data.
    """
    await queries("candidate").erase(connection, person_id=person_id)


async def forget(connection: Connection, *, partner_id: UUID, person_id: UUID) -> None:
    """One partner forgets a person (deleted or anonymised in its ATS); what it had given stops flowing.

    Other partners keep what they have of the person; when there are none, the person is erased.
    """
    await queries("candidate").forget(connection, partner_id=partner_id, person_id=person_id)


async def merge(connection: Connection, *, partner_id: UUID, keep: UUID, drop: UUID) -> bool:
    """Two persons turn out to be one, on one partner's word (merged in its ATS): `drop` becomes `keep`.

    That word is not enough to join two people whom others know: then nothing changes and the answer is False; the
    partner's later news may go to `keep` all the same.
    """
    ids = [row["id"] async for row in queries("candidate").lock_people(connection, person_ids=[keep, drop])]
    if len(ids) != 2:
        return False
    facts = await queries("candidate").knows_alone(connection, partner_id=partner_id, keep=keep, drop=drop)
    if not facts["alone"] or facts["keep_candidate"] is None or facts["drop_candidate"] is None:
        return False
    both = [facts["keep_candidate"], facts["drop_candidate"]]
    found = await _read(connection, partner_id, both, None)
    kept = {(item, addressee) for candidate_id, item, addressee, _ in found if candidate_id == both[0]}
    missing = dict[UUID | None, dict[str, str]]()  # by for whose eyes it is
    for candidate_id, item, addressee, text in found:
        if candidate_id == both[1] and (item, addressee) not in kept:
            missing.setdefault(addressee, {}).setdefault(item, text)
    wanted = [Wanted(partner_id, person_id=keep, items=items, addressee_id=whose) for whose, items in missing.items()]
    await _keep_all(connection, [_made_ready(each) for each in wanted])
    referrers = queries("candidate").hand_over_referrals(connection, keep=keep, drop=drop)
    await keep_all(connection, [Wanted(row["referrer_id"], person_id=keep) async for row in referrers])
    await queries("candidate").hand_over_rows(connection, partner_id=partner_id, keep=keep, drop=drop)
    await erase(connection, drop)
    return True


async def _keep_all(connection: Connection, wanted: Sequence[Keeping]) -> list[Kept]:
    people = [{"place": place, **each.asked()} for place, each in enumerate(wanted)]
    # In one order everywhere: whoever waits for another's same address holds none that the other waits for.
    people.sort(key=lambda row: row["email_index"] or b"")
    fresh = [each for each in wanted if each.wanted.person_id is None]
    found = queries("candidate").keep(
        connection,
        people=recordset(people),
        of=[each.person_id for each in fresh for _ in each.sealed],
        items=[item for each in fresh for item in each.wanted.items],
        addressees=[addressee for each in fresh for addressee in each.wanted.addressees],
        sealed=[text for each in fresh for text in each.sealed],
    )
    rows = sorted([row async for row in found], key=lambda row: row["place"])
    return await settle(connection, list(zip(wanted, rows, strict=True)))


def _made_ready(wanted: Wanted) -> Keeping:
    candidate_id, person_id = uuid7(), uuid7()
    if wanted.person_id is not None:
        return Keeping(wanted, candidate_id, person_id, None, ())
    key, sealed_key = new_person_key(person_id)
    sealed = seal_items(key, candidate_id, wanted.items, wanted.addressed)
    return Keeping(wanted, candidate_id, person_id, sealed_key, sealed)


def _plain(item: str, text: str) -> str:
    # Only a recommendation has lines; in a name, a line break could pose as the letter that the name is put into.
    if item == "EMAIL":
        return plain_email(text) or ""
    return text if item == "RECOMMENDATION" else plain_line(text)


def _check_items(items: Mapping[str, str]) -> None:
    for item, text in items.items():
        if item not in KEPT_ITEMS or not 1 <= len(text) <= ITEM_CHARACTERS:
            raise _invalid_items()


def _invalid_items() -> Refusal:
    return Refusal(
        RefusalCode.INVALID,
        ja=f"個人情報の項目か長さが正しくありません。各項目は1〜{ITEM_CHARACTERS}文字です。",
        en=f"An item of personal data is unknown, empty or longer than {ITEM_CHARACTERS} characters.",
    )
