-- How satisfied candidates are with selection (候補者満足度), from which nobody's answer can be read.

-- ------------------------------------------------------------------------------------------------------ what was asked

-- A survey says which decision it asks about, and when its letter went out: nothing before. Until now it said when the letter
-- was to go out, and it asked about the last decision before that.
alter table survey add column decision text check (decision in ('HIRED', 'REJECTED'));
alter table survey alter column sent_at drop not null;
update survey s set
  decision = coalesce(
    (select e.kind from outcome_event e
      where e.application_id = s.application_id and e.kind in ('HIRED', 'REJECTED') and e.recorded_at <= s.sent_at
      order by e.xid desc, e.position desc limit 1),
    (select case a.status when 'HIRED' then 'HIRED' else 'REJECTED' end from application a where a.id = s.application_id)),
  sent_at = coalesce((select min(m.sent_at) from mail m where m.survey_id = s.id and m.status = 'SENT'), s.answered_at);
alter table survey alter column decision set not null;

-- ---------------------------------------------------------------------------------------------------------- what counts

-- As in 0003; and an answer counts for 30 days. On the day after them none is being written any more.
create or replace function kpi_follow_up_days(measure text) returns int
language sql immutable parallel safe as $$
  select case when measure = 'REFERRAL_SUCCESS_RATE' then 180 when measure like 'RELAY%' then 90
    when measure like 'CANDIDATE_SATISFACTION%' then 31 else 0 end
$$;

-- Points of those who answered, how many of them answered 4 or 5, and how many of those asked answered.
create function kpi_of_survey(s survey)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select s.company_id, 'CANDIDATE_SATISFACTION_' || s.decision || m.part, kpi_month_of(s.sent_at), m.numerator::numeric, m.denominator::numeric
  from (select coalesce(s.answered_at < s.sent_at + interval '30 days', false) as in_time) t
  cross join lateral (values
    ('_MEAN', s.score, 1), ('_TOP_TWO', (s.score >= 4)::int, 1), ('_RESPONSE', t.in_time::int, 1)
  ) as m (part, numerator, denominator)
  where s.sent_at is not null and (t.in_time or m.part = '_RESPONSE')
$$;

create function kpi_survey_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into kpi_delta (partner_id, measure, month, numerator, denominator) select * from kpi_of_survey(new);
  if tg_op = 'UPDATE' then
    insert into kpi_delta (partner_id, measure, month, numerator, denominator)
    select partner_id, measure, month, -numerator, -denominator from kpi_of_survey(old);
  end if;
  return null;
end $$;
revoke all on function kpi_survey_changed() from public;
create trigger kpi_survey after insert or update of company_id, decision, sent_at, score, answered_at on survey
  for each row execute function kpi_survey_changed();

-- Every figure from the rows themselves, as in 0043.
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
    union all
    select g.company_id, 'CANDIDATE_SATISFACTION_' || g.decision || m.part, g.month, m.numerator, m.denominator
    from (
      select s.company_id, s.decision, kpi_month_of(s.sent_at) as month, count(*) as sent, count(*) filter (where t.in_time) as answered,
        coalesce(sum(s.score) filter (where t.in_time), 0) as points, count(*) filter (where t.in_time and s.score >= 4) as top_two
      from survey s cross join lateral (select s.answered_at < s.sent_at + interval '30 days' as in_time) t
      where s.sent_at is not null
      group by 1, 2, 3
    ) g cross join lateral (values
      ('_MEAN', g.points, g.answered), ('_TOP_TWO', g.top_two, g.answered), ('_RESPONSE', g.answered, g.sent)
    ) as m (part, numerator, denominator)
  ) f
  group by 1, 2, 3
  having sum(f.numerator) <> 0 or sum(f.denominator) <> 0;

-- What was answered before.
insert into kpi_month (partner_id, measure, month, numerator, denominator, as_of)
select k.partner_id, k.measure, k.month, k.numerator, k.denominator, now() from kpi_raw k where k.measure like 'CANDIDATE_SATISFACTION%';

-- ------------------------------------------------------------------------------------------------- figures, as told

-- What is told of answers, to their company too: each is the candidate's own. The answers of a month wait until they are
-- ten, with those of the months after it, and are told in the month that completes them, once it has been followed to the
-- end. So whatever was told never changes, and whatever comes to it comes by ten: no two months, and no two days on which
-- somebody asks, differ by fewer.
create function kpi_grouped(partner uuid, measure text, at timestamptz)
returns table (month date, numerator numeric, denominator numeric, restated int, as_of timestamptz)
language plpgsql stable parallel safe as $$
declare k record;
begin
  numerator := 0; denominator := 0; restated := 0;
  for k in
    select m.month, m.numerator, m.denominator, m.revision, c.complete_at
    from kpi_month m cross join lateral (
      select (m.month + interval '1 month') at time zone 'Asia/Tokyo' + kpi_follow_up_days(m.measure) * interval '1 day' as complete_at) c
    where m.partner_id = kpi_grouped.partner and m.measure = kpi_grouped.measure and c.complete_at <= kpi_grouped.at
    order by m.month
  loop
    numerator := numerator + k.numerator; denominator := denominator + k.denominator; restated := restated + k.revision - 1;
    if denominator >= 10 then
      month := k.month; as_of := k.complete_at;
      return next;
      numerator := 0; denominator := 0; restated := 0;
    end if;
  end loop;
end $$;

-- Whose rows a figure adds up, for this viewer: as in 0003, of whoever shares that category, and of agreements in force.
drop function kpi_subjects(uuid, uuid, uuid);
create function kpi_subjects(viewer uuid, subject uuid, agreement uuid, asked text)
returns table (partner_id uuid, kind text)
language sql stable parallel safe as $$
  select p.id, p.kind from partner p
  where agreement is null and p.id = coalesce(subject, viewer)
    and (p.id = viewer or exists (
      select from agreement_share s
      where s.receiver_id = viewer and s.giver_id = p.id and s.category = asked
        and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
        and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)))
  union all
  select p.id, p.kind
  from agreement a join agreement_party t on t.agreement_id = a.id join partner p on p.id = t.partner_id
  where a.id = agreement and in_force(a.id)
    and exists (select from agreement_party me where me.agreement_id = a.id and me.partner_id = viewer)
    and (p.id = viewer or exists (
      select from agreement_share s
      where s.receiver_id = viewer and s.giver_id = p.id and s.category = asked and s.agreement_id = a.id
        and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
        and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)))
$$;

create function kpi_survey_names() returns text[]
language sql immutable parallel safe as $$
  select array['CANDIDATE_SATISFACTION_HIRED_MEAN', 'CANDIDATE_SATISFACTION_HIRED_RESPONSE', 'CANDIDATE_SATISFACTION_HIRED_TOP_TWO',
    'CANDIDATE_SATISFACTION_REJECTED_MEAN', 'CANDIDATE_SATISFACTION_REJECTED_RESPONSE', 'CANDIDATE_SATISFACTION_REJECTED_TOP_TWO']
$$;

-- Figures of answers, as `kpi_figures` tells the others: but of one's own as of anybody's only what is grouped, and where
-- nothing is, few people are said to be there, whether any are or none. An agreement's figure adds up groups.
create function kpi_satisfaction(viewer uuid, names text[], since date, until date, granularity text, subject uuid, agreement uuid)
returns table (key text, name text, partner_id uuid, from_month date, to_month date, follow_up_days int, mature boolean,
  value float8, unit text, numerator float8, denominator float8, low float8, high float8, definition_version int,
  revision int, as_of timestamptz, suppressed boolean, suppression_reason text, funnel jsonb)
language plpgsql stable parallel safe rows 50 as $$
#variable_conflict use_column
declare whose uuid := case when agreement is null then coalesce(subject, viewer) end;
begin
  return query
  with
  asked as (select n.name, n.name like '%\_MEAN' as mean from unnest(kpi_survey_names()) as n (name) where n.name = any (names)),
  span as (
    select m::date as first, case when granularity = 'MONTH' then m::date else kpi_satisfaction.until end as last
    from generate_series(since, case when granularity = 'MONTH' then kpi_satisfaction.until else since end, interval '1 month') as m
    where since <= kpi_satisfaction.until and kpi_satisfaction.until < since + interval '37 months'
  ),
  subjects as materialized (select s.partner_id from kpi_subjects(viewer, subject, kpi_satisfaction.agreement, 'SURVEYS') s),
  told as (
    select a.name, s.partner_id, w.first, sum(g.numerator) as numerator, sum(g.denominator) as denominator,
      sum(g.restated)::int as restated, max(g.as_of) as as_of
    from asked a cross join subjects s cross join lateral kpi_grouped(s.partner_id, a.name, now()) g
    join span w on g.month between w.first and w.last
    group by 1, 2, 3
  ),
  figure as (
    select a.name, a.mean, w.first, w.last, sum(t.numerator) as numerator, sum(t.denominator) as denominator,
      coalesce(sum(t.restated), 0)::int + 1 as revision, max(t.as_of) as as_of,
      case when whose is not null then case when count(t.name) = 0 then 'FEW_PEOPLE' end
        when count(t.name) < 3 then 'FEW_PARTNERS'
        when max(t.denominator) * 10 > sum(t.denominator) * 7 then 'DOMINANCE' end as reason
    from asked a cross join span w left join told t on t.name = a.name and t.first = w.first
    where exists (select from subjects)
    group by 1, 2, 3, 4
  )
  select
    f.name || '.' || coalesce(whose::text, 'a' || kpi_satisfaction.agreement::text)
      || '.' || to_char(f.first, 'YYYYMM') || '.' || to_char(f.last, 'YYYYMM') || '.' || case when f.reason is null then f.revision else 1 end,
    f.name, whose, f.first, f.last, kpi_follow_up_days(f.name),
    now() >= (f.last + interval '1 month') at time zone 'Asia/Tokyo' + kpi_follow_up_days(f.name) * interval '1 day',
    case when f.reason is null then (f.numerator / f.denominator)::float8 end, case when f.mean then 'POINTS' else 'RATIO' end,
    case when f.reason is null then f.numerator::float8 end, case when f.reason is null then f.denominator::float8 end,
    i.low, i.high, 1, case when f.reason is null then f.revision else 1 end, case when f.reason is null then f.as_of else now() end,
    f.reason is not null, f.reason, null::jsonb
  from figure f left join lateral (
    select w.low, w.high from wilson(case when not f.mean then f.numerator end, f.denominator) w where f.reason is null and not f.mean
  ) i on true
  order by 1;
end
$$;

-- As in 0043, by the weights of the version in force, and satisfaction beside it.
create or replace function kpi_figures(viewer uuid, names text[], since date, until date, granularity text, subject uuid, agreement uuid)
returns table (key text, name text, partner_id uuid, from_month date, to_month date, follow_up_days int, mature boolean,
  value float8, unit text, numerator float8, denominator float8, low float8, high float8, definition_version int,
  revision int, as_of timestamptz, suppressed boolean, suppression_reason text, funnel jsonb)
language plpgsql stable parallel safe rows 50 as $$
#variable_conflict use_column
begin
  if names && kpi_survey_names() then
    return query select * from kpi_satisfaction(viewer, names, since, until, granularity, subject, agreement);
  end if;
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
  everybody as (select * from kpi_subjects(kpi_figures.viewer, kpi_figures.subject, kpi_figures.agreement, 'OUTCOMES')),
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

