"""Partners join with numbers that can be true, one slug each, and a referrer under an alias."""

import re
from datetime import date
from uuid import UUID

import pytest

from models import partner
from models.db import pool, unit_of_work
from models.errors import Refusal, RefusalCode
from models.registry import (
    PREFECTURES,
    corporate_number_ok,
    fold_name,
    license_number_parts,
    plain,
    school_code_ok,
)
from tests import builders


async def row(partner_id: UUID) -> dict[str, object]:
    return dict(await pool().fetchrow("select * from partner where id = $1", partner_id) or {})


@pytest.mark.parametrize("number", ["7000012050002", "1180301018771", "8000012010038"])
def test_published_corporate_numbers_are_valid(number: str) -> None:
    assert corporate_number_ok(number)
    for place, digit in enumerate(number[1:], 1):
        mistyped = number[:place] + str((int(digit) + 1) % 10) + number[place + 1 :]
        assert not corporate_number_ok(mistyped)


@pytest.mark.parametrize("number", ["", "0000012050002", "700001205000", "70000120500022", "700001205000X"])
def test_other_texts_are_no_corporate_number(number: str) -> None:
    assert not corporate_number_ok(number)


@pytest.mark.parametrize(
    "code", ["F101110100010", "F113110102700", "F113310103581", "G113110104564", "H113310400202", "B110210000008"]
)
def test_published_school_codes_are_valid(code: str) -> None:
    assert school_code_ok(code)
    for place, digit in enumerate(code[1:], 1):
        mistyped = code[:place] + str((int(digit) + 1) % 10) + code[place + 1 :]
        assert not school_code_ok(mistyped)


def test_a_licence_number_says_where_and_whether_for_a_fee() -> None:
    paid, free = license_number_parts("13-ユ-010001"), license_number_parts("47-ム-300001")

    assert paid is not None
    assert free is not None
    assert (paid.prefecture_code, paid.kind) == (13, "PAID")
    assert (free.prefecture_code, free.kind) == (47, "FREE")
    for wrong in ("48-ユ-010001", "00-ユ-010001", "13-オ-010001", "13-ユ-10001", "13ユ010001", ""):
        assert license_number_parts(wrong) is None


def test_numbers_are_read_as_people_type_them() -> None:
    assert plain("１３－ﾕ－０１０００１") == "13-ユ-010001"
    assert plain("13‐ユ−010001") == "13-ユ-010001"
    assert plain(" f101110100010 ") == "F101110100010"


def test_names_are_ordered_without_regard_to_kana_and_width() -> None:
    assert fold_name("サクラ ＡＢＣ") == fold_name("さくら abc") == fold_name("ｻｸﾗ ABC") == "さくら abc"


def test_the_prefectures_stand_in_their_official_order() -> None:
    codes = list(PREFECTURES)

    assert len(codes) == 47
    assert (codes[0], codes[12], codes[46]) == ("HOKKAIDO", "TOKYO", "OKINAWA")
    assert PREFECTURES["TOKYO"] == "東京都"


async def test_each_kind_joins_with_its_facts(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        school_id = await builders.school(connection)
        agency_id = await builders.agency(connection)
        community_id = await builders.community(connection)

    company, agency = await row(company_id), await row(agency_id)
    assert (company["kind"], company["sort_name"], company["slug"]) == ("COMPANY", "株式会社さくら製作所", "sakura")
    assert company["verified_at"] is not None
    assert (agency["license_kind"], agency["license_expires_on"]) == ("PAID", date(2031, 3, 31))
    assert (await row(school_id))["school_level"] == "UNIVERSITY"
    assert (await row(community_id))["prefectures"] == ["TOKYO"]


async def test_a_referrer_is_known_by_an_alias(connected: str) -> None:
    async with unit_of_work() as connection:
        company_id = await builders.company(connection)
        referrer_id = await builders.referrer(connection, company_id)

    referrer = await row(referrer_id)
    assert re.fullmatch(r"紹介者 [0-9A-Z]{4}", str(referrer["name"]))
    assert re.fullmatch(r"referrer-[0-9a-z]{8}", str(referrer["slug"]))
    assert referrer["legal_name"] == "佐藤 花子"
    assert referrer["verified_at"] is None


async def test_nobody_registers_another_companys_referrer(connected: str) -> None:
    async with unit_of_work() as connection:
        one = await builders.company(connection)
        other = await builders.company(connection, "株式会社もみじ")

    for company_id, code in ((other, RefusalCode.NOT_YOURS), (UUID(int=1), RefusalCode.NOT_FOUND)):
        with pytest.raises(Refusal) as refused:
            async with unit_of_work() as connection:
                await partner.register_referrer(
                    connection, acting=one, company_id=company_id, name="x", affiliation="EMPLOYEE", prefecture="TOKYO"
                )
        assert refused.value.code == code
    assert await pool().fetchval("select count(*) from partner where kind = 'REFERRER'") == 0


async def test_slugs_come_from_the_website_or_the_name_and_are_unique(connected: str) -> None:
    async def slug(name: str, url: str | None = None) -> str:
        async with unit_of_work() as connection:
            partner_id = await partner.register_community(
                connection, name=name, focus="INDUSTRY", prefectures=[], prefecture="OSAKA", url=url
            )
        return str((await row(partner_id))["slug"])

    assert await slug("大阪協会", "https://www.osaka-kyokai.example.jp/about") == "osaka-kyokai"
    assert re.fullmatch(r"osaka-kyokai-[0-9a-f]{4}", await slug("別の協会", "https://osaka-kyokai.example.com"))
    assert await slug("ABC Works 協会") == "abc-works"
    assert re.fullmatch(r"community-[0-9a-z]{4}", await slug("大阪協会"))


async def test_wrong_or_known_numbers_are_refused_and_nothing_is_written(connected: str) -> None:
    number = builders.corporate_number(77)
    async with unit_of_work() as connection:
        await partner.register_company(connection, name="一番", corporate_number=number, prefecture="TOKYO")

    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    cases = [
        ({"name": "二番", "corporate_number": number, "prefecture": "TOKYO"}, RefusalCode.DUPLICATE, None),
        ({"name": "二番", "corporate_number": wrong, "prefecture": "TOKYO"}, RefusalCode.INVALID, "corporateNumber"),
        (
            {"name": "二番", "corporate_number": builders.corporate_number(78), "prefecture": "EDO"},
            RefusalCode.INVALID,
            "prefecture",
        ),
        (
            {"name": " ", "corporate_number": builders.corporate_number(78), "prefecture": "TOKYO"},
            RefusalCode.INVALID,
            "name",
        ),
        (
            {
                "name": "二番",
                "corporate_number": builders.corporate_number(78),
                "prefecture": "TOKYO",
                "url": "http://x.example",
            },
            RefusalCode.INVALID,
            "url",
        ),
    ]
    for given, code, path in cases:
        with pytest.raises(Refusal) as refused:
            async with unit_of_work() as connection:
                await partner.register_company(connection, **given)
        assert (refused.value.code, refused.value.path) == (code, ("input", path) if path else None)
    assert await pool().fetchval("select count(*) from partner") == 1


async def test_a_community_gains_members_once(connected: str) -> None:
    async with unit_of_work() as connection:
        community_id, company_id = await builders.community(connection), await builders.company(connection)
        for _ in range(2):
            await partner.join_community(connection, community_id=community_id, partner_id=company_id)

    assert await pool().fetchval("select count(*) from community_member") == 1


async def test_a_licence_holds_through_its_last_day(connected: str) -> None:
    async with unit_of_work() as connection:
        agency_id = await builders.agency(connection, license_expires_on=date(2026, 4, 1))
        await partner.require_licenses(connection, [agency_id], on=date(2026, 4, 1))
        with pytest.raises(Refusal) as refused:
            await partner.require_licenses(connection, [agency_id], on=date(2026, 4, 2))
    assert refused.value.code == RefusalCode.LICENSE_EXPIRED
