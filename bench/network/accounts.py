"""Relay accounts: what counted becomes slots, and slots pay for hires, in order of time and by the ledger's rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from bench.network.calendar import months_later
from bench.network.chance import Chance
from bench.network.events import API, SYSTEM, Events, parties
from bench.network.rows import NULL, SECOND, Field, bigint, instant, midnight, uuid, uuid_field, word
from bench.network.story import Count, Offer
from bench.network.world import Relay, Sheets, World
from models.ledger import WHOLE, transfer_id

SLOT_USED = 0.85  # of offers for which a slot is free

COUNTED, AVAILABLE, RESERVED, REDEEMED, EXPIRED, DEBT = (
    "COUNTED",
    "AVAILABLE",
    "RESERVED",
    "REDEEMED",
    "EXPIRED",
    "DEBT",
)
OUTSIDE = "OUTSIDE"


@dataclass(eq=False, slots=True)
class Slot:
    id: Field
    earned: int
    expires: int
    status: str = AVAILABLE
    application: Field = NULL
    hire: Field = NULL


@dataclass(slots=True)
class Happening:
    """Something due at an account: a `what` at a time; `number` keeps simultaneous ones in order."""

    at: int
    number: int
    what: str
    count: Count | None = None
    offer: Offer | None = None
    slot: Slot | None = None

    def __lt__(self, other: Happening) -> bool:
        return (self.at, self.number) < (other.at, other.number)


@dataclass(slots=True)
class Books:
    """What all accounts leave behind: tables by their sheets, and events."""

    sheets: Sheets
    events: Events
    chance: Chance
    until: int


def keep_books(world: World, sheets: Sheets, counts: Iterable[Count], offers: Iterable[Offer]) -> Events:
    """Writes every account with its transfers and slots. Returns the events."""
    chance = Chance(world.seed, "accounts")
    events = Events(chance, world.size.until)
    books = Books(sheets, events, chance, world.size.until)
    counts_of: dict[int, list[Count]] = defaultdict(list)
    offers_of: dict[int, list[Offer]] = defaultdict(list)
    for one in counts:
        counts_of[one.relay].append(one)
    for offer in offers:
        offers_of[offer.relay].append(offer)
    for relay in world.relays:
        Account(books, relay).run(counts_of.pop(relay.number, []), offers_of.pop(relay.number, []))
    return events


class Account:
    """One company's account with one agency, from its first count to the end of time."""

    def __init__(self, books: Books, relay: Relay) -> None:
        self._books, self._relay = books, relay
        self._id = books.chance.id(relay.since)
        self._whose = parties(relay.company.id, relay.agency.id)
        self._balance: dict[str, int] = dict.fromkeys((COUNTED, AVAILABLE, RESERVED, REDEEMED, EXPIRED, DEBT), 0)
        self._slots: list[Slot] = []
        self._due: list[Happening] = []
        self._numbers = count()
        self._posted = relay.since
        self._counted: dict[Field, Field] = {}

    def run(self, counts: list[Count], offers: list[Offer]) -> None:
        for one in counts:
            self._later(one.at, "REVERSE" if one.reversed_ else "COUNT", count=one)
        for offer in offers:
            self._later(offer.at, "OFFER", offer=offer)
        while self._due and self._due[0].at < self._books.until:
            self._happen(heappop(self._due))
        self._write()

    def _later(
        self, at: int, what: str, *, count: Count | None = None, offer: Offer | None = None, slot: Slot | None = None
    ) -> None:
        heappush(self._due, Happening(at, next(self._numbers), what, count, offer, slot))

    def _happen(self, happening: Happening) -> None:
        at, one, offer, slot = happening.at, happening.count, happening.offer, happening.slot
        if one is not None:
            (self._reverse if one.reversed_ else self._count)(one)
        elif offer is not None and slot is None:
            self._offer(offer)
        elif offer is not None and slot is not None:
            if happening.what == "REDEEM":
                self._redeem(offer, slot, at)
            elif happening.what == "RELEASE":
                self._release(slot, at)
            else:
                self._restore(offer, slot, at)
        elif slot is not None and slot.status == AVAILABLE:
            self._expire(slot, slot.expires)

    def _count(self, one: Count) -> None:
        handover = uuid(one.handover)
        step = uuid_field(transfer_id(handover, "COUNT"))
        self._counted[one.handover] = step
        if self._balance[DEBT] >= WHOLE:
            self._post(step, "COUNT", "HANDOVER", WHOLE, DEBT, OUTSIDE, one.at, handover=one.handover)
            return
        self._post(step, "COUNT", "HANDOVER", WHOLE, OUTSIDE, COUNTED, one.at, handover=one.handover)
        price = self._relay.handovers_per_slot * WHOLE
        if self._balance[COUNTED] >= price:
            slot = self._add_slot(one.at)
            for unit, amount, debit, credit in (
                ("HANDOVER", price, COUNTED, OUTSIDE),
                ("SLOT", WHOLE, OUTSIDE, AVAILABLE),
            ):
                earned = uuid_field(transfer_id(handover, f"EARN 0 {unit}"))
                self._post(earned, "EARN", unit, amount, debit, credit, one.at, handover=one.handover, slot=slot.id)
            self._say(
                "SLOT_EARNED",
                one.at,
                self._relay.agency.id,
                API,
                slot,
                handover=one.handover,
                invitation=one.invitation,
            )

    def _reverse(self, one: Count) -> None:
        handover = uuid(one.handover)
        steps = (uuid_field(transfer_id(handover, f"REVERSE {number}")) for number in count())
        free = [slot for slot in self._slots if slot.status == AVAILABLE]
        slot = max(free, key=lambda slot: (slot.earned, slot.id)) if free and self._balance[COUNTED] < WHOLE else None
        if slot is not None:
            price = self._relay.handovers_per_slot * WHOLE
            self._post(
                next(steps), "REVERSE", "SLOT", WHOLE, AVAILABLE, OUTSIDE, one.at, handover=one.handover, slot=slot.id
            )
            self._post(
                next(steps), "REVERSE", "HANDOVER", price, OUTSIDE, COUNTED, one.at, handover=one.handover, slot=slot.id
            )
            slot.status = "REVERSED"
            self._say(
                "SLOT_MOVED",
                one.at,
                self._relay.company.id,
                API,
                slot,
                handover=one.handover,
                invitation=one.invitation,
            )
        debit, credit = (COUNTED, OUTSIDE) if self._balance[COUNTED] >= WHOLE else (OUTSIDE, DEBT)
        self._post(
            next(steps),
            "REVERSE",
            "HANDOVER",
            WHOLE,
            debit,
            credit,
            one.at,
            handover=one.handover,
            reverses=self._counted[one.handover],
        )

    def _offer(self, offer: Offer) -> None:
        free = [slot for slot in self._slots if slot.status == AVAILABLE and slot.expires > offer.at]
        if not free or self._books.chance.random() >= SLOT_USED:
            return
        slot = min(free, key=lambda slot: (slot.expires, slot.id))
        slot.status, slot.application = RESERVED, offer.application
        self._move(slot, "RESERVE", AVAILABLE, RESERVED, offer.at, offer)
        if offer.ended is not None:
            self._later(offer.ended, "RELEASE", offer=offer, slot=slot)
        elif offer.hire:
            slot.hire = offer.hire
            self._later(midnight(offer.starts), "REDEEM", offer=offer, slot=slot)

    def _redeem(self, offer: Offer, slot: Slot, at: int) -> None:
        slot.status = REDEEMED
        self._move(slot, "REDEEM", RESERVED, REDEEMED, at, offer)
        if offer.left is not None:
            self._later(offer.left[0], "RESTORE", offer=offer, slot=slot)

    def _release(self, slot: Slot, at: int) -> None:
        slot.status, slot.application = AVAILABLE, NULL
        self._move(slot, "RELEASE", RESERVED, AVAILABLE, at)
        if slot.expires <= at:
            self._expire(slot, at)

    def _expire(self, slot: Slot, at: int) -> None:
        slot.status = EXPIRED
        self._move(slot, "EXPIRE", AVAILABLE, EXPIRED, at)

    def _restore(self, offer: Offer, slot: Slot, at: int) -> None:
        hundredths = offer.left[1] if offer.left else 0
        before = self._balance[AVAILABLE] // WHOLE
        step = uuid_field(transfer_id(uuid(offer.hire), f"RESTORE {hundredths}"))
        self._post(step, "RESTORE", "SLOT", hundredths, OUTSIDE, AVAILABLE, at, slot=slot.id)
        for _ in range(self._balance[AVAILABLE] // WHOLE - before):
            self._add_slot(at)

    def _add_slot(self, at: int) -> Slot:
        slot = Slot(self._books.chance.id(at), at, months_later(at, self._relay.slot_months))
        self._slots.append(slot)
        self._later(slot.expires, "EXPIRE", slot=slot)
        return slot

    def _move(self, slot: Slot, kind: str, debit: str, credit: str, at: int, offer: Offer | None = None) -> None:
        self._post(self._books.chance.id(at), kind, "SLOT", WHOLE, debit, credit, at, slot=slot.id)
        source = SYSTEM if kind == "EXPIRE" else API
        self._say(
            "SLOT_MOVED", at, self._relay.company.id, source, slot, application=offer.application if offer else NULL
        )

    def _post(
        self,
        transfer: Field,
        kind: str,
        unit: str,
        amount: int,
        debit: str,
        credit: str,
        at: int,
        *,
        handover: Field = NULL,
        slot: Field = NULL,
        reverses: Field = NULL,
    ) -> None:
        for pocket, sign in ((debit, -1), (credit, 1)):
            if pocket != OUTSIDE:
                self._balance[pocket] += sign * amount
        # Two postings of one moment keep their order in the statement.
        self._posted = max(self._posted + 1, at + SECOND)
        self._books.sheets["ledger_transfer"].add(
            transfer,
            self._id,
            self._relay.company.id,
            self._relay.agency.id,
            word(kind),
            word(unit),
            bigint(amount),
            word(debit),
            word(credit),
            instant(at),
            instant(self._posted),
            handover,
            slot,
            reverses,
        )

    def _say(
        self,
        kind: str,
        at: int,
        by: Field,
        source: Field,
        slot: Slot,
        *,
        handover: Field = NULL,
        invitation: Field = NULL,
        application: Field = NULL,
    ) -> None:
        self._books.events.say(
            kind,
            at,
            by,
            source,
            self._relay.company.id,
            self._whose,
            slot=slot.id,
            handover=handover,
            invitation=invitation,
            application=application,
        )

    def _write(self) -> None:
        relay = self._relay
        for slot in self._slots:
            self._books.sheets["slot"].add(
                slot.id,
                self._id,
                relay.company.id,
                relay.agency.id,
                word(slot.status),
                instant(slot.earned),
                instant(slot.expires),
                slot.application,
                slot.hire,
            )
        self._books.sheets["relay_account"].add(
            self._id,
            relay.company.id,
            relay.agency.id,
            relay.agreement,
            instant(relay.since),
            *(bigint(self._balance[pocket]) for pocket in (COUNTED, AVAILABLE, RESERVED, REDEEMED, EXPIRED, DEBT)),
            instant(self._posted),
        )
