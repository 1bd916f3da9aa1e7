"""Outcome events, gathered by the week of their recording so that they can be written in order of time."""

from __future__ import annotations

import marshal
from collections import defaultdict

from bench.network.chance import Chance
from bench.network.rows import COLUMNS, DAY, MINUTE, NULL, Field, head, instants, uuids, word
from models.outbox import CATEGORY

WEEK = 7 * DAY
LENGTH_BYTES = 8
LAG = 10 * MINUTE  # at most, from when something happens to its record

_HEAD = head(len(COLUMNS["outcome_event"]))
_HEADS = {kind: word(kind) + word(category) for kind, category in CATEGORY.items()}
API, ATS, CANDIDATE, SYSTEM = word("API"), word("ATS"), word("CANDIDATE"), word("SYSTEM")


def parties(company: Field, *others: Field) -> Field:
    """Whose own event it is: the company and the others, as the outbox writes them."""
    return uuids(sorted({company, *others}))


class Events:
    """Events by week. `recorded` and the bytes of the row, so that sorting them needs nothing else."""

    def __init__(self, chance: Chance, until: int) -> None:
        self._chance = chance
        self._until = until
        self.weeks: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)

    def say(
        self,
        kind: str,
        at: int,
        by: Field,
        source: Field,
        company: Field,
        whose: Field,
        *,
        stage: Field = NULL,
        referral: Field = NULL,
        application: Field = NULL,
        handover: Field = NULL,
        invitation: Field = NULL,
        slot: Field = NULL,
        hire: Field = NULL,
        corrects: Field = NULL,
        source_event: Field = NULL,
    ) -> Field:
        """Records one event; returns its id."""
        event = self._chance.id(at)
        recorded = at + 1 + int(self._chance.random() * LAG)
        if recorded > self._until:
            recorded = self._until
        fields = (
            _HEAD,
            event,
            _HEADS[kind],
            instants(at, recorded),
            by,
            source,
            source_event,
            stage,
            company,
            whose,
            referral,
            application,
            handover,
            invitation,
            slot,
            hire,
            corrects,
        )
        self.weeks[recorded // WEEK].append((recorded, b"".join(fields)))
        return event

    def packed(self) -> dict[int, bytes]:
        """The events of each week, for a file or another process: each pack tells its length first."""
        packs = {week: marshal.dumps(rows) for week, rows in self.weeks.items()}
        return {week: len(pack).to_bytes(LENGTH_BYTES, "big") + pack for week, pack in packs.items()}


def in_order(packs: bytes) -> bytes:
    """The rows of one week's packs in order of time; simultaneous ones have an order too, so that bytes repeat."""
    rows: list[tuple[int, bytes]] = []
    at, view = 0, memoryview(packs)
    while at < len(packs):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(view[at:begin], "big")
        rows += marshal.loads(view[begin:at])  # from a file it would ask for every value by itself
    rows.sort()
    return b"".join([row for _, row in rows])
