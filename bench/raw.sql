-- Figures from the rows themselves: a view that stands where the rollup stands for whoever looks here first. One
-- partner's rows are found along an index, as one would ask for them.

-- name: raise_stage#
drop schema if exists kyoso_bench cascade;
create schema kyoso_bench;
create view kyoso_bench.kpi_month as
  select a.company_id as partner_id, 'HIRE_RATE' as measure, public.kpi_month_of(a.decided_at) as month,
    (count(*) filter (where a.status = 'HIRED'))::numeric as numerator, count(*)::numeric as denominator, 1 as revision, now() as as_of
  from public.application a
  where a.status in ('HIRED', 'REJECTED') and a.decided_at is not null
  group by 1, 3
  union all
  select r.company_id, 'REFERRAL_SUCCESS_RATE', public.kpi_month_of(r.confirmed_at),
    (count(*) filter (where r.hired_at <= r.confirmed_at + interval '180 days'))::numeric, count(*)::numeric, 1, now()
  from public.referral r
  where r.confirmed_at is not null
  group by 1, 3
  union all
  select r.referrer_id, 'REFERRAL_SUCCESS_RATE', public.kpi_month_of(r.confirmed_at),
    (count(*) filter (where r.hired_at <= r.confirmed_at + interval '180 days'))::numeric, count(*)::numeric, 1, now()
  from public.referral r join public.partner p on p.id = r.referrer_id
  where r.confirmed_at is not null and p.kind <> 'COMPANY' and p.id <> r.company_id
  group by 1, 3;
grant usage on schema kyoso_bench to kyoso_app;
grant select on kyoso_bench.kpi_month to kyoso_app;

-- name: strike_stage#
drop schema if exists kyoso_bench cascade;
