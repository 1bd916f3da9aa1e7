"""One small network in which every word of the API has a row, made by the models' own verbs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models import application, ats, invitation, outcome, referral, registration, rejection_mail, relay, selection, slot
from models.db import Connection
from models.terms import Sharing
from tests import builders
from tests.builders import said

DAY = timedelta(days=1)
CATEGORIES = ("JOBS", "REFERRALS", "APPLICATIONS", "HANDOVERS", "OUTCOMES")
SHARED = tuple(Sharing(category, "FIELDS") for category in CATEGORIES)


@dataclass(frozen=True)
class Network:
    """The ids of its partners, and of the rows that a test is most often about. `start` is some weeks ago.

    The company relays to the agency (one handover earns one slot), shares everything with `friend`, and nothing with
    `stranger`, who is in nothing but knows one of the candidates too.
    """

    start: datetime
    company: UUID
    agency: UUID
    friend: UUID
    stranger: UUID
    referrer: UUID
    school: UUID
    community: UUID
    relay: UUID
    sharing: UUID
    job: UUID
    draft: UUID
    referral: UUID
    application: UUID
    rejected: UUID
    handover: UUID
    hire: UUID
    slot: UUID
    account: UUID

    @property
    def partners(self) -> dict[str, UUID]:
        """Every partner by its part in the network."""
        names = ("company", "agency", "friend", "stranger", "referrer", "school", "community")
        return {name: getattr(self, name) for name in names}


async def network(connection: Connection) -> Network:
    """The whole network: two hires, one of them without a fee, a rejection relayed, and everything around them."""
    start = datetime.now(UTC).replace(microsecond=0) - 40 * DAY
    company = await builders.company(connection, "株式会社青空製作所")
    friend = await builders.company(connection, "株式会社みどり精機")
    stranger = await builders.company(connection, "株式会社よそ")
    agency, school = await builders.agency(connection), await builders.school(connection)
    referrer, community = await builders.referrer(connection, company), await builders.community(connection)
    await connection.execute("insert into community_member values ($1, $2, $3)", community, company, start)
    under = await builders.relay_agreement(connection, company, agency, handovers_per_slot=1)
    given = builders.terms(sharing=SHARED)
    sharing = await builders.agreed(connection, "INFORMATION_SHARING", company, friend, given=given)
    await rejection_mail.default_rejection_mails(connection, company_id=company, at=start)
    await ats.connect(connection, company_id=company, system="GREENHOUSE", secret="s" * 32)
    job = await builders.open_job(connection, company, challenge="経験者が集まらない")
    draft = await builders.open_job(connection, friend)
    await connection.execute("update job set status = 'DRAFT' where id = $1", draft)

    referral_id = await referred(connection, referrer, company, start, job_id=job)
    by_company = said(company, start + DAY)
    first = await application.record(connection, said=by_company, job_id=job, referral_id=referral_id)
    await selection.stage(connection, said=by_company, application_id=first.application_id, stage="INTERVIEW")
    rejected, handover = await relayed(connection, company, agency, start + 2 * DAY)
    account = await connection.fetchval("select id from relay_account where company_id = $1", company)

    loop = await referred(
        connection, agency, company, start + 8 * DAY, "jiro@example.jp", job_id=job, handover_id=handover
    )
    second = await application.record(connection, said=said(company, start + 9 * DAY), job_id=job, referral_id=loop)
    when = said(company, start + 10 * DAY)
    moved = await slot.reserve_slot(
        connection, account_id=account, application_id=second.application_id, acting=company, said=when
    )
    free = await outcome.hire(
        connection, application_id=second.application_id, acting=company, starts_on=when.at.date(), said=when
    )
    later = said(company, start + 40 * DAY)
    await outcome.record_retention(
        connection, hire_id=free.hire_id, acting=company, day=30, status="EMPLOYED", said=later
    )
    await outcome.hire(
        connection, application_id=first.application_id, acting=company, starts_on=when.at.date(), said=when
    )
    await builders.kept(connection, stranger, "hanako@example.jp")
    return Network(
        start, company, agency, friend, stranger, referrer, school, community, under, sharing, job, draft, referral_id,
        first.application_id, rejected, handover, free.hire_id, moved.slot_id, account,
    )  # fmt: skip


async def referred(
    connection: Connection, by: UUID, company: UUID, at: datetime, email: str = "hanako@example.jp", **rest: UUID
) -> UUID:
    """A referral that its candidate has confirmed."""
    arguments = {"job_id": None, "name": "架空 花子", "relationship": "FRIEND", **rest}
    submitted = await referral.submit(
        connection, said=said(by, at), referrer_id=by, company_id=company, email=email,
        recommendation="推薦します。", **arguments,
    )  # fmt: skip
    answer = said(by, at, "CANDIDATE")
    await referral.confirm(connection, said=answer, referral_id=submitted.referral_id, confirmed=True)
    return submitted.referral_id


async def relayed(
    connection: Connection, company: UUID, agency: UUID, at: datetime, email: str = "jiro@example.jp"
) -> tuple[UUID, UUID]:
    """Somebody rejected, mailed, registered with the agency and accepted: the application and the handover."""
    person = await builders.kept(connection, company, email, NAME="高橋 次郎")
    recorded = await application.record(connection, said=said(company, at), person_id=person.person_id)
    when = said(company, at + DAY)
    await outcome.reject(connection, application_id=recorded.application_id, acting=company, said=when)
    invited = await connection.fetchval(
        "select id from relay_invitation where application_id = $1", recorded.application_id
    )
    await invitation.sent(connection, invitation_id=invited, at=when.at)
    registered = await registration.register(
        connection,
        invitation_id=invited,
        agency_ids=[agency],
        company_ids=[],
        items=["NAME", "EMAIL"],
        language="JA",
        text_version="1",
        tell_company=True,
        said=said(company, at + 2 * DAY, "CANDIDATE"),
    )
    [handover] = registered.handover_ids
    answer = said(agency, at + 3 * DAY)
    await relay.accept(connection, handover_id=handover, acting=agency, said=answer)
    return recorded.application_id, handover


async def digest(owner: Connection) -> dict[str, str]:
    """A digest of every table but those of tokens, to assert that nothing changed; of mails, which they are: the
    courier sends them meanwhile."""
    tables = await owner.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
    return {
        name: await owner.fetchval(
            "select md5(string_agg(t::text, chr(10) order by t::text)) from "
            + (f'"{name}" t' if name != "mail" else "(select id from mail) t")
        )
        for (name,) in tables
        if not name.startswith("oauth")
    }
