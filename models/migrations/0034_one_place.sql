-- No two events stand at one place of the record, and PostgreSQL may know it: whoever orders by the place needs not sort
-- by the id as well.
drop index outcome_event_in_order;
create unique index outcome_event_in_order on outcome_event (xid, position);

-- As in 0033, but of days that have come: where the record was written by a clock that was ahead, or with days to come,
-- more is still to be recorded before a mark of such a day, which would pass over it.
create or replace function outcome_mark_rebuild() returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set enable_sort = off as $$
begin  -- it is thought that every event has a day of its own, and sorting them takes longer than the rest
  lock table outcome_event in share mode;
  delete from outcome_mark where isfinite(at);
  insert into outcome_mark (at, low_xid, low_position, high_xid, high_position)
  select m.* from (
    select d.day,
      least(min(d.low_xid) over later, pg_snapshot_xmin(pg_current_snapshot())), min(d.low_position) over later,
      coalesce(max(d.high_xid) over earlier, '0'), coalesce(max(d.high_position) over earlier + 1, 0)
    from (
      select date_bin('1 day', e.recorded_at, '2000-01-01 00:00+09') as day, min(e.xid) as low_xid,
        min(e.position) as low_position, max(e.xid) as high_xid, max(e.position) as high_position
      from outcome_event e group by 1
    ) d
    window later as (order by d.day rows between current row and unbounded following),
      earlier as (order by d.day rows between unbounded preceding and 1 preceding)
  ) m
  where m.day <= clock_timestamp();  -- of a day to come more is to be recorded
end $$;
select outcome_mark_rebuild();
