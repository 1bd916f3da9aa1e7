"""Scalars: text that means one thing, checked once, at the door."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable
from typing import Any, NewType

import strawberry

from models.mailbox import EMAIL, EMAIL_CHARACTERS

DateTime = datetime.datetime
Date = datetime.date
Decimal = decimal.Decimal
Month = NewType("Month", datetime.date)
CorporateNumber = NewType("CorporateNumber", str)
SchoolCode = NewType("SchoolCode", str)
LicenseNumber = NewType("LicenseNumber", str)
EmailAddress = NewType("EmailAddress", str)
Url = NewType("Url", str)

MAXIMUM_TEXT = 2_000
DAY, MONTH = re.compile(r"\d{4}-\d{2}-\d{2}"), re.compile(r"\d{4}-(0[1-9]|1[0-2])")
DECIMAL = re.compile(r"[+-]?\d{1,20}(\.\d{1,10})?")
SQL_TYPES = {"Month": "date"}
"""The scalars that are bound with another SQL type than text."""


def _instant(value: object) -> datetime.datetime:
    try:
        instant = datetime.datetime.fromisoformat(_text(value))
    except ValueError:
        raise ValueError("Write an instant as RFC 3339, such as 2026-04-01T09:00:00+09:00.") from None
    if instant.tzinfo is None:
        raise ValueError("An instant needs its offset, such as +09:00 or Z.")
    return instant.astimezone(datetime.UTC)


def _day(value: object) -> datetime.date:
    text = _text(value)
    if not DAY.fullmatch(text):
        raise ValueError("Write a day as YYYY-MM-DD.")
    return datetime.date.fromisoformat(text)


def _month(value: object) -> datetime.date:
    text = _text(value)
    if not MONTH.fullmatch(text):
        raise ValueError("Write a month as YYYY-MM.")
    return datetime.date.fromisoformat(f"{text}-01")


def _decimal(value: object) -> decimal.Decimal:
    text = _text(value)
    if not DECIMAL.fullmatch(text):
        raise ValueError('Write a decimal as text, such as "0.3333".')
    return decimal.Decimal(text)


def _matching(pattern: str, what: str) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def parse(value: object) -> str:
        text = _text(value)
        if len(text) > MAXIMUM_TEXT or not compiled.fullmatch(text):
            raise ValueError(what)
        return text

    return parse


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("Write this value as text, in quotes.")
    return value


def _scalar(name: str, description: str, url: str, parse: Callable[[Any], Any], serialize: Callable[[Any], Any]) -> Any:
    return strawberry.scalar(
        name=name, description=description, specified_by_url=url, parse_value=parse, serialize=serialize
    )


# fmt: off
SCALARS: dict[object, Any] = {
    datetime.datetime: _scalar(
        "DateTime", "Instant, RFC 3339 with offset; answers are in UTC (+00:00)",
        "https://scalars.graphql.org/andimarek/date-time.html", _instant, datetime.datetime.isoformat),
    datetime.date: _scalar(
        "Date", "Calendar day in Japan, YYYY-MM-DD",
        "https://scalars.graphql.org/andimarek/local-date.html", _day, datetime.date.isoformat),
    Month: _scalar(
        "Month", "Calendar month in Japan, YYYY-MM",
        "https://www.rfc-editor.org/rfc/rfc3339#appendix-A", _month, lambda value: value.strftime("%Y-%m")),
    decimal.Decimal: _scalar(
        "Decimal", 'Exact decimal as a string, such as "0.3333": shares and slots are never floating point',
        "https://www.w3.org/TR/xmlschema11-2/#decimal", _decimal, str),
    CorporateNumber: _scalar(
        "CorporateNumber", "Corporate number (法人番号): 13 digits, check digit verified",
        "https://www.houjin-bangou.nta.go.jp/", _matching(r"[1-9]\d{12}", "A corporate number has 13 digits."), str),
    SchoolCode: _scalar(
        "SchoolCode", "School code (学校コード): 13 characters, check digit verified",
        "https://www.mext.go.jp/b_menu/toukei/mext_01087.html",
        _matching(r"[A-Z0-9]{13}", "A school code has 13 characters, capital letters and digits."), str),
    LicenseNumber: _scalar(
        "LicenseNumber", "Licence number (許可番号): NN-ユ-NNNNNN for a fee, NN-ム-NNNNNN free of charge",
        "https://jinzai.hellowork.mhlw.go.jp/",
        _matching(r"\d{2}-[ユム]-\d{6}", "A licence number looks like 13-ユ-123456."), str),
    EmailAddress: _scalar(
        "EmailAddress", "E-mail address",
        "https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address",
        _matching(rf"(?=.{{3,{EMAIL_CHARACTERS}}}$){EMAIL.pattern}", "This is not an e-mail address."), str),
    Url: _scalar(
        "Url", "Absolute https URL", "https://url.spec.whatwg.org/",
        _matching(r"https://[^\s/]+\S*", "Write an absolute https URL."), str),
}
# fmt: on
