"""Applications (応募): received by a company, directly or by a referral, each with its event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from models.db import Connection, queries, recordset, uuid7
from models.errors import Refusal, RefusalCode, invalid, not_found, wrong_state
from models.outbox import Event, Said, publish_all

STAGES = ("APPLIED", "SCREENING", "TEST", "INTERVIEW", "FINAL_INTERVIEW", "OFFER", "OFFER_ACCEPTED")
ROUTES = (
    "DIRECT",
    "EMPLOYEE_REFERRAL",
    "PERSONAL_REFERRAL",
    "PARTNER_REFERRAL",
    "AGENCY",
    "RELAY",
    "SCHOOL",
    "COMMUNITY",
    "MEDIA",
)
ROUTE_OF_KIND = {"COMPANY": "PARTNER_REFERRAL", "AGENCY": "AGENCY", "SCHOOL": "SCHOOL", "COMMUNITY": "COMMUNITY"}


@dataclass(frozen=True, slots=True)
class Received:
    """An application that is to be recorded; `record` says what each field means."""

    said: Said
    person_id: UUID | None = None
    route: str = "DIRECT"
    job_id: UUID | None = None
    referral_id: UUID | None = None
    external_id: str | None = None
    stage: str = "APPLIED"


@dataclass(frozen=True, slots=True)
class Recorded:
    """An application; `event_id` is None when it had been recorded before, and nothing changed."""

    application_id: UUID
    event_id: UUID | None


async def record(
    connection: Connection,
    *,
    said: Said,
    person_id: UUID | None = None,
    route: str = "DIRECT",
    job_id: UUID | None = None,
    referral_id: UUID | None = None,
    external_id: str | None = None,
    stage: str = "APPLIED",
) -> Recorded:
    """Records an application to the company that says it (応募の登録), received at `said.at`.

    With a referral, person and route are the referral's; a second application by the same referral stands without it.
    The same `external_id` again is the same application. Refuses NOT_FOUND for another company's job or referral,
    CONSENT_MISSING for a referral that the candidate has not confirmed, INVALID.
    """
    received = Received(said, person_id, route, job_id, referral_id, external_id, stage)
    [recorded] = await record_all(connection, [received])
    return recorded


async def record_all(connection: Connection, received: Sequence[Received]) -> list[Recorded]:
    """Records applications, as `record` does, in this order; the first by a referral has it, the others stand without.

    Raises as `record` does for any of them; what was done for the others is then the caller's to undo.
    """
    grounds = await _grounds(connection, received)
    taken = set[UUID]()
    rows = [_row(each, grounds.get(place), taken) for place, each in enumerate(received)]
    fresh = {row["id"] async for row in queries("application").record(connection, applications=recordset(rows))}
    recorded, events = list[Recorded](), list[Event]()
    for row, each in zip(rows, received, strict=True):
        if row["id"] not in fresh:
            recorded.append(await _recorded_before(connection, each.said.by, each.external_id))
            continue
        event = Event(
            "APPLICATION_RECEIVED",
            each.said,
            each.said.by,
            [row["referrer_id"]] if row["referrer_id"] else (),
            application_id=row["id"],
            referral_id=row["referral_id"],
        )
        recorded.append(Recorded(row["id"], event.id))
        events.append(event)
    await publish_all(connection, events)
    return recorded


async def _grounds(connection: Connection, received: Sequence[Received]) -> dict[int, asyncpg.Record]:
    """By place, the job's company and the referral of each that names either."""
    asked = [
        {"place": place, "job_id": each.job_id, "referral_id": each.referral_id}
        for place, each in enumerate(received)
        if each.job_id is not None or each.referral_id is not None
    ]
    if not asked:
        return {}
    found = queries("application").grounds(connection, asked=recordset(asked))
    return {row["place"]: row async for row in found}


def _row(received: Received, grounds: asyncpg.Record | None, taken: set[UUID]) -> dict[str, Any]:
    """What is written of an application; its referral joins those that are taken."""
    if received.route not in ROUTES or received.stage not in STAGES:
        raise invalid("route", "選択肢にない経路か段階です。", "Choose a known route and stage.")
    person_id, job_id, referral_id, route = received.person_id, received.job_id, received.referral_id, received.route
    referrer_id: UUID | None = None
    if grounds is not None and job_id is not None and grounds["job_company_id"] != received.said.by:
        raise not_found("input", "jobId")
    if grounds is not None and referral_id is not None:
        _must_be_confirmed(grounds, received.said.by)
        person_id, referrer_id = grounds["person_id"], grounds["referrer_id"]
        job_id, route = job_id or grounds["job_id"], _route(grounds)
        referral_id = None if grounds["taken"] or referral_id in taken else referral_id
        taken |= {referral_id} if referral_id else set()
    if person_id is None:
        raise invalid(
            "email", "応募者のメールアドレスか紹介が必要です。", "Name the person, or the referral behind it."
        )
    return {
        "id": uuid7(),
        "company_id": received.said.by,
        "job_id": job_id,
        "person_id": person_id,
        "referral_id": referral_id,
        "referrer_id": referrer_id,
        "route": route,
        "stage": received.stage,
        "external_id": received.external_id,
        "at": received.said.at,
    }


async def _recorded_before(connection: Connection, company_id: UUID, external_id: str | None) -> Recorded:
    known = external_id and await queries("application").by_external_id(
        connection, company_id=company_id, external_id=external_id
    )
    if known:
        return Recorded(known, None)
    raise wrong_state(
        "この紹介による応募はすでに登録されています。",
        "An application by this referral has been recorded already.",
        path=("input", "referralId"),
    )


def _must_be_confirmed(grounds: asyncpg.Record, company_id: UUID) -> None:
    if grounds["company_id"] != company_id:
        raise not_found("input", "referralId")
    if grounds["status"] in ("SUBMITTED", "DECLINED", "EXPIRED"):
        raise Refusal(
            RefusalCode.CONSENT_MISSING,
            ja="この紹介はご本人の確認がまだか、確認されませんでした。",
            en="The candidate has not confirmed this referral.",
            path=("input", "referralId"),
        )


def _route(grounds: asyncpg.Record) -> str:
    if grounds["origin_id"] is not None:
        return "RELAY"
    if grounds["referrer_kind"] == "REFERRER":
        return "EMPLOYEE_REFERRAL" if grounds["affiliation"] == "EMPLOYEE" else "PERSONAL_REFERRAL"
    return ROUTE_OF_KIND[grounds["referrer_kind"]]
