-- name: grounds
-- The job's company, and the referral with its referrer, that applications are to be recorded with.
select g.place, (select j.company_id from job j where j.id = g.job_id) as job_company_id,
  r.company_id, r.referrer_id, r.person_id, r.status, r.job_id, p.kind as referrer_kind, p.affiliation, r.origin_id,
  exists (select from application a where a.referral_id = r.id) as taken
from json_to_recordset(:asked) as g (place int, job_id uuid, referral_id uuid)
left join referral r on r.id = g.referral_id
left join partner p on p.id = r.referrer_id;

-- name: record
-- Applications; without those that the company's ATS told of before, or whose referral has one already.
with recorded as (
  insert into application (id, company_id, job_id, person_id, referral_id, route, stage, status, external_id, received_at)
  select id, company_id, job_id, person_id, referral_id, route, stage, 'ACTIVE', external_id, at
  from json_to_recordset(:applications) as a (id uuid, company_id uuid, job_id uuid, person_id uuid, referral_id uuid,
    route text, stage text, external_id text, at timestamptz)
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
