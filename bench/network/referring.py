"""Who recommends whom to which company, and whether the candidate confirms it."""

from __future__ import annotations

from typing import NamedTuple

from bench.network import names
from bench.network.chance import Chance, Weighted
from bench.network.events import API, CANDIDATE, Events, parties
from bench.network.partners import JOBS_OPEN_AT_ONCE
from bench.network.people import GIVEN, PURPOSE_REFERRAL, People, Person
from bench.network.rows import DAY, HOUR, NULL, Field, instant, optional_instant, word
from bench.network.selecting import Selecting
from bench.network.story import Applicant, Handover, Plan
from bench.network.world import Company, Partner, Referrer, Sheets, World

CONFIRM_WITHIN = 14 * DAY
NEAR = 0.78  # how often the company lies in the person's own region
TRIES = 4

# Kind of partner who refers: the referral's role, and the route of the application that follows.
REFERRED = {
    "REFERRER": "REFERRED",
    "SCHOOL": "REFERRED",
    "AGENCY": "PLACED",
    "COMMUNITY": "HOSTED",
    "COMPANY": "RELAYED",
}
ROUTES = {"SCHOOL": "SCHOOL", "AGENCY": "AGENCY", "COMMUNITY": "COMMUNITY", "COMPANY": "PARTNER_REFERRAL"}
DOORS = Weighted(("REFERRER", "AGENCY", "SCHOOL", "COMMUNITY", "COMPANY"), (0.44, 0.28, 0.13, 0.06, 0.09))
DOORS_OF_GRADUATES = Weighted(("REFERRER", "AGENCY", "SCHOOL", "COMMUNITY", "COMPANY"), (0.24, 0.16, 0.45, 0.1, 0.05))
RELATIONSHIPS = {
    "EMPLOYEE": ("FORMER_COLLEAGUE", "FRIEND", "FRIEND", "OTHER"),
    "ALUMNUS": ("COLLEAGUE", "FORMER_COLLEAGUE", "FRIEND"),
    "CLIENT": ("CLIENT", "COLLEAGUE"),
}
COMMITTED = ("AGENCY", "SCHOOL", "COMMUNITY")  # who, having referred a person once, mostly does it again


class Origin(NamedTuple):
    """Who refers to which company, in which role and by which route; `handover` when it grew from one."""

    referrer: Partner
    company: Company
    role: str
    route: str
    handover: Handover | None = None


class Referring:
    def __init__(
        self, world: World, chance: Chance, sheets: Sheets, events: Events, people: People, selecting: Selecting
    ) -> None:
        self._world, self._chance, self._sheets, self._events = world, chance, sheets, events
        self._people, self._selecting = people, selecting
        self._until = world.size.until
        self._last: dict[str, Partner] = {}
        self._last_of: Field = b""

    def apply_directly(self, person: Person, at: int, plan: Plan) -> int:
        """An application that nobody referred. Returns when it was decided."""
        chance = self._chance
        company = self.company_for(person, None)
        at = min(at + chance.between(0, 10 * DAY), self._until - HOUR)
        if plan not in (Plan.REJECT, Plan.WITHDRAW, Plan.HIRE):
            plan = Plan.REJECT
        route = "DIRECT" if chance.random() < 0.45 else "MEDIA"
        self._people.told(person, company.id, at)
        applicant = Applicant(person, company, route, parties(company.id))
        return self._selecting.apply(applicant, at, plan)

    def origin(self, person: Person, at: int) -> Origin:
        """Somebody who knows the person, and a company that they know."""
        chance = self._chance
        if self._last_of is not person.id:
            self._last_of, self._last = person.id, {}
        again = self._last and chance.random() < 0.6
        kind = (
            next(iter(self._last)) if again else (DOORS_OF_GRADUATES if person.graduate else DOORS).at(chance.random())
        )
        if kind == "REFERRER":
            found = self._by_referrer(person)
            if found is not None:
                return found
            kind = "AGENCY"
        if kind == "COMPANY":
            found = self._by_company(person, at)
            if found is not None:
                return found
            kind = "AGENCY"
        region = person.region
        if again and kind in self._last:
            referrer = self._last[kind]
        elif kind == "SCHOOL":
            referrer = person.schools[0]
        else:
            referrer = (region.agencies if kind == "AGENCY" else region.communities).at(chance.random())
        self._last = {kind: referrer}
        return Origin(referrer, self.company_for(person, referrer), REFERRED[kind], ROUTES[kind])

    def company_for(self, person: Person, referrer: Partner | None) -> Company:
        """A company that the person has not been to."""
        chance = self._chance
        company = self._world.companies[0]
        for attempt in range(TRIES * 2):
            near = attempt < TRIES and chance.random() < NEAR
            company = (person.region if near else self._world.everywhere).companies.at(chance.random())
            if company.id not in person.companies and company is not referrer:
                break
        else:
            company = self._first_new(person, referrer)
        person.companies.add(company.id)
        return company

    def refer(self, person: Person, origin: Origin, at: int, plan: Plan) -> int:
        """A referral, and what came of it. Returns when that was decided."""
        chance = self._chance
        referrer, company = origin.referrer, origin.company
        referral = chance.id(at)
        recommendation = chance.one(names.RECOMMENDATIONS) if chance.random() < 0.3 else None
        self._people.told(person, referrer.id, at, recommendation, company.id)
        whose = parties(company.id, referrer.id)
        self._events.say("REFERRAL_SUBMITTED", at, referrer.id, API, company.id, whose, referral=referral)
        answered = at + chance.between(HOUR, CONFIRM_WITHIN if plan is Plan.EXPIRE else 4 * DAY)
        status, confirmed, closed, consent, decided = "SUBMITTED", None, None, NULL, at + CONFIRM_WITHIN
        hired: int | None = None
        if plan is Plan.EXPIRE:
            if decided < self._until:
                status, closed = "EXPIRED", decided
        elif answered >= self._until:
            decided = answered
        elif plan is Plan.DECLINE:
            status, closed, decided = "DECLINED", answered, answered
            self._events.say("REFERRAL_DECLINED", answered, company.id, CANDIDATE, company.id, whose, referral=referral)
        else:
            confirmed = answered
            consent = self._people.provide(
                person, referrer.id, company.id, confirmed, agreement=NULL, items=GIVEN, purpose=PURPOSE_REFERRAL
            )
            event = self._events.say(
                "REFERRAL_CONFIRMED", confirmed, referrer.id, CANDIDATE, company.id, whose, referral=referral
            )
            status, closed, decided, hired = self._after(person, origin, plan, referral, confirmed, event, whose)
        self._sheets["referral"].add(
            referral,
            referrer.id,
            company.id,
            company.job(at, chance, JOBS_OPEN_AT_ONCE),
            person.id,
            word(status),
            word(self._relationship(referrer)),
            word(origin.role),
            instant(at),
            optional_instant(confirmed),
            optional_instant(closed),
            instant(at + CONFIRM_WITHIN),
            origin.handover.id if origin.handover else NULL,
            consent,
            optional_instant(hired),
        )
        return min(decided, self._until)

    def _after(
        self, person: Person, origin: Origin, plan: Plan, referral: Field, confirmed: int, event: Field, whose: Field
    ) -> tuple[str, int | None, int, int | None]:
        """The application after a confirmation: the referral's state, when it closed, was decided, led to a hire."""
        applied = confirmed + self._chance.between(HOUR, 6 * DAY)
        if plan is Plan.LEAVE_OPEN or applied >= self._until:
            return "CONFIRMED", None, applied, None
        applicant = Applicant(
            person,
            origin.company,
            origin.route,
            whose,
            referral,
            origin.referrer,
            origin.role,
            confirmed,
            event,
            origin.handover,
        )
        decided = self._selecting.apply(applicant, applied, plan)
        if applicant.outcome == "ACTIVE":
            return "IN_SELECTION", None, decided, None
        return ("HIRED" if applicant.outcome == "HIRED" else "CLOSED"), decided, decided, applicant.hired_at

    def _by_referrer(self, person: Person) -> Origin | None:
        chance = self._chance
        for _ in range(TRIES):
            near = chance.random() < NEAR
            region = person.region if near else self._world.everywhere
            company = region.hiring_by_referral.at(chance.random())
            if company.referrers and company.id not in person.companies:
                person.companies.add(company.id)
                referrer = chance.one(company.referrers)
                route = "EMPLOYEE_REFERRAL" if referrer.affiliation == "EMPLOYEE" else "PERSONAL_REFERRAL"
                return Origin(referrer, company, "REFERRED", route)
        return None

    def _by_company(self, person: Person, at: int) -> Origin | None:
        """Passed on by a company that said no before, under an agreement between the two."""
        rejecting = self._selecting.last_rejection(person.id)
        if rejecting is None:
            return None
        for ally in rejecting.allies:
            if ally.since <= at < ally.until and ally.company.id not in person.companies:
                person.companies.add(ally.company.id)
                return Origin(rejecting, ally.company, "RELAYED", "PARTNER_REFERRAL")
        return None

    def _first_new(self, person: Person, referrer: Partner | None) -> Company:
        for company in self._world.companies:
            if company.id not in person.companies and company is not referrer:
                return company
        raise ValueError("more referrals of one person than there are companies: ask for more partners")

    def _relationship(self, referrer: Partner) -> str:
        if isinstance(referrer, Referrer):
            return self._chance.one(RELATIONSHIPS[referrer.affiliation])
        return "TEACHER" if referrer.kind == "SCHOOL" else "OTHER"
