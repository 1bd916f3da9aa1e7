"""Hires: who contributed and on which evidence, whether the person stayed, and offers that a slot may pay for."""

from __future__ import annotations

from bench.network.calendar import first_day
from bench.network.chance import Chance
from bench.network.events import API, Events, parties
from bench.network.rows import (
    DAY,
    HOUR,
    MILLION,
    NULL,
    Field,
    day,
    instant,
    integer,
    midnight,
    optional_instant,
    share,
    word,
)
from bench.network.story import Applicant, Handover, Offer
from bench.network.world import Relay, Sheets, World
from models.contribution import ROLE_OF_KIND

CHECK_DAYS = (30, 90, 180, 365)
# Who leaves until when, all in all; a part of them because of the company.
LEAVERS = ((0.015, 30), (0.045, 90), (0.09, 180), (0.14, 365))
BECAUSE_OF_COMPANY = 0.15
NO_ANSWER = 0.05
HUNDREDTHS_BACK = {30: 100, 90: 50}  # of a slot, for whoever left by that day
CONTRIBUTORS_MAX = 14
TRIES = 24

Helper = tuple[Field, str, int, Field]  # who, in which role, when, on which evidence


class Hiring:
    """`due` is how many contributions the people so far should have led to; `offers` is what the ledger must know."""

    def __init__(self, world: World, chance: Chance, sheets: Sheets, events: Events) -> None:
        self._chance, self._sheets, self._events = chance, sheets, events
        self._until = world.size.until
        self.due = 0.0
        self.offers: list[Offer] = []

    def offered(self, applicant: Applicant, at: int, ended: int | None) -> None:
        """An offer to which nobody was hired yet; the candidate may have withdrawn."""
        relay = self._relay(applicant)
        if relay is not None:
            self.offers.append(Offer(relay.number, at, applicant.application, applicant.whose, ended))

    def hire(self, applicant: Applicant, offered: int, decided: int, source: Field, reverted: int | None) -> None:
        """A hire, with everything that follows from it; one that is reverted stays on record with its contributions."""
        chance = self._chance
        company = applicant.company
        hire = applicant.hire = chance.id(decided)
        starts = first_day(decided, graduate=applicant.person.graduate)
        event = self._events.say(
            "HIRED",
            decided,
            company.id,
            source,
            company.id,
            applicant.whose,
            referral=applicant.referral,
            application=applicant.application,
            hire=hire,
        )
        handover = applicant.handover
        if handover is not None:
            self._place(handover, hire, decided, stands=reverted is None)
        self._contribute(applicant, hire, decided, event)
        left = None
        if reverted is None:
            left = self._check_retention(applicant, hire, starts)
        else:
            self._events.say(
                "HIRE_REVERTED",
                reverted,
                company.id,
                source,
                company.id,
                applicant.whose,
                referral=applicant.referral,
                application=applicant.application,
                hire=hire,
                corrects=event,
            )
        self._sheets["hire"].add(
            hire,
            company.id,
            applicant.application,
            applicant.person.id,
            word(applicant.route),
            instant(decided),
            day(starts),
            NULL if handover is None else handover.id,
            optional_instant(reverted),
        )
        relay = self._relay(applicant)
        if relay is not None:
            self.offers.append(
                Offer(
                    relay.number,
                    offered,
                    applicant.application,
                    applicant.whose,
                    ended=reverted,
                    hire=hire,
                    starts=starts,
                    left=left,
                )
            )

    def _place(self, handover: Handover, hire: Field, decided: int, *, stands: bool) -> None:
        """A handover that the hire grew from; one that does not stand is told of, and kept as not placed."""
        company, agency = handover.relay.company.id, handover.relay.agency.id
        if stands:
            handover.placement, handover.placed = hire, decided
        about = {"handover": handover.id, "invitation": handover.invitation}
        self._events.say("PLACED", decided, agency, API, company, parties(company, agency), **about)

    def _relay(self, applicant: Applicant) -> Relay | None:
        """The relay between the hiring company and the agency that brought the person."""
        agency = applicant.referrer
        if agency is None or agency.kind != "AGENCY":
            return None
        return next((relay for relay in applicant.company.relays if relay.agency is agency), None)

    def _contribute(self, applicant: Applicant, hire: Field, decided: int, event: Field) -> None:
        helpers = self._helpers(applicant, decided, event)
        self.due -= len(helpers)
        if not helpers:
            return
        part, over = divmod(MILLION, len(helpers))
        for place, (helper, role, at, evidence) in enumerate(helpers):
            contribution = self._chance.id(decided)
            self._sheets["contribution"].add(
                contribution, helper, applicant.company.id, hire, word(role), share(part + (place < over)), instant(at)
            )
            self._sheets["contribution_evidence"].add(contribution, evidence)

    def _helpers(self, applicant: Applicant, decided: int, event: Field) -> list[Helper]:
        """Who helped, the surest first: as many as are due, but never without those who opened the door."""
        person, company, chance = applicant.person, applicant.company, self._chance
        wanted = min(CONTRIBUTORS_MAX, int(self.due))
        helpers: list[Helper] = []
        seen: set[tuple[Field, str]] = set()

        def helped(who: Field, role: str, at: int, evidence: Field) -> None:
            if who is not company.id and (who, role) not in seen:
                seen.add((who, role))
                helpers.append((who, role, at, evidence))

        if applicant.referrer is not None:
            role = ROLE_OF_KIND[applicant.referrer.kind] if applicant.role == "REFERRED" else applicant.role
            helped(applicant.referrer.id, role, applicant.helped_at, applicant.evidence)
        if applicant.handover is not None:
            origin = applicant.handover
            helped(origin.relay.company.id, "RELAYED", origin.registered, origin.event)
        for school in person.schools:
            if len(helpers) < wanted:
                helped(school.id, "EDUCATED", person.arrived, event)
        for _ in range(TRIES):
            if len(helpers) >= wanted:
                break
            luck = chance.random()
            if luck < 0.4:
                helped(person.region.communities.at(chance.random()).id, "HOSTED", person.arrived, event)
            elif luck < 0.65 or not company.allies:
                helped(person.region.schools.at(chance.random()).id, "EDUCATED", person.arrived, event)
            elif luck < 0.85:
                helped(chance.one(company.allies).company.id, "HIRED_THROUGH", decided, event)
            else:
                helped(person.region.companies.at(chance.random()).id, "HIRED_THROUGH", decided, event)
        return helpers

    def _check_retention(self, applicant: Applicant, hire: Field, starts: int) -> tuple[int, int] | None:
        """Asks whether the person is still there, until they left. Returns when an early leaver was noticed, and
        what comes back of a slot in hundredths."""
        chance = self._chance
        luck = chance.random()
        leaves = next((by for upto, by in LEAVERS if luck < upto), None)
        company = applicant.company
        for after in CHECK_DAYS:
            at = midnight(starts + after) + chance.between(9 * HOUR, 4 * DAY)
            if at >= self._until:
                return None
            status = "EMPLOYED" if chance.random() >= NO_ANSWER else "UNKNOWN"
            if leaves == after:
                status = "LEFT_BY_COMPANY" if chance.random() < BECAUSE_OF_COMPANY else "LEFT"
            self._sheets["retention_check"].add(hire, integer(after), word(status), instant(at))
            self._events.say(
                "RETENTION_CHECKED",
                at,
                company.id,
                API,
                company.id,
                applicant.whose,
                referral=applicant.referral,
                application=applicant.application,
                hire=hire,
            )
            if leaves == after:
                return (at, HUNDREDTHS_BACK[after]) if status == "LEFT" and after in HUNDREDTHS_BACK else None
        return None
