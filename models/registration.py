"""Registration (登録): the candidate chooses who may help, each choice its own consent, provision and handover."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from models import consent, invitation
from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode
from models.invitation import Invitation
from models.outbox import Said, publish
from models.rejection_mail import Language

OFFERED_ITEMS = ("NAME", "EMAIL", "PHONE", "PREFECTURE")  # what the page lets a candidate tick
PURPOSE_AGENCY: dict[Language, str] = {
    "JA": "職業紹介（求人のご紹介とそのためのご連絡）",
    "EN": "Job placement: introducing openings, and contact for that purpose",
}
PURPOSE_COMPANY: dict[Language, str] = {
    "JA": "採用選考（求人のご案内とそのためのご連絡）",
    "EN": "Recruitment: inviting you to openings, and contact for that purpose",
}
PURPOSE_TELL: dict[Language, str] = {
    "JA": "ご案内元の企業への、就職決定の報告",
    "EN": "Telling the company that introduced you that you found work",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One whom the page lists: an agency (`detail` is its licence number) or a partner company (its prefecture)."""

    id: UUID
    name: str
    detail: str
    agreement_id: UUID
    silence_days: int | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """Whom a candidate may choose, by name."""

    agencies: Sequence[Choice]
    companies: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class Registered:
    """What came of the candidate's choices."""

    handover_ids: Sequence[UUID]
    referral_ids: Sequence[UUID]


async def choices(connection: Connection, held: Invitation, at: datetime) -> Choices:
    """Whom the page of this invitation lists: every agency and partner company with an agreement in force."""
    sql = queries("registration")
    where = {"company_id": held.company_id, "at": at}
    agencies = sql.agencies_to_choose(connection, invitation_id=held.id, **where)
    companies = sql.companies_to_choose(connection, person_id=held.person_id, **where)
    return Choices([Choice(**row) async for row in agencies], [Choice(**row) async for row in companies])


async def register(
    connection: Connection,
    *,
    invitation_id: UUID,
    agency_ids: Iterable[UUID],
    company_ids: Iterable[UUID],
    items: Sequence[str],
    language: Language,
    text_version: str,
    tell_company: bool,
    said: Said,
) -> Registered:
    """The candidate registers with those ticked; one ticked before is left as it is.

    `items`: what each may receive, of OFFERED_ITEMS. `tell_company`: whether agencies may tell the rejecting company
    that the person found work; a consent of its own. Raises TOKEN_INVALID, and INVALID when somebody is not on the
    page, or nobody or nothing was ticked.
    """
    held = await invitation.opened(connection, invitation_id=invitation_id, said=said)
    offered = await choices(connection, held, said.at)
    agencies = _ticked(offered.agencies, set(agency_ids))
    companies = _ticked(offered.companies, set(company_ids))
    if not set(items) <= set(OFFERED_ITEMS) or not items or not agencies + companies:
        raise _invalid()
    page = _Page(connection, held, list(items), language, text_version, said)
    handovers = [await page.hand_over(choice, tell_company) for choice in agencies if not choice.chosen]
    referrals = [await page.refer(choice) for choice in companies if not choice.chosen]
    await queries("invitation").mark_registered(connection, id=invitation_id)
    return Registered(handovers, [referral for referral in referrals if referral is not None])


@dataclass(frozen=True, slots=True)
class _Page:
    """One submission of the page."""

    connection: Connection
    held: Invitation
    items: list[str]
    language: Language
    text_version: str
    said: Said

    async def hand_over(self, agency: Choice, tell_company: bool) -> UUID:
        held, handover_id = self.held, uuid7()
        consent_id = await self._consent(held.company_id, agency.id, PURPOSE_AGENCY[self.language], self.items)
        await self._provide(consent_id, agency)
        if tell_company:
            await self._consent(agency.id, held.company_id, PURPOSE_TELL[self.language], ["OUTCOME"])
        await queries("registration").add_handover(
            self.connection,
            id=handover_id,
            invitation_id=held.id,
            application_id=held.application_id,
            company_id=held.company_id,
            agency_id=agency.id,
            person_id=held.person_id,
            agreement_id=agency.agreement_id,
            consent_id=consent_id,
            at=self.said.at,
            answer_by=self.said.at + timedelta(days=agency.silence_days or 0),
        )
        await publish(
            self.connection,
            "RELAY_REGISTERED",
            self.said,
            company_id=held.company_id,
            parties=[agency.id],
            application_id=held.application_id,
            invitation_id=held.id,
            handover_id=handover_id,
        )
        return handover_id

    async def refer(self, company: Choice) -> UUID | None:
        """The rejecting company's referral to a partner company: the candidate's own tick confirms it."""
        held = self.held
        consent_id = await self._consent(held.company_id, company.id, PURPOSE_COMPANY[self.language], self.items)
        await self._provide(consent_id, company)
        referral_id = await queries("registration").add_relayed_referral(
            self.connection,
            id=uuid7(),
            referrer_id=held.company_id,
            company_id=company.id,
            person_id=held.person_id,
            consent_id=consent_id,
            at=self.said.at,
        )
        if referral_id is not None:
            for kind in ("REFERRAL_SUBMITTED", "REFERRAL_CONFIRMED"):
                await publish(
                    self.connection,
                    kind,
                    self.said,
                    company_id=company.id,
                    parties=[held.company_id],
                    referral_id=referral_id,
                )
        return referral_id

    async def _consent(self, asked_by: UUID, recipient_id: UUID, purpose: str, items: list[str]) -> UUID:
        return await consent.consent(
            self.connection,
            said=self.said,
            person_id=self.held.person_id,
            asked_by=asked_by,
            recipient_id=recipient_id,
            purpose=purpose,
            items=items,
            text_version=self.text_version,
            language=self.language,
        )

    async def _provide(self, consent_id: UUID, receiver: Choice) -> None:
        await consent.provide(
            self.connection,
            said=self.said,
            consent_id=consent_id,
            giver_id=self.held.company_id,
            receiver_id=receiver.id,
            agreement_id=receiver.agreement_id,
        )


def _ticked(offered: Sequence[Choice], ids: set[UUID]) -> list[Choice]:
    found = [choice for choice in offered if choice.id in ids]
    if len(found) != len(ids):
        raise _invalid()
    return found


def _invalid() -> Refusal:
    return Refusal(
        RefusalCode.INVALID,
        ja="ご希望の相手と、お伝えする項目を、ページの中からお選びください。",
        en="Choose, from the page, who may help and what they may know.",
    )
