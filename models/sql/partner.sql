-- name: register$
-- A new partner; nothing when its slug or its public number is taken.
insert into partner (id, kind, name, legal_name, sort_name, slug, prefecture, url, joined_at, verified_at, corporate_number,
  school_code, school_level, license_number, license_kind, license_expires_on, affiliation, company_id, focus, prefectures)
values (:id, :kind, :name, :legal_name, :sort_name, :slug, :prefecture, :url, :at, :verified_at, :corporate_number,
  :school_code, :school_level, :license_number, :license_kind, :license_expires_on, :affiliation, :company_id, :focus,
  :prefectures::text[])
on conflict do nothing
returning id;

-- name: has_number$
-- Whether an organisation with this public number is on the network.
select exists (select from partner
  where corporate_number = :corporate_number or school_code = :school_code or license_number = :license_number);

-- name: kind_of$
-- The kind of a partner; null when unknown.
select kind from partner where id = :id;

-- name: join_community$
-- A partner becomes a member of a community; nothing when either is not what it should be, or it is one already.
insert into community_member (community_id, partner_id, joined_at)
select c.id, p.id, :at
from partner c, partner p
where c.id = :community_id and c.kind = 'COMMUNITY' and p.id = :partner_id and p.id <> c.id
on conflict do nothing
returning community_id;

-- name: unlicensed
-- The agencies among these partners whose licence has run out on this day.
select id from partner where id = any(:partner_ids::uuid[]) and kind = 'AGENCY' and license_expires_on < :on;

-- name: by_slug$
-- The partner of that short name.
select id from partner where slug = :slug;

-- name: seat$
-- Where a company sits.
select prefecture from partner where id = :company_id;
