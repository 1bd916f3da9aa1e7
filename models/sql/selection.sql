-- name: seen^
-- Whose application it is and how it stands; asked when a step was not possible, to say why.
select company_id, status from application where id = :id;

-- name: stage
-- The furthest stages reached; a stage before the decision may be told after it.
update application a set stage = case
    when array_position(:stages::text[], s.stage) > array_position(:stages::text[], a.stage) then s.stage else a.stage end
from json_to_recordset(:steps) as s (id uuid, by uuid, stage text, at timestamptz)
where a.id = s.id and a.company_id = s.by and (a.status = 'ACTIVE' or a.decided_at >= s.at)
returning a.id, a.company_id, a.referral_id, (select r.referrer_id from referral r where r.id = a.referral_id) as referrer_id;

-- name: close
-- Applications end without a hire, and their referrals with them.
with decided as (
  update application a set status = :status, decided_at = s.at, rejection_reason = s.reason
  from json_to_recordset(:steps) as s (id uuid, by uuid, reason text, at timestamptz)
  where a.id = s.id and a.company_id = s.by and a.status = 'ACTIVE'
  returning a.id, a.company_id, a.referral_id, a.decided_at
), closed as (
  update referral r set status = 'CLOSED', closed_at = d.decided_at from decided d
  where r.id = d.referral_id and r.status in ('CONFIRMED', 'IN_SELECTION')
)
select d.id, d.company_id, d.referral_id, (select r.referrer_id from referral r where r.id = d.referral_id) as referrer_id
from decided d;

-- name: hire^
-- The application ends in a hire, which remembers the handover that it grew from.
with decided as (
  update application set status = 'HIRED', decided_at = :at, hire_id = :hire_id, stage = 'OFFER_ACCEPTED'
  where id = :id and company_id = :by and status = 'ACTIVE'
  returning id, company_id, person_id, route, referral_id
), hired as (
  insert into hire (id, company_id, application_id, person_id, route, decided_at, starts_on, handover_id)
  select :hire_id, d.company_id, d.id, d.person_id, d.route, :at, :starts_on, r.origin_id
  from decided d left join referral r on r.id = d.referral_id
), told as (
  update referral r set status = 'HIRED', closed_at = :at from decided where r.id = decided.referral_id
)
select d.company_id, d.referral_id, r.referrer_id, r.origin_id
from decided d left join referral r on r.id = d.referral_id;

-- name: revert^
-- A decision is taken back: the application is in selection again, and a hire stays on record as reverted.
with held as (
  select id, status, hire_id, referral_id, company_id from application
  where id = :id and company_id = :by and status in ('REJECTED', 'HIRED') for update
), reopened as (
  update application a set status = 'ACTIVE', decided_at = null, rejection_reason = null, hire_id = null,
    revert_reason = :reason
  from held where a.id = held.id
), undone as (
  update hire h set reverted_at = :at from held where h.id = held.hire_id
), again as (
  update referral r set status = 'IN_SELECTION', closed_at = null from held
  where r.id = held.referral_id and r.status in ('CLOSED', 'HIRED')
)
select h.status, h.hire_id, h.referral_id, h.company_id, r.referrer_id,
  (select e.id from outcome_event e
    where e.application_id = h.id and e.kind = h.status order by e.xid desc, e.position desc limit 1) as corrects_id
from held h left join referral r on r.id = h.referral_id;
