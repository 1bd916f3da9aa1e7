"""L's mutation: a referral submitted by a hand-written transaction of three statements, with the rows of Kyoso's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from models.db import uuid7
from models.mailbox import plain_email
from models.partner import alias_of
from models.referral import CONFIRM_DAYS, NAME_CHARACTERS, RELATIONSHIPS, role_of
from models.seal import email_index, new_person_key, open_person_key, seal_items

CLIENT = "limit"


async def submit(connection: Any, named: Any, viewer: UUID, asked: Mapping[str, str]) -> str:
    """The answer as JSON. Raises ValueError, and then nothing is written, for whatever Kyoso would refuse."""
    company, job = (UUID(asked[name].partition("_")[2]) for name in ("companyId", "jobId"))
    email, name = plain_email(asked["email"]), asked["name"].strip()
    if email is None or not 1 <= len(name) <= NAME_CHARACTERS or asked["relationship"] not in RELATIONSHIPS:
        raise ValueError("a value of the input breaks a rule")
    key = {"client": CLIENT, "key": asked["clientMutationId"]}
    digest = hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()
    facts = await named.q7_claim(connection, **key, hash=digest, viewer=viewer, company_id=company, job_id=job)
    if not facts["fresh"] or facts["company_kind"] != "COMPANY" or viewer == company:
        raise ValueError("used before, or no company to refer to")
    if facts["job_company_id"] != company or facts["job_status"] != "OPEN":
        raise ValueError("the job is not open")
    if not (facts["open_to_network"] or facts["agreement_kind"] or facts["belongs_to"] == company):
        raise ValueError("no agreement covers this")
    at, fresh, candidate = datetime.now(UTC), uuid7(), uuid7()
    alias = f"候補者 {alias_of(candidate)}"
    person_key, sealed_key = new_person_key(fresh)
    kept = await named.q7_keep(
        connection,
        viewer=viewer,
        email_index=email_index(email),
        fresh_person=fresh,
        fresh_key=sealed_key,
        fresh_candidate=candidate,
        alias=alias,
        at=at,
    )
    candidate, person = kept["candidate_id"], kept["person_id"]
    if person != fresh:
        person_key = open_person_key(kept["sealed_key"], person)
    items = {"NAME": name, "EMAIL": email}
    text = await named.q7_write(
        connection,
        **key,
        id=uuid7(),
        viewer=viewer,
        company_id=company,
        job_id=job,
        person_id=person,
        candidate_id=candidate,
        alias=alias,
        relationship=asked["relationship"],
        role=role_of(facts["referrer_kind"], facts["agreement_kind"]),
        at=at,
        confirm_by=at + timedelta(days=CONFIRM_DAYS),
        items=list(items),
        sealed=seal_items(person_key, candidate, items),
        mail_id=uuid7(),
        event_id=uuid7(),
        parties=sorted({viewer, company}),
        company=facts["company"],
        title=facts["title"],
    )
    if text is None:
        raise ValueError("referred before")
    return text
