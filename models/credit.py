"""Credits (紹介者の登録): referrals that a company's ATS tells of, with the application that came by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from models import candidate
from models.db import Connection, queries, recordset, uuid7
from models.outbox import Event, Said, publish_all
from models.referral import Referred, role_of, standing_of


@dataclass(frozen=True, slots=True)
class Credited:
    """A referral that a company's ATS credits."""

    said: Said
    referrer_id: UUID
    company_id: UUID
    person_id: UUID
    job_id: UUID | None = None
    relationship: str | None = None


async def credit_all(connection: Connection, credited: Sequence[Credited]) -> list[Referred]:
    """Referrals that a company's ATS credits, in this order: confirmed by the persons' own applications, so nobody is
    asked.

    Credited again, or submitted before by the same referrer, it is the same referral; one that waited (or waited too
    long) is confirmed thereby. Refuses NOT_FOUND for no company, or a person who was erased.
    """
    standing = dict[tuple[UUID, UUID, UUID | None], asyncpg.Record]()
    for each in credited:
        whose = (each.referrer_id, each.company_id, each.job_id)
        standing[whose] = standing.get(whose) or await standing_of(connection, *whose, None)
    wanted = [candidate.Wanted(each.referrer_id, person_id=each.person_id, at=each.said.at) for each in credited]
    await candidate.keep_all(connection, wanted)
    rows = [_row(each, standing[each.referrer_id, each.company_id, each.job_id]) for each in credited]
    fresh = {row["id"] async for row in queries("credit").record(connection, referrals=recordset(rows))}
    referred, events = list[Referred](), list[Event]()
    for row, each in zip(rows, credited, strict=True):
        kinds = ["REFERRAL_SUBMITTED", "REFERRAL_CONFIRMED"] if row["id"] in fresh else []
        if not kinds:
            row["id"], waited = await _again(connection, each)
            kinds = ["REFERRAL_CONFIRMED"] if waited else []
        told = [Event(kind, each.said, each.company_id, [each.referrer_id], referral_id=row["id"]) for kind in kinds]
        referred.append(Referred(row["id"], told[-1].id if told else None))
        events += told
    await publish_all(connection, events)
    return referred


def _row(credited: Credited, standing: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "referrer_id": credited.referrer_id,
        "company_id": credited.company_id,
        "job_id": credited.job_id,
        "person_id": credited.person_id,
        "relationship": credited.relationship,
        "role": role_of(standing["referrer_kind"], standing["agreement_kind"]),
        "at": credited.said.at,
    }


async def _again(connection: Connection, credited: Credited) -> tuple[UUID, bool]:
    """The referral that is there already, and whether it waited and is confirmed now."""
    known = await queries("credit").hold(
        connection,
        referrer_id=credited.referrer_id,
        company_id=credited.company_id,
        person_id=credited.person_id,
    )
    waited = known["status"] in ("SUBMITTED", "EXPIRED")
    if waited:
        await queries("referral").confirm(connection, id=known["id"], consent_id=None, at=credited.said.at)
        await queries("referral").cancel_mail(connection, ids=[known["id"]])
    return known["id"], waited
