-- name: record
-- Referrals that an ATS credits: confirmed by the person's own application. Without those that are there already.
insert into referral (id, referrer_id, company_id, job_id, person_id, status, relationship, role, submitted_at, confirmed_at)
select id, referrer_id, company_id, job_id, person_id, 'CONFIRMED', relationship, role, at, at
from json_to_recordset(:referrals) as r (id uuid, referrer_id uuid, company_id uuid, job_id uuid, person_id uuid,
  relationship text, role text, at timestamptz)
on conflict (referrer_id, company_id, person_id) do nothing
returning id;

-- name: hold^
-- The referral of one person by one referrer to one company, held.
select id, status from referral
where referrer_id = :referrer_id and company_id = :company_id and person_id = :person_id for update;
