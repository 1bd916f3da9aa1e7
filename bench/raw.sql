-- Figures from the rows themselves: a view that stands where the rollup stands for whoever looks here first.

-- name: raise_stage#
-- Each part counts one partner's rows by month: asked of one partner, PostgreSQL walks to that partner's rows along an
-- index, as a query written for that partner would, and reads no table for a figure that is not asked for. `offset 0` has
-- a row's month found once, not once for the condition and once for the group.
drop schema if exists kyoso_bench cascade;
create schema kyoso_bench;
create view kyoso_bench.kpi_month as
  select e.partner_id, e.measure, e.month, e.succeeded::numeric as numerator, e.counted::numeric as denominator, 1 as revision, now() as as_of
  from (
    select a.company_id as partner_id, 'HIRE_RATE' as measure, m.month,
      count(*) filter (where a.status = 'HIRED') as succeeded, count(*) as counted
    from public.application a cross join lateral (select public.kpi_month_of(a.decided_at) as month offset 0) m
    where a.status in ('HIRED', 'REJECTED') and a.decided_at is not null
    group by 1, 3
    union all
    select r.company_id, 'REFERRAL_SUCCESS_RATE', m.month,
      count(*) filter (where r.hired_at <= r.confirmed_at + interval '180 days'), count(*)
    from public.referral r cross join lateral (select public.kpi_month_of(r.confirmed_at) as month offset 0) m
    where r.confirmed_at is not null
    group by 1, 3
    union all
    select r.referrer_id, 'REFERRAL_SUCCESS_RATE', m.month,
      count(*) filter (where r.hired_at <= r.confirmed_at + interval '180 days'), count(*)
    from public.referral r cross join lateral (select public.kpi_month_of(r.confirmed_at) as month offset 0) m
    where r.confirmed_at is not null and r.company_id <> r.referrer_id
      and exists (select from public.partner p where p.id = r.referrer_id and p.kind <> 'COMPANY')
    group by 1, 3
  ) e;
grant usage on schema kyoso_bench to kyoso_app;
grant select on kyoso_bench.kpi_month to kyoso_app;

-- name: strike_stage#
drop schema if exists kyoso_bench cascade;
