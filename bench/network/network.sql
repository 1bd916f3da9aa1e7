-- name: standing^
-- Whether this login may load a network, and whether there is one already.
select
  (select rolsuper from pg_roles where rolname = current_user) as may_load,
  exists (select from partner) as has_partners;

-- name: prepare_session#
-- For this transaction: references are not checked and triggers do not fire (both hold by construction, and are
-- proved by a test), indexes are sorted in memory, and nothing times out.
set local session_replication_role = replica;
set local statement_timeout = 0;
set local maintenance_work_mem = '512MB';
set local max_parallel_maintenance_workers = 2;
set local work_mem = '256MB';
set local jit = off;

-- name: truncate_statement$
-- Empties the empty tables of the network and all that refer to them: rows then copied in the same transaction need
-- no later vacuum.
with recursive referring (id) as (
  select name::regclass::oid from unnest(:tables::text[]) as t (name)
  union
  select c.conrelid from pg_constraint c join referring r on c.confrelid = r.id and c.contype = 'f'
)
select format('truncate %s', string_agg(id::regclass::text, ', ' order by id::regclass::text)) from referring;

-- name: secondary_indexes
-- The indexes of the tables that no constraint needs, with the statements that drop and make each.
select i.indexrelid::regclass::text as name, i.indrelid::regclass::text as table_name,
  format('drop index %s', i.indexrelid::regclass) as drop_statement,
  pg_get_indexdef(i.indexrelid) as create_statement
from pg_index i
where i.indrelid = any (select name::regclass from unnest(:tables::text[]) as t (name))
  and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
order by 2, 1;

-- name: unready_indexes
-- Lets rows pass by the indexes that constraints need; `create_statement` sorts each from all rows, and finds
-- whatever is there twice. They cannot be dropped: other tables refer to them.
with passed_by as (
  update pg_index set indisready = false
  where indrelid = any (select name::regclass from unnest(:tables::text[]) as t (name)) and indisready
  returning indexrelid)
select indexrelid::regclass::text as name, format('reindex index %s', indexrelid::regclass) as create_statement
from passed_by order by 1;

-- name: analyze#
analyze;

-- name: relay_pair_for_demo^
-- A company and an agency whose ten-for-one relay runs, with a slot in stock and the most rejected people who may yet
-- register with that agency.
select a.id as account_id, a.company_id, a.agency_id, a.counted / 100 as counted,
  (select count(*) from relay_invitation i
    where i.company_id = a.company_id and i.status in ('SENT', 'OPENED') and i.revoked_at is null
      and i.expires_at > :now
      and not exists (select from handover h where h.person_id = i.person_id and h.agency_id = a.agency_id)) as invited
from relay_account a
join agreement g on g.id = a.agreement_id and g.status = 'ACTIVE'
join agreement_version v on v.id = g.version_id and v.handovers_per_slot = 10
join partner p on p.id = a.agency_id and p.license_expires_on > (:now::timestamptz at time zone 'Asia/Tokyo')::date + 365
where a.available >= 100 and a.debt = 0
order by invited desc, a.id limit 1;

-- name: invitations_for_demo
-- Rejected people of a company who may yet register with that agency, the latest first.
select i.id from relay_invitation i
where i.company_id = :company_id and i.status in ('SENT', 'OPENED') and i.revoked_at is null and i.expires_at > :now
  and not exists (select from handover h where h.person_id = i.person_id and h.agency_id = :agency_id)
order by i.sent_at desc, i.id;

-- name: players_for_demo
-- The company and the agency, and a school, a community and a referrer of the company's own: those who took part in
-- most hires of that company, then of all.
select distinct on (p.kind) p.id, p.kind, p.name, p.slug
from partner p left join contribution c on c.contributor_id = p.id
where p.id in (:company_id, :agency_id) or p.kind in ('SCHOOL', 'COMMUNITY')
  or (p.kind = 'REFERRER' and p.company_id = :company_id)
group by p.id
order by p.kind, count(*) filter (where c.company_id = :company_id) desc, count(c.id) desc, p.id;
