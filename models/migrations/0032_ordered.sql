-- Partners within up to three steps, each once, at its shortest distance and over its heaviest link; nearest first.
-- As in 0027, but who shares is in order, so that PostgreSQL does not sort it again for each partner on the way; the roles
-- of a link are looked up where it is mutual, not joined to every row; and rows come in the order in which pages ask for them.
create or replace function neighbourhood(viewer uuid, centre uuid, depth int, only_roles text[])
returns table (neighbour_id uuid, distance int, via_id uuid, contributions int, roles text[])
language plpgsql stable parallel safe rows 100 as $$
#variable_conflict use_column
begin
  if depth <= 2 and only_roles is null then
    return query
    with
    seen as materialized (select array(select neighbourhood.viewer union all select shared_with(neighbourhood.viewer, 'OUTCOMES') order by 1) as sharing),
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
    select w.neighbour_id, w.distance, w.via_id, w.contributions, link_roles(w.roles)
    from (
      select s.neighbour_id, s.distance, s.via_id, s.contributions, case when s.mutual
        then coalesce((select k.roles from contribution_link k where k.contributor_id = s.via_id and k.company_id = s.neighbour_id), 0)
          | coalesce((select k.roles from contribution_link k where k.contributor_id = s.neighbour_id and k.company_id = s.via_id), 0)
        else s.roles end as roles
      from (select * from first union all select * from second) s
      offset 0  -- else the roles would be looked for again for each bit of them
    ) w
    order by 2, 4 desc, 1 desc;
  else
    return query
    with
    seen as materialized (select array(select neighbourhood.viewer union all select shared_with(neighbourhood.viewer, 'OUTCOMES') order by 1) as sharing),
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
    select w.neighbour_id, w.distance, w.via_id, w.contributions, link_roles(w.roles)
    from (
      select s.neighbour_id, s.distance, s.via_id, s.contributions, case when s.mutual
        then coalesce((select k.roles from contribution_link k where k.contributor_id = s.via_id and k.company_id = s.neighbour_id), 0)
          | coalesce((select k.roles from contribution_link k where k.contributor_id = s.neighbour_id and k.company_id = s.via_id), 0)
        else s.roles end as roles
      from (select * from first union all select * from second union all select * from third) s
      offset 0  -- else the roles would be looked for again for each bit of them
    ) w
    order by 2, 4 desc, 1 desc;
  end if;
end
$$;
