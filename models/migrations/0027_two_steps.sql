-- Partners within up to three steps, each once, at its shortest distance and over its heaviest link; nearest first.
-- As in 0023, but what is mostly asked, two steps over links of any role, has a statement of its own: PostgreSQL makes
-- ready all of a plan at each call, and the third step and the roles of the other cost 0.3 ms without ever running.
create or replace function neighbourhood(viewer uuid, centre uuid, depth int, only_roles text[])
returns table (neighbour_id uuid, distance int, via_id uuid, contributions int, roles text[])
language plpgsql stable parallel safe rows 100 as $$
#variable_conflict use_column
begin
  if depth <= 2 and only_roles is null then
    return query
    with
    seen as materialized (select neighbourhood.viewer || array(select s from shared_with(neighbourhood.viewer, 'OUTCOMES') s) as sharing),
    first as materialized (
      select l.neighbour_id, 1 as distance, neighbourhood.centre as via_id, l.contributions, l.roles, l.mutual
      from seen, lateral heaviest_partners(neighbourhood.viewer, seen.sharing, neighbourhood.centre) l
      where neighbourhood.depth between 1 and 2
    ),
    second as materialized (
      select distinct on (l.neighbour_id) l.neighbour_id, 2 as distance, f.neighbour_id as via_id, l.contributions, l.roles, l.mutual
      from seen, first f, lateral heaviest_partners(neighbourhood.viewer, seen.sharing, f.neighbour_id) l
      where neighbourhood.depth = 2 and l.neighbour_id <> neighbourhood.centre
        and not exists (select from first n where n.neighbour_id = l.neighbour_id)
      order by l.neighbour_id, l.contributions desc, f.neighbour_id
    )
    select w.neighbour_id, w.distance, w.via_id, w.contributions, link_roles(w.roles | coalesce(g.roles, 0) | coalesce(b.roles, 0))
    from (select * from first union all select * from second) w
    left join contribution_link g on g.contributor_id = case when w.mutual then w.via_id end and g.company_id = w.neighbour_id
    left join contribution_link b on b.contributor_id = case when w.mutual then w.neighbour_id end and b.company_id = w.via_id
    order by 2, 4 desc, 1;
  else
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
    left join contribution_link g on g.contributor_id = case when w.mutual then w.via_id end and g.company_id = w.neighbour_id
    left join contribution_link b on b.contributor_id = case when w.mutual then w.neighbour_id end and b.company_id = w.via_id
    order by 2, 4 desc, 1;
  end if;
end
$$;
