"""Referrals (紹介): one partner recommends one candidate to one company or job, and the candidate confirms it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from models import candidate, consent
from models.candidate import Wanted
from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode, invalid, not_found, wrong_state
from models.japan import today
from models.mailbox import plain_email
from models.named import unended
from models.outbox import CATEGORY, Said, publish
from models.partner import require_licenses
from models.seal import fold_email

RELATIONSHIPS = ("COLLEAGUE", "FORMER_COLLEAGUE", "FRIEND", "TEACHER", "CLIENT", "OTHER")
CONFIRM_DAYS = 14
ASKED_A_DAY = 3  # mails to one person, whoever refers them
EXPIRED_AT_ONCE = 500  # referrals per transaction
REFERRED_ITEMS = ("NAME", "EMAIL", "RECOMMENDATION")
TEXT_VERSION = "referral-1"
PURPOSE = {"JA": "採用選考のため", "EN": "For selection by the company"}
NAME_CHARACTERS = 100
LURE = re.compile(r"://|www\.|@", re.IGNORECASE)  # in a name that we write into a letter of ours


@dataclass(frozen=True, slots=True)
class Referred:
    """A referral after a verb, with the event it wrote; `event_id` is None when nothing was new."""

    referral_id: UUID
    event_id: UUID | None


def standing(
    referrer_id: UUID, company_id: UUID, job_id: UUID | None, handover_id: UUID | None
) -> tuple[str, list[UUID | None]]:
    """The statement that tells whether a partner may refer to a company, and under which agreement; with its values."""
    # In the order in which the statement names them.
    return unended(queries("referral").standing), [company_id, job_id, handover_id, referrer_id]


async def standing_of(
    connection: Connection, referrer_id: UUID, company_id: UUID, job_id: UUID | None, handover_id: UUID | None
) -> asyncpg.Record:
    """What `standing` tells. Raises NOT_FOUND unless the company is one."""
    sql, values = standing(referrer_id, company_id, job_id, handover_id)
    return _of_company(await connection.fetchrow(sql, *values))


async def submit(
    connection: Connection,
    *,
    said: Said,
    referrer_id: UUID,
    company_id: UUID,
    job_id: UUID | None,
    name: str,
    email: str,
    relationship: str,
    recommendation: str | None = None,
    handover_id: UUID | None = None,
    language: str = "JA",
    facts: asyncpg.Record | None = None,
) -> Referred:
    """Recommends a person (紹介の提出); they are asked by mail, and the company learns nothing of them before.

    May refer: a company's own referrers; partners with an agreement in force with the company; any partner to a job
    open to the network. With `handover_id` the person is the one handed over, and the referral closes the loop.
    `facts`: what `standing` gave in this transaction, where it was asked already.
    Refuses NOT_YOURS, NOT_FOUND, INVALID, WRONG_STATE (job not open, handover not accepted), AGREEMENT_MISSING,
    LICENSE_EXPIRED, and DUPLICATE when this referrer recommended them there before.
    """
    facts = _of_company(facts) if facts else await standing_of(connection, referrer_id, company_id, job_id, handover_id)
    _must_be_own(said.by, referrer_id, company_id)
    _check_person(name, email, relationship)
    await _must_be_allowed(connection, facts, referrer_id, company_id, job_id, handover_id)
    if facts["handover_person_id"] is not None:
        await _must_be_theirs(connection, referrer_id, facts["handover_person_id"], email)
    given = {"NAME": name.strip(), "EMAIL": email.strip(), "RECOMMENDATION": (recommendation or "").strip()}
    kept = candidate.keeping(
        Wanted(
            referrer_id,
            email,
            facts["handover_person_id"],
            {item: text for item, text in given.items() if text or item == "NAME"},
            said.at,
            company_id,
        )
    )
    referral_id = uuid7()
    row = await queries("referral").submit(
        connection,
        **kept.asked(),
        items=list(kept.wanted.items),
        addressees=kept.wanted.addressees,
        sealed=kept.sealed,
        id=referral_id,
        company_id=company_id,
        job_id=job_id,
        relationship=relationship,
        role=role_of(facts["referrer_kind"], facts["agreement_kind"]),
        confirm_by=said.at + timedelta(days=CONFIRM_DAYS),
        origin_id=handover_id,
        mail_id=uuid7(),
        language=language,
        most_a_day=ASKED_A_DAY,
        event_id=uuid7(),
        event_kind="REFERRAL_SUBMITTED",
        category=CATEGORY["REFERRAL_SUBMITTED"],
        reported_by=said.by,
        source=said.source,
        source_event_id=said.source_event_id,
        parties=sorted({company_id, referrer_id}),
    )
    await candidate.settle(connection, [(kept, row)])
    if row["event_id"] is None:
        raise _referred_before()
    return Referred(referral_id, row["event_id"])


async def items_of(
    connection: Connection, *, referrer_id: UUID, company_id: UUID, person_id: UUID, consent_id: UUID | None = None
) -> list[str]:
    """Which of REFERRED_ITEMS a referral gives: those consented to, or, before that, those that the referrer keeps for
    the company.

    Leaves the referrer as the viewer of personal data.
    """
    await queries("candidate").view_as(connection, partner_id=referrer_id)
    whose = {"referrer_id": referrer_id, "company_id": company_id, "person_id": person_id}
    rows = queries("referral").items_of(connection, **whose, consent_id=consent_id, items=list(REFERRED_ITEMS))
    found = {row["item"] async for row in rows}
    return [item for item in REFERRED_ITEMS if item in found]


async def confirm(
    connection: Connection,
    *,
    said: Said,
    referral_id: UUID,
    confirmed: bool,
    language: str = "JA",
    text_version: str = TEXT_VERSION,
) -> Referred:
    """The candidate confirms or declines (本人確認); whoever calls has checked the token that stands for them.

    Confirming is their consent to `items_of`: the provision from referrer to company starts in this transaction.
    Refuses TOKEN_INVALID when it was answered before or too late, AGREEMENT_MISSING when nothing covers it any more.
    """
    held = await queries("referral").hold(connection, id=referral_id)
    if held is None or held["status"] != "SUBMITTED" or held["confirm_by"] <= said.at:
        raise Refusal(
            RefusalCode.TOKEN_INVALID,
            ja="この確認リンクは回答済みか、期限が切れています。",
            en="This confirmation was answered before, or has expired.",
        )
    if confirmed:
        consent_id = await _provide(connection, said, held, language, text_version)
        await queries("referral").confirm(connection, id=referral_id, consent_id=consent_id, at=said.at)
    else:
        await queries("referral").decline(connection, id=referral_id, at=said.at)
    await queries("referral").cancel_mail(connection, ids=[referral_id])
    return await _told(connection, "REFERRAL_CONFIRMED" if confirmed else "REFERRAL_DECLINED", said, held)


async def expire_waiting(connection: Connection, now: datetime) -> list[UUID]:
    """Ends referrals that were not confirmed in time, at most EXPIRED_AT_ONCE. Returns them."""
    rows = queries("referral").expire_waiting(connection, now=now, most=EXPIRED_AT_ONCE)
    ids = [row["id"] async for row in rows]
    await queries("referral").cancel_mail(connection, ids=ids)
    return ids


def role_of(referrer_kind: str, agreement_kind: str | None) -> str:
    """What a referrer's contribution would be, by who they are and under which agreement they refer."""
    if referrer_kind == "AGENCY":
        return "PLACED"
    if referrer_kind == "COMMUNITY" and agreement_kind == "JOINT_PROJECT":
        return "HOSTED"
    if referrer_kind == "COMPANY" and agreement_kind == "ALLIANCE":
        return "HIRED_THROUGH"
    return "REFERRED"


def _of_company(facts: asyncpg.Record | None) -> asyncpg.Record:
    if facts is None or facts["company_kind"] != "COMPANY":
        raise not_found("input", "companyId")
    return facts


async def _provide(connection: Connection, said: Said, held: asyncpg.Record, language: str, text_version: str) -> UUID:
    giver, receiver = held["referrer_id"], held["company_id"]
    facts = await standing_of(connection, giver, receiver, held["job_id"], None)
    _must_be_covered(facts, receiver)
    consent_id = await consent.consent(
        connection,
        said=said,
        person_id=held["person_id"],
        asked_by=giver,
        recipient_id=receiver,
        purpose=PURPOSE[language],
        items=await items_of(connection, referrer_id=giver, company_id=receiver, person_id=held["person_id"]),
        text_version=text_version,
        language=language,
    )
    await consent.provide(
        connection,
        said=said,
        consent_id=consent_id,
        giver_id=giver,
        receiver_id=receiver,
        agreement_id=facts["agreement_id"],
    )
    return consent_id


async def _told(connection: Connection, kind: str, said: Said, referral: Any) -> Referred:
    event_id = await publish(
        connection,
        kind,
        said,
        company_id=referral["company_id"],
        parties=[referral["referrer_id"]],
        referral_id=referral["id"],
    )
    return Referred(referral["id"], event_id)


async def _must_be_allowed(
    connection: Connection,
    facts: asyncpg.Record,
    referrer_id: UUID,
    company_id: UUID,
    job_id: UUID | None,
    handover_id: UUID | None,
) -> None:
    _check_job(facts, company_id, job_id)
    _check_handover(facts, referrer_id, handover_id)
    _must_be_covered(facts, company_id)
    if facts["referrer_kind"] == "AGENCY":
        await require_licenses(connection, [referrer_id], on=today())


def _referred_before() -> Refusal:
    return Refusal(
        RefusalCode.DUPLICATE,
        ja="この方はすでにこの企業へご紹介済みです。",
        en="You have referred this person to this company before.",
    )


def _must_be_own(acting: UUID, referrer_id: UUID, company_id: UUID) -> None:
    if acting != referrer_id:
        raise Refusal(
            RefusalCode.NOT_YOURS, ja="紹介は本人名義でのみ提出できます。", en="A partner refers in its own name only."
        )
    if referrer_id == company_id:
        raise invalid("companyId", "自社への紹介はできません。", "A company does not refer to itself.")


def _check_person(name: str, email: str, relationship: str) -> None:
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS or not name.isprintable() or LURE.search(name):
        raise invalid(
            "name",
            f"氏名を1〜{NAME_CHARACTERS}文字の1行で、URLやメールアドレスを含めずに入力してください。",
            f"A name has 1 to {NAME_CHARACTERS} characters on one line, and no address in it.",
        )
    if plain_email(email) is None:
        raise invalid("email", "メールアドレスの形が正しくありません。", "This is not an e-mail address.")
    if relationship not in RELATIONSHIPS:
        raise invalid("relationship", "選択肢にない値です。", f"Choose one of {', '.join(RELATIONSHIPS)}.")


def _check_job(facts: asyncpg.Record, company_id: UUID, job_id: UUID | None) -> None:
    if job_id is None:
        return
    if facts["job_company_id"] != company_id:
        raise not_found("input", "jobId")
    if facts["job_status"] != "OPEN":
        raise wrong_state(
            "この求人は募集中ではありません。",
            "This job is not open.",
            path=("input", "jobId"),
        )


def _check_handover(facts: asyncpg.Record, referrer_id: UUID, handover_id: UUID | None) -> None:
    if handover_id is None:
        return
    if facts["agency_id"] != referrer_id:
        raise not_found("input", "handoverId")
    if facts["handover_status"] != "ACCEPTED":
        raise wrong_state(
            "受諾済みのリレーだけが再紹介の元になります。",
            "Only an accepted handover can grow into a referral.",
            path=("input", "handoverId"),
        )


async def _must_be_theirs(connection: Connection, referrer_id: UUID, person_id: UUID, email: str) -> None:
    """Whoever reads the mail answers for the person: it goes to the address that was handed over, and to no other."""
    found = await candidate.read_items(connection, partner_id=referrer_id, person_id=person_id)
    given = [fold_email(items["EMAIL"]) for items in found.values() if "EMAIL" in items]
    if fold_email(email) not in given:
        raise invalid(
            "email",
            "リレーで受け取ったメールアドレスをそのままお使いください。",
            "Use the e-mail address that was handed over to you.",
        )


def _must_be_covered(facts: asyncpg.Record, company_id: UUID) -> None:
    if facts["belongs_to"] == company_id or facts["agreement_id"] or facts["open_to_network"]:
        return
    raise Refusal(
        RefusalCode.AGREEMENT_MISSING,
        ja="この企業との有効な契約か、ネットワークに公開された求人が必要です。",
        en="Refer under an agreement in force with this company, or to a job that is open to the network.",
    )
