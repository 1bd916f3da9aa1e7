"""What the lives of people take place in: partners, their agreements and jobs, made before anybody applies."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from bench.network.chance import Chance, Weighted
from bench.network.rows import DAY, Field, Sheet

FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Size:
    """How large a network is, and in which stretch of time it lives (microseconds since 2000).

    `candidates` are people. Per referral there are so many `handovers` and `contributions`.
    """

    partners: int
    candidates: int
    referrals: int
    since: int
    until: int
    handovers: float
    contributions: float


@dataclass(eq=False, slots=True)
class Partner:
    """A partner as the simulation needs it; ids and places are COPY fields."""

    id: Field
    kind: str
    name: str
    prefecture: str
    region: str
    weight: float
    joined: int


@dataclass(eq=False, slots=True)
class Relay:
    """A relay agreement of one company and one agency, and so an account; it counts from `since` to `until`."""

    number: int
    company: Company
    agency: Partner
    agreement: Field
    since: int
    until: int
    handovers_per_slot: int
    silence_days: int
    slot_months: int


@dataclass(eq=False, slots=True)
class Company(Partner):
    referrers: list[Referrer] = field(default_factory=list["Referrer"])
    relays: list[Relay] = field(default_factory=list[Relay])
    allies: list[Ally] = field(default_factory=list["Ally"])
    agencies: list[Partner] = field(default_factory=list[Partner])
    job_ids: list[Field] = field(default_factory=list[Field])
    job_times: list[int] = field(default_factory=list[int])

    def job(self, at: int, chance: Chance, open_at_once: int) -> Field:
        """One of the jobs that are open at that time."""
        latest = bisect_right(self.job_times, at)
        return self.job_ids[chance.between(max(0, latest - open_at_once), max(1, latest))]


@dataclass(eq=False, slots=True)
class Referrer(Partner):
    affiliation: str
    company: Company


@dataclass(eq=False, slots=True)
class Ally:
    """The other side of an agreement between companies in force since then, by which a person can be passed on."""

    company: Company
    kind: str
    agreement: Field
    since: int
    until: int


@dataclass(eq=False, slots=True)
class Region:
    """Who is near whom."""

    companies: Weighted[Company]
    hiring_by_referral: Weighted[Company]
    agencies: Weighted[Partner]
    schools: Weighted[Partner]
    communities: Weighted[Partner]


@dataclass(eq=False, slots=True)
class World:
    size: Size
    seed: int
    companies: list[Company]
    schools: list[Partner]
    agencies: list[Partner]
    communities: list[Partner]
    referrers: list[Referrer]
    relays: list[Relay]
    regions: dict[str, Region]
    everywhere: Region
    license_ends: dict[Field, int]

    def partners(self) -> list[Partner]:
        return [*self.companies, *self.schools, *self.agencies, *self.communities, *self.referrers]


Sheets = dict[str, Sheet]

PAST_DAYS = 720  # how long before its first month the network's first partners joined
BEFORE = PAST_DAYS * DAY
