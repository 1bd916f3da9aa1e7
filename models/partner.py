"""Partners (パートナー): companies, schools, agencies, referrers and communities."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import jaconv
from tortoise import fields
from tortoise.models import Model

from models import audit
from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode, invalid, not_found
from models.registry import (
    PREFECTURES,
    corporate_number_ok,
    fold_name,
    license_number_parts,
    plain,
    school_code_ok,
)

NAME_CHARACTERS = 200
SLUG_CHARACTERS = 40
SLUG_TRIES = 5
ALIAS_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no letter that looks like a digit
ALIAS_CHARACTERS = 4

SCHOOL_LEVELS = ("UNIVERSITY", "JUNIOR_COLLEGE", "TECHNICAL_COLLEGE", "VOCATIONAL", "HIGH_SCHOOL", "OTHER")
AFFILIATIONS = ("EMPLOYEE", "ALUMNUS", "CLIENT")
FOCUSES = ("REGIONAL", "INDUSTRY")


class Partner(Model):
    """Any organisation or referrer on the network; `kind` says which, the other columns are that kind's facts."""

    id = fields.UUIDField(primary_key=True, default=uuid7)
    kind = fields.CharField(max_length=20)
    name = fields.CharField(max_length=200)
    legal_name = fields.CharField(max_length=200, null=True)
    sort_name = fields.TextField()
    slug = fields.CharField(max_length=63, unique=True)
    prefecture = fields.CharField(max_length=20)
    url = fields.TextField(null=True)
    joined_at = fields.DatetimeField()
    verified_at = fields.DatetimeField(null=True)
    corporate_number = fields.CharField(max_length=13, null=True, unique=True)
    school_code = fields.CharField(max_length=13, null=True, unique=True)
    school_level = fields.CharField(max_length=20, null=True)
    license_number = fields.CharField(max_length=12, null=True, unique=True)
    license_kind = fields.CharField(max_length=4, null=True)
    license_expires_on = fields.DateField(null=True)
    affiliation = fields.CharField(max_length=10, null=True)
    company_id = fields.UUIDField(null=True)
    focus = fields.CharField(max_length=10, null=True)

    class Meta(Model.Meta):
        table = "partner"


def alias_of(row_id: UUID) -> str:
    """Four characters that stand for a row without telling anything of it, taken from the id's random end."""
    number, signs = row_id.int, ""
    for _ in range(ALIAS_CHARACTERS):
        number, place = divmod(number, len(ALIAS_ALPHABET))
        signs += ALIAS_ALPHABET[place]
    return signs


async def by_slug(connection: audit.Connection, slug: str) -> UUID | None:
    """The partner of that short name."""
    return await queries("partner").by_slug(connection, slug=slug)


async def kind_of(connection: audit.Connection, partner_id: UUID) -> str:
    """What kind of partner it is, such as COMPANY."""
    return await queries("partner").kind_of(connection, id=partner_id)


async def register_company(
    connection: Connection, *, name: str, corporate_number: str, prefecture: str, url: str | None = None
) -> UUID:
    """A company (企業) joins. The operator has looked at its papers, so it is verified from the start.

    Refuses INVALID for a number whose check digit is wrong, DUPLICATE for one that is on the network.
    """
    number = plain(corporate_number)
    if not corporate_number_ok(number):
        raise _wrong_number("corporateNumber", "法人番号", "corporate number")
    return await _register(connection, _Row("COMPANY", name, prefecture, url, corporate_number=number))


async def register_school(
    connection: Connection, *, name: str, school_code: str, level: str, prefecture: str, url: str | None = None
) -> UUID:
    """A school (学校) joins, verified. Refuses INVALID for a wrong code or level, DUPLICATE for a known code."""
    code = plain(school_code)
    if not school_code_ok(code):
        raise _wrong_number("schoolCode", "学校コード", "school code")
    _one_of(level, SCHOOL_LEVELS, "level")
    return await _register(connection, _Row("SCHOOL", name, prefecture, url, school_code=code, school_level=level))


async def register_agency(
    connection: Connection,
    *,
    name: str,
    license_number: str,
    license_expires_on: date,
    prefecture: str,
    url: str | None = None,
) -> UUID:
    """An agency (人材紹介会社) joins, verified. Refuses INVALID for a wrong number, DUPLICATE for a known one."""
    license_ = license_number_parts(plain(license_number))
    if license_ is None:
        raise _wrong_number("licenseNumber", "許可番号", "licence number")
    row = _Row(
        "AGENCY",
        name,
        prefecture,
        url,
        license_number=license_.number,
        license_kind=license_.kind,
        license_expires_on=license_expires_on,
    )
    return await _register(connection, row)


async def register_referrer(
    connection: Connection, *, acting: UUID, company_id: UUID, name: str, affiliation: str, prefecture: str
) -> UUID:
    """A referrer (社員・OB・取引先) of one's own company joins; unverified, since only the company vouches for them.

    Their public name is an alias. Refuses NOT_YOURS for another company's.
    """
    if await kind_of(connection, company_id) != "COMPANY":
        raise not_found("input", "companyId")
    if acting != company_id:
        raise Refusal(
            RefusalCode.NOT_YOURS,
            ja="紹介者を登録できるのは、その企業の管理者だけです。",
            en="Only the company's own administrators register its referrers.",
            path=("input", "companyId"),
        )
    _one_of(affiliation, AFFILIATIONS, "affiliation")
    partner_id = uuid7()
    row = _Row(
        "REFERRER",
        f"紹介者 {alias_of(partner_id)}",
        prefecture,
        id=partner_id,
        legal_name=_name(name),
        affiliation=affiliation,
        company_id=company_id,
    )
    return await _register(connection, row)


async def register_community(
    connection: Connection,
    *,
    name: str,
    focus: str,
    prefectures: Sequence[str],
    prefecture: str,
    url: str | None = None,
) -> UUID:
    """A community (地域団体・業界団体) joins, verified. `prefectures`: those it speaks for."""
    _one_of(focus, FOCUSES, "focus")
    for spoken_for in prefectures:
        _one_of(spoken_for, tuple(PREFECTURES), "prefectures")
    row = _Row("COMMUNITY", name, prefecture, url, focus=focus, prefectures=sorted(set(prefectures)))
    return await _register(connection, row)


async def join_community(connection: Connection, *, community_id: UUID, partner_id: UUID) -> None:
    """A partner becomes a member (会員) of a community; joining again changes nothing."""
    if await kind_of(connection, community_id) != "COMMUNITY":
        raise not_found("input", "communityId")
    await queries("partner").join_community(
        connection, community_id=community_id, partner_id=partner_id, at=datetime.now(UTC)
    )


async def require_licenses(connection: Connection, partner_ids: Sequence[UUID], *, on: date) -> None:
    """Refuses LICENSE_EXPIRED when an agency among these partners may not act on that day (Japan)."""
    rows = queries("partner").unlicensed(connection, partner_ids=list(partner_ids), on=on)
    if [row async for row in rows]:
        raise Refusal(
            RefusalCode.LICENSE_EXPIRED,
            ja="人材紹介会社の許可が有効期限を過ぎています。更新後にもう一度お試しください。",
            en="The agency's licence has expired. Try again once it has been renewed.",
        )


@dataclass(slots=True)
class _Row:
    kind: str
    name: str
    prefecture: str
    url: str | None = None
    id: UUID = field(default_factory=uuid7)
    legal_name: str | None = None
    corporate_number: str | None = None
    school_code: str | None = None
    school_level: str | None = None
    license_number: str | None = None
    license_kind: str | None = None
    license_expires_on: date | None = None
    affiliation: str | None = None
    company_id: UUID | None = None
    focus: str | None = None
    prefectures: list[str] = field(default_factory=list[str])


async def _register(connection: Connection, row: _Row) -> UUID:
    row.name = _name(row.name)
    _one_of(row.prefecture, tuple(PREFECTURES), "prefecture")
    if row.url is not None and not _is_https(row.url):
        raise invalid("url", "URLは https:// で始まる必要があります。", "A URL must begin with https://.")
    at = datetime.now(UTC)
    values: dict[str, Any] = asdict(row)
    slug = _slug(row)
    for attempt in range(SLUG_TRIES):
        found = await queries("partner").register(
            connection,
            **values,
            sort_name=fold_name(row.name),
            slug=slug if attempt == 0 else f"{slug}-{secrets.token_hex(2)}",
            at=at,
            verified_at=None if row.kind == "REFERRER" else at,
        )
        if found is not None:
            return row.id
        if await queries("partner").has_number(
            connection,
            corporate_number=row.corporate_number,
            school_code=row.school_code,
            license_number=row.license_number,
        ):
            raise Refusal(
                RefusalCode.DUPLICATE,
                ja="この番号のパートナーはすでに登録されています。",
                en="A partner with this number is registered already.",
            )
    raise RuntimeError(f"no free slug was found in {SLUG_TRIES} tries")


def _slug(row: _Row) -> str:
    """A short name for addresses: from the website, else what of the name can be written in ASCII, else the kind.

    A referrer's tells nothing of their name.
    """
    if row.kind == "REFERRER":
        return f"referrer-{alias_of(row.id)}{secrets.token_hex(2)}".lower()
    host = (urlsplit(row.url).hostname or "" if row.url else "").removeprefix("www.").split(".")[0]
    spoken = jaconv.kana2alphabet(fold_name(row.name))
    for written in (host, spoken):
        slug = re.sub(r"[^a-z0-9]+", "-", written).strip("-")[:SLUG_CHARACTERS].strip("-")
        if len(slug) >= 3:
            return slug
    return f"{row.kind.lower()}-{alias_of(row.id).lower()}"


def _is_https(url: str) -> bool:
    try:
        return url.startswith("https://") and bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS or not name.isprintable():
        raise invalid(
            "name",
            f"名称は改行なしの1〜{NAME_CHARACTERS}文字で入力してください。",
            f"A name has 1 to {NAME_CHARACTERS} characters on one line.",
        )
    return name


def _one_of(value: str, known: Sequence[str], path: str) -> None:
    if value not in known:
        raise invalid(path, "選択肢にない値です。", f"Choose one of {', '.join(known)}.")


def _wrong_number(path: str, ja: str, en: str) -> Refusal:
    return invalid(
        path, f"{ja}の検査数字が一致しません。番号を確かめてください。", f"This is not a {en}. Check its digits."
    )
