-- The five reads as one would write them by hand for one endpoint each: the same rows for the same viewer ($viewer),
-- the JSON made by PostgreSQL. What they leave out is GraphQL.

-- name: q1$
-- One partner.
select '{"data":{"partner":' || row_to_json(x) || '}}' from (
  select 'par_' || p.id as id,
    case when p.kind = 'REFERRER' and (:viewer::uuid in (p.id, p.company_id)
        or exists (select from referral r where r.referrer_id = p.id and r.company_id = :viewer)
        or exists (select from agreement_party a join agreement_party b using (agreement_id) join agreement g on g.id = agreement_id
          where a.partner_id = p.id and b.partner_id = :viewer and g.accepted_at is not null))
      then p.legal_name else p.name end as name,
    p.slug, p.prefecture, p.url, p.joined_at as "joinedAt"
  from partner p where p.id = :of) x;

-- name: q2$
-- A partner with its first 50 contributions.
select '{"data":{"partner":' || row_to_json(x) || '}}' from (
  select case when p.kind = 'REFERRER' and (:viewer::uuid in (p.id, p.company_id)
        or exists (select from referral r where r.referrer_id = p.id and r.company_id = :viewer)
        or exists (select from agreement_party a join agreement_party b using (agreement_id) join agreement g on g.id = agreement_id
          where a.partner_id = p.id and b.partner_id = :viewer and g.accepted_at is not null))
      then p.legal_name else p.name end as name, (
    select json_build_object('edges', coalesce(json_agg(e), '[]')) from (
      select (select row_to_json(n) from (
        select 'ctb_' || c.id as id, c.role, c.share::text as share, c.occurred_at as "occurredAt",
          (select row_to_json(o) from (select 'par_' || o.id as id, o.name, o.slug) o) as company,
          (select row_to_json(h) from (
            select 'hire_' || h.id as id, h.decided_at as "decidedAt" from hire h
            where h.id = c.hire_id and (h.company_id = :viewer or (
        h.company_id = any (array(select s from shared_with(:viewer, 'OUTCOMES') s))
        and exists (select from contribution m where m.hire_id = h.id and m.contributor_id = :viewer)))) h) as hire) n) as node
      from contribution c join partner o on o.id = c.company_id
      where c.contributor_id = p.id and (c.contributor_id = :viewer or c.company_id = :viewer
        or c.company_id = any (array(select s from shared_with(:viewer, 'OUTCOMES') s)))
      order by c.occurred_at desc, c.id desc limit 50) e) as contributions
  from partner p where p.id = :of) x;

-- name: q3$
-- The first 100 referrals to a company.
select '{"data":{"company":{"referrals":{"edges":' || coalesce(json_agg(e), '[]') || '}}}}' from (
  select (select row_to_json(n) from (
    select 'ref_' || r.id as id, r.status, r.submitted_at as "submittedAt", r.confirmed_at as "confirmedAt",
      (select row_to_json(k) from (
        select 'can_' || k.id as id, k.alias from candidate k
        where k.person_id = r.person_id and k.partner_id = :viewer) k) as candidate,
      (select row_to_json(o) from (select 'par_' || o.id as id, o.name) o) as company,
      (select row_to_json(j) from (
        select 'job_' || j.id as id, j.title from job j
        where j.id = r.job_id and (j.company_id = :viewer or (j.status <> 'DRAFT'
          and (j.open_to_network or j.company_id = any (array(select s from shared_with(:viewer, 'JOBS') s)))))) j) as job,
      (select row_to_json(a) from (
        select 'app_' || a.id as id, a.stage, a.status, a.received_at as "receivedAt", a.decided_at as "decidedAt",
          (select row_to_json(h) from (
            select 'hire_' || h.id as id, h.starts_on as "startsOn" from hire h
            where h.id = a.hire_id and (h.company_id = :viewer or (
        h.company_id = any (array(select s from shared_with(:viewer, 'OUTCOMES') s))
        and exists (select from contribution m where m.hire_id = h.id and m.contributor_id = :viewer)))) h) as hire
        from application a where a.referral_id = r.id and (a.company_id = :viewer
          or a.company_id = any (array(select s from shared_with(:viewer, 'APPLICATIONS') s)))) a) as application) n) as node
  from referral r join partner o on o.id = r.company_id
  where r.company_id = :of and (r.company_id = :viewer or r.referrer_id = :viewer
    or r.company_id = any (array(select s from shared_with(:viewer, 'REFERRALS') s)))
  order by r.submitted_at desc, r.id desc limit 100) e;

-- name: q4$
-- Two figures by month.
select '{"data":{"kpis":{"edges":' || coalesce(json_agg(e), '[]') || '}}}' from (
  select (select row_to_json(n) from (
    select f.name, (select row_to_json(w) from (
        select to_char(f.from_month, 'YYYY-MM') as "from", to_char(f.to_month, 'YYYY-MM') as "to", f.mature) w) as window,
      f.value, f.numerator, f.denominator,
      case when f.low is not null then (select row_to_json(i) from (select f.low, f.high) i) end as interval,
      f.suppressed) n) as node
  from kpi_figures(:viewer, array['HIRE_RATE', 'REFERRAL_SUCCESS_RATE'], :first, :last, 'MONTH', :of, null) f
  order by f.key limit 100) e;

-- name: q5$
-- Two steps around a partner.
select '{"data":{"neighbourhood":{"edges":' || coalesce(json_agg(e), '[]') || '}}}' from (
  select n.distance, n.contributions, n.roles,
    (select row_to_json(x) from (
      select initcap(p.kind) as "__typename", 'par_' || p.id as id,
        case when p.kind = 'REFERRER' and (:viewer::uuid in (p.id, p.company_id)
        or exists (select from referral r where r.referrer_id = p.id and r.company_id = :viewer)
        or exists (select from agreement_party a join agreement_party b using (agreement_id) join agreement g on g.id = agreement_id
          where a.partner_id = p.id and b.partner_id = :viewer and g.accepted_at is not null))
      then p.legal_name else p.name end as name,
        p.slug) x) as node,
    (select row_to_json(v) from (select 'par_' || n.via_id as id) v) as via
  from neighbourhood(:viewer, :of, 2, null) n join partner p on p.id = n.neighbour_id
  order by n.distance, n.contributions desc, n.neighbour_id desc limit 100) e;

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
