"""Jobs in what another system tells: made, brought up to date, closed when they are deleted there."""

from __future__ import annotations

from uuid import UUID

from api import intake_people as people
from api.intake import JobDeleted, JobState
from api.intake_people import EPOCH, Source
from models import job
from models.db import Connection, queries


async def post(connection: Connection, source: Source, told: JobState) -> UUID | None:
    """The job by its id there: made when new, brought up to date when known. None when it was deleted there."""
    sql = queries("ats")
    job_id = await sql.job_of(connection, company_id=source.company_id, external_id=told.external_id)
    if job_id and told.mention:
        return job_id
    if await people.is_forgotten(connection, source, _mark(told.external_id), EPOCH):
        return job_id
    return await job.post_job(
        connection,
        title=told.title,
        requirements=told.requirements,
        openings=told.openings,
        prefecture=told.prefecture or await people.seat(connection, source.company_id),
        external_id=told.external_id,
        status=told.status,
        said=source.said(told.opened_at),
    )


async def close(connection: Connection, source: Source, told: JobDeleted) -> None:
    """A job that was deleted there closes here, and no mention of it makes it anew."""
    words = {"company_id": source.company_id}
    sql = queries("ats")
    await sql.forget(connection, **words, system=source.system, external_id=_mark(told.external_id), at=told.as_of)
    job_id = await sql.job_of(connection, **words, external_id=told.external_id)
    if job_id:
        await job.update_job(connection, job_id=job_id, status="CLOSED", said=source.said(told.as_of))


def _mark(external_id: str) -> str:
    return f"job {external_id}"
