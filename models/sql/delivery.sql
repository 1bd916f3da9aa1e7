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

-- name: take
-- What is applied by whoever brings it, in one order everywhere as below; without what is known already.
insert into ats_delivery (id, integration_id, event_id, action, subject, sealed, received_at, state, due_at)
select a.id, :integration_id, a.event_id, :action, a.subject, a.sealed, clock_timestamp(), 'APPLIED', clock_timestamp()
from unnest(:ids::uuid[], :event_ids::text[], :subjects::text[], :sealed::bytea[]) as a (id, event_id, subject, sealed)
order by a.event_id
on conflict (integration_id, event_id) do nothing
returning id;

-- name: store
-- Deliveries that came together, as they came, each verified by the secret that it is given with; without those whose
-- event id is known already, and those whose integration has another secret now, or is gone. In one order everywhere:
-- whoever waits for another worker's same event holds none that the other waits for.
insert into ats_delivery (id, integration_id, event_id, action, subject, sealed, received_at, state, due_at)
select a.id, a.integration_id, a.event_id, a.action, a.subject, a.sealed, clock_timestamp(), 'PENDING', clock_timestamp()
from unnest(:ids::uuid[], :integration_ids::uuid[], :secrets::bytea[], :event_ids::text[], :actions::text[],
    :subjects::text[], :sealed::bytea[])
  as a (id, integration_id, secret_sealed, event_id, action, subject, sealed)
join ats_integration i on i.id = a.integration_id and i.secret_sealed = a.secret_sealed
order by a.integration_id, a.event_id
on conflict (integration_id, event_id) do nothing
returning id;

-- name: claim
-- Of the integration with the delivery that is due longest, so many that are. Holding the integration too keeps one
-- company's deliveries one after another, while other workers go on with other companies. Both walk along what is due,
-- and stop: an index of one integration's would have all that wait sorted for these few.
with longest as materialized (
  select i.id, i.company_id, i.system
  from (select integration_id from ats_delivery where state = 'PENDING' and due_at <= now() order by due_at) d
  cross join lateral (
    select id, company_id, system from ats_integration where id = d.integration_id for no key update skip locked
  ) i limit 1
)
select d.id, d.integration_id, d.event_id, d.action, d.subject, d.sealed, d.received_at, d.attempts, l.company_id, l.system
from longest l cross join lateral (
  select * from ats_delivery where integration_id is not distinct from l.id and state = 'PENDING' and due_at <= now()
  order by due_at limit :most for no key update skip locked
) d order by d.due_at;

-- name: settle!
-- What became of deliveries that were tried; their integration has heard from its system then.
with heard as (
  update ats_integration set last_delivery_at = greatest(last_delivery_at, :received_at) where id = :integration_id
)
update ats_delivery d set state = s.state, applied_at = clock_timestamp(), attempts = d.attempts + 1, failure = null,
  person_id = coalesce((select p.id from person p where p.id = s.person_id and p.erased_at is null), d.person_id),
  sealed = case when s.erased then null else d.sealed end
from unnest(:ids::uuid[], :states::text[], :person_ids::uuid[], :erased::boolean[]) as s (id, state, person_id, erased)
where d.id = s.id;

-- name: are_of!
-- Whom deliveries are about.
update ats_delivery d set person_id = a.person_id, applied_at = clock_timestamp()
from unnest(:ids::uuid[], :person_ids::uuid[]) as a (id, person_id) where d.id = a.id;

-- name: postpone!
-- A failed attempt: tried again later, or given up until an operator replays it.
update ats_delivery set attempts = attempts + 1, failure = :failure, state = :state, due_at = :due_at where id = :id;

-- name: hasten!
-- What came too early, and waited for these applications or candidates, is due now.
update ats_delivery set state = 'PENDING', due_at = clock_timestamp()
where integration_id = :integration_id and subject = any(:subjects::text[]) and id <> all(:except_ids::uuid[])
  and failure = 'TOO_EARLY' and state <> 'APPLIED' and sealed is not null;

-- name: replay
-- Failed deliveries, or one that an operator names, become due again. A reduced one has nothing left to apply.
update ats_delivery d set state = 'PENDING', attempts = 0, failure = null, due_at = clock_timestamp()
from ats_integration i
where i.id = d.integration_id and i.company_id = :company_id and d.sealed is not null
  and case when :event_id::text is null then d.state = 'FAILED' else d.event_id = :event_id end
returning d.event_id;

-- name: failures
-- Deliveries that need an operator, oldest first.
select d.event_id, d.action, d.subject, d.received_at, d.attempts, d.failure, i.system
from ats_delivery d join ats_integration i on i.id = d.integration_id
where i.company_id = :company_id and d.state = 'FAILED' order by d.received_at, d.id;

-- name: reduce
-- Deliveries older than the limit keep their non-personal part only.
update ats_delivery set sealed = null
where id in (select id from ats_delivery where sealed is not null and received_at < :before and state <> 'PENDING'
  order by received_at limit :most for update skip locked)
returning id;

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

-- name: drop_items!
-- Some items of a candidate's personal data go; row-level security keeps this to the viewer's own.
delete from personal_data d using candidate c
where c.id = d.candidate_id and c.partner_id = :company_id and c.person_id = :person_id and d.item = any(:items::text[]);

-- name: bare!
-- Everything this company's ATS sent about one person loses its personal part.
update ats_delivery d set sealed = null from ats_integration i
where i.id = d.integration_id and i.company_id = :company_id and d.person_id = :person_id and d.sealed is not null;

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

-- name: decision_known$
-- Whether this very decision is on record.
select exists (select from outcome_event where application_id = :application_id and kind = :kind and occurred_at = :at);

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

-- name: seat$
-- Where a company sits.
select prefecture from partner where id = :company_id;
