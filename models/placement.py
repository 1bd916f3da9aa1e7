"""Placements (紹介成立): what a handover led to, inside the network or outside, and who may hear of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from models import consent
from models.db import Connection, queries
from models.errors import invalid, wrong_state
from models.handover import Record, find, hold, must_act, tell
from models.japan import today
from models.outbox import Said, publish
from models.selection import may_start


async def record_placement(
    connection: Connection, *, handover_id: UUID, acting: UUID, starts_on: date, said: Said
) -> UUID | None:
    """The agency found the person work outside the network (決定報告); it shows in counts only.

    Returns the event's id, or None: the company hears of it only where the candidate allowed the agency to tell, and
    hears nothing of the same day told again. Raises NOT_YOURS, INVALID for a day before the registration or too far
    ahead, and WRONG_STATE unless the handover was accepted and led to no other work.
    """
    found = await find(connection, handover_id)
    must_act(acting, found["agency_id"])
    _, handover = await hold(connection, found)
    if handover["status"] != "ACCEPTED":
        raise wrong_state(
            "受諾した引き継ぎにだけ、決定を記録できます。", "A placement follows an accepted handover only."
        )
    if handover["placed_outside_on"] == starts_on:
        return None
    if handover["placed_outside_on"] or handover["placement_id"]:
        raise wrong_state("就職の決定はすでに記録されています。", "A placement of this handover is recorded already.")
    if starts_on < today(handover["registered_at"]) or not may_start(starts_on, said.at):
        raise invalid(
            "startsOn",
            "就業開始日は、登録日から今日の2年後までの日です。",
            "Work begins on the day of the registration or later, and within two years from now.",
        )
    await queries("relay").place_outside(connection, id=handover_id, starts_on=starts_on, at=said.at)
    told = await _told(connection, handover, said)
    return await tell(connection, "PLACED", said, handover) if told else None


async def placed(connection: Connection, *, handover_id: UUID, hire_id: UUID, company_id: UUID, said: Said) -> None:
    """The handover grew into a hire at `company_id` (紹介成立).

    The company that passed the person on is told by an event of its own only where the candidate allowed it.
    """
    handover = await find(connection, handover_id)
    await queries("relay").place_inside(connection, id=handover_id, hire_id=hire_id, at=said.at)
    told = await _told(connection, handover, said)
    await publish(
        connection,
        "PLACED",
        said,
        company_id=company_id,
        parties=[handover["agency_id"], *([handover["company_id"]] if told else [])],
        handover_id=handover_id,
        hire_id=hire_id,
    )


async def unplaced(connection: Connection, *, hire_id: UUID | None) -> None:
    """The hire was taken back: the handover that it grew from led nowhere after all."""
    await queries("relay").unplace(connection, hire_id=hire_id)


async def _told(connection: Connection, handover: Record, said: Said) -> bool:
    """Whether the company that passed the person on is told, by the person's consent.

    News from the agency is a provision of its own, which starts here, whenever the work began. It rests on the consent
    alone: it says what became of the person, not of what the two promised each other.
    """
    agency_id, company_id = handover["agency_id"], handover["company_id"]
    consent_id = await queries("relay").consent_to_tell(
        connection, person_id=handover["person_id"], agency_id=agency_id, company_id=company_id
    )
    if consent_id is None:
        return False
    await consent.provide(
        connection,
        said=replace(said, at=datetime.now(UTC)),
        consent_id=consent_id,
        giver_id=agency_id,
        receiver_id=company_id,
        agreement_id=None,
    )
    return True
