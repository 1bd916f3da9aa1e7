-- Links as walks need them: one row for each contributor and company, with its weight, so that the heaviest are found by
-- a walk along an index, however many partners one has worked with. Roles are columns: they add up like the weight.

drop function neighbourhood(uuid, uuid, int, text[]), linked_partners(uuid, uuid[], uuid, text[]);
drop table contribution_link;

-- How many contributions one partner made to one company, by role, and how many came back: kept in the writing
-- transaction. Whether a viewer may see a contribution depends on its two ends only, so walks need nothing finer. Two
-- companies have two rows as soon as one of them helped the other, so that `returned` is added up like the rest, whoever
-- writes meanwhile. Nothing is checked to be positive: what is added may be less than nothing, and is checked first.
create table contribution_link (
  contributor_id uuid not null references partner on delete cascade,
  company_id uuid not null references partner on delete cascade check (company_id <> contributor_id),
  educated int not null default 0,
  hired_through int not null default 0,
  hosted int not null default 0,
  placed int not null default 0,
  referred int not null default 0,
  relayed int not null default 0,
  returned int not null default 0,
  contributions int not null generated always as (educated + hired_through + hosted + placed + referred + relayed) stored,
  roles int not null generated always as (  -- a bit for each: see `link_roles`
    (educated > 0)::int + (hired_through > 0)::int * 2 + (hosted > 0)::int * 4 + (placed > 0)::int * 8
    + (referred > 0)::int * 16 + (relayed > 0)::int * 32) stored,
  primary key (contributor_id, company_id) include (contributions, returned, roles)
);
grant select on contribution_link to kyoso_app;

-- Every link from the contributions themselves; then what came back, where the contributor is a company too.
create function contribution_link_rebuild() returns void
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  delete from contribution_link;
  insert into contribution_link (contributor_id, company_id, educated, hired_through, hosted, placed, referred, relayed)
  select c.contributor_id, c.company_id, count(*) filter (where c.role = 'EDUCATED'),
    count(*) filter (where c.role = 'HIRED_THROUGH'), count(*) filter (where c.role = 'HOSTED'),
    count(*) filter (where c.role = 'PLACED'), count(*) filter (where c.role = 'REFERRED'), count(*) filter (where c.role = 'RELAYED')
  from contribution c join hire h on h.id = c.hire_id
  where h.reverted_at is null and c.contributor_id <> c.company_id
  group by 1, 2 order by 1, 2;  -- as the key's index lies: its pages are written once
  insert into contribution_link as k (contributor_id, company_id, returned)
  select g.company_id, g.contributor_id, g.contributions
  from contribution_link g join partner p on p.id = g.contributor_id and p.kind = 'COMPANY' order by 1, 2
  on conflict (contributor_id, company_id) do update set returned = excluded.returned;
end $$;
revoke all on function contribution_link_rebuild() from public;
select contribution_link_rebuild();

-- From the heaviest down: whom a partner helped, who helped a company, and where help went both ways.
create index contribution_link_out on contribution_link (contributor_id, contributions desc, company_id) include (returned, roles)
  where contributions > 0;
create index contribution_link_in on contribution_link (company_id, contributions desc, contributor_id) include (returned, roles)
  where contributions > 0;
create index contribution_link_mutual on contribution_link (contributor_id, (contributions + returned) desc, company_id)
  where contributions > 0 and returned > 0;

create or replace function contribution_link_flush() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare me xid8 := pg_current_xact_id();
begin
  if not exists (select from contribution_link_delta d where d.xid = me) then return null; end if;
  insert into contribution_link as k (contributor_id, company_id, educated, hired_through, hosted, placed, referred, relayed, returned)
  select e.contributor_id, e.company_id, coalesce(sum(e.given) filter (where e.role = 'EDUCATED'), 0),
    coalesce(sum(e.given) filter (where e.role = 'HIRED_THROUGH'), 0), coalesce(sum(e.given) filter (where e.role = 'HOSTED'), 0),
    coalesce(sum(e.given) filter (where e.role = 'PLACED'), 0), coalesce(sum(e.given) filter (where e.role = 'REFERRED'), 0),
    coalesce(sum(e.given) filter (where e.role = 'RELAYED'), 0), sum(e.returned)
  from (
    select d.contributor_id, d.company_id, d.role, d.contributions, 0 from contribution_link_delta d where d.xid = me
    union all
    select d.company_id, d.contributor_id, null, 0, d.contributions
    from contribution_link_delta d join partner p on p.id = d.contributor_id and p.kind = 'COMPANY' where d.xid = me
  ) e (contributor_id, company_id, role, given, returned)
  where e.contributor_id <> e.company_id
  group by 1, 2 order by 1, 2
  on conflict (contributor_id, company_id) do update set
    educated = k.educated + excluded.educated, hired_through = k.hired_through + excluded.hired_through,
    hosted = k.hosted + excluded.hosted, placed = k.placed + excluded.placed, referred = k.referred + excluded.referred,
    relayed = k.relayed + excluded.relayed, returned = k.returned + excluded.returned;
  delete from contribution_link_delta d where d.xid = me;
  return null;
end $$;

-- Rebuilds rollups, link weights and what the triggers keep from the rows, whatever runs meanwhile: writers that have
-- not committed wait with their changes for the lock, and those that have are in the rows read after it.
create or replace function kpi_rebuild() returns void
language plpgsql security definer set search_path = pg_catalog, public set work_mem = '256MB' as $$
declare me xid8 := pg_current_xact_id();
begin
  lock table kpi_month, kpi_network_month, contribution_link in exclusive mode;
  update referral r set hired_at = f.first
  from (select a.referral_id, min(h.decided_at) as first
    from hire h join application a on a.id = h.application_id where h.reverted_at is null and a.referral_id is not null group by 1) f
  where r.id = f.referral_id and r.hired_at is distinct from f.first;
  update referral r set hired_at = null
  where r.hired_at is not null and not exists (
    select from application a join hire h on h.application_id = a.id and h.reverted_at is null where a.referral_id = r.id);
  update relay_invitation i set accepted_at = m.accepted_at, counted_at = m.counted_at, placed_at = m.placed_at
  from (select h.invitation_id, min(h.decided_at) filter (where h.status = 'ACCEPTED') as accepted_at,
      min(h.counted_at) filter (where h.counted) as counted_at, min(h.placed_at) filter (where h.status = 'ACCEPTED') as placed_at
    from handover h group by 1) m
  where i.id = m.invitation_id and (i.accepted_at, i.counted_at, i.placed_at) is distinct from (m.accepted_at, m.counted_at, m.placed_at);
  delete from kpi_delta d where d.xid = me;
  delete from contribution_link_delta d where d.xid = me;
  delete from kpi_month;
  delete from kpi_network_month;
  insert into kpi_month (partner_id, measure, month, numerator, denominator, as_of)
  select k.partner_id, k.measure, k.month, k.numerator, k.denominator, now() from kpi_raw k
  order by 1, 2, 3;  -- as the key's index lies: its pages are written once
  insert into kpi_network_month (measure, month, shard, numerator, denominator, as_of)
  select k.measure, k.month, 0, sum(k.numerator), sum(k.denominator), now()
  from kpi_month k where k.measure in ('CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED') group by 1, 2;
  perform contribution_link_rebuild();
end $$;

-- ------------------------------------------------------------------------------------------------------------- walks

create function link_by_role(k contribution_link) returns table (role text, place int, contributions int)
language sql immutable parallel safe as $$
  select * from (values ('EDUCATED', 0, k.educated), ('HIRED_THROUGH', 1, k.hired_through), ('HOSTED', 2, k.hosted),
    ('PLACED', 3, k.placed), ('REFERRED', 4, k.referred), ('RELAYED', 5, k.relayed)) as r (role, place, contributions)
  where r.contributions > 0
$$;
create function link_roles(bits int) returns text[]
language sql immutable parallel safe as $$
  select array_remove(array[case when bits & 1 > 0 then 'EDUCATED' end, case when bits & 2 > 0 then 'HIRED_THROUGH' end,
    case when bits & 4 > 0 then 'HOSTED' end, case when bits & 8 > 0 then 'PLACED' end,
    case when bits & 16 > 0 then 'REFERRED' end, case when bits & 32 > 0 then 'RELAYED' end], null)
$$;

-- The heaviest partners one step from this one, over contributions the viewer may see: those it helped and those that
-- helped it, both ways together. `sharing`: the viewer, and the partners who share outcomes with it. At most 20, so that
-- two or three steps stay small. Who is among the heaviest of both sides together is among those of one side, or helped
-- and was helped: each arm is a walk of twenty, or asks for partners that are known. Whoever is found twice weighs the
-- same. `roles` are those of one side; where `mutual`, the other side has its own.
create function heaviest_partners(viewer uuid, sharing uuid[], centre uuid)
returns table (neighbour_id uuid, contributions int, roles int, mutual boolean)
language sql stable parallel safe as $$
  select s.neighbour_id, s.contributions, max(s.roles), s.mutual
  from (
    (select k.company_id as neighbour_id, k.contributions + k.returned as contributions, k.roles, k.returned > 0 as mutual
    from contribution_link k where centre = viewer and k.contributor_id = centre and k.contributions > 0
    order by k.contributions desc, k.company_id limit 20)
    union all
    (select k.company_id, k.contributions + k.returned, k.roles, true
    from contribution_link k where centre = viewer and k.contributor_id = centre and k.contributions > 0 and k.returned > 0
    order by k.contributions + k.returned desc, k.company_id limit 20)
    union all
    (select k.contributor_id, k.contributions + case when m.mutual then k.returned else 0 end, k.roles, m.mutual
    from contribution_link k
    cross join lateral (select k.returned > 0 and (centre = viewer or k.contributor_id = any (sharing)) as mutual) m
    where centre = any (sharing) and k.company_id = centre and k.contributions > 0
    order by k.contributions desc, k.contributor_id limit 20)
    union all
    select k.company_id, k.contributions + case when m.mutual then k.returned else 0 end, k.roles, m.mutual
    from contribution_link k
    cross join lateral (select k.returned > 0 and (k.company_id = viewer or centre = any (sharing)) as mutual) m
    where centre <> viewer and k.contributor_id = centre and k.company_id = any (sharing) and k.contributions > 0
    union all
    select k.contributor_id, k.contributions + k.returned, k.roles, k.returned > 0
    from contribution_link k
    where centre <> all (sharing) and k.contributor_id = viewer and k.company_id = centre and k.contributions > 0
  ) s
  group by 1, 2, 4 order by 2 desc, 1 limit 20
$$;

-- The same by some roles only, for which there is no index: every link that may be seen is added up.
create function heaviest_partners_by_role(viewer uuid, sharing uuid[], centre uuid, only_roles text[])
returns table (neighbour_id uuid, contributions int, roles int, mutual boolean)
language sql stable parallel safe as $$
  select v.neighbour_id, sum(v.contributions)::int, bit_or(1 << v.place), false
  from (
    select k.company_id as neighbour_id, r.role, r.place, r.contributions
    from contribution_link k cross join lateral link_by_role(k) r
    where k.contributor_id = centre and k.contributions > 0 and (centre = viewer or k.company_id = any (sharing))
    union all
    select k.contributor_id, r.role, r.place, r.contributions
    from contribution_link k cross join lateral link_by_role(k) r
    where k.company_id = centre and k.contributions > 0 and (k.contributor_id = viewer or centre = any (sharing))
  ) v
  where v.role = any (only_roles)
  group by 1 order by 2 desc, 1 limit 20
$$;

create function linked_partners(viewer uuid, sharing uuid[], centre uuid, only_roles text[])
returns table (neighbour_id uuid, contributions int, roles int, mutual boolean)
language sql stable parallel safe as $$
  select h.* from heaviest_partners(viewer, sharing, centre) h where only_roles is null
  union all
  select h.* from heaviest_partners_by_role(viewer, sharing, centre, only_roles) h where only_roles is not null
$$;

-- Partners within up to three steps, each once, at its shortest distance and over its heaviest link; nearest first.
-- Planned once a connection.
create function neighbourhood(viewer uuid, centre uuid, depth int, only_roles text[])
returns table (neighbour_id uuid, distance int, via_id uuid, contributions int, roles text[])
language plpgsql stable parallel safe rows 100 as $$
#variable_conflict use_column
begin
  return query
  with
  seen as materialized (select neighbourhood.viewer || array(select s from shared_with(neighbourhood.viewer, 'OUTCOMES') s) as sharing),
  first as materialized (
    select l.neighbour_id, 1 as distance, neighbourhood.centre as via_id, l.contributions, l.roles, l.mutual
    from seen, lateral linked_partners(neighbourhood.viewer, seen.sharing, neighbourhood.centre, neighbourhood.only_roles) l
    where neighbourhood.depth between 1 and 3
  ),
  second as materialized (
    select distinct on (l.neighbour_id) l.neighbour_id, 2 as distance, f.neighbour_id as via_id, l.contributions, l.roles, l.mutual
    from seen, first f, lateral linked_partners(neighbourhood.viewer, seen.sharing, f.neighbour_id, neighbourhood.only_roles) l
    where neighbourhood.depth >= 2 and l.neighbour_id <> neighbourhood.centre
      and not exists (select from first n where n.neighbour_id = l.neighbour_id)
    order by l.neighbour_id, l.contributions desc, f.neighbour_id
  ),
  third as materialized (
    select distinct on (l.neighbour_id) l.neighbour_id, 3 as distance, s.neighbour_id as via_id, l.contributions, l.roles, l.mutual
    from seen, second s, lateral linked_partners(neighbourhood.viewer, seen.sharing, s.neighbour_id, neighbourhood.only_roles) l
    where neighbourhood.depth >= 3 and l.neighbour_id <> neighbourhood.centre
      and not exists (select from first n where n.neighbour_id = l.neighbour_id)
      and not exists (select from second n where n.neighbour_id = l.neighbour_id)
    order by l.neighbour_id, l.contributions desc, s.neighbour_id
  )
  select w.neighbour_id, w.distance, w.via_id, w.contributions, link_roles(w.roles | coalesce(g.roles, 0) | coalesce(b.roles, 0))
  from (select * from first union all select * from second union all select * from third) w
  left join contribution_link g on w.mutual and g.contributor_id = w.via_id and g.company_id = w.neighbour_id
  left join contribution_link b on w.mutual and b.contributor_id = w.neighbour_id and b.company_id = w.via_id
  order by 2, 4 desc, 1;
end
$$;
