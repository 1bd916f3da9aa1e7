"""The relay: invitations to the rejected, what they register for, how agencies answer, and what counts."""

from __future__ import annotations

from collections.abc import Iterable

from bench.network.chance import Chance
from bench.network.events import API, CANDIDATE, SYSTEM, Events, parties
from bench.network.people import PASSED_ON, People
from bench.network.rows import (
    DAY,
    FALSE,
    HOUR,
    NULL,
    TRUE,
    Field,
    day,
    instant,
    japan_day,
    optional_instant,
    word,
)
from bench.network.story import Applicant, Count, Handover, Invitation
from bench.network.world import Relay, Sheets, World
from models.invitation import URL_DAYS
from models.registration import PURPOSE_AGENCY

OPENED = 0.62  # of those who got the mail
AGENCIES_TICKED_MAX = 3
YEAR = 366 * DAY
DECLINED, WITHDRAWN, SILENT = 0.06, 0.03, 0.12  # how handovers end otherwise than by the agency's yes
DECLINE_REASONS = ("UNREACHABLE", "UNREACHABLE", "ALREADY_ACTIVE", "OUTSIDE_LICENSE")
PLACED_OUTSIDE = 0.08  # of accepted handovers from which no referral inside the network followed


class Passing:
    """`due` is how many handovers the people so far should have led to; `counts` is what the ledger must know."""

    def __init__(self, world: World, chance: Chance, sheets: Sheets, events: Events, people: People) -> None:
        self._chance, self._sheets, self._events, self._people = chance, sheets, events, people
        self._until = world.size.until
        self._mine: list[Handover] = []
        self._invitations: list[Invitation] = []
        self._counted: list[tuple[Field, int]] = []
        self.due = 0.0
        self.counts: list[Count] = []

    def open_door(self) -> Handover | None:
        """A handover of the person at hand that an agency accepted and made no referral of yet."""
        for handover in self._mine:
            if handover.status == "ACCEPTED" and not handover.used:
                return handover
        return None

    def invite(self, applicant: Applicant, rejected: int, reverted: int | None) -> None:
        """The relay invitation of one rejection, which may be taken back (`reverted`), and all that follows from it."""
        chance = self._chance
        company, person = applicant.company, applicant.person
        before = len(self._mine)
        invitation = chance.id(rejected)
        sent = rejected + chance.between(HOUR, 40 * HOUR)
        opened = sent + chance.between(HOUR, 12 * DAY)
        registered = opened + chance.between(0, HOUR)
        expires = sent + URL_DAYS * DAY
        end = min(self._until, reverted or self._until)
        relays = [
            relay for relay in company.relays if relay.since <= registered and relay.until > registered + 20 * DAY
        ]
        whose = parties(company.id)
        about = {"application": applicant.application, "invitation": invitation}
        listed = bool(relays) or any(ally.since <= sent < ally.until for ally in company.allies)
        if not listed or sent >= end:
            status, sent_at, opened_at = "QUEUED", None, None
        else:
            status, sent_at, opened_at = "SENT", sent, None
            self._events.say("RELAY_INVITED", sent, company.id, SYSTEM, company.id, whose, **about)
            if opened < end and chance.random() < OPENED:
                status, opened_at = "OPENED", opened
                self._events.say("RELAY_OPENED", opened, company.id, CANDIDATE, company.id, whose, **about)
                ticked = self._ticked(relays) if relays and registered < end else []
                for relay in ticked:
                    status = "REGISTERED"
                    self._register(applicant, invitation, relay, registered, reverted)
        if status != "REGISTERED" and expires < self._until:
            status = "EXPIRED"
        fields = (
            invitation,
            company.id,
            person.id,
            applicant.application,
            word(status),
            NULL if listed else word("AGENCY"),
            instant(rejected),
            optional_instant(sent_at),
            optional_instant(opened_at),
            instant(expires),
            optional_instant(reverted),
        )
        self._invitations.append(Invitation(b"".join(fields), self._mine[before:]))

    def finish(self, person: Field) -> None:
        """Writes the handovers and invitations of the person at hand, whose story has ended."""
        for handover in self._mine:
            if handover.status == "ACCEPTED" and not handover.used and self._chance.random() < PLACED_OUTSIDE:
                self._place_outside(handover)
            self._write(handover, person)
        for invitation in self._invitations:
            accepted = [handover for handover in invitation.handovers if handover.status == "ACCEPTED"]
            self._sheets["relay_invitation"].add(
                invitation.fields,
                _first(handover.decided for handover in accepted),
                _first(handover.counted_at for handover in accepted if handover.counted),
                _first(handover.placed for handover in accepted),
            )
        self._mine.clear()
        self._invitations.clear()
        self._counted.clear()

    def _ticked(self, relays: list[Relay]) -> list[Relay]:
        """The agencies that the candidate chooses."""
        wanted = min(len(relays), int(self.due), AGENCIES_TICKED_MAX)
        start = self._chance.between(0, len(relays))
        self.due -= wanted
        return [relays[(start + n) % len(relays)] for n in range(wanted)]

    def _register(
        self, applicant: Applicant, invitation: Field, relay: Relay, registered: int, reverted: int | None
    ) -> None:
        chance = self._chance
        company, agency, person = relay.company, relay.agency, applicant.person
        handover = Handover(chance.id(registered), relay, invitation, applicant.application, NULL, registered, NULL)
        end = min(self._until, reverted or self._until)
        self._answer(handover, end)
        self._people.told(person, company.id, registered)
        taken_back = reverted is not None and handover.status == "REGISTERED" and reverted < self._until
        handover.consent = self._people.provide(
            person,
            company.id,
            agency.id,
            registered,
            agreement=relay.agreement,
            items=PASSED_ON,
            purpose=PURPOSE_AGENCY["JA" if person.japanese else "EN"],
            withdrawn=handover.decided if handover.status == "WITHDRAWN" else None,
            ended=handover.decided if handover.status == "DECLINED" else reverted if taken_back else None,
        )
        whose = parties(company.id, agency.id)
        about = {"application": handover.application, "handover": handover.id, "invitation": invitation}
        handover.event = self._events.say(
            "RELAY_REGISTERED", registered, company.id, CANDIDATE, company.id, whose, **about
        )
        kind = {"ACCEPTED": "RELAY_ACCEPTED", "DECLINED": "RELAY_DECLINED", "WITHDRAWN": "WITHDRAWN"}.get(
            handover.status
        )
        if kind and handover.decided is not None:
            source = SYSTEM if handover.by_silence else CANDIDATE if kind == "WITHDRAWN" else API
            self._events.say(kind, handover.decided, agency.id, source, company.id, whose, **about)
        if handover.status == "ACCEPTED":
            self._count(handover)
        if reverted is not None and handover.status in ("REGISTERED", "ACCEPTED") and reverted < self._until:
            self._reverse(handover, reverted)
        self._mine.append(handover)

    def _answer(self, handover: Handover, end: int) -> None:
        """How the agency answers, or the candidate before it, if one of them does in time."""
        chance = self._chance
        luck = chance.random()
        deadline = handover.registered + handover.relay.silence_days * DAY
        answered = handover.registered + chance.between(2 * HOUR, handover.relay.silence_days * DAY)
        status = "ACCEPTED"
        if luck < DECLINED:
            status = "DECLINED"
        elif luck < DECLINED + WITHDRAWN:
            status = "WITHDRAWN"
        elif luck < DECLINED + WITHDRAWN + SILENT:
            answered = deadline
            handover.by_silence = True
        if answered >= end:
            handover.by_silence = False
            return
        handover.status, handover.decided = status, answered
        if status == "DECLINED":
            handover.reason = word(chance.one(DECLINE_REASONS))

    def _count(self, handover: Handover) -> None:
        """It counts unless this person counted for this agency within twelve months, before or after."""
        at = handover.decided
        agency = handover.relay.agency.id
        if at is None or any(agency is other and abs(at - then) < YEAR for other, then in self._counted):
            return
        handover.counted, handover.counted_at = True, at
        self._counted.append((agency, at))
        self.counts.append(Count(handover.relay.number, at, handover.id, handover.invitation, reversed_=False))

    def _reverse(self, handover: Handover, at: int) -> None:
        handover.status = "REVERSED"
        if handover.counted:
            handover.counted = False
            self._counted.pop()
            self.counts.append(Count(handover.relay.number, at, handover.id, handover.invitation, reversed_=True))

    def _place_outside(self, handover: Handover) -> None:
        decided = (handover.decided or 0) + self._chance.between(10 * DAY, 80 * DAY)
        if decided < self._until:
            handover.placed = decided
            handover.outside = day(japan_day(decided) + 30)

    def _write(self, handover: Handover, person: Field) -> None:
        relay = handover.relay
        self._sheets["handover"].add(
            handover.id,
            handover.invitation,
            handover.application,
            relay.company.id,
            relay.agency.id,
            person,
            relay.agreement,
            handover.consent,
            word(handover.status),
            instant(handover.registered),
            instant(handover.registered + relay.silence_days * DAY),
            optional_instant(handover.decided),
            TRUE if handover.by_silence else FALSE,
            handover.reason,
            TRUE if handover.counted else FALSE,
            optional_instant(handover.counted_at),
            handover.placement,
            handover.outside,
            optional_instant(handover.placed),
        )


def _first(instants: Iterable[int | None]) -> Field:
    return optional_instant(min((at for at in instants if at is not None), default=None))
