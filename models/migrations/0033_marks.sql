-- How far the record of events had come at a moment. Events stand in the order of (xid, position), and are asked for by
-- the time at which they were recorded: between two marks an index finds these as it finds what stands behind a cursor.
-- What was recorded at the moment or later does not stand before `low`, what was recorded earlier stands before `high`.
-- The clock takes one each hour (`outbox.mark`); the first and the last hold for any time.
create table outcome_mark (
  at timestamptz primary key,
  low_xid xid8 not null,
  low_position bigint not null,
  high_xid xid8 not null,
  high_position bigint not null
);
grant select, insert on outcome_mark to kyoso_app;
insert into outcome_mark values
  ('-infinity', '0', 0, '0', 0),
  ('infinity', '18446744073709551615', 9223372036854775807, '18446744073709551615', 9223372036854775807);

-- A mark for each day of the events there are. Whoever writes some without committing is waited for; whoever has begun
-- to write something else may still record an event before all that began later.
create function outcome_mark_rebuild() returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set enable_sort = off as $$
begin  -- it is thought that every event has a day of its own, and sorting them takes longer than the rest
  lock table outcome_event in share mode;
  delete from outcome_mark where isfinite(at);
  insert into outcome_mark (at, low_xid, low_position, high_xid, high_position)
  select d.day,
    least(min(d.low_xid) over later, pg_snapshot_xmin(pg_current_snapshot())), min(d.low_position) over later,
    coalesce(max(d.high_xid) over earlier, '0'), coalesce(max(d.high_position) over earlier + 1, 0)
  from (
    select date_bin('1 day', e.recorded_at, '2000-01-01 00:00+09') as day, min(e.xid) as low_xid,
      min(e.position) as low_position, max(e.xid) as high_xid, max(e.position) as high_position
    from outcome_event e group by 1
  ) d
  window later as (order by d.day rows between current row and unbounded following),
    earlier as (order by d.day rows between unbounded preceding and 1 preceding);
end $$;
revoke all on function outcome_mark_rebuild() from public;
select outcome_mark_rebuild();
