"""What is planned for an application, and what the ledger is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bench.network.people import Person
from bench.network.rows import NULL, Field
from bench.network.world import Company, Partner, Relay


class Plan(Enum):
    """How a referral or an application goes, if there is time enough."""

    DECLINE = "declined by the candidate"
    EXPIRE = "never confirmed"
    LEAVE_OPEN = "confirmed, and no application followed"
    REJECT = "rejected"
    WITHDRAW = "withdrawn by the candidate"
    HIRE = "hired"


@dataclass(eq=False, slots=True)
class Handover:
    """A rejected person who registered with an agency, and the agency's answer."""

    id: Field
    relay: Relay
    invitation: Field
    application: Field
    consent: Field
    registered: int
    event: Field
    status: str = "REGISTERED"
    decided: int | None = None
    by_silence: bool = False
    reason: Field = NULL
    counted: bool = False
    counted_at: int | None = None
    placement: Field = NULL
    outside: Field = NULL
    placed: int | None = None
    used: bool = False


@dataclass(eq=False, slots=True)
class Applicant:
    """A person at one company's door, and who opened it. `outcome` is set once selection ends or time runs out."""

    person: Person
    company: Company
    route: str
    whose: Field
    referral: Field = NULL
    referrer: Partner | None = None
    role: str = ""
    helped_at: int = 0
    evidence: Field = NULL
    handover: Handover | None = None
    application: Field = NULL
    outcome: str = "ACTIVE"
    hire: Field = NULL
    hired_at: int | None = None
    asked: bool = False


@dataclass(eq=False, slots=True)
class Invitation:
    """A relay invitation: its fields up to what its handovers add, which is known once all of them are."""

    fields: bytes
    handovers: list[Handover]


@dataclass(slots=True)
class Count:
    """A handover that counted in a relay's account, or (`reversed_`) whose count was taken back."""

    relay: int
    at: int
    handover: Field
    invitation: Field
    reversed_: bool


@dataclass(slots=True)
class Offer:
    """An offer for which a slot of the relay may be reserved.

    `ended`: when the candidate withdrew from it, or the hire was reverted. `hire` is empty when nobody was hired.
    `left`: when the early leaver was noticed, with the hundredths of a slot that come back.
    """

    relay: int
    at: int
    application: Field
    whose: Field
    ended: int | None = None
    hire: Field = b""
    starts: int = 0
    left: tuple[int, int] | None = None
