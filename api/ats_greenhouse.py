"""Greenhouse Recruiting: what its webhooks say, in our facts (source: grnhse/greenhouse-api-docs, webhooks).

A payload is read with forbearance: a key that is missing, null or of another type was not told, nor was a time at which
nothing can be. Nearly every event carries a whole application, so an application that was never announced is made from
whatever mentions it first.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, cast

from api.intake import (
    YEARS,
    Applicant,
    ApplicantChanged,
    ApplicantErased,
    ApplicantMerged,
    ApplicationDeleted,
    ApplicationState,
    Credit,
    Fact,
    JobDeleted,
    JobState,
    Named,
    OfferState,
    Told,
)
from api.intake_words import full_name, prefecture_in, route_of, stage_of
from models.japan import today
from models.mailbox import plain_email
from models.selection import may_start

TITLE_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MAX = 2000
ACTION = re.compile(r"[a-z_]{1,60}")
EMAIL_TYPES = ("personal", "other", "work")  # a mail about a rejection should not land at the present employer
IDENTITY_FIELDS = {"full_name", "email_addresses"}
ITEM_FIELDS = {"phone_numbers": "PHONE", "addresses": "PREFECTURE"}
OFFER_STAGES = {"Created": "OFFER", "Accepted": "OFFER_ACCEPTED"}

SEEN = {
    "new_candidate_application": Told.ACTIVE,
    "application_updated": None,
    "candidate_stage_change": None,
    "reject_candidate": Told.REJECTED,
    "unreject_candidate": Told.REINSTATED,
    "hire_candidate": Told.HIRED,
    "unhire_candidate": Told.REINSTATED,
}
"""Events that carry a whole application, and what they say of it; None: its own `status` says."""

STATUSES = {"active": Told.ACTIVE, "rejected": Told.REJECTED, "hired": Told.HIRED}

Json = dict[str, Any]


def verify(secret: bytes, headers: Mapping[bytes, bytes], body: bytes) -> bool:
    """Whether `Signature: sha256 <hex>` is the HMAC-SHA256 of the body exactly as it came."""
    algorithm, _, given = headers.get(b"signature", b"").strip().partition(b" ")
    expected = hmac.digest(secret, body, "sha256").hex()
    matches = hmac.compare_digest(expected.encode(), given.strip().lower())
    return matches and algorithm.lower() == b"sha256"


def name(headers: Mapping[bytes, bytes], body: bytes, document: Json) -> Named | None:
    """The delivery's id, action and subject. The set-up ping may come without an id of its own."""
    action = document.get("action")
    if not isinstance(action, str) or not isinstance(document.get("payload"), dict):
        return None
    event_id = headers.get(b"greenhouse-event-id", b"").decode("latin-1").strip() or None
    known = action if ACTION.fullmatch(action) else "unknown"
    return Named(event_id, known, _subject(document["payload"]))


def read(document: Json, received_at: datetime) -> list[Fact]:
    """The facts of one delivery. Prospects (people who never applied) and unknown actions tell none."""
    action, payload = document["action"], cast(Json, document["payload"])
    if action in SEEN:
        return _application(action, _part(payload, "application"), received_at)
    if action.startswith("offer_") and action != "offer_deleted":
        return _offer(payload, received_at)
    if action in ("job_created", "job_updated", "job_approved", "job_deleted"):
        return _job_event(action, _part(payload, "job"), received_at)
    person = _part(payload, "person")
    match action:
        case "update_candidate":
            applicant = _applicant(_part(payload, "candidate"))
            return [ApplicantChanged(applicant, received_at)] if applicant else []
        case "merge_candidate":
            old, new = _id(person.get("id")), _id(person.get("new_candidate_id"))
            return [ApplicantMerged(old, new)] if old and new else []
        case "delete_candidate":
            return _erased(_id(person.get("id")), received_at, person.get("deleted_application_ids"))
        case "candidate_anonymized":
            return _anonymised(payload, received_at)
        case "delete_application":
            deleted = _id(_part(payload, "application").get("id"))
            return [ApplicationDeleted(deleted, received_at)] if deleted else []
        case _:
            return []


def _application(action: str, seen: Json, received_at: datetime) -> list[Fact]:
    external_id, applicant = _id(seen.get("id")), _applicant(_part(seen, "candidate"))
    if not external_id or not applicant or seen.get("prospect") is True:
        return []
    status = SEEN[action] or STATUSES.get(str(seen.get("status")), Told.ACTIVE)
    offer = _part(seen, "offer")
    starts_on = _day(offer.get("starts_at"))
    applied_at, active_at = _time(seen.get("applied_at")), _time(seen.get("last_activity_at"))
    as_of = active_at or applied_at or received_at
    decided_at = None
    if status is Told.REJECTED:
        decided_at = as_of = _time(seen.get("rejected_at")) or active_at or received_at
    elif status is Told.HIRED:
        decided_at = as_of = _time(offer.get("resolved_at")) or active_at or received_at
    jobs = seen.get("jobs")
    first = cast(list[Any], jobs)[0] if isinstance(jobs, list) and jobs else seen.get("job")
    credit = _credit(_part(seen, "credited_to"))
    source = _part(seen, "source")
    return [
        ApplicationState(
            external_id=external_id,
            applicant=applicant,
            status=status,
            as_of=as_of,
            received_at=applied_at or as_of,
            job=_job(cast(Json, first), mention=True) if isinstance(first, dict) else None,
            stage=stage_of(_text(_part(seen, "current_stage").get("name"))),
            stage_moved=action == "candidate_stage_change",
            decided_at=decided_at,
            starts_on=starts_on if starts_on and decided_at and may_start(starts_on, decided_at) else None,
            reason=_reason(_part(seen, "rejection_reason")),
            route="EMPLOYEE_REFERRAL" if credit else route_of(_text(source.get("public_name") or source.get("name"))),
            credit=credit,
        )
    ]


def _applicant(seen: Json) -> Applicant | None:
    external_id = _id(seen.get("id"))
    if not external_id:
        return None
    addresses = " ".join(filter(None, (_text(each.get("value")) for each in _list(seen, "addresses"))))
    phones = [text for each in _list(seen, "phone_numbers") if (text := _text(each.get("value")))]
    return Applicant(
        external_id=external_id,
        name=full_name(_text(seen.get("last_name")), _text(seen.get("first_name"))),
        email=_email(_list(seen, "email_addresses")),
        phone=phones[0][:50] if phones else None,
        prefecture=prefecture_in(addresses),
        may_mail=may_mail if isinstance(may_mail := seen.get("can_email"), bool) else None,
    )


def _email(addresses: list[Json]) -> str | None:
    def preference(each: Json) -> int:
        kind = str(each.get("type") or "").strip()
        return EMAIL_TYPES.index(kind) if kind in EMAIL_TYPES else len(EMAIL_TYPES)

    for each in sorted(addresses, key=preference):
        address = plain_email(_text(each.get("value")) or "")
        if address:
            return address
    return None


def _credit(seen: Json) -> Credit | None:
    credit = Credit(
        name=_text(seen.get("name")),
        user_id=_id(seen.get("id")),
        employee_id=_text(seen.get("employee_id")),
        email=_text(seen.get("email")),
    )
    return credit if credit.name or credit.user_id or credit.employee_id or credit.email else None


def _job(seen: Json, *, mention: bool) -> JobState | None:
    external_id = _id(seen.get("id"))
    if not external_id:
        return None
    places = " ".join(
        f"{_text(each.get('name')) or ''} {_text(each.get('location')) or ''}" for each in _list(seen, "offices")
    )
    status = str(seen.get("status") or ("closed" if seen.get("closed_at") else "open")).upper()
    openings = _list(seen, "openings")
    return JobState(
        external_id=external_id,
        title=(_text(seen.get("name")) or external_id)[:TITLE_CHARACTERS_MAX],
        status=status if status in ("DRAFT", "OPEN", "CLOSED") else "OPEN",
        openings=len(openings) if "openings" in seen else None,
        prefecture=prefecture_in(places),
        opened_at=_time(seen.get("opened_at") or seen.get("open_date")),
        mention=mention,
    )


def _job_event(action: str, seen: Json, received_at: datetime) -> list[Fact]:
    job = _job(seen, mention=action == "job_created")
    if not job:
        return []
    return [JobDeleted(job.external_id, received_at)] if action == "job_deleted" else [job]


def _offer(payload: Json, received_at: datetime) -> list[Fact]:
    application_id, stage = _id(payload.get("application_id")), OFFER_STAGES.get(str(payload.get("offer_status")))
    if not application_id or not stage:
        return []
    accepted_at = _time(payload.get("resolved_at")) if stage == "OFFER_ACCEPTED" else None
    return [OfferState(application_id, stage, accepted_at or received_at)]


def _erased(external_id: str | None, at: datetime, applications: Any) -> list[Fact]:
    if not external_id:
        return []
    told = cast(list[Any], applications) if isinstance(applications, list) else None
    ids = None if told is None else tuple(found for each in told if (found := _id(each)))
    return [ApplicantErased(external_id, at, application_ids=ids)]


def _anonymised(payload: Json, at: datetime) -> list[Fact]:
    external_id, told = _id(payload.get("candidate_id")), payload.get("anonymized_fields")
    if not external_id:
        return []
    fields = {each for each in cast(list[Any], told) if isinstance(each, str)} if isinstance(told, list) else None
    if fields is None or fields & IDENTITY_FIELDS:
        return [ApplicantErased(external_id, at)]
    items = tuple(item for each, item in ITEM_FIELDS.items() if each in fields)
    return [ApplicantErased(external_id, at, items=items)] if items else []


def _reason(seen: Json) -> str | None:
    name = _text(seen.get("name"))
    return name[:TEXT_CHARACTERS_MAX] if name else None


def _subject(payload: Json) -> str | None:
    """Whom or what the delivery is about: `application:…` before `candidate:…`, since candidates merge."""
    application = _part(payload, "application")
    for kind, found in (
        (
            "application",
            application.get("id") or payload.get("application_id") or _part(payload, "offer").get("application_id"),
        ),
        (
            "candidate",
            _part(payload, "candidate").get("id") or _part(payload, "person").get("id") or payload.get("candidate_id"),
        ),
        ("job", _part(payload, "job").get("id")),
    ):
        if external_id := _id(found):
            return f"{kind}:{external_id}"
    return None


def _part(of: Json, key: str) -> Json:
    found = of.get(key)
    return cast(Json, found) if isinstance(found, dict) else {}


def _list(of: Json, key: str) -> list[Json]:
    found = of.get(key)
    if not isinstance(found, list):
        return []
    return [cast(Json, each) for each in cast(list[Any], found) if isinstance(each, dict)]


def _id(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return (_text(str(value)) or "")[:100] or None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return value.replace("\0", "").strip()[:TEXT_CHARACTERS_MAX] or None


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)) if found.year in YEARS else None


def _day(value: Any) -> date | None:
    """A day as Greenhouse writes it: `2015-01-23`, in some events `01/23/2015`."""
    if not isinstance(value, str):
        return None
    for form in ("%Y-%m-%d", "%m/%d/%Y"):
        try:
            found = datetime.strptime(value.strip(), form).date()
            return found if found.year in YEARS else None
        except ValueError:
            continue
    at = _time(value)
    return today(at) if at else None
