"""The demo's stage: a company one handover short of its next free slot, and the partners whose logins are given out.

What the simulated network lacks for that is done with the real verbs, as people would do it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bench.network.write import sql
from models import registration, relay
from models.db import Connection
from models.outbox import Said

PER_SLOT = 10
LEFT_WAITING = 3  # handovers for the agency to accept, the first of which earns the slot
ITEMS = ("NAME", "EMAIL")
TEXT_VERSION = "demo"
MOMENT = timedelta(minutes=7)


@dataclass(frozen=True, slots=True)
class Player:
    """A partner whose login the demo gives out."""

    id: UUID
    kind: str
    name: str
    slug: str


@dataclass(frozen=True, slots=True)
class Cast:
    """One partner of each kind; the company and the agency share the account, whose handovers wait for an answer."""

    account_id: UUID
    players: dict[str, Player]
    handover_ids: list[UUID]


async def set_stage(connection: Connection, now: datetime) -> Cast:
    """Chooses the cast and brings their account to nine of ten, with handovers that wait for the agency's answer.

    Works on a simulated network that lived until `now`. Raises LookupError when it is too small to hold such a pair.
    """
    pair = await sql().relay_pair_for_demo(connection, now=now)
    if pair is None:
        raise LookupError("no relay account of this network has a slot in stock: ask for more referrals")
    company, agency = pair["company_id"], pair["agency_id"]
    counted = pair["counted"]
    at = now - MOMENT * PER_SLOT * 2
    waiting: list[UUID] = []
    people = sql().invitations_for_demo(connection, company_id=company, agency_id=agency, now=now)
    for invitation in [row["id"] async for row in people]:
        if counted % PER_SLOT == PER_SLOT - 1 and len(waiting) == LEFT_WAITING:
            break
        at += MOMENT / 2
        handover = await _register(connection, invitation, company, agency, at)
        if counted % PER_SLOT == PER_SLOT - 1:
            waiting.append(handover)
            continue
        said = Said(by=agency, source="API", at=at + MOMENT / 3)
        counted += (await relay.accept(connection, handover_id=handover, acting=agency, said=said)).counted
    if counted % PER_SLOT != PER_SLOT - 1 or not waiting:
        raise LookupError("too few people were rejected lately for the demo: ask for more referrals")
    players = sql().players_for_demo(connection, company_id=company, agency_id=agency)
    return Cast(pair["account_id"], {row["kind"]: Player(**row) async for row in players}, waiting)


async def _register(connection: Connection, invitation: UUID, company: UUID, agency: UUID, at: datetime) -> UUID:
    registered = await registration.register(
        connection,
        invitation_id=invitation,
        agency_ids=[agency],
        company_ids=[],
        items=ITEMS,
        language="JA",
        text_version=TEXT_VERSION,
        tell_company=False,
        said=Said(by=company, source="CANDIDATE", at=at),
    )
    return registered.handover_ids[0]
