-- A version that is accepted before its first day (更新) leaves the one in force so until then. Which one is in force
-- follows from the days; the clock only moves the version that an agreement shows, and ends what is over.
alter table agreement_version add column accepted_at timestamptz;   -- by every party; never changed after
update agreement_version v set accepted_at = (select max(c.accepted_at) from agreement_acceptance c where c.version_id = v.id)
where not exists (
  select from agreement_party p where p.agreement_id = v.agreement_id
    and not exists (select from agreement_acceptance c where c.version_id = v.id and c.partner_id = p.partner_id));
grant update (accepted_at) on agreement_version to kyoso_app;

alter table agreement add column next_at timestamptz;               -- when the next accepted version takes over
create index agreement_beginning on agreement (next_at) where next_at is not null and status in ('ACTIVE', 'SUSPENDED');

-- What agreements let flow, by the version in force and by those accepted to follow it: each on its own days.
alter table agreement_share drop constraint agreement_share_pkey,
  add primary key (receiver_id, category, giver_id, agreement_id, starts_on);

-- The version with which an agreement was in force at an instant: of those accepted and begun by then the last, as long
-- as it was not over. Nothing unless the agreement is active now, so that what rests or has ended is not in force at all.
create function version_in_force(agreement uuid, at timestamptz) returns setof agreement_version
language sql stable parallel safe as $$
  select v.*
  from agreement a
  cross join lateral (
    select * from agreement_version v
    where v.agreement_id = a.id and v.accepted_at <= at and v.starts_on <= (at at time zone 'Asia/Tokyo')::date
    order by v.number desc limit 1) v
  where a.id = agreement and a.status = 'ACTIVE' and (a.ends_at is null or a.ends_at > at)
    and (v.ends_on is null or v.ends_on >= (at at time zone 'Asia/Tokyo')::date)
$$;

-- As in 0003, by the version in force on that day.
create or replace function relay_agencies(company uuid, at timestamptz)
returns table (id uuid, name text, sort_name text, detail text, agreement_id uuid, silence_days int)
language sql stable parallel safe as $$
  select distinct on (p.id) p.id, p.name, p.sort_name, p.license_number, a.id, v.silence_days
  from agreement_party mine
  join agreement a on a.id = mine.agreement_id and a.kind = 'CAREER_RELAY'
  cross join lateral version_in_force(a.id, at) v
  join agreement_party theirs on theirs.agreement_id = a.id
  join partner p on p.id = theirs.partner_id and p.kind = 'AGENCY'
    and p.license_expires_on >= (at at time zone 'Asia/Tokyo')::date
  where mine.partner_id = company
  order by p.id, a.accepted_at desc, a.id
$$;

create or replace function relay_companies(company uuid, at timestamptz)
returns table (id uuid, name text, sort_name text, detail text, agreement_id uuid, silence_days int)
language sql stable parallel safe as $$
  select distinct on (p.id) p.id, p.name, p.sort_name, p.prefecture, a.id, null::int
  from agreement_party mine
  join agreement a on a.id = mine.agreement_id and a.kind in ('MUTUAL_REFERRAL', 'ALLIANCE')
  cross join lateral version_in_force(a.id, at) v
  join agreement_party theirs on theirs.agreement_id = a.id and theirs.partner_id <> company
  join partner p on p.id = theirs.partner_id and p.kind = 'COMPANY'
  where mine.partner_id = company
    and exists (
      select from job j where j.company_id = p.id and j.status = 'OPEN'
        and (j.open_to_network or exists (
          select from agreement_share s
          where s.agreement_id = a.id and s.giver_id = p.id and s.receiver_id = company and s.category = 'JOBS'
            and s.starts_on <= (at at time zone 'Asia/Tokyo')::date
            and (s.ends_on is null or s.ends_on >= (at at time zone 'Asia/Tokyo')::date))))
  order by p.id, a.accepted_at desc, a.id
$$;

-- Accepting a version used to end the one before it at once: where that one should still be in force, the clock sets it right.
update agreement a set next_at = now()
where a.status in ('ACTIVE', 'SUSPENDED')
  and exists (select from agreement_version v where v.id = a.version_id and v.starts_on > (now() at time zone 'Asia/Tokyo')::date)
  and exists (
    select from agreement_version v where v.agreement_id = a.id and v.accepted_at is not null
      and v.starts_on <= (now() at time zone 'Asia/Tokyo')::date
      and (v.ends_on is null or v.ends_on >= (now() at time zone 'Asia/Tokyo')::date));
