"""Partners of all five kinds, in the clusters of their regions, few large and most small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.network import names
from bench.network.chance import Chance, Weighted
from bench.network.places import PEOPLE, PREFECTURES, REGION_OF, REGIONS
from bench.network.rows import (
    DAY,
    NULL,
    Field,
    day,
    instant,
    integer,
    japan_day,
    midnight,
    optional_instant,
    text,
    texts,
    uuid,
    word,
)
from bench.network.world import BEFORE, Company, Partner, Referrer, Region, Sheets, Size, World
from models.partner import alias_of
from models.registry import corporate_number_ok, fold_name, school_code_ok
from models.rejection_mail import DEFAULTS

# Shares of the five kinds; whoever remains is a referrer.
COMPANIES, SCHOOLS, AGENCIES, COMMUNITIES = 0.34, 0.09, 0.08, 0.03
COMPANY_POWER, OTHER_POWER = 1.25, 1.1  # exponents of the Pareto weights
AFFILIATIONS = Weighted(("EMPLOYEE", "ALUMNUS", "CLIENT"), (0.7, 0.22, 0.08))
# Level of a school, the letters of its code, how often.
LEVELS = Weighted(
    (
        ("UNIVERSITY", "F1"),
        ("JUNIOR_COLLEGE", "F2"),
        ("TECHNICAL_COLLEGE", "G1"),
        ("VOCATIONAL", "H1"),
        ("HIGH_SCHOOL", "D1"),
    ),
    (0.5, 0.08, 0.08, 0.24, 0.1),
)
LICENSE_YEARS_DAYS = 5 * 365
LICENSES_LAPSED = 0.02
UNVERIFIED = 0.06
JOBS_OPEN_AT_ONCE = 6
MONTH = 30 * DAY

T = TypeVar("T", bound=Partner)


def populate(seed: int, size: Size, sheets: Sheets) -> World:
    """Makes the partners, their memberships and their jobs."""
    chance = Chance(seed, "partners")
    licenses: dict[Field, int] = {}
    companies = [_company(chance, size, sheets, number) for number in range(_some(size, COMPANIES))]
    schools = [_school(chance, size, sheets, number) for number in range(_some(size, SCHOOLS))]
    agencies = [_agency(chance, size, sheets, number, licenses) for number in range(_some(size, AGENCIES))]
    communities = [_community(chance, size, sheets, number) for number in range(_some(size, COMMUNITIES))]
    hiring = Weighted(companies, [company.weight for company in companies])
    left = size.partners - len(companies) - len(schools) - len(agencies) - len(communities)
    referrers = [_referrer(chance, size, sheets, hiring, number) for number in range(left)]
    everywhere = _region(companies, agencies, schools, communities, lambda _: True)
    regions = {
        name: _region(companies, agencies, schools, communities, lambda partner, name=name: partner.region == name)
        for name in REGIONS
    }
    _join_communities(chance, sheets, communities, regions)
    for company in companies:
        _post_jobs(chance, size, sheets, company)
    return World(size, seed, companies, schools, agencies, communities, referrers, [], regions, everywhere, licenses)


def _some(size: Size, part: float) -> int:
    return max(2, round(size.partners * part))


def _seat(chance: Chance, size: Size, power: float) -> tuple[str, str, float, int]:
    """Prefecture, region, weight and the time of joining; the large ones join early."""
    prefecture = _SEATS.at(chance.random())
    weight = min(chance.power(power), 400.0)
    joined = size.since - int(BEFORE * (1 - chance.random() ** 0.7))
    return prefecture, REGION_OF[prefecture], weight, joined


_SEATS = Weighted(PREFECTURES, PEOPLE)


def _write(
    sheets: Sheets, partner: Partner, slug: str, verified: int | None, *, legal_name: Field = NULL, **facts: Field
) -> None:
    sheets["partner"].add(
        partner.id,
        word(partner.kind),
        text(partner.name),
        legal_name,
        text(fold_name(partner.name)),
        text(slug),
        word(partner.prefecture),
        NULL if partner.kind == "REFERRER" else text(f"https://{slug}.example.com"),
        instant(partner.joined),
        optional_instant(verified),
        *(
            facts.get(name, NULL)
            for name in (
                "corporate_number",
                "school_code",
                "school_level",
                "license_number",
                "license_kind",
                "license_expires_on",
                "affiliation",
                "company_id",
                "focus",
            )
        ),
        facts.get("prefectures", texts(())),
    )


def _verified(chance: Chance, joined: int) -> int | None:
    return None if chance.random() < UNVERIFIED else joined + chance.between(0, 20 * DAY)


def _company(chance: Chance, size: Size, sheets: Sheets, number: int) -> Company:
    prefecture, region, weight, joined = _seat(chance, size, COMPANY_POWER)
    slug, name = names.company(number)
    company = Company(chance.id(joined), "COMPANY", name, prefecture, region, weight, joined)
    digits = corporate_number(number)
    _write(sheets, company, slug, _verified(chance, joined), corporate_number=text(digits))
    for language, (subject, body) in DEFAULTS.items():
        sheets["rejection_mail"].add(
            chance.id(joined), company.id, word(language), word(subject), word(body), instant(joined)
        )
    return company


def corporate_number(number: int) -> str:
    """A well-formed 法人番号 in a range that no registry office has handed out."""
    base = f"99{number:010d}"
    return next(code for digit in range(1, 10) if corporate_number_ok(code := f"{digit}{base}"))


def _school(chance: Chance, size: Size, sheets: Sheets, number: int) -> Partner:
    prefecture, region, weight, joined = _seat(chance, size, OTHER_POWER)
    level, letters = LEVELS.at(chance.random())
    slug, name = names.school(number, level)
    school = Partner(chance.id(joined), "SCHOOL", name, prefecture, region, weight, joined)
    base = f"{letters}{PREFECTURES.index(prefecture) + 1:02d}9{9_000_000 + number:07d}"
    code = next(code for digit in range(10) if school_code_ok(code := f"{base}{digit}"))
    _write(sheets, school, slug, _verified(chance, joined), school_code=text(code), school_level=word(level))
    return school


def _agency(chance: Chance, size: Size, sheets: Sheets, number: int, ends: dict[Field, int]) -> Partner:
    prefecture, region, weight, joined = _seat(chance, size, OTHER_POWER)
    slug, name = names.agency(number)
    agency = Partner(chance.id(joined), "AGENCY", name, prefecture, region, weight, joined)
    free = chance.random() < 0.12
    sign = "ム" if free else "ユ"
    lapsed = chance.random() < LICENSES_LAPSED
    expires = japan_day(size.until) + (-chance.between(5, 60) if lapsed else chance.between(30, LICENSE_YEARS_DAYS))
    ends[agency.id] = midnight(expires + 1)
    _write(
        sheets,
        agency,
        slug,
        _verified(chance, joined),
        license_number=text(f"{PREFECTURES.index(prefecture) + 1:02d}-{sign}-{900_000 + number:06d}"),
        license_kind=word("FREE" if free else "PAID"),
        license_expires_on=day(expires),
    )
    return agency


def _community(chance: Chance, size: Size, sheets: Sheets, number: int) -> Partner:
    prefecture, region, weight, joined = _seat(chance, size, OTHER_POWER)
    focus = "REGIONAL" if chance.random() < 0.6 else "INDUSTRY"
    slug, name = names.community(number, focus)
    community = Partner(chance.id(joined), "COMMUNITY", name, prefecture, region, weight, joined)
    near = tuple(sorted(REGIONS[region])) if focus == "REGIONAL" else (prefecture,)
    _write(sheets, community, slug, _verified(chance, joined), focus=word(focus), prefectures=texts(near))
    return community


def _referrer(chance: Chance, size: Size, sheets: Sheets, hiring: Weighted[Company], number: int) -> Referrer:
    _, _, weight, joined = _seat(chance, size, OTHER_POWER)
    company = hiring.at(chance.random())
    joined = max(joined, company.joined)
    affiliation = AFFILIATIONS.at(chance.random())
    referrer_id = chance.id(joined)
    alias = alias_of(uuid(referrer_id))
    referrer = Referrer(
        referrer_id,
        "REFERRER",
        f"紹介者 {alias}",
        company.prefecture,
        company.region,
        weight,
        joined,
        affiliation,
        company,
    )
    company.referrers.append(referrer)
    _write(
        sheets,
        referrer,
        f"referrer-{alias.lower()}{number:05d}",
        None,
        legal_name=text(names.person(number * 31 + 7)[0]),
        affiliation=word(affiliation),
        company_id=company.id,
    )
    return referrer


def _region(
    companies: Sequence[Company],
    agencies: Sequence[Partner],
    schools: Sequence[Partner],
    communities: Sequence[Partner],
    here: Callable[[Partner], bool],
) -> Region:
    def weighted(partners: Sequence[T]) -> Weighted[T]:
        # A region with none of a kind turns to those of the whole country.
        near = [partner for partner in partners if here(partner)] or list(partners)
        return Weighted(near, [partner.weight for partner in near])

    with_referrers = [company for company in companies if company.referrers] or list(companies)
    return Region(
        weighted(companies), weighted(with_referrers), weighted(agencies), weighted(schools), weighted(communities)
    )


def _join_communities(chance: Chance, sheets: Sheets, communities: list[Partner], regions: dict[str, Region]) -> None:
    for community in communities:
        region = regions[community.region]
        members: dict[Field, Partner] = {}
        for _ in range(4 + int(min(community.weight, 12) * 2)):
            kind = chance.random()
            near = region.companies if kind < 0.7 else region.schools if kind < 0.9 else region.agencies
            partner = near.at(chance.random())
            members[partner.id] = partner
        for partner in members.values():
            joined = max(partner.joined, community.joined) + chance.between(0, 90 * DAY)
            sheets["community_member"].add(community.id, partner.id, instant(joined))


def _post_jobs(chance: Chance, size: Size, sheets: Sheets, company: Company) -> None:
    """Jobs open one after another, so that a few are open at any time; each closes when the next ones have come."""
    months = max(1, (size.until - size.since) // MONTH)
    count = JOBS_OPEN_AT_ONCE + int(months / 12 * min(company.weight, 40))
    first = max(company.joined, size.since - 60 * DAY)
    times = sorted(first + int((size.until - first) * chance.random() * (n >= JOBS_OPEN_AT_ONCE)) for n in range(count))
    for number, opened in enumerate(times):
        job_id = chance.id(opened)
        company.job_ids.append(job_id)
        company.job_times.append(opened)
        closed = times[number + JOBS_OPEN_AT_ONCE] if number + JOBS_OPEN_AT_ONCE < count else None
        sheets["job"].add(
            job_id,
            company.id,
            word(chance.one(names.JOB_TITLES)),
            word(chance.one(names.REQUIREMENTS)),
            NULL if chance.random() < 0.5 else word(chance.one(names.CHALLENGES)),
            integer(1 + int(chance.random() ** 3 * 12)),
            word(company.prefecture),
            word("OPEN" if closed is None else "CLOSED"),
            NULL,
            instant(opened),
            optional_instant(closed),
            b"\0\0\0\x01\x01" if chance.random() < 0.6 else b"\0\0\0\x01\0",
        )
