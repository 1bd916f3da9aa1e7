"""A part of the people, lived through from arrival to the end of the window: the loop 紹介 → 選考 → 不採用 → 再紹介.

The parts are cut the same way however many processes write them, so that the same seed gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.network.calendar import Arrivals
from bench.network.chance import Chance, Weighted
from bench.network.events import Events
from bench.network.hiring import Hiring
from bench.network.passing import Passing
from bench.network.people import People, Person
from bench.network.places import PEOPLE, PREFECTURES, REGION_OF
from bench.network.referring import REFERRED, Origin, Referring
from bench.network.rows import DAY, HOUR, Field, sheets, uuid
from bench.network.selecting import Selecting
from bench.network.story import Count, Handover, Offer, Plan
from bench.network.surveying import Surveying
from bench.network.world import Region, World

PEOPLE_AT_ONCE = 5_000
HIRED_IN_THE_END = 0.56
ON_THEIR_OWN = 0.16  # also apply without anybody's referral
REFERRED_AGAIN_BY_AGENCY = 0.75  # of those whom an agency accepted
JAPANESE = 0.96

_HOMES = Weighted(PREFECTURES, PEOPLE)


@dataclass(slots=True)
class Part:
    """What one part of the people leaves behind."""

    tables: dict[str, bytes]
    weeks: dict[int, bytes]
    counts: list[Count]
    offers: list[Offer]
    rows: dict[str, int] = field(default_factory=dict[str, int])


class Crowd:
    """Lives the people with numbers from `first` to `last`, `last` excluded."""

    def __init__(self, world: World, arrivals: Arrivals, first: int, last: int) -> None:
        size = world.size
        self._world, self._arrivals = world, arrivals
        self._numbers = range(first, last)
        chance = self._chance = Chance(world.seed, f"people {first}")
        self._sheets = sheets()
        self._events = Events(chance, size.until)
        self._people = People(chance, self._sheets, size.until)
        self._hiring = Hiring(world, chance, self._sheets, self._events)
        self._passing = Passing(world, chance, self._sheets, self._events, self._people)
        surveying = Surveying(world, Chance(world.seed, f"surveys {first}"), self._sheets)
        selecting = Selecting(world, chance, self._sheets, self._events, self._hiring, self._passing, surveying)
        self._referring = Referring(world, chance, self._sheets, self._events, self._people, selecting)
        self._until = size.until
        referrals = size.referrals * last // size.candidates - size.referrals * first // size.candidates
        self._referrals_left = referrals

    def live(self) -> Part:
        mean = self._referrals_left / len(self._numbers)
        due = 0.0
        for number in self._numbers:
            due += mean
            count = max(0, int(due * 2 * self._chance.random() + 0.5))
            if number == self._numbers[-1] or count > self._referrals_left:
                count = self._referrals_left
            due -= count
            self._referrals_left -= count
            self._live(number, count)
        tables = {table: sheet.packed() for table, sheet in self._sheets.items() if sheet.rows}
        rows = {table: len(sheet.rows) for table, sheet in self._sheets.items() if sheet.rows}
        rows["outcome_event"] = sum(len(week) for week in self._events.weeks.values())
        return Part(tables, self._events.packed(), self._passing.counts, self._hiring.offers, rows)

    def _live(self, number: int, referrals: int) -> None:
        chance = self._chance
        person = self._arrive(number)
        size = self._world.size
        maturity = self._arrivals.maturity(person.arrived) / self._arrivals.mean_maturity
        self._passing.due += referrals * size.handovers * maturity
        self._hiring.due += referrals * size.contributions * maturity
        at = person.arrived
        if not referrals or chance.random() < ON_THEIR_OWN:
            at = self._referring.apply_directly(person, at, self._setback() if referrals else self._fate())
        hired = chance.random() < HIRED_IN_THE_END
        for attempt in range(referrals):
            plan = Plan.HIRE if hired and attempt == referrals - 1 else self._setback()
            at = self._attempt(person, at, plan)
        self._passing.finish(person.id)

    def _attempt(self, person: Person, at: int, plan: Plan) -> int:
        """One referral and what came of it. Returns when that was decided."""
        chance = self._chance
        handover = self._passing.open_door() if chance.random() < REFERRED_AGAIN_BY_AGENCY else None
        if handover is not None and handover.decided is not None:
            after = max(at, handover.decided)
            latest = self._until - 2 * HOUR
            if after < latest:
                at = min(after + chance.between(DAY, 20 * DAY), latest)
                return self._referring.refer(person, self._from_handover(person, handover), at, plan)
        at += chance.between(HOUR, 25 * DAY)
        if at >= self._until - HOUR:
            # Too late for one thing after another: this one ran beside the others.
            at = person.arrived + int((self._until - HOUR - person.arrived) * chance.random())
        return self._referring.refer(person, self._referring.origin(person, at), at, plan)

    def _from_handover(self, person: Person, handover: Handover) -> Origin:
        company = self._referring.company_for(person, handover.relay.agency)
        handover.used = True
        return Origin(handover.relay.agency, company, REFERRED["AGENCY"], "RELAY", handover)

    def _setback(self) -> Plan:
        luck = self._chance.random()
        if luck < 0.04:
            return Plan.DECLINE
        if luck < 0.14:
            return Plan.EXPIRE
        if luck < 0.22:
            return Plan.LEAVE_OPEN
        return Plan.REJECT if luck < 0.90 else Plan.WITHDRAW

    def _fate(self) -> Plan:
        luck = self._chance.random()
        return Plan.HIRE if luck < 0.25 else Plan.WITHDRAW if luck < 0.33 else Plan.REJECT

    def _arrive(self, number: int) -> Person:
        chance = self._chance
        arrived, season = self._arrivals.at((number + chance.random()) / self._world.size.candidates)
        arrived = min(arrived, self._until - 2 * HOUR)
        prefecture, region = self._home()
        person_id: Field = chance.id(arrived)
        schools = [region.schools.at(chance.random())]
        if chance.random() < 0.3:
            schools.append(region.schools.at(chance.random()))
        graduate = chance.random() < season.graduates
        japanese = chance.random() < JAPANESE
        person = Person(person_id, uuid(person_id), number, prefecture, region, arrived, graduate, schools, japanese)
        self._people.arrive(person)
        return person

    def _home(self) -> tuple[str, Region]:
        prefecture = _HOMES.at(self._chance.random())
        return prefecture, self._world.regions[REGION_OF[prefecture]]
