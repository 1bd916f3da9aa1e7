-- name: doors
-- By which doors the person of a hire came: the referral, and the handover it grew from with both its sides. Each with
-- the events that prove it.
select d.contributor_id, p.kind, d.role, d.occurred_at, d.evidence
from hire h
join application a on a.id = h.application_id
join referral r on r.id = a.referral_id
left join handover o on o.id = r.origin_id
cross join lateral (
  select r.referrer_id as contributor_id, r.role, coalesce(r.confirmed_at, r.submitted_at) as occurred_at,
    array(select e.id from outcome_event e
      where e.referral_id = r.id and e.kind in ('REFERRAL_SUBMITTED', 'REFERRAL_CONFIRMED')) as evidence
  union all
  select o.company_id, 'RELAYED', o.registered_at,
    array(select e.id from outcome_event e where e.handover_id = o.id and e.kind = 'RELAY_REGISTERED')
  where o.id is not null
  union all
  select o.agency_id, 'PLACED', coalesce(o.decided_at, o.registered_at),
    array(select e.id from outcome_event e where e.handover_id = o.id and e.kind in ('RELAY_REGISTERED', 'RELAY_ACCEPTED'))
  where o.id is not null
) d
join partner p on p.id = d.contributor_id
where h.id = :hire_id and d.contributor_id <> h.company_id;

-- name: add!
-- The edges of one hire, all at once.
insert into contribution (id, contributor_id, company_id, hire_id, role, share, occurred_at)
select e.id, e.contributor_id, h.company_id, h.id, e.role, e.share, e.occurred_at
from hire h,
  unnest(:ids::uuid[], :contributor_ids::uuid[], :roles::text[], :shares::numeric[], :occurred::timestamptz[])
  as e (id, contributor_id, role, share, occurred_at)
where h.id = :hire_id;

-- name: add_evidence!
-- Which events prove which edge.
insert into contribution_evidence (contribution_id, event_id) select * from unnest(:contribution_ids::uuid[], :event_ids::uuid[]);
