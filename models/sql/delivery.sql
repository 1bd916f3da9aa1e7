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
-- Failed deliveries of these systems, or one that an operator names, become due again. A reduced one has nothing left.
update ats_delivery d set state = 'PENDING', attempts = 0, failure = null, due_at = clock_timestamp()
from ats_integration i
where i.id = d.integration_id and i.company_id = :company_id and i.system = any(:systems::text[]) and d.sealed is not null
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

-- name: bare!
-- Everything this company's ATS sent about one person loses its personal part.
update ats_delivery d set sealed = null from ats_integration i
where i.id = d.integration_id and i.company_id = :company_id and d.person_id = :person_id and d.sealed is not null;
