"""Small real worlds for tests, built through the verbs: partners whose public numbers are valid, and what ties them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from api.app import ALL_SCOPES
from auth.viewer import Viewer
from models import agreement, candidate, consent, job, member, partner, seal, selection
from models import application as applications
from models import referral as referrals
from models.candidate import Kept
from models.db import Connection, uuid7
from models.outbox import Said
from models.registry import corporate_number_ok, school_code_ok
from models.terms import RelayTerms, Sharing, Terms

MASTER_KEY = bytes(range(32))
NOW = datetime(2026, 4, 1, 3, tzinfo=UTC)  # noon in Japan
TODAY = date(2026, 4, 1)

seal.use(MASTER_KEY)
_numbers = count(1)


def said(by: UUID, at: datetime = NOW, source: str = "API") -> Said:
    """Who says it, and when."""
    return Said(by=by, source=source, at=at)  # type: ignore[arg-type]


def viewer(
    partner_id: UUID, kind: str = "COMPANY", agreement_id: UUID | None = None, client_id: str = "test"
) -> Viewer:
    """A program of a partner's that may ask for everything; of one agreement, where that is named."""
    return Viewer(
        partner_id=partner_id, kind=kind, login="test", client_id=client_id, scopes=ALL_SCOPES,
        expires_at=datetime.max.replace(tzinfo=UTC), member_id=None, token_id="test", agreement_id=agreement_id,
    )  # fmt: skip


def corporate_number(number: int) -> str:
    """A valid corporate number (法人番号) that no register has given out: its base begins with 99."""
    base = f"99{number:010d}"
    return next(f"{check}{base}" for check in range(1, 10) if corporate_number_ok(f"{check}{base}"))


def school_code(number: int) -> str:
    """A valid school code (学校コード) of a private university in Tokyo."""
    base = f"F1133{number:07d}"
    return next(f"{base}{check}" for check in range(10) if school_code_ok(f"{base}{check}"))


async def company(connection: Connection, name: str = "株式会社さくら製作所") -> UUID:
    """A company (企業)."""
    return await partner.register_company(
        connection, name=name, corporate_number=corporate_number(next(_numbers)), prefecture="TOKYO"
    )


async def school(connection: Connection, name: str = "さくら大学") -> UUID:
    """A university (学校)."""
    code = school_code(next(_numbers))
    return await partner.register_school(
        connection, name=name, school_code=code, level="UNIVERSITY", prefecture="KYOTO"
    )


async def agency(
    connection: Connection, name: str = "みらい人材", *, license_expires_on: date = date(2031, 3, 31)
) -> UUID:
    """An agency (人材紹介会社) with a licence for a fee."""
    return await partner.register_agency(
        connection,
        name=name,
        license_number=f"13-ユ-{next(_numbers):06d}",
        license_expires_on=license_expires_on,
        prefecture="TOKYO",
    )


async def referrer(connection: Connection, company_id: UUID, affiliation: str = "EMPLOYEE") -> UUID:
    """A referrer (社員・OB・取引先) of a company."""
    return await partner.register_referrer(
        connection,
        acting=company_id,
        company_id=company_id,
        name="佐藤 花子",
        affiliation=affiliation,
        prefecture="TOKYO",
    )


async def community(connection: Connection, name: str = "東京ものづくり協議会") -> UUID:
    """A regional community (地域団体)."""
    return await partner.register_community(
        connection, name=name, focus="REGIONAL", prefectures=["TOKYO"], prefecture="TOKYO"
    )


async def who_logs_in(connection: Connection, email: str, password: str) -> member.Member | None:
    """Whose address and password these are, asked in one go."""
    right = await member.check_password(await member.stored_password(connection, email), password)
    return await member.with_password(connection, right) if right else None


def days(number: float) -> timedelta:
    """So many days."""
    return timedelta(days=number)


SHARING = (Sharing("OUTCOMES", "FIELDS"), Sharing("APPLICATIONS", "COUNTS_ONLY"))


def terms(*, relay: RelayTerms | None = None, sharing: Sequence[Sharing] = SHARING, **rest: Any) -> Terms:
    """Terms from long ago with an open end."""
    return Terms(sharing=sharing, starts_on=date(2024, 4, 1), relay=relay, **rest)


async def latest_hash(connection: Connection, agreement_id: UUID) -> str:
    """The hash of an agreement's latest version, as a party reads it."""
    return await connection.fetchval(
        "select hash from agreement_version where agreement_id = $1 order by number desc limit 1", agreement_id
    )


async def agreed(connection: Connection, kind: str, *parties: UUID, given: Terms | None = None) -> UUID:
    """An agreement in force: offered by the first party, accepted by the others."""
    first, *others = parties
    agreement_id = await agreement.offer(
        connection,
        said=said(first),
        kind=kind,
        party_ids=others,
        purpose="採用における連携のため",
        terms=given or terms(),
    )
    digest = await latest_hash(connection, agreement_id)
    for other in others:
        await agreement.accept(connection, said=said(other), agreement_id=agreement_id, version_hash_read=digest)
    return agreement_id


async def relay_agreement(
    connection: Connection, company_id: UUID, agency_id: UUID, *, handovers_per_slot: int = 10
) -> UUID:
    """A relay agreement (キャリアリレー) in force, with its account."""
    given = terms(relay=RelayTerms(handovers_per_slot=handovers_per_slot), sharing=())
    return await agreed(connection, "CAREER_RELAY", company_id, agency_id, given=given)


async def kept(connection: Connection, partner_id: UUID, email: str = "taro@example.jp", **items: str) -> Kept:
    """A candidate of one partner: 山田 太郎, unless said otherwise."""
    return await candidate.keep(
        connection, partner_id=partner_id, email=email, items={"NAME": "山田 太郎", "EMAIL": email, **items}, at=NOW
    )


async def open_job(connection: Connection, company_id: UUID, **rest: Any) -> UUID:
    """A job (求人) that is open."""
    return await job.post_job(
        connection, said=said(company_id), title="設計エンジニア", requirements="CAD", prefecture="TOKYO", **rest
    )


async def referral(connection: Connection, referrer_id: UUID, company_id: UUID, **rest: Any) -> UUID:
    """A referral (紹介) that waits for the candidate."""
    arguments = {"job_id": None, "name": "山田 太郎", "email": "taro@example.jp", "relationship": "FRIEND", **rest}
    submitted = await referrals.submit(
        connection, said=said(referrer_id), referrer_id=referrer_id, company_id=company_id, **arguments
    )
    return submitted.referral_id


async def application(connection: Connection, company_id: UUID, email: str = "taro@example.jp", **rest: Any) -> UUID:
    """An application (応募) of a candidate who came directly."""
    person = await kept(connection, company_id, email)
    recorded = await applications.record(connection, said=said(company_id), person_id=person.person_id, **rest)
    return recorded.application_id


async def rejected(connection: Connection, company_id: UUID, email: str = "taro@example.jp", **rest: Any) -> UUID:
    """An application that the company has rejected (不採用); nothing has followed from it yet."""
    application_id = await application(connection, company_id, email, **rest)
    await selection.reject(connection, said=said(company_id, NOW + days(7)), application_id=application_id)
    return application_id


async def handed_over(
    connection: Connection, company_id: UUID, agency_id: UUID, email: str = "taro@example.jp"
) -> UUID:
    """A handover (リレー) that waits for the agency, with its agreement; rows only, no event of its registration."""
    under = await relay_agreement(connection, company_id, agency_id)
    application_id = await rejected(connection, company_id, email)
    person = await kept(connection, company_id, email)
    consent_id = await consent.consent(
        connection,
        said=said(company_id, source="CANDIDATE"),
        person_id=person.person_id,
        asked_by=company_id,
        recipient_id=agency_id,
        purpose="職業紹介のため",
        items=["NAME", "EMAIL"],
        text_version="1",
        language="JA",
    )
    await consent.provide(
        connection,
        said=said(company_id),
        consent_id=consent_id,
        giver_id=company_id,
        receiver_id=agency_id,
        agreement_id=under,
    )
    invitation_id, handover_id = uuid7(), uuid7()
    await connection.execute(
        "insert into relay_invitation (id, company_id, person_id, application_id, status, rejected_at, expires_at) "
        "values ($1, $2, $3, $4, 'REGISTERED', $5, $6)",
        *(invitation_id, company_id, person.person_id, application_id, NOW + days(7), NOW + days(97)),
    )
    await connection.execute(
        "insert into handover (id, invitation_id, application_id, company_id, agency_id, person_id, agreement_id, "
        "consent_id, status, registered_at, answer_by) values ($1, $2, $3, $4, $5, $6, $7, $8, 'REGISTERED', $9, $10)",
        *(handover_id, invitation_id, application_id, company_id, agency_id, person.person_id, under, consent_id),
        *(NOW + days(8), NOW + days(15)),
    )
    return handover_id
