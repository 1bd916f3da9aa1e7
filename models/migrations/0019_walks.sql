-- One step of a walk, by what may be seen of each side: where all of it may be, a side is one walk along its index; where
-- only some may be, PostgreSQL looks for just those. Roles are gathered for the twenty that are kept, not for everybody.

create or replace function linked_partners(viewer uuid, sharing uuid[], centre uuid, only_roles text[])
returns table (neighbour_id uuid, contributions int, roles text[])
language sql stable parallel safe as $$
  with
  visible as not materialized (
    select k.company_id as neighbour_id, k.role, k.contributions from contribution_link k
    where centre = viewer and k.contributor_id = centre
    union all
    select k.company_id, k.role, k.contributions from contribution_link k
    where centre <> viewer and k.contributor_id = centre and k.company_id = any (sharing || viewer)
    union all
    select k.contributor_id, k.role, k.contributions from contribution_link k
    where (centre = viewer or centre = any (sharing)) and k.company_id = centre
    union all
    select k.contributor_id, k.role, k.contributions from contribution_link k
    where centre <> viewer and centre <> all (sharing) and k.company_id = centre and k.contributor_id = viewer
  )
  select h.neighbour_id, h.contributions::int,
    (select array_agg(distinct v.role order by v.role) from visible v
      where v.neighbour_id = h.neighbour_id and v.contributions > 0 and (only_roles is null or v.role = any (only_roles)))
  from (
    select v.neighbour_id, sum(v.contributions) as contributions from visible v
    where v.contributions > 0 and v.neighbour_id <> centre and (only_roles is null or v.role = any (only_roles))
    group by 1 order by 2 desc, 1 limit 20
  ) h
$$;
