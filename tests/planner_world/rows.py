"""The rows of the toy world, made from a seed: ties, nulls, evil strings, hidden rows, empty lists."""

from __future__ import annotations

import datetime
import json
import random
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

Row = dict[str, Any]
Rows = dict[str, list[Row]]

EVIL = (
    "plain", "O'Brien", 'say "x"', "back\\slash", "line\nbreak", "tab\there", "u2028\u2028end", "絵文字🎌", "", "null",
    "{row}", "$1", "%s {value}", "';drop table job;--", "a" * 200, "\u0001ctl", "é", "Z", "z", "</script>",
)  # fmt: skip
STATUSES = ("OPEN", "CLOSED", "DRAFT")
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def world(seed: int) -> Rows:
    """All tables. Every instant falls on one of few values, so that orders tie."""
    source = random.Random(seed)
    made: Rows = {}

    def key() -> uuid.UUID:
        return uuid.UUID(int=source.getrandbits(128), version=4)

    def instant() -> datetime.datetime:
        extra = source.choice((0, 0, 120_000, 123_456))
        return START + datetime.timedelta(days=source.randrange(6), microseconds=extra)

    def text() -> str:
        return source.choice(EVIL)

    partners = made["partner"] = []
    for number in range(14):
        kind = ("COMPANY", "COMPANY", "SCHOOL", "REFERRER", "REFERRER")[number % 5]
        companies = [row["id"] for row in partners if row["kind"] == "COMPANY"]
        partners.append({
            "id": key(), "kind": kind, "name": text(), "number": f"N{number}" if source.random() < 0.8 else None,
            "employer_id": source.choice(companies) if kind == "REFERRER" and source.random() < 0.8 else None,
            "tags": [text() for _ in range(source.randrange(4))],
            "moods": source.choice((None, [], ["a", "b"], ["a", None])),
            "level": source.choice((None, "HIGH", "LOW")), "joined_at": instant(),
            "verified_at": source.choice((None, instant())),
        })  # fmt: skip
    made["job"] = [_job(source, key(), partners, text, instant) for _ in range(30)]
    made |= _people(source, partners, key, text)

    def maybe(rows: list[Row]) -> uuid.UUID | None:
        return source.choice(rows)["id"] if rows and source.random() < 0.8 else None

    made["referral"] = [
        {
            "id": key(), "company_id": source.choice([p for p in partners if p["kind"] == "COMPANY"])["id"],
            "referrer_id": source.choice(partners)["id"], "job_id": maybe(made["job"]),
            "candidate_id": maybe(made["candidate"]), "status": source.choice(STATUSES),
            "note": source.choice((None, text())), "submitted_at": instant(),
        }
        for _ in range(60)
    ]  # fmt: skip
    made["outcome"] = [
        {
            "id": key(), "referral_id": referral["id"], "kind": source.choice(("HIRED", "REJECTED")),
            "position": source.randrange(2**53, 2**62), "batch": source.randrange(3), "secret": source.random() < 0.3,
        }
        for referral in made["referral"] if source.random() < 0.6
    ]  # fmt: skip
    pairs = {(a["id"], b["id"]) for a in made["job"] for b in made["job"] if a is not b and source.random() < 0.15}
    made["kinship"] = [
        {
            "job_id": a, "other_id": b, "weight": source.randrange(4), "remark": source.choice((None, text())),
            "secret": source.random() < 0.2,
        }
        for a, b in sorted(pairs)
    ]  # fmt: skip
    made["mail"] = [
        {"id": key(), "partner_id": partner["id"], "language": language, "subject": text()}
        for partner in partners for language in ("JA", "EN") if source.random() < 0.5
    ]  # fmt: skip
    return made


def _people(source: random.Random, partners: list[Row], key: Any, text: Any) -> Rows:
    persons = [key() for _ in range(6)]
    candidates = [
        {"id": key(), "partner_id": partner["id"], "person_id": person, "alias": text()}
        for person in persons for partner in partners if source.random() < 0.4
    ]  # fmt: skip
    items = [
        {"person_id": person, "item": item, "sealed": text()[::-1].encode(), "reader_id": partner["id"]}
        for person in persons for partner in partners for item in ("name", "email") if source.random() < 0.4
    ]  # fmt: skip
    return {"candidate": candidates, "personal_item": items}


def _job(source: random.Random, key: uuid.UUID, partners: list[Row], text: Any, instant: Any) -> Row:
    low = source.choice((None, 0.25, 1.0))
    terms: Row = {
        "days": source.randrange(99),
        "label": source.choice((None, text())),
        "status": source.choice(STATUSES),
    }
    if source.random() < 0.9:
        terms["steps"] = [
            {"kind": text(), "count": source.choice((None, 3)), "inner": source.choice((None, {"deep": text()}))}
            for _ in range(source.randrange(3))
        ]
    if source.random() < 0.6:
        terms |= {"rate": 1.5, "starts_on": "2026-04-01", "limits": {"low": 0.5, "high": 2.0}}
    return {
        "id": key, "company_id": source.choice([p for p in partners if p["kind"] == "COMPANY"])["id"], "title": text(),
        "status": source.choice(STATUSES), "openings": source.randrange(3),
        "ratio": source.choice((None, 0.1, 1e20, 3.0)),
        "salary": source.choice((Decimal("1.500"), Decimal("0.001"), Decimal("123456789.000"))),
        "budget": source.choice((None, 2**60, -1)), "opened_at": instant(),
        "closes_on": source.choice((None, datetime.date(2026, 5, 1), datetime.date(2026, 5, 2))),
        "hidden": source.random() < 0.3, "terms": terms, "low": low, "high": None if source.random() < 0.3 else 2.5,
    }  # fmt: skip


async def create(connection: asyncpg.Connection[Any], rows: Rows) -> None:
    """Make the tables and fill them."""
    await connection.execute((Path(__file__).parent / "tables.sql").read_text())
    for table, each in rows.items():
        if each:
            records = [
                tuple(json.dumps(value) if isinstance(value, dict) else value for value in row.values()) for row in each
            ]
            await connection.copy_records_to_table(table, records=records, columns=list(each[0]))
    await connection.execute("analyze")
