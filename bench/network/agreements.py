"""Agreements of every kind between the partners: most in force, some waiting, suspended or ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import orjson

from bench.network.calendar import EPOCH
from bench.network.chance import Chance
from bench.network.rows import (
    DAY,
    NULL,
    Field,
    day,
    instant,
    integer,
    japan_day,
    optional_instant,
    text,
    uuid,
    word,
)
from bench.network.rows import json as json_field
from bench.network.world import FOREVER, Ally, Company, Partner, Relay, Sheets, World
from models.terms import RelayTerms, Sharing, Terms, version_hash

SHARING: dict[str, tuple[tuple[str, str], ...]] = {
    "CAREER_RELAY": (("HANDOVERS", "FIELDS"), ("JOBS", "FIELDS"), ("OUTCOMES", "COUNTS_ONLY"), ("PERSONAL", "FIELDS")),
    "SUCCESS_FEE": (
        ("JOBS", "FIELDS"),
        ("REFERRALS", "FIELDS"),
        ("APPLICATIONS", "FIELDS"),
        ("OUTCOMES", "FIELDS"),
        ("PERSONAL", "FIELDS"),
    ),
    "INFORMATION_SHARING": (("JOBS", "FIELDS"), ("OUTCOMES", "COUNTS_ONLY"), ("COHORTS", "COUNTS_ONLY")),
    "MUTUAL_REFERRAL": (("JOBS", "FIELDS"), ("REFERRALS", "FIELDS"), ("OUTCOMES", "FIELDS"), ("PERSONAL", "FIELDS")),
    "ALLIANCE": (("JOBS", "FIELDS"), ("REFERRALS", "FIELDS"), ("OUTCOMES", "FIELDS"), ("SURVEYS", "COUNTS_ONLY")),
    "JOINT_PROJECT": (("JOBS", "FIELDS"), ("OUTCOMES", "COUNTS_ONLY")),
}
PURPOSES = {
    "CAREER_RELAY": "不採用となった方を、本人の同意のもとで次のご縁へつなぐため",
    "SUCCESS_FEE": "紹介した候補者の選考と成果を確かめ、成功報酬を定めるため",
    "INFORMATION_SHARING": "卒業生の採用実績を教育に活かすため",
    "MUTUAL_REFERRAL": "互いに合う人材を、本人の同意のもとで紹介し合うため",
    "ALLIANCE": "地域と業界で人材を育て、ともに採用するため",
    "JOINT_PROJECT": "合同説明会と共同採用を行うため",
}
RULES = ((10, 7, 12), (10, 7, 12), (10, 7, 12), (10, 7, 12), (8, 7, 12), (12, 7, 6))
START_DAYS = 150  # most agreements are accepted within so many days of both sides having joined
RELAYS_MAX = 12
ALLIES_MAX = 6


@dataclass(frozen=True, slots=True)
class Signed:
    """An agreement as made: it is in force from `since` to `until`; `since` is None when nobody accepted yet."""

    id: Field
    since: int | None
    until: int


def agree(world: World, sheets: Sheets) -> None:
    """Makes all agreements, and tells companies and agencies of theirs."""
    chance = Chance(world.seed, "agreements")
    for company in world.companies:
        _agree_with_agencies(world, sheets, chance, company)
        _agree_with_schools(world, sheets, chance, company)
        if chance.random() < 0.45:
            others = [other for other in [_near(world, chance, company)] if other is not company]
            _agree_among_companies(world, sheets, chance, "MUTUAL_REFERRAL", [company, *others])
    for community in world.communities:
        _agree_around(world, sheets, chance, community)


def _near(world: World, chance: Chance, partner: Partner) -> Company:
    region = world.regions[partner.region] if chance.random() < 0.7 else world.everywhere
    return region.companies.at(chance.random())


def _agree_with_agencies(world: World, sheets: Sheets, chance: Chance, company: Company) -> None:
    wanted = min(RELAYS_MAX, len(world.agencies), int(1 + company.weight**0.8)) if chance.random() < 0.92 else 0
    partners: dict[Field, Partner] = {}
    for _ in range(wanted * 2):
        region = world.regions[company.region] if chance.random() < 0.75 else world.everywhere
        agency = region.agencies.at(chance.random())
        if len(partners) < wanted:
            partners[agency.id] = agency
    for agency in partners.values():
        rule = chance.one(RULES)
        signed = _sign(world, sheets, chance, "CAREER_RELAY", [company, agency], rule)
        if signed.since is not None:
            until = min(signed.until, world.license_ends[agency.id])
            relay = Relay(len(world.relays), company, agency, signed.id, signed.since, until, *rule)
            company.relays.append(relay)
            world.relays.append(relay)
        if chance.random() < 0.6 and _sign(world, sheets, chance, "SUCCESS_FEE", [agency, company]).since is not None:
            company.agencies.append(agency)


def _agree_with_schools(world: World, sheets: Sheets, chance: Chance, company: Company) -> None:
    schools: dict[Field, Partner] = {}
    for _ in range(min(4, int(company.weight * 0.8))):
        school = world.regions[company.region].schools.at(chance.random())
        schools[school.id] = school
    for school in schools.values():
        _sign(world, sheets, chance, "INFORMATION_SHARING", [school, company])


def _agree_around(world: World, sheets: Sheets, chance: Chance, community: Partner) -> None:
    near = {company.id: company for company in (_near(world, chance, community) for _ in range(5))}
    _sign(world, sheets, chance, "JOINT_PROJECT", [community, *near.values()])
    if chance.random() < 0.7:
        allies = {company.id: company for company in (_near(world, chance, community) for _ in range(ALLIES_MAX))}
        _agree_among_companies(world, sheets, chance, "ALLIANCE", list(allies.values()))


def _agree_among_companies(
    world: World, sheets: Sheets, chance: Chance, kind: str, companies: Sequence[Company]
) -> None:
    if len(companies) < 2:
        return
    signed = _sign(world, sheets, chance, kind, companies)
    if signed.since is None:
        return
    for company in companies:
        for other in companies:
            if other is not company:
                company.allies.append(Ally(other, kind, signed.id, signed.since, signed.until))


def _sign(
    world: World,
    sheets: Sheets,
    chance: Chance,
    kind: str,
    parties: Sequence[Partner],
    rule: tuple[int, int, int] | None = None,
) -> Signed:
    """One agreement through its life: offered, perhaps countered, accepted, perhaps suspended or ended."""
    size = world.size
    offered = max(party.joined for party in parties) + chance.between(0, START_DAYS * DAY)
    offered = min(max(offered, size.since - 60 * DAY), size.until - 30 * DAY)
    countered = chance.random() < 0.12
    last_offer = offered + (chance.between(2 * DAY, 12 * DAY) if countered else 0)
    fate = chance.random()
    accepted = None if fate < 0.04 else last_offer + chance.between(DAY, 14 * DAY)
    ended = None
    if accepted is not None and fate > 0.95:
        ended = accepted + int((size.until - accepted) * (0.3 + 0.6 * chance.random()))
    suspended = ended is not None and fate > 0.99
    status = "SUSPENDED" if suspended else "TERMINATED" if ended else "ACTIVE" if accepted else "OFFERED"
    if accepted is None and countered:
        status = "COUNTERED"
    agreement = chance.id(offered)
    offers = [(offered, parties[0])] + ([(last_offer, parties[1])] if countered else [])
    versions = [
        _offer(sheets, chance, agreement, kind, parties, number + 1, by, at, rule, of=len(offers), accepted=accepted)
        for number, (at, by) in enumerate(offers)
    ]
    sheets["agreement"].add(
        agreement,
        word(kind),
        word(status),
        word(PURPOSES[kind]),
        versions[-1],
        instant(offered),
        optional_instant(accepted),
        NULL if suspended else optional_instant(ended),
        parties[-1].id if suspended else NULL,
    )
    for party in parties:
        sheets["agreement_party"].add(agreement, party.id)
        at = last_offer if party is offers[-1][1] else accepted
        if at is not None:
            sheets["agreement_acceptance"].add(versions[-1], party.id, instant(at))
    if status == "ACTIVE":
        _share(sheets, agreement, kind, parties, japan_day(last_offer))
    return Signed(agreement, accepted, FOREVER if ended is None else ended)


def _offer(
    sheets: Sheets,
    chance: Chance,
    agreement: Field,
    kind: str,
    parties: Sequence[Partner],
    number: int,
    by: Partner,
    at: int,
    rule: tuple[int, int, int] | None,
    *,
    of: int,
    accepted: int | None,
) -> Field:
    """One version; the last is the one accepted. What is answered with other terms differs from them in its sharing."""
    sharing = SHARING[kind] if number == of else SHARING[kind][:1]
    version = chance.id(at)
    terms = Terms(
        sharing=[Sharing(category, granularity) for category, granularity in sharing],
        starts_on=EPOCH + timedelta(days=japan_day(at)),
        relay=RelayTerms(*rule) if rule else None,
    )
    sheets["agreement_version"].add(
        version,
        agreement,
        integer(number),
        by.id,
        instant(at),
        text(version_hash(kind, PURPOSES[kind], [uuid(party.id) for party in parties], terms)),
        json_field(orjson.dumps([asdict(shared) for shared in terms.sharing])),
        *(integer(term) for term in rule or ()),
        *(() if rule else (NULL, NULL, NULL)),
        day(japan_day(at)),
        NULL,
        optional_instant(accepted) if number == of else NULL,
    )
    return version


def _share(sheets: Sheets, agreement: Field, kind: str, parties: Iterable[Partner], starts_on: int) -> None:
    for giver in parties:
        for receiver in parties:
            if giver is receiver:
                continue
            for category, granularity in SHARING[kind]:
                sheets["agreement_share"].add(
                    giver.id,
                    receiver.id,
                    word(category),
                    word(granularity),
                    agreement,
                    word(kind),
                    day(starts_on),
                    NULL,
                )
