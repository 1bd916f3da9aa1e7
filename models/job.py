"""Jobs (求人): requisitions of one company."""

from __future__ import annotations

from uuid import UUID

from models.db import Connection, queries, uuid7
from models.errors import invalid, not_found, not_yours, too_long
from models.outbox import Said
from models.registry import PREFECTURES

JOB_STATUSES = ("DRAFT", "OPEN", "CLOSED")
TITLE_CHARACTERS, REQUIREMENTS_CHARACTERS, CHALLENGE_CHARACTERS = 200, 10_000, 2_000
OPENINGS_MAX = 10_000


async def post_job(
    connection: Connection,
    *,
    said: Said,
    title: str,
    requirements: str | None,
    prefecture: str,
    challenge: str | None = None,
    openings: int | None = None,
    open_to_network: bool = False,
    status: str = "OPEN",
    external_id: str | None = None,
) -> UUID:
    """Posts a job of the company that says it (求人の公開); the same `external_id` again brings that job up to date.

    Then what is None stays as it was; in a new job, openings are 1.

    Refuses INVALID for a value that breaks a rule.
    """
    _check_job(title, requirements, challenge, openings, status)
    if prefecture not in PREFECTURES:
        raise invalid("prefecture", "選択肢にない都道府県です。", "Choose one of the 47 prefectures.")
    return await queries("job").post_job(
        connection,
        id=uuid7(),
        company_id=said.by,
        title=title,
        requirements=requirements,
        challenge=challenge,
        openings=openings,
        prefecture=prefecture,
        status=status,
        external_id=external_id,
        at=said.at,
        open_to_network=open_to_network,
    )


async def update_job(
    connection: Connection,
    *,
    said: Said,
    job_id: UUID,
    title: str | None = None,
    requirements: str | None = None,
    challenge: str | None = None,
    openings: int | None = None,
    status: str | None = None,
) -> None:
    """Changes a job of one's own (求人の変更); None leaves a value as it is. Refuses NOT_FOUND, NOT_YOURS, INVALID."""
    _check_job(title, requirements, challenge, openings, status)
    changed = await queries("job").update_job(
        connection,
        id=job_id,
        by=said.by,
        title=title,
        requirements=requirements,
        challenge=challenge,
        openings=openings,
        status=status,
        at=said.at,
    )
    if changed is None:
        if await queries("job").job_company(connection, id=job_id) is None:
            raise not_found("input", "jobId")
        raise not_yours()


def _check_job(
    title: str | None, requirements: str | None, challenge: str | None, openings: int | None, status: str | None
) -> None:
    if title is not None and not 1 <= len(title) <= TITLE_CHARACTERS:
        raise too_long("title", TITLE_CHARACTERS)
    if requirements is not None and len(requirements) > REQUIREMENTS_CHARACTERS:
        raise too_long("requirements", REQUIREMENTS_CHARACTERS)
    if challenge is not None and len(challenge) > CHALLENGE_CHARACTERS:
        raise too_long("challenge", CHALLENGE_CHARACTERS)
    if openings is not None and not 0 <= openings <= OPENINGS_MAX:
        raise invalid("openings", f"募集人数は0〜{OPENINGS_MAX}人です。", f"Openings are 0 to {OPENINGS_MAX}.")
    if status is not None and status not in JOB_STATUSES:
        raise invalid("status", "選択肢にない状態です。", f"Choose one of {', '.join(JOB_STATUSES)}.")
