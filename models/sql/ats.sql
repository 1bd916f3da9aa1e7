-- name: connect_integration$
-- A company's integration with one system; connecting again replaces the secret and keeps the address.
insert into ats_integration (id, company_id, system, secret_sealed, connected_at)
values (:id, :company_id, :system, :secret_sealed, clock_timestamp())
on conflict (company_id, system) do update set connected_at = excluded.connected_at
returning id;

-- name: set_secret!
-- The secret, sealed for the row that holds it.
update ats_integration set secret_sealed = :secret_sealed where id = :id;

-- name: integrations
-- Integrations, by the ids that their addresses carry.
select id, company_id, system, secret_sealed from ats_integration where id = any(:ids::uuid[]);

-- name: candidate^
-- Whom an ATS means by its candidate id, and how new what it told of them is.
select person_id, told_at from ats_candidate where company_id = :company_id and system = :system and external_id = :external_id;

-- name: know_candidates!
-- An ATS's candidate ids mean these persons from now on.
insert into ats_candidate (company_id, system, external_id, person_id, told_at)
select :company_id, :system, a.external_id, a.person_id, coalesce(a.told_at, 'epoch')
from unnest(:external_ids::text[], :person_ids::uuid[], :told_at::timestamptz[]) as a (external_id, person_id, told_at)
on conflict (company_id, system, external_id) do update
set person_id = excluded.person_id, told_at = greatest(ats_candidate.told_at, excluded.told_at);

-- name: unknow_candidate!
-- An ATS's candidate id means nobody any more.
delete from ats_candidate where company_id = :company_id and system = :system and external_id = :external_id;

-- name: forget!
-- An ATS deleted or anonymised this candidate.
insert into ats_forgotten (company_id, system, external_id, forgotten_at)
values (:company_id, :system, :external_id, :at)
on conflict (company_id, system, external_id) do update set forgotten_at = greatest(ats_forgotten.forgotten_at, excluded.forgotten_at);

-- name: forgotten$
-- Whether an ATS deleted or anonymised this candidate at that time or later.
select exists (select from ats_forgotten
  where company_id = :company_id and system = :system and external_id = :external_id and forgotten_at >= :at);

-- name: hold!
-- Applications that an ATS told of before, held until the transaction ends, in one order everywhere.
select from ats_application
where company_id = :company_id and system = :system and external_id = any(:external_ids::text[])
order by external_id for no key update;

-- name: look
-- The newest state an ATS told of each application and what it is here, or what has its id by another way in; whom the
-- applicant's id means, how new what was told of them is, and whether they were deleted or anonymised then or later.
select f.external_id, t.status as told, t.as_of, a.id as application_id, a.status, a.stage,
  a.decided_at, a.person_id, p.erased_at is not null as erased, c.person_id as applicant, c.told_at,
  exists (select from ats_forgotten g where g.company_id = :company_id and g.system = :system
    and g.external_id = f.applicant_id and g.forgotten_at >= f.as_of) as forgotten,
  (select j.id from job j where j.company_id = :company_id and j.external_id = f.job_id) as job_id
from unnest(:external_ids::text[], :applicant_ids::text[], :as_of::timestamptz[], :job_ids::text[])
  as f (external_id, applicant_id, as_of, job_id)
left join ats_application t on t.company_id = :company_id and t.system = :system and t.external_id = f.external_id
left join application a on a.id = case when t.external_id is not null then t.application_id else
  (select h.id from application h where h.company_id = :company_id and h.external_id = f.external_id) end
left join person p on p.id = a.person_id
left join ats_candidate c on c.company_id = :company_id and c.system = :system and c.external_id = f.applicant_id;

-- name: remember!
-- The newest states told of applications.
insert into ats_application (company_id, system, external_id, application_id, status, as_of)
select :company_id, :system, n.external_id, n.application_id, n.status, n.as_of
from unnest(:external_ids::text[], :application_ids::uuid[], :statuses::text[], :as_of::timestamptz[])
  as n (external_id, application_id, status, as_of)
on conflict (company_id, system, external_id) do update
set status = excluded.status, as_of = excluded.as_of,
  application_id = coalesce(excluded.application_id, ats_application.application_id);

-- name: live_applications
-- A person's applications that the ATS has not deleted.
select t.external_id from ats_application t join application a on a.id = t.application_id
where t.company_id = :company_id and t.system = :system and a.person_id = :person_id and t.status <> 'DELETED'
order by t.application_id;

-- name: job_of$
-- A job by its ATS's id.
select id from job where company_id = :company_id and external_id = :external_id;

-- name: referrer_of
-- Who is known by any of these marks of an ATS.
select r.key, r.kind, r.referrer_id,
  exists (select from ats_referrer o where o.referrer_id = r.referrer_id and o.kind <> 'NAME') as identified
from ats_referrer r where r.company_id = :company_id and r.key = any(:keys::bytea[]);

-- name: know_referrer!
-- Marks by which a referrer is known from now on; a mark that is another's already stays theirs.
insert into ats_referrer (company_id, key, kind, referrer_id)
select :company_id, mark.key, mark.kind, :referrer_id from unnest(:keys::bytea[], :kinds::text[]) as mark (key, kind)
on conflict (company_id, key) do nothing;
