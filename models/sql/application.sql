-- name: grounds^
-- The job's company, and the referral with its referrer, that an application is to be recorded with.
select
  (select j.company_id from job j where j.id = :job_id) as job_company_id,
  r.company_id, r.referrer_id, r.person_id, r.status, r.job_id, p.kind as referrer_kind, p.affiliation, r.origin_id,
  exists (select from application a where a.referral_id = r.id) as taken
from (values (1)) as one (row)
left join referral r on r.id = :referral_id
left join partner p on p.id = r.referrer_id;

-- name: record$
-- An application; nothing when the company's ATS told of it before, or its referral has one already.
with recorded as (
  insert into application (id, company_id, job_id, person_id, referral_id, route, stage, status, external_id, received_at)
  values (:id, :company_id, :job_id, :person_id, :referral_id, :route, :stage, 'ACTIVE', :external_id, :at)
  on conflict do nothing
  returning id, referral_id
), advanced as (
  update referral r set status = 'IN_SELECTION' from recorded
  where r.id = recorded.referral_id and r.status in ('CONFIRMED', 'CLOSED')
)
select id from recorded;

-- name: by_external_id$
-- The application that the company's ATS calls so.
select id from application where company_id = :company_id and external_id = :external_id;

-- name: seen^
-- Whose application it is and how it stands; asked when a step was not possible, to say why.
select company_id, status from application where id = :id;

-- name: stage^
-- The furthest stage reached; a stage before the decision may be told after it.
update application set stage = case
    when array_position(:stages::text[], :stage::text) > array_position(:stages::text[], stage) then :stage else stage end
where id = :id and company_id = :by and (status = 'ACTIVE' or decided_at >= :at)
returning company_id, referral_id, (select r.referrer_id from referral r where r.id = referral_id) as referrer_id;

-- name: close^
-- The application ends without a hire, and its referral with it.
with decided as (
  update application set status = :status, decided_at = :at, rejection_reason = :reason
  where id = :id and company_id = :by and status = 'ACTIVE'
  returning company_id, referral_id
), closed as (
  update referral r set status = 'CLOSED', closed_at = :at from decided
  where r.id = decided.referral_id and r.status in ('CONFIRMED', 'IN_SELECTION')
)
select d.company_id, d.referral_id, (select r.referrer_id from referral r where r.id = d.referral_id) as referrer_id
from decided d;

-- name: hire^
-- The application ends in a hire, which remembers the handover that it grew from.
with decided as (
  update application set status = 'HIRED', decided_at = :at, hire_id = :hire_id, stage = 'OFFER_ACCEPTED'
  where id = :id and company_id = :by and status = 'ACTIVE'
  returning id, company_id, person_id, route, referral_id
), hired as (
  insert into hire (id, company_id, application_id, person_id, route, decided_at, starts_on, slot_id, handover_id)
  select :hire_id, d.company_id, d.id, d.person_id, d.route, :at, :starts_on, :slot_id, r.origin_id
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
