-- Two walks that an index answers alone. Those whom a partner helped and was helped by, heaviest first: without its columns
-- in the index PostgreSQL rather read and sorted every link of the partner. And who shares with a partner, which most
-- reads ask once: the table has a page a row.
drop index contribution_link_mutual;
create index contribution_link_mutual on contribution_link (contributor_id, (contributions + returned) desc, company_id)
  include (contributions, returned, roles) where contributions > 0 and returned > 0;
create index agreement_share_fields on agreement_share (receiver_id, category, giver_id)
  include (starts_on, ends_on) where granularity = 'FIELDS';
