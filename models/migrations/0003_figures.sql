-- Figures: monthly rollups kept in the writing transaction, the functions that read them under small-cell rules, walks
-- over contributions, and whom a relay page lists.

-- ---------------------------------------------------------------------------------------------- whom a page lists

-- Agencies with a relay agreement in force with this company, and a licence valid on that day in Japan.
create function relay_agencies(company uuid, at timestamptz)
returns table (id uuid, name text, sort_name text, detail text, agreement_id uuid, silence_days int)
language sql stable parallel safe as $$
  select distinct on (p.id) p.id, p.name, p.sort_name, p.license_number, a.id, v.silence_days
  from agreement_party mine
  join agreement a on a.id = mine.agreement_id and a.kind = 'CAREER_RELAY' and a.status = 'ACTIVE'
  join agreement_version v on v.id = a.version_id
    and v.starts_on <= (at at time zone 'Asia/Tokyo')::date
    and (v.ends_on is null or v.ends_on >= (at at time zone 'Asia/Tokyo')::date)
  join agreement_party theirs on theirs.agreement_id = a.id
  join partner p on p.id = theirs.partner_id and p.kind = 'AGENCY'
    and p.license_expires_on >= (at at time zone 'Asia/Tokyo')::date
  where mine.partner_id = company
  order by p.id, a.accepted_at desc, a.id
$$;

-- Partner companies that refer mutually with this one and share an open job with it.
create function relay_companies(company uuid, at timestamptz)
returns table (id uuid, name text, sort_name text, detail text, agreement_id uuid, silence_days int)
language sql stable parallel safe as $$
  select distinct on (p.id) p.id, p.name, p.sort_name, p.prefecture, a.id, null::int
  from agreement_party mine
  join agreement a on a.id = mine.agreement_id and a.kind in ('MUTUAL_REFERRAL', 'ALLIANCE') and a.status = 'ACTIVE'
  join agreement_version v on v.id = a.version_id
    and v.starts_on <= (at at time zone 'Asia/Tokyo')::date
    and (v.ends_on is null or v.ends_on >= (at at time zone 'Asia/Tokyo')::date)
  join agreement_party theirs on theirs.agreement_id = a.id and theirs.partner_id <> company
  join partner p on p.id = theirs.partner_id and p.kind = 'COMPANY'
  where mine.partner_id = company
    and exists (
      select from job j where j.company_id = p.id and j.status = 'OPEN'
        and (j.open_to_network or exists (
          select from agreement_share s
          where s.agreement_id = a.id and s.giver_id = p.id and s.receiver_id = company and s.category = 'JOBS')))
  order by p.id, a.accepted_at desc, a.id
$$;

create index relay_invitation_expiring on relay_invitation (expires_at) where status in ('QUEUED', 'SENT', 'BOUNCED', 'OPENED');

-- ------------------------------------------------------------------------------------------- what figures count

-- Kept by triggers, so that each figure is a function of one row: when a referral's person was hired (a reverted hire
-- leaves nothing), and when one of an invitation's handovers was first accepted, counted, placed.
alter table referral add column hired_at timestamptz;
alter table relay_invitation add column accepted_at timestamptz, add column counted_at timestamptz, add column placed_at timestamptz;

-- The month in Japan, by its first day.
create function kpi_month_of(at timestamptz) returns date
language sql immutable parallel safe as $$ select date_trunc('month', at at time zone 'Asia/Tokyo')::date $$;

-- Days for which each start event is followed. Measures that are not listed are complete when their month is over.
create function kpi_follow_up_days(measure text) returns int
language sql immutable parallel safe as $$
  select case when measure = 'REFERRAL_SUCCESS_RATE' then 180 when measure like 'RELAY%' then 90 else 0 end
$$;

create function kpi_of_application(a application)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select a.company_id, 'HIRE_RATE', kpi_month_of(a.decided_at), (a.status = 'HIRED')::int::numeric, 1::numeric
  where a.status in ('HIRED', 'REJECTED') and a.decided_at is not null
$$;

-- A company is judged by what it received; a referrer, school, agency or community by what it made.
create function kpi_of_referral(r referral)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select p.id, 'REFERRAL_SUCCESS_RATE', kpi_month_of(r.confirmed_at),
    coalesce((r.hired_at <= r.confirmed_at + interval '180 days')::int, 0)::numeric, 1::numeric
  from partner p
  where r.confirmed_at is not null and (p.id = r.company_id or (p.id = r.referrer_id and p.kind <> 'COMPANY'))
$$;

-- A rejection counts once its mail with the URL went out, and while it stands; one from the company's own URL once the
-- company confirmed it.
create function kpi_of_invitation(i relay_invitation)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select i.company_id, s.measure, kpi_month_of(i.rejected_at), s.reached::int::numeric, (s.measure = 'RELAY_REUSE_RATE')::int::numeric
  from (values
    ('RELAY_REUSE_RATE', coalesce(i.counted_at <= i.rejected_at + interval '90 days', false)),
    ('RELAY_SENT', true),
    ('RELAY_OPENED', i.opened_at is not null),
    ('RELAY_REGISTERED', i.status = 'REGISTERED'),
    ('RELAY_ACCEPTED', i.accepted_at is not null),
    ('RELAY_PLACED', i.placed_at is not null)) as s (measure, reached)
  where i.sent_at is not null and i.revoked_at is null
    and (i.application_id is not null or i.company_confirmed_at is not null)
    and (s.reached or s.measure = 'RELAY_REUSE_RATE')
$$;

-- The parts of PARTNER_CONTRIBUTION, unweighted. CONTRIBUTION_PEOPLE is how many people they speak of: once per hire
-- and contributor, whatever the roles.
create function kpi_of_handover(h handover)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select h.company_id, m.measure, kpi_month_of(h.counted_at), 1::numeric, 0::numeric
  from (values ('CONTRIBUTION_HANDOVERS'), ('CONTRIBUTION_PEOPLE')) as m (measure)
  where h.counted
$$;
create function kpi_of_contribution(c contribution, h hire)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select c.contributor_id, m.measure, kpi_month_of(h.decided_at), m.amount, 0::numeric
  from (values
    ('CONTRIBUTION_HIRES', c.share),
    ('CONTRIBUTION_PEOPLE', case when exists (
      select from contribution o where o.hire_id = c.hire_id and o.contributor_id = c.contributor_id and o.role < c.role) then 0 else 1 end)
  ) as m (measure, amount)
  where h.reverted_at is null and m.amount > 0
$$;
create function kpi_of_retention(r retention_check, h hire)
returns table (partner_id uuid, measure text, month date, numerator numeric, denominator numeric)
language sql stable parallel safe as $$
  select c.contributor_id, 'CONTRIBUTION_RETAINED', kpi_month_of(r.checked_at), c.share, 0::numeric
  from contribution c
  where c.hire_id = h.id and r.day = 180 and r.status = 'EMPLOYED' and h.reverted_at is null
$$;

-- ------------------------------------------------------------------------- the rollups, in the writing transaction

-- What this transaction changes, until it commits. Nobody waits here: rows are only ever seen by their own writer.
create unlogged table kpi_delta (
  xid xid8 not null default pg_current_xact_id(),
  partner_id uuid not null,
  measure text not null,
  month date not null,
  numerator numeric not null,
  denominator numeric not null
);
create index kpi_delta_by_xid on kpi_delta (xid);
create unlogged table contribution_link_delta (
  xid xid8 not null default pg_current_xact_id(),
  contributor_id uuid not null,
  company_id uuid not null,
  role text not null,
  contributions int not null
);
create index contribution_link_delta_by_xid on contribution_link_delta (xid);

-- Runs once per transaction, at its commit: the rows of the rollups are taken in one order by everybody, and held only
-- for the moment of the commit. A month that was complete before is restated: its revision grows.
create function kpi_flush() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare me xid8 := pg_current_xact_id();
begin
  if not exists (select from kpi_delta d where d.xid = me) then return null; end if;
  insert into kpi_month as k (partner_id, measure, month, numerator, denominator, as_of)
  select d.partner_id, d.measure, d.month, sum(d.numerator), sum(d.denominator), now()
  from kpi_delta d where d.xid = me group by 1, 2, 3
  having sum(d.numerator) <> 0 or sum(d.denominator) <> 0 order by 1, 2, 3
  on conflict (partner_id, measure, month) do update set
    numerator = k.numerator + excluded.numerator, denominator = k.denominator + excluded.denominator, as_of = excluded.as_of,
    revision = k.revision + (now() >= (k.month + interval '1 month') at time zone 'Asia/Tokyo' + kpi_follow_up_days(k.measure) * interval '1 day')::int;
  insert into kpi_network_month as k (measure, month, shard, numerator, denominator, as_of)
  select d.measure, d.month, me::text::bigint % 16, sum(d.numerator), sum(d.denominator), now()
  from kpi_delta d
  where d.xid = me and d.measure in ('CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED')
  group by 1, 2 having sum(d.numerator) <> 0 order by 1, 2
  on conflict (measure, month, shard) do update set
    numerator = k.numerator + excluded.numerator, denominator = k.denominator + excluded.denominator, as_of = excluded.as_of,
    revision = k.revision + 1;
  delete from kpi_delta d where d.xid = me;
  return null;
end $$;
create constraint trigger kpi_delta_flush after insert on kpi_delta
  deferrable initially deferred for each row execute function kpi_flush();

create function contribution_link_flush() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
declare me xid8 := pg_current_xact_id();
begin
  if not exists (select from contribution_link_delta d where d.xid = me) then return null; end if;
  insert into contribution_link as k (contributor_id, company_id, role, contributions)
  select d.contributor_id, d.company_id, d.role, greatest(sum(d.contributions), 0)
  from contribution_link_delta d where d.xid = me group by 1, 2, 3 order by 1, 2, 3
  on conflict (contributor_id, company_id, role) do update set contributions = k.contributions + (
    select sum(d.contributions) from contribution_link_delta d
    where d.xid = me and (d.contributor_id, d.company_id, d.role) = (k.contributor_id, k.company_id, k.role));
  delete from contribution_link_delta d where d.xid = me;
  return null;
end $$;
create constraint trigger contribution_link_delta_flush after insert on contribution_link_delta
  deferrable initially deferred for each row execute function contribution_link_flush();

create function kpi_application_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  insert into kpi_delta (partner_id, measure, month, numerator, denominator) select * from kpi_of_application(new);
  if tg_op = 'UPDATE' then
    insert into kpi_delta (partner_id, measure, month, numerator, denominator)
    select partner_id, measure, month, -numerator, -denominator from kpi_of_application(old);
    if new.referral_id is distinct from old.referral_id then
      perform note_hired(old.referral_id);
      perform note_hired(new.referral_id);
    end if;
  end if;
  return null;
end $$;
create trigger kpi_application after insert or update of status, decided_at, company_id, referral_id on application
  for each row execute function kpi_application_changed();

create function kpi_referral_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  insert into kpi_delta (partner_id, measure, month, numerator, denominator) select * from kpi_of_referral(new);
  if tg_op = 'UPDATE' then
    insert into kpi_delta (partner_id, measure, month, numerator, denominator)
    select partner_id, measure, month, -numerator, -denominator from kpi_of_referral(old);
  end if;
  return null;
end $$;
create trigger kpi_referral after insert or update of confirmed_at, hired_at, company_id, referrer_id on referral
  for each row execute function kpi_referral_changed();

create function kpi_invitation_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  insert into kpi_delta (partner_id, measure, month, numerator, denominator) select * from kpi_of_invitation(new);
  if tg_op = 'UPDATE' then
    insert into kpi_delta (partner_id, measure, month, numerator, denominator)
    select partner_id, measure, month, -numerator, -denominator from kpi_of_invitation(old);
  end if;
  return null;
end $$;
create trigger kpi_invitation after insert or update on relay_invitation for each row execute function kpi_invitation_changed();

create function kpi_handover_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  insert into kpi_delta (partner_id, measure, month, numerator, denominator) select * from kpi_of_handover(new);
  if tg_op = 'UPDATE' then
    insert into kpi_delta (partner_id, measure, month, numerator, denominator)
    select partner_id, measure, month, -numerator, -denominator from kpi_of_handover(old);
  end if;
  -- held first, so that the next statement sees every handover that was committed meanwhile
  perform from relay_invitation i where i.id = new.invitation_id for no key update;
  update relay_invitation i set accepted_at = m.accepted_at, counted_at = m.counted_at, placed_at = m.placed_at
  from relay_milestones(new.invitation_id) m
  where i.id = new.invitation_id
    and (i.accepted_at, i.counted_at, i.placed_at) is distinct from (m.accepted_at, m.counted_at, m.placed_at);
  return null;
end $$;
create function relay_milestones(invitation uuid, out accepted_at timestamptz, out counted_at timestamptz, out placed_at timestamptz)
language sql stable parallel safe as $$
  select min(h.decided_at) filter (where h.status = 'ACCEPTED'), min(h.counted_at) filter (where h.counted),
    min(h.placed_at) filter (where h.status = 'ACCEPTED')
  from handover h where h.invitation_id = invitation
$$;
create trigger kpi_handover after insert or update of status, decided_at, counted, counted_at, placed_at on handover
  for each row execute function kpi_handover_changed();

-- When the person of a referral was hired, by the hires that stand.
create function note_hired(referral uuid) returns void
language plpgsql as $$
begin
  if referral is null then return; end if;
  perform from referral r where r.id = note_hired.referral for no key update;
  update referral r set hired_at = f.first
  from (select min(h.decided_at) as first from application a join hire h on h.application_id = a.id and h.reverted_at is null
    where a.referral_id = note_hired.referral) f
  where r.id = note_hired.referral and r.hired_at is distinct from f.first;
end $$;

create function kpi_hire_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  if tg_op = 'UPDATE' then
    insert into kpi_delta (partner_id, measure, month, numerator, denominator)
    select f.partner_id, f.measure, f.month, f.numerator, f.denominator
    from contribution c, kpi_of_contribution(c, new) f where c.hire_id = new.id
    union all
    select f.partner_id, f.measure, f.month, -f.numerator, -f.denominator
    from contribution c, kpi_of_contribution(c, old) f where c.hire_id = new.id
    union all
    select f.partner_id, f.measure, f.month, f.numerator, f.denominator
    from retention_check r, kpi_of_retention(r, new) f where r.hire_id = new.id
    union all
    select f.partner_id, f.measure, f.month, -f.numerator, -f.denominator
    from retention_check r, kpi_of_retention(r, old) f where r.hire_id = new.id;
    if (new.reverted_at is null) <> (old.reverted_at is null) then
      insert into contribution_link_delta (contributor_id, company_id, role, contributions)
      select c.contributor_id, c.company_id, c.role, case when new.reverted_at is null then 1 else -1 end
      from contribution c where c.hire_id = new.id;
    end if;
  end if;
  perform note_hired((select a.referral_id from application a where a.id = new.application_id));
  return null;
end $$;
create trigger kpi_hire after insert or update of decided_at, reverted_at on hire for each row execute function kpi_hire_changed();

create function kpi_contribution_added() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  insert into kpi_delta (partner_id, measure, month, numerator, denominator)
  select f.partner_id, f.measure, f.month, f.numerator, f.denominator
  from hire h, kpi_of_contribution(new, h) f where h.id = new.hire_id;
  insert into contribution_link_delta (contributor_id, company_id, role, contributions)
  select new.contributor_id, new.company_id, new.role, 1 from hire h where h.id = new.hire_id and h.reverted_at is null;
  return null;
end $$;
create trigger kpi_contribution after insert on contribution for each row execute function kpi_contribution_added();

create function kpi_retention_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  perform from hire h where h.id = new.hire_id for no key update;  -- a reversal of the hire waits, or is seen
  insert into kpi_delta (partner_id, measure, month, numerator, denominator)
  select f.partner_id, f.measure, f.month, f.numerator, f.denominator
  from hire h, kpi_of_retention(new, h) f where h.id = new.hire_id;
  if tg_op = 'UPDATE' then
    insert into kpi_delta (partner_id, measure, month, numerator, denominator)
    select f.partner_id, f.measure, f.month, -f.numerator, -f.denominator
    from hire h, kpi_of_retention(old, h) f where h.id = new.hire_id;
  end if;
  return null;
end $$;
create trigger kpi_retention after insert or update on retention_check for each row execute function kpi_retention_changed();

-- Rollups and link weights are the triggers' alone: no verb can forget them, and none can write them.
revoke insert, update, delete on kpi_month, kpi_network_month, contribution_link from kyoso_app;
revoke all on function kpi_flush(), contribution_link_flush(), kpi_application_changed(), kpi_referral_changed(), kpi_invitation_changed(),
  kpi_handover_changed(), kpi_hire_changed(), kpi_contribution_added(), kpi_retention_changed(), note_hired(uuid) from public;

-- Every figure from the rows themselves: what the rollups must equal. The same rules as the functions above, said of
-- sets instead of rows: each table is read once and counted by partner and month before anything is added up.
create view kpi_raw as
  select f.partner_id, f.measure, f.month, sum(f.numerator) as numerator, sum(f.denominator) as denominator
  from (
    select a.company_id as partner_id, 'HIRE_RATE' as measure, kpi_month_of(a.decided_at) as month,
      (count(*) filter (where a.status = 'HIRED'))::numeric as numerator, count(*)::numeric as denominator
    from application a
    where a.status in ('HIRED', 'REJECTED') and a.decided_at is not null
    group by 1, 3
    union all
    select w.partner_id, 'REFERRAL_SUCCESS_RATE', g.month, g.hired, g.confirmed
    from (
      select r.company_id, case when p.kind <> 'COMPANY' and p.id <> r.company_id then p.id end as maker_id,
        kpi_month_of(r.confirmed_at) as month, count(*) as confirmed,
        count(*) filter (where r.hired_at <= r.confirmed_at + interval '180 days') as hired
      from referral r join partner p on p.id = r.referrer_id
      where r.confirmed_at is not null
      group by 1, 2, 3
    ) g cross join lateral (values (g.company_id), (g.maker_id)) as w (partner_id)
    where w.partner_id is not null
    union all
    select g.company_id, s.measure, g.month, s.reached, s.rejected
    from (
      select i.company_id, kpi_month_of(i.rejected_at) as month, count(*) as sent,
        count(*) filter (where i.counted_at <= i.rejected_at + interval '90 days') as reused,
        count(i.opened_at) as opened, count(*) filter (where i.status = 'REGISTERED') as registered,
        count(i.accepted_at) as accepted, count(i.placed_at) as placed
      from relay_invitation i
      where i.sent_at is not null and i.revoked_at is null
        and (i.application_id is not null or i.company_confirmed_at is not null)
      group by 1, 2
    ) g cross join lateral (values
      ('RELAY_REUSE_RATE', g.reused, g.sent), ('RELAY_SENT', g.sent, 0), ('RELAY_OPENED', g.opened, 0),
      ('RELAY_REGISTERED', g.registered, 0), ('RELAY_ACCEPTED', g.accepted, 0), ('RELAY_PLACED', g.placed, 0)
    ) as s (measure, reached, rejected)
    union all
    select g.company_id, m.measure, g.month, g.counted, 0
    from (
      select h.company_id, kpi_month_of(h.counted_at) as month, count(*) as counted
      from handover h where h.counted group by 1, 2
    ) g cross join (values ('CONTRIBUTION_HANDOVERS'), ('CONTRIBUTION_PEOPLE')) as m (measure)
    union all
    select c.contributor_id, 'CONTRIBUTION_HIRES', kpi_month_of(h.decided_at), sum(c.share), 0
    from contribution c join hire h on h.id = c.hire_id
    where h.reverted_at is null
    group by 1, 3
    union all
    select c.contributor_id, 'CONTRIBUTION_PEOPLE', kpi_month_of(h.decided_at), count(*), 0
    from (select c.hire_id, c.contributor_id from contribution c group by 1, 2) c join hire h on h.id = c.hire_id
    where h.reverted_at is null
    group by 1, 3
    union all
    select c.contributor_id, 'CONTRIBUTION_RETAINED', kpi_month_of(r.checked_at), sum(c.share), 0
    from retention_check r join hire h on h.id = r.hire_id and h.reverted_at is null join contribution c on c.hire_id = h.id
    where r.day = 180 and r.status = 'EMPLOYED'
    group by 1, 3
  ) f
  group by 1, 2, 3
  having sum(f.numerator) <> 0 or sum(f.denominator) <> 0;

-- Rebuilds rollups, link weights and what the triggers keep from the rows, whatever runs meanwhile: writers that have
-- not committed wait with their changes for the lock, and those that have are in the rows read after it.
create function kpi_rebuild() returns void
language plpgsql security definer set search_path = pg_catalog, public set work_mem = '256MB' as $$
declare me xid8 := pg_current_xact_id();
begin
  lock table kpi_month, kpi_network_month, contribution_link in exclusive mode;
  update referral r set hired_at = f.first
  from (select a.referral_id, min(h.decided_at) as first
    from hire h join application a on a.id = h.application_id where h.reverted_at is null and a.referral_id is not null group by 1) f
  where r.id = f.referral_id and r.hired_at is distinct from f.first;
  update referral r set hired_at = null
  where r.hired_at is not null and not exists (
    select from application a join hire h on h.application_id = a.id and h.reverted_at is null where a.referral_id = r.id);
  update relay_invitation i set accepted_at = m.accepted_at, counted_at = m.counted_at, placed_at = m.placed_at
  from (select h.invitation_id, min(h.decided_at) filter (where h.status = 'ACCEPTED') as accepted_at,
      min(h.counted_at) filter (where h.counted) as counted_at, min(h.placed_at) filter (where h.status = 'ACCEPTED') as placed_at
    from handover h group by 1) m
  where i.id = m.invitation_id and (i.accepted_at, i.counted_at, i.placed_at) is distinct from (m.accepted_at, m.counted_at, m.placed_at);
  delete from kpi_delta d where d.xid = me;
  delete from contribution_link_delta d where d.xid = me;
  delete from kpi_month;
  delete from kpi_network_month;
  delete from contribution_link;
  insert into kpi_month (partner_id, measure, month, numerator, denominator, as_of)
  select k.partner_id, k.measure, k.month, k.numerator, k.denominator, now() from kpi_raw k
  order by 1, 2, 3;  -- as the key's index lies: its pages are written once
  insert into kpi_network_month (measure, month, shard, numerator, denominator, as_of)
  select k.measure, k.month, 0, sum(k.numerator), sum(k.denominator), now()
  from kpi_month k where k.measure in ('CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED') group by 1, 2;
  insert into contribution_link (contributor_id, company_id, role, contributions)
  select c.contributor_id, c.company_id, c.role, count(*)
  from contribution c join hire h on h.id = c.hire_id where h.reverted_at is null group by 1, 2, 3 order by 1, 2, 3;
end $$;
revoke all on function kpi_rebuild() from public;

-- --------------------------------------------------------------------------------------------- figures, as shared

-- Wilson's 95 % interval of k successes in n; null when there is nothing to divide.
create function wilson(k numeric, n numeric) returns table (low float8, high float8)
language sql immutable parallel safe as $$
  select greatest(0, c.center - c.margin), least(1, c.center + c.margin)
  from (select k::float8 / nullif(n, 0)::float8 as p, nullif(n, 0)::float8 as n, 1.959963984540054::float8 as z) v,
    lateral (select (v.p + v.z * v.z / (2 * v.n)) / (1 + v.z * v.z / v.n) as center,
      v.z * sqrt((v.p * (1 - v.p) + v.z * v.z / (4 * v.n)) / v.n) / (1 + v.z * v.z / v.n) as margin) c
$$;

-- Whose rows a figure adds up, for this viewer: one subject, or the parties of an agreement that share outcomes in it.
-- Companies stand for what they received; an agreement's figure counts their rows alone where there are companies, so
-- that nobody who was referred between two parties counts twice.
create function kpi_subjects(viewer uuid, subject uuid, agreement uuid)
returns table (partner_id uuid, kind text)
language sql stable parallel safe as $$
  select p.id, p.kind from partner p
  where agreement is null and p.id = coalesce(subject, viewer)
    and (p.id = viewer or exists (
      select from agreement_share s
      where s.receiver_id = viewer and s.giver_id = p.id and s.category = 'OUTCOMES'
        and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
        and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)))
  union all
  select p.id, p.kind
  from agreement a join agreement_party t on t.agreement_id = a.id join partner p on p.id = t.partner_id
  where a.id = agreement and a.status = 'ACTIVE'
    and exists (select from agreement_party me where me.agreement_id = a.id and me.partner_id = viewer)
    and (p.id = viewer or exists (
      select from agreement_share s
      where s.receiver_id = viewer and s.giver_id = p.id and s.category = 'OUTCOMES' and s.agreement_id = a.id
        and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date
        and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)))
$$;

-- Figures of one subject (the viewer when null), or of an agreement's parties together, per month or for the period.
-- Others' figures follow the small-cell rules of docs/kpis.md; at most 37 months.
create function kpi_figures(viewer uuid, names text[], from_month date, to_month date, granularity text, subject uuid, agreement uuid)
returns table (key text, name text, partner_id uuid, from_month date, to_month date, follow_up_days int, mature boolean,
  value float8, unit text, numerator float8, denominator float8, low float8, high float8, definition_version int,
  revision int, as_of timestamptz, suppressed boolean, suppression_reason text, funnel jsonb)
language sql stable parallel safe as $$
  with
  asked as (
    select n.name, n.name = 'PARTNER_CONTRIBUTION' as weighed
    from unnest(names) as n (name)
    where n.name in ('REFERRAL_SUCCESS_RATE', 'RELAY_REUSE_RATE', 'HIRE_RATE', 'PARTNER_CONTRIBUTION')
    group by 1
  ),
  span as (
    select kpi_figures.from_month as first, kpi_figures.to_month as last
    where kpi_figures.from_month <= kpi_figures.to_month and kpi_figures.to_month < kpi_figures.from_month + interval '37 months'
  ),
  weights as (
    select coalesce(v.weight_handover, 1) as handover, coalesce(v.weight_hire, 10) as hire, coalesce(v.weight_retained, 5) as retained
    from (select) one left join agreement a on a.id = kpi_figures.agreement left join agreement_version v on v.id = a.version_id
  ),
  everybody as (select * from kpi_subjects(kpi_figures.viewer, kpi_figures.subject, kpi_figures.agreement)),
  subjects as (
    select a.name, e.partner_id
    from asked a, everybody e
    where a.weighed or e.kind = 'COMPANY' or not exists (select from everybody c where c.kind = 'COMPANY')
  ),
  own as (  -- one's own figure is never withheld
    select kpi_figures.agreement is null and coalesce(kpi_figures.subject, kpi_figures.viewer) = kpi_figures.viewer as own
  ),
  -- every month there is, not only those asked for: what is withheld must not depend on the question
  cell as materialized (
    select s.name, s.partner_id, k.month,
      (extract(year from k.month) * 12 + extract(month from k.month) - 4)::int as place,  -- months, from an April
      sum(case when k.measure = s.name then k.denominator when k.measure = 'CONTRIBUTION_PEOPLE' then k.numerator else 0 end) as people,
      sum(case when k.measure = s.name then k.denominator else 0 end) as denominator,
      sum(k.numerator * case k.measure when s.name then 1 when 'CONTRIBUTION_HANDOVERS' then w.handover
        when 'CONTRIBUTION_HIRES' then w.hire when 'CONTRIBUTION_RETAINED' then w.retained else 0 end) as numerator,
      sum(k.revision - 1) as restated, max(k.as_of) as as_of
    from subjects s cross join weights w cross join span
    join kpi_month k on k.partner_id = s.partner_id and k.measure = any (case when s.name = 'PARTNER_CONTRIBUTION'
      then array['CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_PEOPLE', 'CONTRIBUTION_RETAINED'] else array[s.name] end)
    group by 1, 2, 3, 4
  ),
  -- months, quarters, halves and fiscal years: who is in each, and whether it may be shown by itself
  share as (
    select c.name, l.months, c.place / l.months as node, c.partner_id, sum(c.people) as people
    from own join cell c on not own.own cross join (values (1), (3), (6), (12)) as l (months)
    group by 1, 2, 3, 4 having sum(c.people) > 0
  ),
  judged as (
    select s.name, s.months, s.node, sum(s.people) >= 10 and (kpi_figures.agreement is null
      or (count(*) >= 3 and max(s.people) * 10 <= sum(s.people) * 7
        and coalesce(sum(s.people) filter (where s.people < 10 and s.partner_id <> kpi_figures.viewer), 0) not between 1 and 9)) as fine
    from share s group by 1, 2, 3
  ),
  divisible as (  -- a node may be divided when it is fine and so is every part of it in which there is anybody
    select p.name, p.months, p.node
    from judged p join judged c on c.name = p.name and c.months = case p.months when 12 then 6 when 6 then 3 else 1 end
      and c.node / (p.months / c.months) = p.node
    where p.months > 1
    group by 1, 2, 3, p.fine having p.fine and bool_and(c.fine)
  ),
  divided as materialized (  -- and is divided when whatever it is part of is
    select d.name, d.months, d.node from divisible d
    where (d.months = 12 or (d.name, 12, d.node * d.months / 12) in (select u.name, u.months, u.node from divisible u))
      and (d.months > 3 or (d.name, 6, d.node / 2) in (select u.name, u.months, u.node from divisible u))
  ),
  block as materialized (  -- the smallest parts that are shown, from place to place; what is yet to come cuts nothing
    select j.name, j.fine, j.months * j.node as first,
      least(j.months * j.node + j.months - 1, (extract(year from t.today) * 12 + extract(month from t.today) - 4)::int) as last
    from judged j cross join (select now() at time zone 'Asia/Tokyo' as today) t
    where (j.name, j.months, j.node) not in (select d.name, d.months, d.node from divided d)
      and (j.months = 12 or (j.name, case j.months when 1 then 3 else j.months * 2 end, j.node / case j.months when 1 then 3 else 2 end)
        in (select d.name, d.months, d.node from divided d))
  ),
  windows as (
    select g.month::date as first, case when kpi_figures.granularity = 'MONTH' then g.month::date else s.last end as last
    from span s, generate_series(s.first, case when kpi_figures.granularity = 'MONTH' then s.last else s.first end, interval '1 month') as g (month)
  ),
  counted as (
    select c.name, case when kpi_figures.granularity = 'MONTH' then c.month else s.first end as first, sum(c.numerator) as numerator,
      sum(c.denominator) as denominator, sum(c.restated) as restated, max(c.as_of) as as_of
    from span s join cell c on c.month between s.first and s.last group by 1, 2
  ),
  network as (
    select case when kpi_figures.granularity = 'MONTH' then k.month else s.first end as first,
      sum(k.numerator * case k.measure when 'CONTRIBUTION_HANDOVERS' then w.handover when 'CONTRIBUTION_HIRES' then w.hire else w.retained end) as total
    from span s cross join weights w join kpi_network_month k on k.month between s.first and s.last
    where 'PARTNER_CONTRIBUTION' = any (kpi_figures.names) group by 1
  ),
  step as materialized (
    select case when kpi_figures.granularity = 'MONTH' then k.month else w.first end as first, k.measure, sum(k.numerator)::int as people
    from span w join subjects s on s.name = 'RELAY_REUSE_RATE'
    join kpi_month k on k.partner_id = s.partner_id and k.month between w.first and w.last
      and k.measure in ('RELAY_SENT', 'RELAY_OPENED', 'RELAY_REGISTERED', 'RELAY_ACCEPTED', 'RELAY_PLACED')
    group by 1, 2
  ),
  figure as materialized (
    select a.name, a.weighed, w.first, w.last, coalesce(c.numerator, 0) as numerator,
      case when a.weighed then coalesce(n.total, 0) else coalesce(c.denominator, 0) end as denominator,
      coalesce(c.restated, 0)::int + 1 as revision, coalesce(c.as_of, now()) as as_of,
      now() >= (w.last + interval '1 month') at time zone 'Asia/Tokyo' + kpi_follow_up_days(a.name) * interval '1 day' as mature,
      exists (  -- a block in it is not shown, or reaches beyond the window
        select from block b
        where b.name = a.name and b.last >= p.first and b.first <= p.last and (not b.fine or b.first < p.first or b.last > p.last)
      ) as withheld
    from asked a cross join windows w
    cross join lateral (select (extract(year from w.first) * 12 + extract(month from w.first) - 4)::int as first,
      (extract(year from w.last) * 12 + extract(month from w.last) - 4)::int as last) p
    left join counted c on c.name = a.name and c.first = w.first
    left join network n on a.weighed and n.first = w.first
    where exists (select from everybody)
  )
  select
    f.name || '.' || case when kpi_figures.agreement is null then coalesce(kpi_figures.subject, kpi_figures.viewer)::text else 'a' || kpi_figures.agreement::text end
      || '.' || to_char(f.first, 'YYYYMM') || '.' || to_char(f.last, 'YYYYMM') || '.' || f.revision,
    f.name, case when kpi_figures.agreement is null then coalesce(kpi_figures.subject, kpi_figures.viewer) end,
    f.first, f.last, kpi_follow_up_days(f.name), f.mature,
    case when not f.withheld then (f.numerator / nullif(f.denominator, 0))::float8 end, 'RATIO',
    case when not f.withheld then f.numerator::float8 end, case when not f.withheld then f.denominator::float8 end,
    case when not f.withheld and not f.weighed then i.low end, case when not f.withheld and not f.weighed then i.high end,
    1, f.revision, f.as_of, f.withheld,
    case when f.withheld then (
      select case when coalesce(sum(t.people), 0) < 10 then 'FEW_PEOPLE'
        when kpi_figures.agreement is not null and count(*) < 3 then 'FEW_PARTNERS'
        when kpi_figures.agreement is not null and max(t.people) * 10 > sum(t.people) * 7 then 'DOMINANCE'
        else 'COMPLEMENT' end
      from (select sum(c.people) as people from cell c where c.name = f.name and c.month between f.first and f.last
        group by c.partner_id having sum(c.people) > 0) t) end,
    case when f.name = 'RELAY_REUSE_RATE' then (
      select jsonb_agg(jsonb_build_object('kind', z.kind, 'count', case when not f.withheld then coalesce(s.people, 0) end) order by z.place)
      from (values (1, 'RELAY_INVITED', 'RELAY_SENT'), (2, 'RELAY_OPENED', 'RELAY_OPENED'), (3, 'RELAY_REGISTERED', 'RELAY_REGISTERED'),
        (4, 'RELAY_ACCEPTED', 'RELAY_ACCEPTED'), (5, 'PLACED', 'RELAY_PLACED')) as z (place, kind, measure)
      left join step s on s.first = f.first and s.measure = z.measure) end
  from figure f cross join lateral wilson(f.numerator, f.denominator) i
  order by 1
$$;

-- One figure by its key, as this viewer may see it; none when it was restated since, or is not to be seen.
create function kpi_by_key(viewer uuid, key text)
returns table (key text, name text, partner_id uuid, from_month date, to_month date, follow_up_days int, mature boolean,
  value float8, unit text, numerator float8, denominator float8, low float8, high float8, definition_version int,
  revision int, as_of timestamptz, suppressed boolean, suppression_reason text, funnel jsonb)
language sql stable parallel safe as $$
  select f.*
  from regexp_match(kpi_by_key.key, '^([A-Z_]{1,40})\.(a?)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.((?:19|20)[0-9]{2})(0[1-9]|1[0-2])\.((?:19|20)[0-9]{2})(0[1-9]|1[0-2])\.[0-9]{1,9}$') as m (part),
    lateral kpi_figures(kpi_by_key.viewer, array[m.part[1]], make_date(m.part[4]::int, m.part[5]::int, 1), make_date(m.part[6]::int, m.part[7]::int, 1),
      'PERIOD', case when m.part[2] = '' then m.part[3]::uuid end, case when m.part[2] = 'a' then m.part[3]::uuid end) f
  where f.key = kpi_by_key.key
$$;

-- ---------------------------------------------------------------------------------------- walks over contributions

-- Links in the order in which walks add them up, with all they need: no row of the table is read.
drop index contribution_link_out, contribution_link_in;
create index contribution_link_out on contribution_link (contributor_id, company_id) include (role, contributions);
create index contribution_link_in on contribution_link (company_id, contributor_id) include (role, contributions);

-- The heaviest partners one step from this one, over contributions the viewer may see: those it helped and those that
-- helped it, both ways together. `sharing`: partners who share outcomes with the viewer. At most 20, so that two or
-- three steps stay small.
create function linked_partners(viewer uuid, sharing uuid[], centre uuid, only_roles text[])
returns table (neighbour_id uuid, contributions int, roles text[])
language sql stable parallel safe as $$
  select l.neighbour_id, sum(l.contributions)::int, array_agg(distinct l.role order by l.role)
  from (
    select k.company_id as neighbour_id, k.role, k.contributions from contribution_link k
    where k.contributor_id = centre and k.contributions > 0 and k.company_id <> centre
      and (only_roles is null or k.role = any (only_roles))
      and (centre = viewer or k.company_id = viewer or k.company_id = any (sharing))
    union all
    select k.contributor_id, k.role, k.contributions from contribution_link k
    where k.company_id = centre and k.contributions > 0 and k.contributor_id <> centre
      and (only_roles is null or k.role = any (only_roles))
      and (centre = viewer or k.contributor_id = viewer or centre = any (sharing))
  ) l
  group by 1
  order by 2 desc, 1
  limit 20
$$;

-- Partners within up to three steps, each once, at its shortest distance and over its heaviest link; nearest first.
create function neighbourhood(viewer uuid, centre uuid, depth int, roles text[])
returns table (neighbour_id uuid, distance int, via_id uuid, contributions int, roles text[])
language sql stable parallel safe as $$
  with
  seen as materialized (select array(select shared_with(neighbourhood.viewer, 'OUTCOMES')) as sharing),
  first as materialized (
    select l.neighbour_id, 1 as distance, neighbourhood.centre as via_id, l.contributions, l.roles
    from seen, lateral linked_partners(neighbourhood.viewer, seen.sharing, neighbourhood.centre, neighbourhood.roles) l
    where neighbourhood.depth between 1 and 3
  ),
  second as materialized (
    select distinct on (l.neighbour_id) l.neighbour_id, 2 as distance, f.neighbour_id as via_id, l.contributions, l.roles
    from seen, first f, lateral linked_partners(neighbourhood.viewer, seen.sharing, f.neighbour_id, neighbourhood.roles) l
    where neighbourhood.depth >= 2 and l.neighbour_id <> neighbourhood.centre
      and not exists (select from first n where n.neighbour_id = l.neighbour_id)
    order by l.neighbour_id, l.contributions desc, f.neighbour_id
  ),
  third as materialized (
    select distinct on (l.neighbour_id) l.neighbour_id, 3 as distance, s.neighbour_id as via_id, l.contributions, l.roles
    from seen, second s, lateral linked_partners(neighbourhood.viewer, seen.sharing, s.neighbour_id, neighbourhood.roles) l
    where neighbourhood.depth >= 3 and l.neighbour_id <> neighbourhood.centre
      and not exists (select from first n where n.neighbour_id = l.neighbour_id)
      and not exists (select from second n where n.neighbour_id = l.neighbour_id)
    order by l.neighbour_id, l.contributions desc, s.neighbour_id
  )
  select * from first union all select * from second union all select * from third
  order by 2, 4 desc, 1
$$;
