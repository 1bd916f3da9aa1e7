-- The reads as one would write them by hand for one endpoint each: the same rows for the same viewer ($viewer),
-- the JSON made by PostgreSQL. What they leave out is GraphQL.

-- name: q1$
-- One partner.
select '{"data":{"partner":' || row_to_json(x) || '}}' from (
  select 'par_' || p.id as id,
    case when p.kind = 'REFERRER' and names_referrer(p.id, p.company_id, :viewer, null)
      then p.legal_name else p.name end as name,
    p.slug, p.prefecture, p.url, p.joined_at as "joinedAt"
  from partner p where p.id = :of) x;

-- name: q2$
-- The first 50 contributions to a company's hires: a walk along the index, then what each row links to. Whether all of
-- the company's are to be seen is asked once; else only those that the viewer made.
with seen as materialized (
  select :of = :viewer::uuid or :of = any ((select givers_to(:viewer, 'OUTCOMES'))::uuid[]) as whole
), page as materialized (
  select * from (
    (select c.* from contribution c where c.company_id = :of and (select whole from seen)
      order by c.occurred_at desc, c.id desc limit 50)
    union all
    (select c.* from contribution c where c.company_id = :of and c.contributor_id = :viewer and not (select whole from seen)
      order by c.occurred_at desc, c.id desc limit 50)
  ) c order by c.occurred_at desc, c.id desc limit 50
)
select '{"data":{"company":' || row_to_json(x) || '}}' from (
  select p.name, (
    select json_build_object('edges', coalesce(json_agg(e), '[]')) from (
      select (select row_to_json(n) from (
        select 'ctb_' || c.id as id, c.role, c.share::text as share, c.occurred_at as "occurredAt",
          (select row_to_json(o) from (select initcap(o.kind) as "__typename", 'par_' || o.id as id,
            case when o.kind = 'REFERRER' and names_referrer(o.id, o.company_id, :viewer, null)
      then o.legal_name else o.name end as name) o) as contributor,
          (select row_to_json(h) from (
            select 'hire_' || h.id as id, h.decided_at as "decidedAt" from hire h
            where h.id = c.hire_id and (h.company_id = :viewer or (
        h.company_id = any ((select givers_to(:viewer, 'OUTCOMES'))::uuid[])
        and exists (select from contribution m where m.hire_id = h.id and m.contributor_id = :viewer)))) h) as hire) n) as node
      from page c join partner o on o.id = c.contributor_id
      order by c.occurred_at desc, c.id desc) e) as contributors
  from partner p where p.id = :of) x;

-- name: q3$
-- The first 100 referrals to a company, in the same way.
with seen as materialized (
  select :of = :viewer::uuid or :of = any ((select givers_to(:viewer, 'REFERRALS'))::uuid[]) as whole
), page as materialized (
  select * from (
    (select r.* from referral r where r.company_id = :of and (select whole from seen)
      order by r.submitted_at desc, r.id desc limit 100)
    union all
    (select r.* from referral r where r.company_id = :of and r.referrer_id = :viewer and not (select whole from seen)
      order by r.submitted_at desc, r.id desc limit 100)
  ) r order by r.submitted_at desc, r.id desc limit 100
)
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
          and (j.open_to_network or j.company_id = any ((select givers_to(:viewer, 'JOBS'))::uuid[]))))) j) as job,
      (select row_to_json(a) from (
        select 'app_' || a.id as id, a.stage, a.status, a.received_at as "receivedAt", a.decided_at as "decidedAt",
          (select row_to_json(h) from (
            select 'hire_' || h.id as id, h.starts_on as "startsOn" from hire h
            where h.id = a.hire_id and (h.company_id = :viewer or (
        h.company_id = any ((select givers_to(:viewer, 'OUTCOMES'))::uuid[])
        and exists (select from contribution m where m.hire_id = h.id and m.contributor_id = :viewer)))) h) as hire
        from application a where a.referral_id = r.id and (a.company_id = :viewer
          or a.company_id = any ((select givers_to(:viewer, 'APPLICATIONS'))::uuid[]))) a) as application) n) as node
  from page r join partner o on o.id = r.company_id
  order by r.submitted_at desc, r.id desc) e;

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
        case when p.kind = 'REFERRER' and names_referrer(p.id, p.company_id, :viewer, null)
      then p.legal_name else p.name end as name,
        p.slug) x) as node,
    (select row_to_json(v) from (select 'par_' || n.via_id as id) v) as via
  from neighbourhood(:viewer, :of, 2, null) n join partner p on p.id = n.neighbour_id
  order by n.distance, n.contributions desc, n.neighbour_id desc limit 100) e;

-- name: q6$
-- Entities of four kinds by their ids, in the order asked.
select '{"data":{"_entities":' || coalesce(json_agg(coalesce(c.found, a.found, p.found, t.found) order by asked.place), '[]') || '}}'
from unnest(:kinds::text[], :ids::uuid[]) with ordinality as asked (kind, id, place)
left join lateral (select row_to_json(o) as found from (
  select 'Company' as "__typename", 'par_' || p.id as id, p.name, p.slug, p.corporate_number as "corporateNumber"
  from partner p where asked.kind = 'Company' and p.id = asked.id and p.kind = 'COMPANY') o) c on true
left join lateral (select row_to_json(o) as found from (
  select 'Agency' as "__typename", 'par_' || p.id as id, p.name, p.license_number as "licenseNumber",
    p.license_expires_on as "licenseExpiresOn"
  from partner p where asked.kind = 'Agency' and p.id = asked.id and p.kind = 'AGENCY') o) a on true
left join lateral (select row_to_json(o) as found from (
  select 'Application' as "__typename", 'app_' || p.id as id, p.stage, p.status, p.received_at as "receivedAt"
  from application p where asked.kind = 'Application' and p.id = asked.id and (p.company_id = :viewer::uuid
    or p.company_id = any ((select givers_to(:viewer, 'APPLICATIONS'))::uuid[]))) o) p on true
left join lateral (select row_to_json(o) as found from (
  select 'Contribution' as "__typename", 'ctb_' || c.id as id, c.role, c.share::text as share, c.occurred_at as "occurredAt"
  from contribution c where asked.kind = 'Contribution' and c.id = asked.id and (c.contributor_id = :viewer
    or c.company_id = :viewer or c.company_id = any ((select givers_to(:viewer, 'OUTCOMES'))::uuid[]))) o) t on true;

-- name: q7_claim^
-- Takes the key, and says what decides whether this partner may refer to that job.
with claimed as (
  insert into idempotency_key (client_id, client_mutation_id, verb, input_hash, answer, created_at)
  values (:client, :key, 'submit_referral', :hash, '{}', now()) on conflict do nothing returning true as fresh
)
select coalesce((select fresh from claimed), false) as fresh, r.kind as referrer_kind, r.company_id as belongs_to,
  c.kind as company_kind, c.name as company, j.company_id as job_company_id, j.status as job_status, j.title,
  coalesce(j.open_to_network, false) as open_to_network, a.kind as agreement_kind
from partner r
left join partner c on c.id = :company_id
left join job j on j.id = :job_id and (j.company_id = :viewer::uuid or (j.status <> 'DRAFT'
  and (j.open_to_network or j.company_id = any ((select givers_to(:viewer, 'JOBS'))::uuid[]))))
left join lateral (
  select g.kind
  from agreement g
  join agreement_party x on x.agreement_id = g.id and x.partner_id = :viewer
  join agreement_party y on y.agreement_id = g.id and y.partner_id = :company_id
  where exists (select from version_in_force(g.id, now()))
  order by g.kind = 'ALLIANCE' desc, g.accepted_at limit 1
) a on true
where r.id = :viewer;

-- name: q7_keep^
-- The candidate and the key of the person behind it.
select candidate_id, person_id, sealed_key
from keep_candidate(:viewer, null, :email_index, :fresh_person, :fresh_key, :fresh_candidate, :alias, :at);

-- name: q7_write$
-- Everything else in one statement, and the answer; nothing when the person was referred before.
with submitted as (
  insert into referral (id, referrer_id, company_id, job_id, person_id, status, relationship, role, submitted_at, confirm_by)
  values (:id, :viewer, :company_id, :job_id, :person_id, 'SUBMITTED', :relationship, :role, :at, :confirm_by)
  on conflict (referrer_id, company_id, person_id) do nothing returning *
), items as (
  insert into personal_data (candidate_id, item, partner_id, person_id, sealed, recorded_at)
  select :candidate_id, i.item, :viewer, :person_id, i.sealed, :at from unnest(:items::text[], :sealed::bytea[]) as i (item, sealed)
  on conflict (candidate_id, item, addressee_id) do update set sealed = excluded.sealed, recorded_at = excluded.recorded_at
), asked as (
  insert into mail (id, kind, company_id, person_id, referral_id, language, status, due_at)
  select :mail_id, 'REFERRAL_CONFIRMATION', company_id, person_id, id, 'JA', 'QUEUED', clock_timestamp() + make_interval(days => (
      select (count(*) / 3)::int from mail m
      where m.person_id = :person_id and m.kind = 'REFERRAL_CONFIRMATION'
        and (m.status = 'QUEUED' or (m.status = 'SENT' and m.sent_at > clock_timestamp() - interval '1 day'))))
  from submitted
), told as (
  insert into outcome_event (id, kind, category, occurred_at, recorded_at, reported_by, source, company_id, parties, referral_id)
  select :event_id, 'REFERRAL_SUBMITTED', 'REFERRALS', :at, clock_timestamp(), referrer_id, 'API', company_id, :parties::uuid[], id
  from submitted returning id, kind
), woken as (
  select pg_notify('kyoso_outbox', '') from told
), answered as (
  update idempotency_key set answer = jsonb_build_object('referral_id', :id::uuid, 'event_id', :event_id::uuid)
  where client_id = :client and client_mutation_id = :key and exists (select from submitted)
)
select '{"data":{"submitReferral":' || row_to_json(x) || '}}' from (
  select :key as "clientMutationId", '[]'::json as "userErrors", (select row_to_json(n) from (
    select 'ref_' || s.id as id, s.status, s.submitted_at as "submittedAt",
      (select row_to_json(k) from (select 'can_' || :candidate_id::uuid as id, :alias::text as alias) k) as candidate,
      (select row_to_json(o) from (select 'par_' || s.company_id as id, :company::text as name) o) as company,
      (select row_to_json(j) from (select 'job_' || s.job_id as id, :title::text as title) j) as job) n) as referral,
    (select row_to_json(e) from (select 'evt_' || t.id as id, t.kind from told t) e) as event
  from submitted s cross join woken w) x;
