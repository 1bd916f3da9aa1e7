-- Figures that no small group can be read from.

-- ------------------------------------------------------------------------------------ the people behind contributions

-- The parts of PARTNER_CONTRIBUTION, unweighted; the denominator is how many people each part speaks of. Somebody who was
-- hired in April and is still there in October is one person in two parts: parts are never added up to a group.
create or replace function kpi_of_handover(h handover)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select h.company_id, 'CONTRIBUTION_HANDOVERS', kpi_month_of(h.counted_at), 1::numeric, 1::numeric
  where h.counted
$$;
-- A person counts once per contributor, whatever the roles.
create function kpi_people(c contribution) returns numeric
language sql stable parallel safe as $$
  select (not exists (
    select from contribution o where o.hire_id = c.hire_id and o.contributor_id = c.contributor_id and o.role < c.role))::int::numeric
$$;
create or replace function kpi_of_contribution(c contribution, h hire)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select c.contributor_id, 'CONTRIBUTION_HIRES', kpi_month_of(h.decided_at), c.share, kpi_people(c)
  where h.reverted_at is null
$$;
create or replace function kpi_of_retention(r retention_check, h hire)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select c.contributor_id, 'CONTRIBUTION_RETAINED', kpi_month_of(r.checked_at), c.share, kpi_people(c)
  from contribution c
  where c.hire_id = h.id and r.day = 180 and r.status = 'EMPLOYED' and h.reverted_at is null
$$;

-- Every figure from the rows themselves, as in 0003.
create or replace view kpi_raw as
  select f.partner_id, f.measure, f.month, sum(f.numerator) as numerator, sum(f.denominator) as denominator
  from (
    select a.company_id as partner_id, 'HIRE_RATE' as measure, kpi_month_of(a.decided_at) as month,
      (count(*) filter (where a.status = 'HIRED'))::numeric as numerator, count(*)::numeric as denominator
    from application a
    where a.status in ('HIRED', 'REJECTED') and a.decided_at is not null
    group by 1, 3
    union all
    select w.partner_id, 'REFERRAL_SUCCESS_RATE', g.month, g.hired, g.confirmed
    from (
      select r.company_id, case when p.kind <> 'COMPANY' and p.id <> r.company_id then p.id end as maker_id,
        kpi_month_of(r.confirmed_at) as month, count(*) as confirmed,
        count(*) filter (where r.hired_at <= r.confirmed_at + interval '180 days') as hired
      from referral r join partner p on p.id = r.referrer_id
      where r.confirmed_at is not null
      group by 1, 2, 3
    ) g cross join lateral (values (g.company_id), (g.maker_id)) as w (partner_id)
    where w.partner_id is not null
    union all
    select g.company_id, s.measure, g.month, s.reached, s.rejected
    from (
      select i.company_id, kpi_month_of(i.rejected_at) as month, count(*) as sent,
        count(*) filter (where i.counted_at <= i.rejected_at + interval '90 days') as reused,
        count(i.opened_at) as opened, count(*) filter (where i.status = 'REGISTERED') as registered,
        count(i.accepted_at) as accepted, count(i.placed_at) as placed
      from relay_invitation i
      where i.sent_at is not null and i.revoked_at is null
        and (i.application_id is not null or i.company_confirmed_at is not null)
      group by 1, 2
    ) g cross join lateral (values
      ('RELAY_REUSE_RATE', g.reused, g.sent), ('RELAY_SENT', g.sent, 0), ('RELAY_OPENED', g.opened, 0),
      ('RELAY_REGISTERED', g.registered, 0), ('RELAY_ACCEPTED', g.accepted, 0), ('RELAY_PLACED', g.placed, 0)
    ) as s (measure, reached, rejected)
    union all
    select h.company_id, 'CONTRIBUTION_HANDOVERS', kpi_month_of(h.counted_at), count(*), count(*)
    from handover h where h.counted
    group by 1, 3
    union all
    select c.contributor_id, 'CONTRIBUTION_HIRES', kpi_month_of(h.decided_at), sum(c.share), count(*)
    from hire h join (select c.hire_id, c.contributor_id, sum(c.share) as share from contribution c group by 1, 2) c on c.hire_id = h.id
    where h.reverted_at is null
    group by 1, 3
    union all
    select c.contributor_id, 'CONTRIBUTION_RETAINED', kpi_month_of(r.checked_at), sum(c.share), count(*)
    from retention_check r join hire h on h.id = r.hire_id and h.reverted_at is null
    join (select c.hire_id, c.contributor_id, sum(c.share) as share from contribution c group by 1, 2) c on c.hire_id = h.id
    where r.day = 180 and r.status = 'EMPLOYED'
    group by 1, 3
  ) f
  group by 1, 2, 3
  having sum(f.numerator) <> 0 or sum(f.denominator) <> 0;

-- What was booked before: the parts get their people; nothing else changes, and no revision grows.
lock table handover, hire, contribution, retention_check in share row exclusive mode;
lock table kpi_month, kpi_network_month in exclusive mode;
delete from kpi_month where measure = 'CONTRIBUTION_PEOPLE';
update kpi_month k set denominator = r.denominator from kpi_raw r
where k.measure like 'CONTRIBUTION%' and (r.partner_id, r.measure, r.month) = (k.partner_id, k.measure, k.month);
update kpi_network_month k set denominator = r.people
from (select k.measure, k.month, sum(k.denominator) as people from kpi_month k where k.measure like 'CONTRIBUTION%' group by 1, 2) r
where (r.measure, r.month) = (k.measure, k.month)
  and k.shard = (select min(o.shard) from kpi_network_month o where (o.measure, o.month) = (k.measure, k.month));

-- ------------------------------------------------------------------------------------------------------ restatements

-- 1 when the month was complete before now, and followed to the end; else 0.
create function kpi_late(measure text, month date) returns int
language sql stable parallel safe as $$
  select (now() >= (month + interval '1 month') at time zone 'Asia/Tokyo' + kpi_follow_up_days(measure) * interval '1 day')::int
$$;

-- Runs once per transaction, at its commit: the rows of the rollups are taken in one order by everybody, and held only
-- for the moment of the commit. A month that was complete before is restated: its revision grows, and the first of a month
-- in which nobody was is the second, for it was told as empty.
create or replace function kpi_flush() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare me xid8 := pg_current_xact_id();
begin
  if not exists (select from kpi_delta d where d.xid = me) then return null; end if;
  insert into kpi_month as k (partner_id, measure, month, numerator, denominator, revision, as_of)
  select d.partner_id, d.measure, d.month, sum(d.numerator), sum(d.denominator), 1 + kpi_late(d.measure, d.month), now()
  from kpi_delta d where d.xid = me group by 1, 2, 3
  having sum(d.numerator) <> 0 or sum(d.denominator) <> 0 order by 1, 2, 3
  on conflict (partner_id, measure, month) do update set
    numerator = k.numerator + excluded.numerator, denominator = k.denominator + excluded.denominator, as_of = excluded.as_of,
    revision = k.revision + kpi_late(k.measure, k.month);
  insert into kpi_network_month as k (measure, month, shard, numerator, denominator, revision, as_of)
  select d.measure, d.month, me::text::bigint % 16, sum(d.numerator), sum(d.denominator), 1 + kpi_late(d.measure, d.month), now()
  from kpi_delta d
  where d.xid = me and d.measure in ('CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED')
  group by 1, 2 having sum(d.numerator) <> 0 order by 1, 2
  on conflict (measure, month, shard) do update set
    numerator = k.numerator + excluded.numerator, denominator = k.denominator + excluded.denominator, as_of = excluded.as_of,
    revision = k.revision + kpi_late(k.measure, k.month);
  delete from kpi_delta d where d.xid = me;
  return null;
end $$;

-- Until now every change of a network's total counted, whether it was told before or not, and no figure's key told it.
update kpi_network_month set revision = 1;

-- Rebuilds rollups, link weights and what the triggers keep from the rows, whatever runs meanwhile: writers that have
-- not committed wait with their changes for the lock, and those that have are in the rows read after it.
create or replace function kpi_rebuild() returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set work_mem = '256MB' as $$
declare me xid8 := pg_current_xact_id(); changed boolean;
begin
  -- Before any rollup is held: writers hold these rows when they wait for the rollups. And until nothing differs: whoever was
  -- waited for may have changed what a fact is found by.
  loop
    changed := false;
    update referral r set hired_at = f.first
    from (select a.referral_id, min(h.decided_at) as first
      from hire h join application a on a.id = h.application_id where h.reverted_at is null and a.referral_id is not null group by 1) f
    where r.id = f.referral_id and r.hired_at is distinct from f.first;
    changed := changed or found;
    update referral r set hired_at = null
    where r.hired_at is not null and not exists (
      select from application a join hire h on h.application_id = a.id and h.reverted_at is null where a.referral_id = r.id);
    changed := changed or found;
    update relay_invitation i set accepted_at = m.accepted_at, counted_at = m.counted_at, placed_at = m.placed_at
    from (select h.invitation_id, min(h.decided_at) filter (where h.status = 'ACCEPTED') as accepted_at,
        min(h.counted_at) filter (where h.counted) as counted_at, min(h.placed_at) filter (where h.status = 'ACCEPTED') as placed_at
      from handover h group by 1) m
    where i.id = m.invitation_id and (i.accepted_at, i.counted_at, i.placed_at) is distinct from (m.accepted_at, m.counted_at, m.placed_at);
    changed := changed or found;
    exit when not changed;
  end loop;
  lock table kpi_month, kpi_network_month, contribution_link in exclusive mode;
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

-- ------------------------------------------------------------------------------------------------- figures, as shared

-- The largest contributors of a month, without looking at the others.
create index kpi_month_largest on kpi_month (month, measure, numerator desc) include (partner_id)
  where measure in ('CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED');

-- Months, quarters, halves and fiscal years of the network's contributions that these months touch, without the viewer's,
-- and why such a part may not be shown: no reason where it may. It is a figure over several partners, of those whom the
-- viewer cannot see one by one; the others could be subtracted. Shares of one hire add up to one, so that nobody counts
-- twice; weights are those of no agreement, so that no terms choose what is shown. Of each month only the ten largest of
-- each measure are read: none of the others can hold more than the tenth.
create function kpi_network_parts(viewer uuid, since date, until date)
returns table (months int, node int, reason text)
language plpgsql stable parallel safe as $$
#variable_conflict use_column
declare
  first date := date_trunc('year', since - interval '3 months') + interval '3 months';
  last date := date_trunc('year', until - interval '3 months') + interval '14 months';
  seen uuid[] := array(
    select s.giver_id from agreement_share s
    where s.receiver_id = viewer and s.category = 'OUTCOMES'
      and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
      and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)
    union select viewer);
begin
  return query
  with
  rest as materialized (  -- what others than the viewer hold, and whom the viewer cannot see
    select u.month, (extract(year from u.month) * 12 + extract(month from u.month) - 4)::int as place, u.measure,
      case u.measure when 'CONTRIBUTION_HANDOVERS' then 1 when 'CONTRIBUTION_HIRES' then 10 else 5 end as weight,
      sum(u.others) as others, sum(u.hidden) as hidden
    from (
      select k.month, k.measure, k.numerator, k.numerator from kpi_network_month k where k.month between first and last
      union all
      select k.month, k.measure, case when k.partner_id = kpi_network_parts.viewer then -k.numerator else 0 end, -k.numerator
      from kpi_month k
      where k.partner_id = any (seen) and k.month between first and last
        and k.measure in ('CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED')
    ) u (month, measure, others, hidden)
    group by 1, 2, 3 having sum(u.others) > 0
  ),
  largest as materialized (
    select r.place, t.partner_id, r.weight * t.numerator as points,
      case when row_number() over (partition by r.place, r.measure order by t.numerator desc) = 10 then r.weight * t.numerator else 0 end as next
    from rest r cross join lateral (
      select k.partner_id, k.numerator from kpi_month k
      where k.measure = r.measure and k.month = r.month and k.numerator > 0 and k.partner_id <> all (seen)
        and k.measure in ('CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED')
      order by k.numerator desc limit 10
    ) t
  ),
  part as (
    select l.months, r.place / l.months as node, sum(r.weight * r.hidden) as points, round(greatest(
      sum(case when r.measure = 'CONTRIBUTION_HANDOVERS' then r.hidden else 0 end),
      sum(case when r.measure = 'CONTRIBUTION_HIRES' then r.hidden else 0 end),
      sum(case when r.measure = 'CONTRIBUTION_RETAINED' then r.hidden else 0 end)), 2) as people
    from rest r cross join (values (1), (3), (6), (12)) as l (months) group by 1, 2
  ),
  held as (  -- by one partner in one part
    select l.months, t.place / l.months as node, t.partner_id, sum(t.points) as points, sum(t.next) as next
    from largest t cross join (values (1), (3), (6), (12)) as l (months) group by 1, 2, 3
  ),
  most as (
    select h.months, h.node, count(*) as partners, max(h.points) + sum(h.next) as points from held h group by 1, 2
  )
  select p.months, p.node, case when p.people < 10 then 'FEW_PEOPLE' when m.partners < 3 then 'FEW_PARTNERS'
    when m.points * 10 > p.points * 7 then 'DOMINANCE' end
  from part p left join most m on m.months = p.months and m.node = p.node;
end
$$;

-- In which of the asked windows a partner's figure may not be shown to others (of each name, the partner beside it), and
-- why; for contributions the network's as well, as that of a partner of zeros. A block in the window is not shown, or
-- reaches beyond it. The reason speaks of blocks alone, never of the window: who is in a part of a block is not told.
create function kpi_withheld(viewer uuid, names text[], partners uuid[], since date, until date, granularity text)
returns table (name text, partner_id uuid, first date, reason text)
language plpgsql stable parallel safe as $$
#variable_conflict use_column
begin
  return query
  with
  -- every month there is, not only those asked for: what is withheld must not depend on the question
  cell as (
    select s.name, s.partner_id, (extract(year from k.month) * 12 + extract(month from k.month) - 4)::int as place,  -- months, from an April
      sum(case when k.measure in (s.name, 'CONTRIBUTION_HIRES') then k.denominator else 0 end) as people,
      sum(case when k.measure = 'CONTRIBUTION_HANDOVERS' then k.denominator else 0 end) as handed_over,
      sum(case when k.measure = 'CONTRIBUTION_RETAINED' then k.denominator else 0 end) as retained
    from unnest(names, partners) as s (name, partner_id)
    cross join lateral (
      select k.month, k.measure, k.denominator from kpi_month k
      where k.partner_id = s.partner_id and k.measure = any (case when s.name = 'PARTNER_CONTRIBUTION'
        then array['CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED'] else array[s.name] end)
    ) k
    where s.partner_id <> viewer  -- one's own is never withheld
    group by 1, 2, 3
  ),
  -- months, quarters, halves and fiscal years: why a figure may not be shown by itself
  judged as (
    select c.name, c.partner_id, l.months, c.place / l.months as node,
      case when greatest(sum(c.people), sum(c.handed_over), sum(c.retained)) < 10 then 'FEW_PEOPLE' end as reason
    from cell c cross join (values (1), (3), (6), (12)) as l (months)
    group by 1, 2, 3, 4 having greatest(sum(c.people), sum(c.handed_over), sum(c.retained)) > 0
    union all
    select 'PARTNER_CONTRIBUTION', '00000000-0000-0000-0000-000000000000'::uuid, n.months, n.node, n.reason
    from kpi_network_parts(kpi_withheld.viewer, kpi_withheld.since, kpi_withheld.until) n where 'PARTNER_CONTRIBUTION' = any (names)
  ),
  divisible as (  -- a node may be divided when it may be shown and so may every part of it in which there is anybody
    select p.name, p.partner_id, p.months, p.node
    from judged p join judged c on c.name = p.name and c.partner_id = p.partner_id
      and p.months = case c.months when 1 then 3 else c.months * 2 end and p.node = c.node / case c.months when 1 then 3 else 2 end
    group by 1, 2, 3, 4, p.reason having p.reason is null and count(c.reason) = 0
  ),
  divided as materialized (  -- and is divided when whatever it is part of is
    select d.name, d.partner_id, d.months, d.node from divisible d
    where (d.months = 12 or (d.name, d.partner_id, 12, d.node * d.months / 12) in (select u.name, u.partner_id, u.months, u.node from divisible u))
      and (d.months > 3 or (d.name, d.partner_id, 6, d.node / 2) in (select u.name, u.partner_id, u.months, u.node from divisible u))
  ),
  block as materialized (  -- the smallest parts that are shown, from place to place; what is yet to come cuts nothing
    select j.name, j.partner_id, j.reason, j.months * j.node as first,
      least(j.months * j.node + j.months - 1, (extract(year from t.today) * 12 + extract(month from t.today) - 4)::int) as last
    from judged j cross join (select now() at time zone 'Asia/Tokyo' as today) t
    where (j.name, j.partner_id, j.months, j.node) not in (select d.name, d.partner_id, d.months, d.node from divided d)
      and (j.months = 12 or (j.name, j.partner_id, case j.months when 1 then 3 else j.months * 2 end, j.node / case j.months when 1 then 3 else 2 end)
        in (select d.name, d.partner_id, d.months, d.node from divided d))
  ),
  windows as materialized (
    select g.first, (extract(year from g.first) * 12 + extract(month from g.first) - 4)::int as since,
      (extract(year from g.last) * 12 + extract(month from g.last) - 4)::int as until
    from (
      select m::date as first, case when granularity = 'MONTH' then m::date else kpi_withheld.until end as last
      from generate_series(kpi_withheld.since, case when granularity = 'MONTH' then kpi_withheld.until else kpi_withheld.since end, interval '1 month') as m
    ) g
  )
  select b.name, b.partner_id, w.first, coalesce(case when count(*) = 1 then max(b.reason) end, 'COMPLEMENT') as reason
  from windows w join block b on b.last >= w.since and b.first <= w.until
  group by 1, 2, 3 having bool_or(b.reason is not null or b.first < w.since or b.last > w.until);
end
$$;

-- As in 0022, under the small-cell rules as docs/kpis.md has them now.
create or replace function kpi_figures(viewer uuid, names text[], since date, until date, granularity text, subject uuid, agreement uuid)
returns table (key text, name text, partner_id uuid, from_month date, to_month date, follow_up_days int, mature boolean,
  value float8, unit text, numerator float8, denominator float8, low float8, high float8, definition_version int,
  revision int, as_of timestamptz, suppressed boolean, suppression_reason text, funnel jsonb)
language plpgsql stable parallel safe rows 50 as $$
#variable_conflict use_column
begin
  return query
  with
  asked as (
    select n.name, n.name = 'PARTNER_CONTRIBUTION' as weighed
    from unnest(names) as n (name)
    where n.name in ('REFERRAL_SUCCESS_RATE', 'RELAY_REUSE_RATE', 'HIRE_RATE', 'PARTNER_CONTRIBUTION')
    group by 1
  ),
  span as (
    select kpi_figures.since as first, kpi_figures.until as last
    where kpi_figures.since <= kpi_figures.until and kpi_figures.until < kpi_figures.since + interval '37 months'
  ),
  weights as (
    select coalesce(v.weight_handover, 1) as handover, coalesce(v.weight_hire, 10) as hire, coalesce(v.weight_retained, 5) as retained
    from (select) one left join agreement a on a.id = kpi_figures.agreement left join agreement_version v on v.id = a.version_id
  ),
  everybody as (select * from kpi_subjects(kpi_figures.viewer, kpi_figures.subject, kpi_figures.agreement)),
  subjects as (
    select a.name, e.partner_id
    from asked a, everybody e
    where a.weighed or e.kind = 'COMPANY' or not exists (select from everybody c where c.kind = 'COMPANY')
  ),
  cell as materialized (
    select s.name, s.partner_id, case when kpi_figures.granularity = 'MONTH' then c.month else p.first end as first,
      c.people, c.handed_over, c.retained, c.denominator, c.numerator, c.restated, c.as_of
    from subjects s cross join weights w cross join span p
    cross join lateral (  -- one partner's, by itself: PostgreSQL asks for no other, and of no other figure
      select k.month,
        sum(case when k.measure in (s.name, 'CONTRIBUTION_HIRES') then k.denominator else 0 end) as people,
        sum(case when k.measure = 'CONTRIBUTION_HANDOVERS' then k.denominator else 0 end) as handed_over,
        sum(case when k.measure = 'CONTRIBUTION_RETAINED' then k.denominator else 0 end) as retained,
        sum(case when k.measure = s.name then k.denominator else 0 end) as denominator,
        sum(k.numerator * case k.measure when s.name then 1 when 'CONTRIBUTION_HANDOVERS' then w.handover
          when 'CONTRIBUTION_HIRES' then w.hire when 'CONTRIBUTION_RETAINED' then w.retained else 0 end) as numerator,
        sum(k.revision - 1) as restated, max(k.as_of) as as_of
      from kpi_month k
      where k.partner_id = s.partner_id and k.month between p.first and p.last
        and k.measure = any (case when s.name = 'PARTNER_CONTRIBUTION'
          then array['CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED'] else array[s.name] end)
      group by 1
    ) c
  ),
  withheld as materialized (
    select h.name, h.partner_id, h.first, h.reason
    from (select array_agg(s.name) as names, array_agg(s.partner_id) as partners from subjects s
      where s.partner_id <> kpi_figures.viewer or s.name = 'PARTNER_CONTRIBUTION') o
    cross join span s cross join lateral kpi_withheld(kpi_figures.viewer, o.names, o.partners, s.first, s.last, kpi_figures.granularity) h
    where o.names is not null
  ),
  told as (  -- a partner whose figure may not be shown adds nothing
    select c.name, c.first, sum(c.numerator) as numerator, sum(c.denominator) as denominator, sum(c.restated) as restated,
      max(c.as_of) as as_of
    from cell c
    where not exists (select from withheld h where h.name = c.name and h.partner_id = c.partner_id and h.first = c.first)
    group by 1, 2
  ),
  reason as (  -- of a partner's figure, and of the network that it is held against
    select h.name, h.first, max(h.reason) filter (where h.partner_id <> '00000000-0000-0000-0000-000000000000') as own,
      max(h.reason) filter (where h.partner_id = '00000000-0000-0000-0000-000000000000') as network
    from withheld h group by 1, 2
  ),
  together as (  -- how many partners an agreement's figure adds up, and how much of it the largest holds
    select p.name, p.first, count(*) as partners, max(p.people) * 10 > sum(p.people) * 7 as dominated
    from (
      select c.name, c.partner_id, c.first, greatest(sum(c.people), sum(c.handed_over), sum(c.retained)) as people
      from cell c
      where kpi_figures.agreement is not null
        and not exists (select from withheld h where h.name = c.name and h.partner_id = c.partner_id and h.first = c.first)
      group by 1, 2, 3
    ) p where p.people > 0 group by 1, 2
  ),
  network as (
    select case when kpi_figures.granularity = 'MONTH' then k.month else s.first end as first,
      sum(k.numerator * case k.measure when 'CONTRIBUTION_HANDOVERS' then w.handover when 'CONTRIBUTION_HIRES' then w.hire else w.retained end) as total,
      sum(k.revision - 1) as restated, max(k.as_of) as as_of
    from span s cross join weights w join kpi_network_month k on k.month between s.first and s.last
    where 'PARTNER_CONTRIBUTION' = any (kpi_figures.names) group by 1
  ),
  step as materialized (
    select case when kpi_figures.granularity = 'MONTH' then k.month else w.first end as first, k.measure, sum(k.numerator)::int as people
    from span w join subjects s on s.name = 'RELAY_REUSE_RATE'
    join kpi_month k on k.partner_id = s.partner_id and k.month between w.first and w.last
      and k.measure in ('RELAY_SENT', 'RELAY_OPENED', 'RELAY_REGISTERED', 'RELAY_ACCEPTED', 'RELAY_PLACED')
    where not exists (select from withheld h where h.name = s.name and h.partner_id = s.partner_id
      and h.first = case when kpi_figures.granularity = 'MONTH' then k.month else w.first end)
    group by 1, 2
  ),
  figure as materialized (  -- a withheld one is as new as that of an empty month: nobody is told when somebody came into it
    select a.name, a.weighed, w.first, w.last, coalesce(t.numerator, 0) as numerator,
      case when a.weighed then coalesce(n.total, 0) else coalesce(t.denominator, 0) end as denominator,
      1 + case when r.reason is null then coalesce(t.restated, 0)::int + case when u.network is null then coalesce(n.restated, 0)::int else 0 end
        else 0 end as revision,
      case when r.reason is null then coalesce(greatest(t.as_of, case when u.network is null then n.as_of end), now()) else now() end as as_of,
      now() >= (w.last + interval '1 month') at time zone 'Asia/Tokyo' + kpi_follow_up_days(a.name) * interval '1 day' as mature,
      r.reason, u.network as unsaid  -- why not the network's, and so no share of it
    from asked a cross join (
      select g.month::date as first, case when kpi_figures.granularity = 'MONTH' then g.month::date else s.last end as last
      from span s, generate_series(s.first, case when kpi_figures.granularity = 'MONTH' then s.last else s.first end, interval '1 month') as g (month)
    ) w
    left join told t on t.name = a.name and t.first = w.first
    left join reason u on u.name = a.name and u.first = w.first
    left join together p on p.name = a.name and p.first = w.first
    left join network n on a.weighed and n.first = w.first
    cross join lateral (select case
      when kpi_figures.agreement is null then u.own
      when coalesce(p.partners, 0) < 3 and (p.partners > 0 or u.own is not null) then 'FEW_PARTNERS'
      when p.dominated then 'DOMINANCE' end as reason) r
    where exists (select from everybody)
  )
  select
    f.name || '.' || case when kpi_figures.agreement is null then coalesce(kpi_figures.subject, kpi_figures.viewer)::text else 'a' || kpi_figures.agreement::text end
      || '.' || to_char(f.first, 'YYYYMM') || '.' || to_char(f.last, 'YYYYMM') || '.' || f.revision,
    f.name, case when kpi_figures.agreement is null then coalesce(kpi_figures.subject, kpi_figures.viewer) end,
    f.first, f.last, kpi_follow_up_days(f.name), f.mature,
    case when x.reason is null then (f.numerator / nullif(f.denominator, 0))::float8 end, 'RATIO',
    case when f.reason is null then f.numerator::float8 end, case when x.reason is null then f.denominator::float8 end,
    case when x.reason is null and not f.weighed then i.low end, case when x.reason is null and not f.weighed then i.high end,
    1, f.revision, f.as_of, x.reason is not null, x.reason,
    case when f.name = 'RELAY_REUSE_RATE' then (
      select jsonb_agg(jsonb_build_object('kind', z.kind, 'count', case when f.reason is null then coalesce(s.people, 0) end) order by z.place)
      from (values (1, 'RELAY_INVITED', 'RELAY_SENT'), (2, 'RELAY_OPENED', 'RELAY_OPENED'), (3, 'RELAY_REGISTERED', 'RELAY_REGISTERED'),
        (4, 'RELAY_ACCEPTED', 'RELAY_ACCEPTED'), (5, 'PLACED', 'RELAY_PLACED')) as z (place, kind, measure)
      left join step s on s.first = f.first and s.measure = z.measure) end
  from figure f cross join lateral (select coalesce(f.reason, f.unsaid) as reason) x cross join lateral wilson(f.numerator, f.denominator) i
  order by 1;
end
$$;
