-- Whether an agreement gives anything is asked of the version in force, and of nothing else: "active and not over" let
-- provisions start, and figures and partners be shown, before the first day that the parties had agreed upon.

-- Whether an agreement is in force now. It keeps its plan, wherever it is asked (as in 0020).
create function in_force(agreement uuid) returns boolean
language plpgsql stable parallel safe as $$
begin
  return exists (select from version_in_force(agreement, now()));
end
$$;

-- As in 0037, under agreements in force.
drop policy personal_data_read on personal_data;
create policy personal_data_read on personal_data for select using (
  partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
  or ((addressee_id is null or addressee_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid)
    and exists (
      select from provision v
      where v.giver_candidate_id = personal_data.candidate_id and v.ended_at is null
        and v.receiver_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
        and case personal_data.item when 'KANA' then 'NAME' else personal_data.item end = any (v.items)
        and (v.agreement_id is null or in_force(v.agreement_id)))));

-- As in 0003, of agreements in force.
create or replace function kpi_subjects(viewer uuid, subject uuid, agreement uuid)
returns table (partner_id uuid, kind text)
language sql stable parallel safe as $$
  select p.id, p.kind from partner p
  where agreement is null and p.id = coalesce(subject, viewer)
    and (p.id = viewer or exists (
      select from agreement_share s
      where s.receiver_id = viewer and s.giver_id = p.id and s.category = 'OUTCOMES'
        and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
        and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)))
  union all
  select p.id, p.kind
  from agreement a join agreement_party t on t.agreement_id = a.id join partner p on p.id = t.partner_id
  where a.id = agreement and in_force(a.id)
    and exists (select from agreement_party me where me.agreement_id = a.id and me.partner_id = viewer)
    and (p.id = viewer or exists (
      select from agreement_share s
      where s.receiver_id = viewer and s.giver_id = p.id and s.category = 'OUTCOMES' and s.agreement_id = a.id
        and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
        and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)))
$$;

-- As in 0043, by the weights of the version in force.
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
    from (select) one left join version_in_force(kpi_figures.agreement, now()) v on true
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
