"""Relay invitations (リレー案内): the personal URL in a rejection mail, and the company's own URL that leads to one.

Every rejected candidate is invited, without selection. An invitation belongs to the company alone until the candidate
acts: no agency can know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from models.candidate import keep
from models.db import Connection, queries, uuid7
from models.errors import Refusal, RefusalCode, not_found, wrong_state
from models.outbox import Said, publish
from models.rejection_mail import Language

URL_DAYS = 90
CONFIRM_DAYS = 14
RESEND_MINUTES = 10
LINKS_A_DAY = 5  # letters that anybody can have sent to one person, at whatever companies' doors
EXPIRE_AT_ONCE = 500  # invitations per transaction

MailKind = Literal["REJECTION", "RELAY_LINK", "COMPANY_CONFIRMATION"]


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation, and what it waits for: EMAIL (no address to write to), AGENCY (none to offer: a mail without URL),
    or None."""

    invitation_id: UUID
    waiting_for: str | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as it stands while it is held."""

    id: UUID
    company_id: UUID
    person_id: UUID
    application_id: UUID | None
    status: str
    waiting_for: str | None
    rejected_at: datetime
    sent_at: datetime | None
    opened_at: datetime | None
    expires_at: datetime
    revoked_at: datetime | None
    company_confirm_by: datetime | None
    company_confirmed_at: datetime | None

    @property
    def may_count(self) -> bool:
        """Whether the company stands behind the rejection: its own application, or its later word."""
        return (self.application_id or self.company_confirmed_at) is not None and self.revoked_at is None

    def lives(self, at: datetime) -> bool:
        """Whether its URL still opens."""
        return self.revoked_at is None and self.status != "EXPIRED" and at < self.expires_at


async def find(connection: Connection, invitation_id: UUID) -> Invitation | None:
    """An invitation as it stands, not held: what a page shows."""
    row = await queries("invitation").find(connection, id=invitation_id)
    return Invitation(**row) if row else None


async def hold(connection: Connection, invitation_id: UUID) -> Invitation:
    """Holds an invitation until the transaction ends. Raises NOT_FOUND."""
    row = await queries("invitation").lock(connection, id=invitation_id)
    if row is None:
        raise not_found()
    return Invitation(**row)


def in_time(rejected_at: datetime, now: datetime) -> bool:
    """Whether a rejection is no older than a URL lives; one of past years, as in an import, is not written about."""
    return now < rejected_at + timedelta(days=URL_DAYS)


async def invite(
    connection: Connection, *, application_id: UUID, now: datetime, language: Language = "JA"
) -> Invited | None:
    """Invites the candidate of a rejected application, and queues the rejection mail that carries the URL.

    None when the rejection is not `in_time`.
    """
    sql = queries("invitation")
    application = await sql.rejected_application(connection, application_id=application_id)
    if application is None or not in_time(application["decided_at"], now):
        return None
    company_id, person_id = application["company_id"], application["person_id"]
    waiting_for = await _obstacle(connection, company_id, person_id, now)
    invitation_id = await sql.invite(
        connection,
        id=uuid7(),
        company_id=company_id,
        person_id=person_id,
        application_id=application_id,
        waiting_for=waiting_for,
        rejected_at=application["decided_at"],
        expires_at=now + timedelta(days=URL_DAYS),
    )
    if invitation_id is None:  # rejected once more without having been taken back: invited already
        return Invited(await sql.of_application(connection, application_id=application_id), None)
    if waiting_for != "EMAIL":
        await _queue(connection, "REJECTION", company_id, person_id, invitation_id, language, now)
    return Invited(invitation_id, waiting_for)


async def may_write(connection: Connection, *, company_id: UUID, person_id: UUID) -> bool:
    """Whether the company may write to this person: it keeps an address, or a referral provided one, and they did not
    ask it for no mail.

    Leaves the company as the viewer of personal data.
    """
    reach = await _reach(connection, company_id, person_id)
    return reach["has_address"] and reach["may_mail"]


async def allow(connection: Connection, *, company_id: UUID, may_mail: Mapping[UUID, bool]) -> None:
    """Persons asked the company for no mail, or allow it again: what is queued for the former is not sent.

    Rejection mails then wait for an address, which `address_came` is to be told of for the latter.
    """
    sql = queries("invitation")
    rows = sql.allow(connection, company_id=company_id, person_ids=list(may_mail), may=list(may_mail.values()))
    asked = [row["person_id"] async for row in rows if not row["may_mail"]]
    if asked:
        await sql.cancel_mails_to(connection, company_id=company_id, person_ids=asked)


async def address_came(
    connection: Connection, *, company_id: UUID, person_ids: Sequence[UUID], said: Said, language: Language = "JA"
) -> None:
    """The company now keeps addresses of these persons: rejection mails that waited for one are queued."""
    sql = queries("invitation")
    rows = sql.waiting_for_address(connection, company_id=company_id, person_ids=list(person_ids), at=said.at)
    for invitation_id, person_id in [(row["id"], row["person_id"]) async for row in rows]:
        obstacle = await _obstacle(connection, company_id, person_id, said.at)
        if obstacle != "EMAIL":
            await sql.wait_for(connection, id=invitation_id, waiting_for=obstacle)
            await _queue(connection, "REJECTION", company_id, person_id, invitation_id, language, said.at)


async def sent(connection: Connection, *, invitation_id: UUID, at: datetime) -> UUID | None:
    """The mail with the personal URL went out. Returns the event's id; None if it went before, or without a URL."""
    invitation = await hold(connection, invitation_id)
    if invitation.sent_at is not None or invitation.waiting_for == "AGENCY":
        return None
    await queries("invitation").mark_sent(connection, id=invitation_id, at=at, expires_at=at + timedelta(days=URL_DAYS))
    said = Said(by=invitation.company_id, source="SYSTEM", at=at)
    return await _publish(connection, "RELAY_INVITED", said, invitation)


async def bounced(connection: Connection, *, invitation_id: UUID) -> None:
    """The mail with the personal URL could not be delivered."""
    await queries("invitation").mark_bounced(connection, id=invitation_id)


async def opened(connection: Connection, *, invitation_id: UUID, said: Said) -> Invitation:
    """The candidate pressed Continue (開封); the first time is an event. Raises TOKEN_INVALID when the URL is dead."""
    invitation = await hold(connection, invitation_id)
    if not invitation.lives(said.at):
        raise Refusal(
            RefusalCode.TOKEN_INVALID,
            ja="このURLは有効期限が切れたか、取り消されました。",
            en="This URL has expired or was taken back.",
        )
    if invitation.opened_at is None:
        await queries("invitation").mark_opened(connection, id=invitation_id, at=said.at)
        await _publish(connection, "RELAY_OPENED", said, invitation)
    return invitation


async def by_company_url(
    connection: Connection, *, company_id: UUID, email: str, language: Language, said: Said
) -> None:
    """Somebody gave an address at the company's URL: whose it is gets their personal URL by mail.

    It goes to the address that the company has of them; to the one given where it has none.

    The answer is the same whether or not a rejection was found; where none was, the company is asked to confirm.
    """
    sql = queries("invitation")
    since = said.at - timedelta(days=URL_DAYS)
    kept = await keep(connection, partner_id=company_id, email=email, items={}, at=said.at)
    reach = await _reach(connection, company_id, kept.person_id)
    if not reach["may_mail"]:
        return  # whoever types their address does not change that
    if not reach["has_address"]:
        # Else it stays what it is: anybody may type another spelling of it, or one that the person has left.
        await keep(connection, partner_id=company_id, email=email, items={"EMAIL": email}, at=said.at)
    application_id = await sql.latest_rejection(
        connection, company_id=company_id, person_id=kept.person_id, since=since
    )
    if application_id is not None:
        invitation_id = await sql.of_application(connection, application_id=application_id)
        if invitation_id is None:
            invited = await invite(connection, application_id=application_id, now=said.at, language=language)
            invitation_id = invited and invited.invitation_id
        await sql.address_known(connection, id=invitation_id)
    else:
        invitation_id = await _ask_company(connection, company_id, kept.person_id, language, said.at)
    if invitation_id is None:
        return
    recently = said.at - timedelta(minutes=RESEND_MINUTES)
    lately = await sql.links_lately(
        connection,
        invitation_id=invitation_id,
        person_id=kept.person_id,
        since=recently,
        day=said.at - timedelta(days=1),
    )
    if not lately["again"] and lately["today"] < LINKS_A_DAY:
        await _queue(connection, "RELAY_LINK", company_id, kept.person_id, invitation_id, language, said.at)


async def of_application(connection: Connection, application_id: UUID) -> UUID | None:
    """The invitation of a rejected application."""
    return await queries("invitation").of_application(connection, application_id=application_id)


async def confirm(connection: Connection, *, invitation_id: UUID, said: Said) -> Invitation:
    """The company says that it did reject this person. Raises WRONG_STATE when nobody asked, or too long ago."""
    invitation = await hold(connection, invitation_id)
    if invitation.company_confirm_by is None or invitation.company_confirm_by < said.at:
        raise wrong_state(
            f"確認の期限（{CONFIRM_DAYS}日）を過ぎたか、確認の必要がありません。",
            f"There is nothing to confirm, or the {CONFIRM_DAYS} days for it are over.",
        )
    if invitation.company_confirmed_at is None:
        await queries("invitation").confirm(connection, id=invitation_id, at=said.at)
    return await hold(connection, invitation_id)


async def revoke(connection: Connection, *, invitation_id: UUID, at: datetime) -> None:
    """The rejection was taken back: the URL dies and unsent mails stay unsent."""
    await queries("invitation").revoke(connection, id=invitation_id, at=at)
    await queries("invitation").cancel_mails(connection, id=invitation_id)


async def expire_due(connection: Connection, now: datetime) -> int:
    """Closes URLs past their last day, at most EXPIRE_AT_ONCE of them. Returns how many."""
    return len([row async for row in queries("invitation").expire_due(connection, now=now, most=EXPIRE_AT_ONCE)])


async def _reach(connection: Connection, company_id: UUID, person_id: UUID) -> asyncpg.Record:
    await queries("candidate").view_as(connection, partner_id=company_id)
    return await queries("invitation").reach(connection, company_id=company_id, person_id=person_id)


async def _obstacle(connection: Connection, company_id: UUID, person_id: UUID, at: datetime) -> str | None:
    """What keeps the mail with the URL from going out now."""
    if not await may_write(connection, company_id=company_id, person_id=person_id):
        return "EMAIL"
    offered = await queries("invitation").anybody_to_choose(connection, company_id=company_id, at=at)
    return None if offered else "AGENCY"


async def _ask_company(
    connection: Connection, company_id: UUID, person_id: UUID, language: Language, at: datetime
) -> UUID:
    sql = queries("invitation")
    found = await sql.open_unmatched(connection, company_id=company_id, person_id=person_id, at=at)
    if found is not None:
        return found
    invitation_id = uuid7()
    await sql.invite_unmatched(
        connection,
        id=invitation_id,
        company_id=company_id,
        person_id=person_id,
        at=at,
        expires_at=at + timedelta(days=URL_DAYS),
        confirm_by=at + timedelta(days=CONFIRM_DAYS),
    )
    await _queue(connection, "COMPANY_CONFIRMATION", company_id, person_id, invitation_id, language, at)
    return invitation_id


async def _queue(
    connection: Connection,
    kind: MailKind,
    company_id: UUID,
    person_id: UUID,
    invitation_id: UUID,
    language: Language,
    at: datetime,
) -> None:
    await queries("invitation").queue(
        connection,
        id=uuid7(),
        kind=kind,
        company_id=company_id,
        person_id=person_id,
        invitation_id=invitation_id,
        language=language,
        at=at,
    )


async def _publish(connection: Connection, kind: str, said: Said, invitation: Invitation) -> UUID:
    return await publish(
        connection,
        kind,
        said,
        company_id=invitation.company_id,
        application_id=invitation.application_id,
        invitation_id=invitation.id,
    )
