-- Whom and what the questions are about.

-- name: busiest^
-- Whom the reads are about, who also asks: the company that helped most often, of those with a hundred referrals, and
-- the last months there are figures for.
select p.id, date_trunc('month', max(m.month))::date as last_month
from partner p
join lateral (select count(*) as n from (select from contribution c where c.contributor_id = p.id limit 1000) c) c on true
join lateral (select count(*) as n from (select from referral r where r.company_id = p.id limit 100) r) r on true
left join kpi_month m on m.partner_id = p.id
where p.kind = 'COMPANY'
group by p.id, c.n, r.n
order by (r.n = 100) desc, c.n desc, p.id limit 1;

-- name: open_job^
-- A job of another company that anybody may refer to.
select id, company_id from job
where company_id <> :of and status = 'OPEN' and open_to_network
order by opened_at desc, id limit 1;

-- name: entities
-- Fifty things that the subject may see, of four kinds and mixed.
select kind, id from (
  (select 'Company' as kind, id from partner where kind = 'COMPANY' order by id limit 20)
  union all (select 'Agency', id from partner where kind = 'AGENCY' order by id limit 10)
  union all (select 'Application', id from application where company_id = :of order by received_at desc, id limit 10)
  union all (select 'Contribution', id from contribution where company_id = :of order by occurred_at desc, id limit 10)
) e order by md5(id::text);
