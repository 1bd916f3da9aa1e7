"""Selection at a company: the application, its stages, and how it was decided."""

from __future__ import annotations

from bench.network.chance import Chance
from bench.network.events import API, ATS, CANDIDATE, Events
from bench.network.hiring import Hiring
from bench.network.partners import JOBS_OPEN_AT_ONCE
from bench.network.passing import Passing
from bench.network.rows import DAY, HOUR, NULL, Field, instant, optional_instant, text, word
from bench.network.story import Applicant, Plan
from bench.network.surveying import Surveying
from bench.network.world import Company, Sheets, World

STAGES_TO_HIRE = ("INTERVIEW", "OFFER", "OFFER_ACCEPTED")
REVERTED_REJECTIONS = 0.02  # of hires, whose first decision was a rejection by mistake
REVERTED_HIRES = 0.01  # the candidate thought better of it before the first day
REJECTED_AFTER = (None, None, "INTERVIEW", "INTERVIEW", "FINAL_INTERVIEW")
REASONS = ("経験年数が要件に届かないため", "勤務地の希望が合わないため", "他の候補者を採用したため")


class Selecting:
    def __init__(
        self,
        world: World,
        chance: Chance,
        sheets: Sheets,
        events: Events,
        hiring: Hiring,
        passing: Passing,
        surveying: Surveying,
    ) -> None:
        self._chance, self._sheets, self._events = chance, sheets, events
        self._hiring, self._passing, self._surveying = hiring, passing, surveying
        self._until = world.size.until
        self._rejection: tuple[Field, Company] | None = None

    def last_rejection(self, person: Field) -> Company | None:
        """The company that rejected this person last."""
        return self._rejection[1] if self._rejection and self._rejection[0] is person else None

    def apply(self, applicant: Applicant, at: int, plan: Plan) -> int:
        """An application and its selection. Returns when it was decided, or the end of time."""
        chance = self._chance
        company = applicant.company
        applicant.application = chance.id(at)
        external = self._external(company, applicant.application)
        source = ATS if external is not NULL else API
        received = self._events.say(
            "APPLICATION_RECEIVED",
            at,
            company.id,
            source,
            company.id,
            applicant.whose,
            referral=applicant.referral,
            application=applicant.application,
            source_event=external,
        )
        stage, reason, decided = self._select(applicant, at, plan, source, received)
        self._sheets["application"].add(
            applicant.application,
            company.id,
            company.job(at, chance, JOBS_OPEN_AT_ONCE),
            applicant.person.id,
            applicant.referral,
            word(applicant.route),
            word(stage),
            word(applicant.outcome),
            external,
            instant(at),
            optional_instant(None if applicant.outcome == "ACTIVE" else decided),
            reason,
            applicant.hire,
        )
        return decided

    def _select(
        self, applicant: Applicant, at: int, plan: Plan, source: Field, received: Field
    ) -> tuple[str, Field, int]:
        """Lives through selection: the furthest stage, the reason of a rejection, and when it was decided."""
        chance = self._chance
        if plan is Plan.REJECT:
            last = chance.one(REJECTED_AFTER)
            stage, _, at = self._advance(applicant, at, (last,) if last else (), source)
            at += chance.between(2 * DAY, 14 * DAY)
            if at < self._until:
                reason = word(chance.one(REASONS)) if chance.random() < 0.4 else NULL
                self._reject(applicant, stage, at, source)
                return stage, reason, at
        elif plan is Plan.WITHDRAW:
            stages = STAGES_TO_HIRE[: 1 + (chance.random() < 0.35)]
            stage, reached, at = self._advance(applicant, at, stages, source)
            left = at + chance.between(DAY, 8 * DAY)
            if reached.get("OFFER"):
                self._hiring.offered(applicant, reached["OFFER"], left if left < self._until else None)
            if left < self._until:
                applicant.outcome = "WITHDRAWN"
                self._say("WITHDRAWN", applicant, left, CANDIDATE)
                return stage, NULL, left
        else:
            return self._hire(applicant, at, source)
        return stage, NULL, self._until

    def _hire(self, applicant: Applicant, at: int, source: Field) -> tuple[str, Field, int]:
        chance = self._chance
        if chance.random() < REVERTED_REJECTIONS:
            at = self._mistake(applicant, at + chance.between(2 * DAY, 9 * DAY), source)
        stage, reached, at = self._advance(applicant, at, STAGES_TO_HIRE, source)
        decided = at + chance.between(HOUR, 3 * DAY)
        if "OFFER_ACCEPTED" not in reached or decided >= self._until:
            if reached.get("OFFER"):
                self._hiring.offered(applicant, reached["OFFER"], None)
            return stage, NULL, self._until
        reverted = decided + chance.between(3 * DAY, 20 * DAY) if chance.random() < REVERTED_HIRES else None
        if reverted is not None and reverted < self._until - DAY:
            self._hiring.hire(applicant, reached["OFFER"], decided, source, reverted)
            self._surveying.ask(applicant, stage, "HIRED", decided, reverted)
            applicant.outcome, applicant.hire = "WITHDRAWN", NULL
            left = reverted + chance.between(HOUR, DAY)
            self._say("WITHDRAWN", applicant, left, CANDIDATE)
            return stage, NULL, left
        applicant.outcome, applicant.hired_at = "HIRED", decided
        self._hiring.hire(applicant, reached["OFFER"], decided, source, None)
        self._surveying.ask(applicant, stage, "HIRED", decided, None)
        return stage, NULL, decided

    def _mistake(self, applicant: Applicant, rejected: int, source: Field) -> int:
        """A rejection that is taken back some days later. Returns when selection goes on."""
        reverted = rejected + self._chance.between(3 * DAY, 15 * DAY)
        if reverted >= self._until:
            return rejected
        event = self._say("REJECTED", applicant, rejected, source)
        self._passing.invite(applicant, rejected, reverted)
        self._surveying.ask(applicant, "APPLIED", "REJECTED", rejected, reverted)
        self._say("REJECTION_REVERTED", applicant, reverted, source, corrects=event)
        return reverted

    def _reject(self, applicant: Applicant, stage: str, at: int, source: Field) -> None:
        applicant.outcome = "REJECTED"
        self._say("REJECTED", applicant, at, source)
        self._rejection = (applicant.person.id, applicant.company)
        self._passing.invite(applicant, at, None)
        self._surveying.ask(applicant, stage, "REJECTED", at, None)

    def _advance(
        self, applicant: Applicant, at: int, stages: tuple[str, ...], source: Field
    ) -> tuple[str, dict[str, int], int]:
        """Stage after stage as long as there is time: the furthest, when each was reached, and when it ended."""
        chance = self._chance
        furthest, reached = "APPLIED", dict[str, int]()
        for stage in stages:
            at += chance.between(2 * DAY, 14 * DAY)
            if at >= self._until:
                break
            furthest, reached[stage] = stage, at
            self._say("STAGE_CHANGED", applicant, at, source, stage=word(stage))
        return furthest, reached, at

    def _say(
        self, kind: str, applicant: Applicant, at: int, source: Field, *, stage: Field = NULL, corrects: Field = NULL
    ) -> Field:
        return self._events.say(
            kind,
            at,
            applicant.company.id,
            source,
            applicant.company.id,
            applicant.whose,
            stage=stage,
            referral=applicant.referral,
            application=applicant.application,
            corrects=corrects,
        )

    def _external(self, company: Company, application: Field) -> Field:
        """The id in the company's ATS; every second company has one."""
        return text(f"app-{application[-6:].hex()}") if company.id[-1] & 1 else NULL
