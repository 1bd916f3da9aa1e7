"""Surveys: whoever was decided on is asked some days later how they found it, and some answer."""

from __future__ import annotations

from bench.network.chance import Chance, Weighted
from bench.network.rows import DAY, HOUR, NULL, instant, integer, optional_instant, word
from bench.network.story import Applicant
from bench.network.world import Sheets, World
from models.outcome import SURVEY_AFTER_DAYS

ANSWERED = {"HIRED": 0.48, "REJECTED": 0.21}
POINTS = {
    "HIRED": Weighted((5, 4, 3, 2, 1), (46, 36, 13, 4, 1)),
    "REJECTED": Weighted((5, 4, 3, 2, 1), (12, 27, 33, 18, 10)),
}
LATE = 0.04  # of the answers, some after they count


class Surveying:
    def __init__(self, world: World, chance: Chance, sheets: Sheets) -> None:
        self._chance, self._sheets = chance, sheets
        self._until = world.size.until

    def ask(self, applicant: Applicant, stage: str, decision: str, decided: int, reverted: int | None) -> None:
        """The survey of a decision, if its letter goes out before the decision is taken back, and none did before."""
        chance = self._chance
        sent = decided + SURVEY_AFTER_DAYS * DAY + chance.between(0, HOUR)
        if applicant.asked or sent >= min(self._until, reverted or self._until):
            return
        applicant.asked = True
        score, answered = NULL, None
        if chance.random() < ANSWERED[decision]:
            at = sent + chance.between(HOUR, (60 if chance.random() < LATE else 10) * DAY)
            if at < self._until:
                score, answered = integer(POINTS[decision].at(chance.random())), at
        self._sheets["survey"].add(
            chance.id(sent),
            applicant.application,
            applicant.company.id,
            applicant.person.id,
            word(stage),
            word(decision),
            score,
            instant(sent),
            optional_instant(answered),
        )
