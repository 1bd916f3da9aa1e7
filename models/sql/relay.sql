-- name: find_handover^
-- A handover as it stands, not held: which account, invitation and person it leads to.
select id, invitation_id, application_id, company_id, agency_id, person_id, agreement_id, consent_id, status, answer_by, counted
from handover where id = :id;

-- name: lock_handover^
-- A handover, held; its account and invitation are held before it.
select id, invitation_id, application_id, company_id, agency_id, person_id, agreement_id, consent_id, status, answer_by, counted,
  registered_at, placed_outside_on, placement_id
from handover where id = :id for update;

-- name: lock_handovers
-- All handovers of an invitation, held.
select id, invitation_id, application_id, company_id, agency_id, person_id, agreement_id, consent_id, status, answer_by, counted
from handover where invitation_id = :invitation_id order by id for update;

-- name: accounts_of_invitation
-- Between whom the handovers of an invitation run.
select distinct company_id, agency_id from handover where invitation_id = :invitation_id;

-- name: hold_person_and_agency
-- One count per person and agency in twelve months: whoever counts waits here, whichever company it is for.
select pg_advisory_xact_lock(hashtextextended(:person_id::uuid::text || :agency_id::uuid::text, 0));

-- name: counted_within_a_year$
-- Whether this person counted for this agency less than twelve months before or after that instant, for any company.
select exists (
  select from handover
  where person_id = :person_id and agency_id = :agency_id and counted
    and counted_at > :at::timestamptz - interval '12 months' and counted_at < :at::timestamptz + interval '12 months');

-- name: decide!
-- The agency's answer, or its silence.
update handover set status = :status, decided_at = :at, by_silence = :by_silence, decline_reason = :reason where id = :id;

-- name: mark_counted!
-- This handover counts.
update handover set counted = true, counted_at = :at where id = :id;

-- name: mark_reversed!
-- This handover is taken back, and its count with it.
update handover set status = 'REVERSED', counted = false where id = :id;

-- name: due_handovers
-- Handovers whose agency has been silent too long, under agreements that ran on that day; oldest deadline first.
select h.id, h.company_id, h.agency_id
from handover h cross join lateral version_in_force(h.agreement_id, h.answer_by) v
where h.status = 'REGISTERED' and h.answer_by <= :now and v.handovers_per_slot is not null
order by h.answer_by, h.id limit :most;

-- name: end_provisions!
-- What was provided on this consent flows no longer.
update provision set ended_at = :at where consent_id = :consent_id and ended_at is null;

-- name: place_outside!
-- The day on which work outside the network begins.
update handover set placed_outside_on = :starts_on, placed_at = :at where id = :id;

-- name: place_inside!
-- The hire that a handover grew into.
update handover set placement_id = :hire_id, placed_at = :at where id = :id;

-- name: unplace!
-- The hire was taken back: the handover led nowhere after all.
update handover set placement_id = null, placed_at = case when placed_outside_on is null then null else placed_at end
where placement_id = :hire_id;

-- name: consent_to_tell$
-- The consent by which this person lets this agency tell that company what became of them, held until the transaction ends,
-- as the person is: first the person, as an erasure does. A consent to other items is none to news.
select c.id from person p join consent c on c.person_id = p.id
where p.id = :person_id and c.asked_by = :agency_id and c.recipient_id = :company_id and 'OUTCOME' = any (c.items)
  and c.withdrawn_at is null and p.erased_at is null
order by c.given_at desc, c.id desc limit 1 for share;

-- name: handovers_of_consents
-- Handovers that wait for an answer and rest on these consents.
select id, company_id, agency_id from handover where consent_id = any(:consent_ids::uuid[]) and status = 'REGISTERED';

-- name: lock_invitations_of_consents
-- The invitations of handovers that wait for an answer and rest on these consents, held.
select id from relay_invitation
where id in (select invitation_id from handover where consent_id = any(:consent_ids::uuid[]) and status = 'REGISTERED')
order by id for update;

-- name: lock_handovers_of_consents
-- Handovers that wait for an answer and rest on these consents, held; their invitations are held before them.
select id from handover where consent_id = any(:consent_ids::uuid[]) and status = 'REGISTERED' order by id for update;

-- name: licensed$
-- Whether this agency's licence is valid on that day in Japan.
select license_expires_on >= (:at::timestamptz at time zone 'Asia/Tokyo')::date from partner where id = :agency_id;
