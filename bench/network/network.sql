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

-- name: link_contributions!
-- The graph as weights, from the contributions.
insert into contribution_link (contributor_id, company_id, role, contributions)
select contributor_id, company_id, role, count(*)
from contribution group by contributor_id, company_id, role
order by contributor_id, company_id, role;

-- name: analyze#
analyze;
