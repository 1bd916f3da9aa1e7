-- Figures from the rows themselves: a view that stands where the rollup stands for whoever looks here first.

-- name: raise_stage#
-- In kyoso_bench_rows it has a row for each thing that counts, which `kpi_figures` adds up as it adds up months. Only
-- tables stand in the union, without conditions: so PostgreSQL walks to one partner's rows along an index, as a query
-- written for that partner would. In kyoso_bench it has a row a month, for those who read it as a table.
drop schema if exists kyoso_bench, kyoso_bench_rows cascade;
create schema kyoso_bench;
create schema kyoso_bench_rows;
create view kyoso_bench_rows.kpi_month as
  select e.partner_id, e.measure, public.kpi_month_of(e.counted_at) as month, e.succeeded::int as numerator, 1 as denominator,
    1 as revision, now() as as_of
  from (
    select company_id, 'HIRE_RATE'::text, decided_at, status = 'HIRED', status in ('HIRED', 'REJECTED'), null::uuid
    from public.application
    union all
    select company_id, 'REFERRAL_SUCCESS_RATE', confirmed_at, coalesce(hired_at <= confirmed_at + interval '180 days', false), true, null
    from public.referral
    union all
    select referrer_id, 'REFERRAL_SUCCESS_RATE', confirmed_at, coalesce(hired_at <= confirmed_at + interval '180 days', false), true, company_id
    from public.referral
  ) e (partner_id, measure, counted_at, succeeded, counts, referred_to)
  where e.counted_at is not null and e.counts and (e.referred_to is null or e.referred_to <> e.partner_id
    and exists (select from public.partner p where p.id = e.partner_id and p.kind <> 'COMPANY'));
create view kyoso_bench.kpi_month as
  select partner_id, measure, month, sum(numerator)::numeric as numerator, sum(denominator)::numeric as denominator,
    1 as revision, now() as as_of
  from kyoso_bench_rows.kpi_month group by 1, 2, 3;
grant usage on schema kyoso_bench, kyoso_bench_rows to kyoso_app;
grant select on kyoso_bench.kpi_month, kyoso_bench_rows.kpi_month to kyoso_app;

-- name: strike_stage#
drop schema if exists kyoso_bench, kyoso_bench_rows cascade;
