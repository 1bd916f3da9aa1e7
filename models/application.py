"""Applications (応募): what a company records of them, each fact with its event.

What follows elsewhere from a decision (invitation, slot, contribution) is said by later words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from uuid import UUID

import asyncpg

from models.db import queries, uuid7
from models.errors import Refusal, RefusalCode, invalid, not_found, not_yours, too_long
from models.outbox import Said, publish

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

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
REJECTION_REASON_CHARACTERS, REVERT_REASON_CHARACTERS = 2_000, 1_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """An application; `event_id` is None when it had been recorded before, and nothing changed."""

    application_id: UUID
    event_id: UUID | None


@dataclass(frozen=True, slots=True)
class Hired:
    """A hire, its event, and the handover that it grew from, if from one."""

    hire_id: UUID
    event_id: UUID
    handover_id: UUID | None


@dataclass(frozen=True, slots=True)
class Reverted:
    """A decision taken back: REJECTED or HIRED, then with the hire it undid."""

    event_id: UUID
    decision: str
    hire_id: UUID | None


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
    if route not in ROUTES or stage not in STAGES:
        raise invalid("route", "選択肢にない経路か段階です。", "Choose a known route and stage.")
    referrer: UUID | None = None
    if job_id is not None or referral_id is not None:
        grounds = await queries("application").grounds(connection, job_id=job_id, referral_id=referral_id)
        if job_id is not None and grounds["job_company_id"] != said.by:
            raise not_found("input", "jobId")
        if referral_id is not None:
            _must_be_confirmed(grounds, said.by)
            person_id, referrer = grounds["person_id"], grounds["referrer_id"]
            job_id, route = job_id or grounds["job_id"], _route(grounds)
            referral_id = None if grounds["taken"] else referral_id
    if person_id is None:
        raise invalid(
            "email", "応募者のメールアドレスか紹介が必要です。", "Name the person, or the referral behind it."
        )
    application_id: UUID | None = await queries("application").record(
        connection,
        id=uuid7(),
        company_id=said.by,
        job_id=job_id,
        person_id=person_id,
        referral_id=referral_id,
        route=route,
        stage=stage,
        external_id=external_id,
        at=said.at,
    )
    if application_id is None:
        return await _recorded_before(connection, said.by, external_id)
    event_id = await publish(
        connection,
        "APPLICATION_RECEIVED",
        said,
        company_id=said.by,
        parties=[referrer] if referrer else (),
        application_id=application_id,
        referral_id=referral_id,
    )
    return Recorded(application_id, event_id)


async def stage(connection: Connection, *, said: Said, application_id: UUID, stage: str) -> UUID:
    """Records a stage of selection (選考段階); the furthest is kept, the event is written always. Returns the event.

    A stage reached before the decision may be told after it. Refuses NOT_FOUND, NOT_YOURS, WRONG_STATE, INVALID.
    """
    if stage not in STAGES:
        raise invalid("stage", "選択肢にない選考段階です。", f"Choose one of {', '.join(STAGES)}.")
    row = await queries("application").stage(
        connection, id=application_id, by=said.by, stage=stage, stages=list(STAGES), at=said.at
    )
    return await _told(connection, "STAGE_CHANGED", said, application_id, row, stage=stage)


async def reject(connection: Connection, *, said: Said, application_id: UUID, reason: str | None = None) -> UUID:
    """Rejects (不採用). `reason` stays with the company. Returns the event. Refuses as `stage` does."""
    if reason is not None and len(reason) > REJECTION_REASON_CHARACTERS:
        raise too_long("reason", REJECTION_REASON_CHARACTERS)
    row = await queries("application").close(
        connection, id=application_id, by=said.by, status="REJECTED", reason=reason, at=said.at
    )
    return await _told(connection, "REJECTED", said, application_id, row)


async def withdraw(connection: Connection, *, said: Said, application_id: UUID) -> UUID:
    """The candidate withdrew (辞退), as the company records it. Returns the event. Refuses as `stage` does."""
    row = await queries("application").close(
        connection, id=application_id, by=said.by, status="WITHDRAWN", reason=None, at=said.at
    )
    return await _told(connection, "WITHDRAWN", said, application_id, row)


async def hire(
    connection: Connection, *, said: Said, application_id: UUID, starts_on: date, slot_id: UUID | None = None
) -> Hired:
    """Hires (採用); the first working day is a day in Japan. Refuses as `stage` does."""
    hire_id = uuid7()
    row = await queries("application").hire(
        connection,
        id=application_id,
        by=said.by,
        hire_id=hire_id,
        starts_on=starts_on,
        slot_id=slot_id,
        at=said.at,
    )
    handover_id = row and row["origin_id"]
    event_id = await _told(
        connection, "HIRED", said, application_id, row, hire_id=hire_id, slot_id=slot_id, handover_id=handover_id
    )
    return Hired(hire_id, event_id, handover_id)


async def revert(connection: Connection, *, said: Said, application_id: UUID, reason: str) -> Reverted:
    """Takes back a rejection or a hire (取消) by a later event; the application is in selection again.

    `reason` stays with the company. Refuses as `stage` does, WRONG_STATE when there is no such decision.
    """
    if not 1 <= len(reason) <= REVERT_REASON_CHARACTERS:
        raise too_long("reason", REVERT_REASON_CHARACTERS)
    row = await queries("application").revert(connection, id=application_id, by=said.by, reason=reason, at=said.at)
    kind = "HIRE_REVERTED" if row and row["status"] == "HIRED" else "REJECTION_REVERTED"
    event_id = await _told(
        connection,
        kind,
        said,
        application_id,
        row,
        hire_id=row and row["hire_id"],
        corrects_id=row and row["corrects_id"],
    )
    return Reverted(event_id, row["status"], row["hire_id"])


async def _told(
    connection: Connection,
    kind: str,
    said: Said,
    application_id: UUID,
    row: asyncpg.Record | None,
    *,
    stage: str | None = None,
    hire_id: UUID | None = None,
    slot_id: UUID | None = None,
    handover_id: UUID | None = None,
    corrects_id: UUID | None = None,
) -> UUID:
    if row is None:
        raise await _why_not(connection, application_id, said.by)
    return await publish(
        connection,
        kind,
        said,
        company_id=row["company_id"],
        parties=[row["referrer_id"]] if row["referrer_id"] else (),
        application_id=application_id,
        referral_id=row["referral_id"],
        stage=stage,
        hire_id=hire_id,
        slot_id=slot_id,
        handover_id=handover_id,
        corrects_id=corrects_id,
    )


async def _why_not(connection: Connection, application_id: UUID, by: UUID) -> Refusal:
    seen = await queries("application").seen(connection, id=application_id)
    if seen is None:
        return not_found("input", "applicationId")
    if seen["company_id"] != by:
        return not_yours()
    return Refusal(
        RefusalCode.WRONG_STATE,
        ja=f"応募が現在の状態({seen['status']})では、この操作はできません。",
        en=f"The application is {seen['status']}, which does not allow this.",
    )


async def _recorded_before(connection: Connection, company_id: UUID, external_id: str | None) -> Recorded:
    known = external_id and await queries("application").by_external_id(
        connection, company_id=company_id, external_id=external_id
    )
    if known:
        return Recorded(known, None)
    raise Refusal(
        RefusalCode.WRONG_STATE,
        ja="この紹介による応募はすでに登録されています。",
        en="An application by this referral has been recorded already.",
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
