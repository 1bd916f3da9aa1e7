-- The heaviest partners one step from this one, over contributions the viewer may see: those it helped and those that
-- helped it, both ways together. `sharing`: the viewer, and the partners who share outcomes with it. At most 20, so that
-- two or three steps stay small. Who is among the heaviest of both sides together is among those of one side, or helped
-- and was helped: each arm is a walk of twenty, or asks for partners that are known. Whoever is found twice weighs the
-- same, and is then `mutual`. `roles` are those of one side; where `mutual`, the other side has its own.
-- As in 0021, but the arms are put together and sorted once: sorted each, merged and grouped took longer than the walks.
create or replace function heaviest_partners(viewer uuid, sharing uuid[], centre uuid)
returns table (neighbour_id uuid, contributions int, roles int, mutual boolean)
language sql stable parallel safe as $$
  select distinct on (s.contributions, s.neighbour_id) s.neighbour_id, s.contributions, s.roles, s.mutual
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
    offset 0  -- else each arm is sorted by itself
  ) s
  order by s.contributions desc, s.neighbour_id limit 20
$$;
