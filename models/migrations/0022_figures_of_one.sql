-- As in 0020, but what is added up is one figure of one partner: PostgreSQL asks the rows for no other, and finds the place
-- of a month once a month, not once a row.
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
  own as (  -- one's own figure is never withheld
    select kpi_figures.agreement is null and coalesce(kpi_figures.subject, kpi_figures.viewer) = kpi_figures.viewer as own
  ),
  -- every month there is, not only those asked for: what is withheld must not depend on the question
  cell as materialized (
    select s.name, s.partner_id, c.month,
      (extract(year from c.month) * 12 + extract(month from c.month) - 4)::int as place,  -- months, from an April
      c.people, c.denominator, c.numerator, c.restated, c.as_of
    from subjects s cross join weights w cross join span
    cross join lateral (  -- one partner's, by itself: PostgreSQL asks for no other, and of no other figure
      select k.month,
        sum(case when k.measure = s.name then k.denominator when k.measure = 'CONTRIBUTION_PEOPLE' then k.numerator else 0 end) as people,
        sum(case when k.measure = s.name then k.denominator else 0 end) as denominator,
        sum(k.numerator * case k.measure when s.name then 1 when 'CONTRIBUTION_HANDOVERS' then w.handover
          when 'CONTRIBUTION_HIRES' then w.hire when 'CONTRIBUTION_RETAINED' then w.retained else 0 end) as numerator,
        sum(k.revision - 1) as restated, max(k.as_of) as as_of
      from kpi_month k
      where k.partner_id = s.partner_id and k.measure = any (case when s.name = 'PARTNER_CONTRIBUTION'
        then array['CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_PEOPLE', 'CONTRIBUTION_RETAINED'] else array[s.name] end)
      group by 1
    ) c
  ),
  -- months, quarters, halves and fiscal years: who is in each, and whether it may be shown by itself
  share as (
    select c.name, l.months, c.place / l.months as node, c.partner_id, sum(c.people) as people
    from own join cell c on not own.own cross join (values (1), (3), (6), (12)) as l (months)
    group by 1, 2, 3, 4 having sum(c.people) > 0
  ),
  judged as (
    select s.name, s.months, s.node, sum(s.people) >= 10 and (kpi_figures.agreement is null
      or (count(*) >= 3 and max(s.people) * 10 <= sum(s.people) * 7
        and coalesce(sum(s.people) filter (where s.people < 10 and s.partner_id <> kpi_figures.viewer), 0) not between 1 and 9)) as fine
    from share s group by 1, 2, 3
  ),
  divisible as (  -- a node may be divided when it is fine and so is every part of it in which there is anybody
    select p.name, p.months, p.node
    from judged p join judged c on c.name = p.name and c.months = case p.months when 12 then 6 when 6 then 3 else 1 end
      and c.node / (p.months / c.months) = p.node
    where p.months > 1
    group by 1, 2, 3, p.fine having p.fine and bool_and(c.fine)
  ),
  divided as materialized (  -- and is divided when whatever it is part of is
    select d.name, d.months, d.node from divisible d
    where (d.months = 12 or (d.name, 12, d.node * d.months / 12) in (select u.name, u.months, u.node from divisible u))
      and (d.months > 3 or (d.name, 6, d.node / 2) in (select u.name, u.months, u.node from divisible u))
  ),
  block as materialized (  -- the smallest parts that are shown, from place to place; what is yet to come cuts nothing
    select j.name, j.fine, j.months * j.node as first,
      least(j.months * j.node + j.months - 1, (extract(year from t.today) * 12 + extract(month from t.today) - 4)::int) as last
    from judged j cross join (select now() at time zone 'Asia/Tokyo' as today) t
    where (j.name, j.months, j.node) not in (select d.name, d.months, d.node from divided d)
      and (j.months = 12 or (j.name, case j.months when 1 then 3 else j.months * 2 end, j.node / case j.months when 1 then 3 else 2 end)
        in (select d.name, d.months, d.node from divided d))
  ),
  windows as (
    select g.month::date as first, case when kpi_figures.granularity = 'MONTH' then g.month::date else s.last end as last
    from span s, generate_series(s.first, case when kpi_figures.granularity = 'MONTH' then s.last else s.first end, interval '1 month') as g (month)
  ),
  counted as (
    select c.name, case when kpi_figures.granularity = 'MONTH' then c.month else s.first end as first, sum(c.numerator) as numerator,
      sum(c.denominator) as denominator, sum(c.restated) as restated, max(c.as_of) as as_of
    from span s join cell c on c.month between s.first and s.last group by 1, 2
  ),
  network as (
    select case when kpi_figures.granularity = 'MONTH' then k.month else s.first end as first,
      sum(k.numerator * case k.measure when 'CONTRIBUTION_HANDOVERS' then w.handover when 'CONTRIBUTION_HIRES' then w.hire else w.retained end) as total
    from span s cross join weights w join kpi_network_month k on k.month between s.first and s.last
    where 'PARTNER_CONTRIBUTION' = any (kpi_figures.names) group by 1
  ),
  step as materialized (
    select case when kpi_figures.granularity = 'MONTH' then k.month else w.first end as first, k.measure, sum(k.numerator)::int as people
    from span w join subjects s on s.name = 'RELAY_REUSE_RATE'
    join kpi_month k on k.partner_id = s.partner_id and k.month between w.first and w.last
      and k.measure in ('RELAY_SENT', 'RELAY_OPENED', 'RELAY_REGISTERED', 'RELAY_ACCEPTED', 'RELAY_PLACED')
    group by 1, 2
  ),
  figure as materialized (
    select a.name, a.weighed, w.first, w.last, coalesce(c.numerator, 0) as numerator,
      case when a.weighed then coalesce(n.total, 0) else coalesce(c.denominator, 0) end as denominator,
      coalesce(c.restated, 0)::int + 1 as revision, coalesce(c.as_of, now()) as as_of,
      now() >= (w.last + interval '1 month') at time zone 'Asia/Tokyo' + kpi_follow_up_days(a.name) * interval '1 day' as mature,
      exists (  -- a block in it is not shown, or reaches beyond the window
        select from block b
        where b.name = a.name and b.last >= p.first and b.first <= p.last and (not b.fine or b.first < p.first or b.last > p.last)
      ) as withheld
    from asked a cross join windows w
    cross join lateral (select (extract(year from w.first) * 12 + extract(month from w.first) - 4)::int as first,
      (extract(year from w.last) * 12 + extract(month from w.last) - 4)::int as last) p
    left join counted c on c.name = a.name and c.first = w.first
    left join network n on a.weighed and n.first = w.first
    where exists (select from everybody)
  )
  select
    f.name || '.' || case when kpi_figures.agreement is null then coalesce(kpi_figures.subject, kpi_figures.viewer)::text else 'a' || kpi_figures.agreement::text end
      || '.' || to_char(f.first, 'YYYYMM') || '.' || to_char(f.last, 'YYYYMM') || '.' || f.revision,
    f.name, case when kpi_figures.agreement is null then coalesce(kpi_figures.subject, kpi_figures.viewer) end,
    f.first, f.last, kpi_follow_up_days(f.name), f.mature,
    case when not f.withheld then (f.numerator / nullif(f.denominator, 0))::float8 end, 'RATIO',
    case when not f.withheld then f.numerator::float8 end, case when not f.withheld then f.denominator::float8 end,
    case when not f.withheld and not f.weighed then i.low end, case when not f.withheld and not f.weighed then i.high end,
    1, f.revision, f.as_of, f.withheld,
    case when f.withheld then (
      select case when coalesce(sum(t.people), 0) < 10 then 'FEW_PEOPLE'
        when kpi_figures.agreement is not null and count(*) < 3 then 'FEW_PARTNERS'
        when kpi_figures.agreement is not null and max(t.people) * 10 > sum(t.people) * 7 then 'DOMINANCE'
        else 'COMPLEMENT' end
      from (select sum(c.people) as people from cell c where c.name = f.name and c.month between f.first and f.last
        group by c.partner_id having sum(c.people) > 0) t) end,
    case when f.name = 'RELAY_REUSE_RATE' then (
      select jsonb_agg(jsonb_build_object('kind', z.kind, 'count', case when not f.withheld then coalesce(s.people, 0) end) order by z.place)
      from (values (1, 'RELAY_INVITED', 'RELAY_SENT'), (2, 'RELAY_OPENED', 'RELAY_OPENED'), (3, 'RELAY_REGISTERED', 'RELAY_REGISTERED'),
        (4, 'RELAY_ACCEPTED', 'RELAY_ACCEPTED'), (5, 'PLACED', 'RELAY_PLACED')) as z (place, kind, measure)
      left join step s on s.first = f.first and s.measure = z.measure) end
  from figure f cross join lateral wilson(f.numerator, f.denominator) i
  order by 1;
end
$$;
