"""Applications in what another system tells: one or many together, each brought to the state told, if that is news."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Flag, auto
from uuid import UUID

from api import intake_people as people
from api.intake import JobState, Told, overrides
from api.intake_jobs import post
from api.intake_people import News
from models import application, ats, outcome, selection
from models.application import STAGES, Received
from models.ats import Asked, Known, Newest
from models.db import Connection, queries
from models.japan import today
from models.selection import Step

TAKEN_BACK = (Told.REJECTED, Told.HIRED)  # may be, by a later event; a withdrawal never is
DECISIONS = (*TAKEN_BACK, Told.WITHDRAWN)


class _Verdict(Flag):
    """What follows from news of a decision: one stands no more, and one is to be said; or it came late, and both."""

    REVERT = auto()
    SAY = auto()
    LATE = auto()


async def take_in(connection: Connection, news: Sequence[News]) -> None:
    """Takes in what one company's system tells of applications, as if each were told after the one before."""
    for wave in _waves(news):
        await _take_in(connection, wave)


def further(stage: str, than: str) -> bool:
    """Whether a stage comes after another."""
    return STAGES.index(stage) > STAGES.index(than)


def _waves(news: Iterable[News]) -> list[list[News]]:
    """In order, news that knows nothing of each other: what is told again of an application or a candidate waits."""
    waves, told = list[list[News]](), set[tuple[str, str]]()
    for each in news:
        names = {("application", each.told.external_id), ("candidate", each.told.applicant.external_id)}
        if not waves or told & names:
            waves.append([])
            told.clear()
        waves[-1].append(each)
        told |= names
    return waves


async def _take_in(connection: Connection, news: Sequence[News]) -> None:
    company_id, system = news[0].source.company_id, news[0].source.system
    asked = [
        Asked(told.external_id, told.applicant.external_id, told.as_of, told.job.external_id if told.job else None)
        for told in (each.told for each in news)
    ]
    seen = await ats.look(connection, company_id=company_id, system=system, asked=asked)
    live = list[News]()
    for each in news:
        each.seen = seen[each.told.external_id]
        each.known = each.seen.known
        if not each.seen.forgotten and not (each.known and each.known.told == Told.DELETED):
            live.append(each)
    if not live:
        return
    await people.keep(connection, live)
    await _record(connection, [each for each in live if each.known is None or each.known.application_id is None])
    await _stage(connection, [each for each in live if each.told.status in DECISIONS])
    await _decide(connection, live)
    await _stage(connection, [each for each in live if each.told.status not in DECISIONS])
    newest = [_newest(each) for each in live if each.news or each.recorded]
    if newest:
        await ats.remember(connection, company_id=company_id, system=system, newest=newest)


async def _record(connection: Connection, news: Sequence[News]) -> None:
    if not news:
        return
    jobs = await _jobs(connection, news)
    credits = [(each, each.told.credit, job_id) for each, job_id in zip(news, jobs, strict=True) if each.told.credit]
    credited = await people.credit(connection, credits)
    referrals = {each.told.external_id: found for (each, _, _), found in zip(credits, credited, strict=True)}
    received = [
        Received(
            each.source.said(each.told.received_at),
            person_id=each.person_id,
            route=each.told.route,
            job_id=job_id,
            referral_id=referrals.get(each.told.external_id),
            external_id=each.told.external_id,
        )
        for each, job_id in zip(news, jobs, strict=True)
    ]
    for each, recorded in zip(news, await application.record_all(connection, received), strict=True):
        each.recorded = True
        each.known = Known(
            application_id=recorded.application_id,
            told=Told.ACTIVE,
            as_of=each.told.received_at,
            status="ACTIVE",
            stage="APPLIED",
            decided_at=None,
            person_id=each.person_id,
            erased=False,
        )


async def _jobs(connection: Connection, news: Sequence[News]) -> list[UUID | None]:
    """The jobs of applications; what is told of one job is taken in once."""
    posted, jobs = dict[JobState, UUID | None](), list[UUID | None]()
    for each in news:
        told, known = each.told.job, each.seen.job_id if each.seen else None
        if told and told not in posted:
            posted[told] = known if known and told.mention else await post(connection, each.source, told)
        jobs.append(posted[told] if told else None)
    return jobs


async def _stage(connection: Connection, news: Sequence[News]) -> None:
    steps = [step for step in map(_step, news) if step is not None]
    if steps:
        await selection.stage_all(connection, steps)


def _step(each: News) -> Step | None:
    """News of a stage is an event, also when it comes late; a mere mention is one only if it is further than known."""
    told, known = each.told, each.known
    if told.stage is None or known is None or known.application_id is None or known.stage is None:
        return None
    reopened = each.news and told.status not in DECISIONS
    if known.status in DECISIONS and not reopened and known.decided_at and told.as_of > known.decided_at:
        return None  # after a hire stages are of no concern
    if not further(told.stage, known.stage) and not (told.stage_moved and told.stage != known.stage):
        return None
    said = each.source.said(min(told.as_of, told.decided_at or told.as_of))
    return Step(known.application_id, said, stage=told.stage)


async def _decide(connection: Connection, news: Sequence[News]) -> None:
    """Brings applications to the states told, where those are news."""
    verdicts = [(each, _verdict(each)) for each in news]
    for each, verdict in verdicts:
        if verdict is _Verdict.LATE:
            await _record_late(connection, each)
        elif _Verdict.REVERT in verdict:
            await _revert(connection, each, each.told.as_of)
    await _say(connection, [each for each, verdict in verdicts if _Verdict.SAY in verdict])


def _verdict(each: News) -> _Verdict:
    """What is to be done; and whether it is news."""
    told, known = each.told, _known(each)
    if known.status == Told.WITHDRAWN:
        return _Verdict(0)  # the candidate's own word: whoever applies again, applies anew
    if told.status is Told.ACTIVE and known.status in DECISIONS and told.as_of < (known.decided_at or told.as_of):
        return _Verdict(0)  # as it was before the decision, whoever told of that
    before = Told(known.told or known.status or Told.ACTIVE)
    if not overrides(told.status, told.as_of, before, _since(each)):
        return _Verdict.LATE if before is Told.REINSTATED and told.status in TAKEN_BACK else _Verdict(0)
    each.news = True
    same = known.status == told.status and (known.decided_at == told.decided_at or told.status is not Told.REJECTED)
    revert = _Verdict.REVERT if known.status in DECISIONS else _Verdict(0)
    if told.status not in DECISIONS:
        return revert
    return _Verdict(0) if same else revert | _Verdict.SAY


async def _record_late(connection: Connection, each: News) -> None:
    """A decision that was already taken back when it reached us: on record, and taken back again at once."""
    told, known = each.told, _known(each)
    on_record = await queries("outcome").decision_known(
        connection,
        application_id=known.application_id,
        kind=told.status.value,
        at=told.decided_at or told.as_of,
    )
    if not on_record and known.status == "ACTIVE":
        await _say(connection, [each])
        await _revert(connection, each, _since(each))


async def _say(connection: Connection, news: Sequence[News]) -> None:
    rejected, withdrawn = list[Step](), list[Step]()
    for each in news:
        said = each.source.said(each.told.decided_at or each.told.as_of)
        if each.told.status is Told.REJECTED:
            rejected.append(Step(_id_of(each), said, reason=each.told.reason))
        elif each.told.status is Told.WITHDRAWN:
            withdrawn.append(Step(_id_of(each), said))
        else:
            await outcome.hire(
                connection,
                application_id=_id_of(each),
                acting=each.source.company_id,
                starts_on=each.told.starts_on or today(said.at),
                said=said,
            )
    if rejected:
        await outcome.reject_all(connection, rejected)
    if withdrawn:
        await selection.withdraw_all(connection, withdrawn)


async def _revert(connection: Connection, each: News, at: datetime) -> None:
    await outcome.revert(
        connection,
        application_id=_id_of(each),
        acting=each.source.company_id,
        reason="ATS",
        said=each.source.said(at),
    )


def _newest(each: News) -> Newest:
    status, as_of = (each.told.status, each.told.as_of) if each.news else (Told.ACTIVE, each.told.received_at)
    return Newest(each.told.external_id, _known(each).application_id, status, as_of)


def _since(each: News) -> datetime:
    known = _known(each)
    return known.as_of or known.decided_at or each.told.as_of


def _known(each: News) -> Known:
    assert each.known is not None, "an application is recorded before anything is decided"
    return each.known


def _id_of(each: News) -> UUID:
    application_id = _known(each).application_id
    assert application_id is not None, "what was deleted before it was known has no decisions"
    return application_id
