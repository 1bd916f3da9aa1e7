"""Rows in PostgreSQL's binary COPY format, written directly.

A field is kept as the bytes that COPY wants (length and value), from the moment it is made: an id that stands in ten
rows is encoded once, and a row is one join. Instants are microseconds and days are days since 2000-01-01, as
PostgreSQL counts them.
"""

from __future__ import annotations

from functools import cache
from struct import Struct
from uuid import UUID

Field = bytes

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL: Field = b"\xff\xff\xff\xff"
TRUE: Field = b"\0\0\0\x01\x01"
FALSE: Field = b"\0\0\0\x01\0"

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
JAPAN = 9 * HOUR  # ahead of UTC, the whole year
UNIX_EPOCH = 946_684_800 * SECOND  # from 1970 to 2000

_instant = Struct(">iq").pack
_instants = Struct(">iqiq").pack
_int = Struct(">ii").pack
_length = Struct(">i").pack
_dimension = Struct(">iiIii").pack
_empty = Struct(">iiI").pack
_numeric = Struct(">iHhHHHHH").pack

TEXT_OID, UUID_OID = 25, 2950
UUID_BYTES = 20  # as a field
MILLION = 1_000_000


def instant(at: int) -> Field:
    return _instant(8, at)


def instants(first: int, second: int) -> bytes:
    """Two fields that stand side by side."""
    return _instants(8, first, 8, second)


def optional_instant(at: int | None) -> Field:
    return NULL if at is None else _instant(8, at)


def day(number: int) -> Field:
    return _int(4, number)


def integer(number: int) -> Field:
    return _int(4, number)


def bigint(number: int) -> Field:
    return _instant(8, number)


@cache
def word(value: str) -> Field:
    """A text that comes back often, such as a state's name."""
    return text(value)


def text(value: str) -> Field:
    return blob(value.encode())


def blob(value: bytes) -> Field:
    return _length(len(value)) + value


def json(value: bytes) -> Field:
    return blob(b"\x01" + value)


@cache
def share(millionths: int) -> Field:
    """A share of 1, as numeric with 6 digits after the point."""
    return _numeric(14, 3, 0, 0, 6, millionths // MILLION, millionths // 100 % 10_000, millionths % 100 * 100)


@cache
def texts(values: tuple[str, ...]) -> Field:
    fields = b"".join([word(value) for value in values])
    return _array(TEXT_OID, len(values), len(fields)) + fields


def uuids(values: list[Field]) -> Field:
    return _array(UUID_OID, len(values), len(values) * UUID_BYTES) + b"".join(values)


@cache
def _array(oid: int, count: int, length: int) -> bytes:
    """What the fields of an array stand behind; `length`: theirs."""
    head = _dimension(1, 0, oid, count, 1) if count else _empty(0, 0, oid)
    return _length(len(head) + length) + head


def uuid(field: Field) -> UUID:
    return UUID(bytes=field[4:])


def uuid_field(value: UUID) -> Field:
    return b"\0\0\0\x10" + value.bytes


def japan_day(at: int) -> int:
    """The day in Japan of an instant."""
    return (at + JAPAN) // DAY


def midnight(number: int) -> int:
    """The instant at which a day begins in Japan."""
    return number * DAY - JAPAN


def head(columns: int) -> bytes:
    """What a row of so many columns begins with."""
    return columns.to_bytes(2, "big")


class Sheet:
    """The rows of one table, in the order in which they are added."""

    __slots__ = ("_head", "rows")  # `rows`: without their head, the count of columns

    def __init__(self, columns: int) -> None:
        self._head = head(columns)
        self.rows: list[bytes] = []

    def add(self, *fields: Field) -> None:
        self.rows.append(b"".join(fields))

    def packed(self) -> bytes:
        """All rows, as COPY wants them."""
        return self._head + self._head.join(self.rows) if self.rows else b""


# Tables in an order in which each one's references come before it, with the columns that are written.
COLUMNS: dict[str, tuple[str, ...]] = {
    table: tuple(columns.split())
    for table, columns in {
        "partner": "id kind name legal_name sort_name slug prefecture url joined_at verified_at corporate_number"
        " school_code school_level license_number license_kind license_expires_on affiliation company_id focus"
        " prefectures",
        "community_member": "community_id partner_id joined_at",
        "agreement": "id kind status purpose version_id offered_at accepted_at ends_at suspended_by",
        "agreement_party": "agreement_id partner_id",
        "agreement_version": "id agreement_id number proposed_by proposed_at hash sharing handovers_per_slot"
        " silence_days slot_months starts_on ends_on accepted_at",
        "agreement_acceptance": "version_id partner_id accepted_at",
        "agreement_share": "giver_id receiver_id category granularity agreement_id kind starts_on ends_on",
        "rejection_mail": "id company_id language subject body saved_at",
        "job": "id company_id title requirements challenge openings prefecture status external_id opened_at closed_at"
        " open_to_network",
        "person": "id created_at",
        "person_email": "email_index person_id",
        "person_key": "person_id sealed",
        "candidate": "id partner_id person_id alias created_at",
        "personal_data": "candidate_id item addressee_id partner_id person_id sealed recorded_at",
        "consent": "id person_id asked_by recipient_id purpose items text_version language given_at withdrawn_at",
        "provision": "id consent_id agreement_id person_id giver_id receiver_id giver_candidate_id"
        " receiver_candidate_id items provided_at ended_at",
        "referral": "id referrer_id company_id job_id person_id status relationship role submitted_at confirmed_at"
        " closed_at confirm_by origin_id consent_id hired_at",
        "application": "id company_id job_id person_id referral_id route stage status external_id received_at"
        " decided_at rejection_reason hire_id",
        "relay_invitation": "id company_id person_id application_id status waiting_for rejected_at sent_at opened_at"
        " expires_at revoked_at accepted_at counted_at placed_at",
        "handover": "id invitation_id application_id company_id agency_id person_id agreement_id consent_id status"
        " registered_at answer_by decided_at by_silence decline_reason counted counted_at placement_id"
        " placed_outside_on placed_at",
        "relay_account": "id company_id agency_id agreement_id opened_at counted available reserved redeemed expired"
        " debt balance_at",
        "slot": "id account_id company_id agency_id status earned_at expires_at application_id hire_id",
        "ledger_transfer": "id account_id company_id agency_id kind unit amount debit credit occurred_at posted_at"
        " handover_id slot_id reverses_id",
        "hire": "id company_id application_id person_id route decided_at starts_on handover_id reverted_at",
        "survey": "id application_id company_id person_id stage decision score sent_at answered_at",
        "retention_check": "hire_id day status checked_at",
        "outcome_event": "id kind category occurred_at recorded_at reported_by source source_event_id stage"
        " company_id parties referral_id application_id handover_id invitation_id slot_id hire_id corrects_id",
        "contribution": "id contributor_id company_id hire_id role share occurred_at",
        "contribution_evidence": "contribution_id event_id",
    }.items()
}


def sheets() -> dict[str, Sheet]:
    """An empty sheet for every table."""
    return {table: Sheet(len(columns)) for table, columns in COLUMNS.items()}
