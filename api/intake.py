"""What another system tells us about jobs, candidates and applications, in our words: the facts an adapter reads.

An applicant-tracking system's webhook and a row of a CSV file say the same things; both become these facts, and
`api.intake_apply` turns a fact into verbs. A field that is None was not told, which never means "remove it".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

YEARS = range(1900, 2200)
"""In which something can have happened: another year is a mistake, and the calendar's ends cannot be reckoned with."""


@dataclass(frozen=True, slots=True)
class Named:
    """A delivery's name: the id that a repeat carries too, where it came with one, what it is, and which application or
    candidate it is of."""

    event_id: str | None
    action: str
    subject: str | None


class Told(StrEnum):
    """What the other system says became of an application.

    REINSTATED is ACTIVE said on purpose: a rejection or a hire was taken back.
    """

    ACTIVE = "ACTIVE"
    REJECTED = "REJECTED"
    HIRED = "HIRED"
    WITHDRAWN = "WITHDRAWN"
    REINSTATED = "REINSTATED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Applicant:
    """A candidate as the other system knows them. `may_mail` False: they asked not to be mailed; True: they did not."""

    external_id: str
    name: str | None = field(default=None, repr=False)
    kana: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    prefecture: str | None = None
    may_mail: bool | None = None

    def items(self) -> dict[str, str]:
        """The personal items to keep, by their names in the tables."""
        told = {"NAME": self.name, "KANA": self.kana, "PHONE": self.phone, "PREFECTURE": self.prefecture}
        told["EMAIL"] = None if self.may_mail is False else self.email
        return {item: text for item, text in told.items() if text}


@dataclass(frozen=True, slots=True)
class Credit:
    """Whom the other system credits with the candidate; sometimes it knows no more than a name."""

    name: str | None = field(default=None, repr=False)
    user_id: str | None = None
    employee_id: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as it stands in the other system; `status` is one of DRAFT, OPEN, CLOSED.

    `mention`: said in passing or of its beginning, so that it makes a job but changes none.
    """

    external_id: str
    title: str
    status: str = "OPEN"
    openings: int | None = None
    requirements: str | None = None
    prefecture: str | None = None
    opened_at: datetime | None = None
    mention: bool = False


@dataclass(frozen=True, slots=True)
class ApplicationState:
    """An application as it stood at `as_of` in the other system.

    `decided_at`: of a rejection, a hire or a withdrawal. `stage_moved`: this is news of a stage, not a mention of it.
    """

    external_id: str
    applicant: Applicant
    status: Told
    as_of: datetime
    received_at: datetime
    job: JobState | None = None
    stage: str | None = None
    stage_moved: bool = False
    decided_at: datetime | None = None
    starts_on: date | None = None
    reason: str | None = None
    route: str = "DIRECT"
    credit: Credit | None = None


@dataclass(frozen=True, slots=True)
class OfferState:
    """An offer to an application that the other system names by its id alone."""

    application_id: str
    stage: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ApplicantChanged:
    """New personal data of a candidate."""

    applicant: Applicant
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ApplicantMerged:
    """Two records there were one person: `external_id` is now `into`."""

    external_id: str
    into: str


@dataclass(frozen=True, slots=True)
class ApplicantErased:
    """Deleted or anonymised there, so erased here.

    `application_ids`: which applications went with them; None when it was not said; empty when none did, because
    the record was merged into another. `items` narrows an anonymisation to some items; empty means the whole person.
    """

    external_id: str
    as_of: datetime
    application_ids: tuple[str, ...] | None = None
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplicationDeleted:
    """One application was deleted there."""

    external_id: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class JobDeleted:
    """A job was deleted there; here it closes, since applications refer to it."""

    external_id: str
    as_of: datetime


Fact = (
    ApplicationState
    | OfferState
    | ApplicantChanged
    | ApplicantMerged
    | ApplicantErased
    | ApplicationDeleted
    | JobState
    | JobDeleted
)

_RANK = {Told.ACTIVE: 0, Told.REJECTED: 1, Told.HIRED: 1, Told.WITHDRAWN: 1, Told.REINSTATED: 2}


def overrides(told: Told, at: datetime, known: Told, known_at: datetime) -> bool:
    """Whether news replaces what is known, whatever the order in which the two arrived.

    Later wins. At the same instant what is said on purpose wins over a mention: taking back > decision > active. A
    hire is undone only on purpose (its time is often entered by hand, so an ordinary mention proves nothing), and
    nothing follows a deletion.
    """
    if known is Told.DELETED:
        return False
    if told is Told.DELETED:
        return True
    if known is Told.HIRED and told is Told.ACTIVE:
        return False
    if told is Told.HIRED and known is Told.ACTIVE:
        return True
    return (at, _RANK[told]) >= (known_at, _RANK[known])
