-- name: kinds
-- The kinds of these partners.
select id, kind from partner where id = any(:ids::uuid[]);

-- name: offer!
-- A new agreement with its parties and its first version, which whoever offers it accepts thereby.
with offered as (
  insert into agreement (id, kind, status, purpose, version_id, offered_at)
  values (:id, :kind, 'OFFERED', :purpose, :version_id, :at)
), parties as (
  insert into agreement_party (agreement_id, partner_id) select :id, p from unnest(:party_ids::uuid[]) as p
), version as (
  insert into agreement_version (id, agreement_id, number, proposed_by, proposed_at, hash, sharing, handovers_per_slot,
    silence_days, slot_months, weight_handover, weight_hire, weight_retained, starts_on, ends_on)
  values (:version_id, :id, 1, :by, :at, :hash, :sharing::jsonb, :handovers_per_slot, :silence_days, :slot_months,
    :weight_handover, :weight_hire, :weight_retained, :starts_on, :ends_on)
)
insert into agreement_acceptance (version_id, partner_id, accepted_at) values (:version_id, :by, :at);

-- name: hold^
-- An agreement, held until the transaction ends. What hangs on it is read after this, or it could be out of date.
select id, kind, status, purpose, version_id, suspended_by, ends_at from agreement where id = :id for update;

-- name: standing^
-- The latest version of a held agreement, and its parties.
select v.id as latest_id, v.number, v.hash,
  array(select partner_id from agreement_party where agreement_id = v.agreement_id order by partner_id) as party_ids,
  array(select partner_id from agreement_acceptance where version_id = v.id) as accepted_by
from agreement_version v where v.agreement_id = :id order by v.number desc limit 1;

-- name: counter!
-- The next version, accepted by whoever proposes it.
with version as (
  insert into agreement_version (id, agreement_id, number, proposed_by, proposed_at, hash, sharing, handovers_per_slot,
    silence_days, slot_months, weight_handover, weight_hire, weight_retained, starts_on, ends_on)
  values (:version_id, :id, :number, :by, :at, :hash, :sharing::jsonb, :handovers_per_slot, :silence_days, :slot_months,
    :weight_handover, :weight_hire, :weight_retained, :starts_on, :ends_on)
), shown as (  -- one in force stays so until all have accepted the next
  update agreement set version_id = :version_id, status = 'COUNTERED' where id = :id and status in ('OFFERED', 'COUNTERED')
)
insert into agreement_acceptance (version_id, partner_id, accepted_at) values (:version_id, :by, :at);

-- name: accept!
-- One party accepts a version.
insert into agreement_acceptance (version_id, partner_id, accepted_at) values (:version_id, :by, :at);

-- name: accepted_by_all!
-- Every party has accepted this version.
with version as (
  update agreement_version set accepted_at = :at where id = :version_id
)
update agreement set status = 'ACTIVE', accepted_at = coalesce(accepted_at, :at) where id = :id;

-- name: accepted_versions
-- The versions of a held agreement that every party has accepted, in their order.
select id as version_id, starts_on, ends_on from agreement_version
where agreement_id = :id and accepted_at is not null order by number;

-- name: put_in_force!
-- The version to show, when another takes its place, and when the last of them is over.
update agreement set version_id = :version_id, next_at = :next_at, ends_at = :ends_at where id = :id;

-- name: suspend!
-- Sharing rests until the same partner resumes it.
update agreement set status = 'SUSPENDED', suspended_by = :by, reason = :reason where id = :id;

-- name: resume!
-- A suspended agreement runs again.
update agreement set status = 'ACTIVE', suspended_by = null, reason = null where id = :id;

-- name: terminate!
-- The agreement has ended, and so has every provision that rests on it.
with ended as (
  update agreement set status = 'TERMINATED', suspended_by = null, reason = :reason, ends_at = least(ends_at, :at)
  where id = :id
)
update provision set ended_at = :at where agreement_id = :id and ended_at is null;

-- name: ending
-- Agreements whose last day is over, held; those that somebody else holds wait for the next round.
select id from agreement where ends_at <= :now and status in ('ACTIVE', 'SUSPENDED')
order by ends_at limit :most for update skip locked;

-- name: beginning
-- Agreements of which the next version's first day has come, held as those that end.
select id from agreement where next_at <= :now and status in ('ACTIVE', 'SUSPENDED')
order by next_at limit :most for update skip locked;

-- name: stop_sharing!
-- Nothing flows under this agreement from this commit on.
delete from agreement_share where agreement_id = :id;

-- name: share!
-- What an agreement that does not rest lets flow, from every party to every other: by each version on its days.
insert into agreement_share (giver_id, receiver_id, category, granularity, agreement_id, kind, starts_on, ends_on)
select g.partner_id, r.partner_id, s.category, s.granularity, a.id, a.kind, t.starts_on, t.ends_on
from agreement a
join agreement_party g on g.agreement_id = a.id
join agreement_party r on r.agreement_id = a.id and r.partner_id <> g.partner_id
cross join unnest(:version_ids::uuid[], :first_days::date[], :last_days::date[]) as t (version_id, starts_on, ends_on)
join agreement_version v on v.id = t.version_id
cross join jsonb_to_recordset(v.sharing) as s (category text, granularity text)
where a.id = :id and a.status = 'ACTIVE';

-- name: open_account!
-- The relay account of a company with an agency, once for ever.
insert into relay_account (id, company_id, agency_id, agreement_id, opened_at, balance_at)
select :account_id, c.id, g.id, :id, :at, :at
from partner c, partner g
where c.id = any(:party_ids::uuid[]) and c.kind = 'COMPANY' and g.id = any(:party_ids::uuid[]) and g.kind = 'AGENCY'
on conflict (company_id, agency_id) do nothing;

-- name: hold_account^
-- The relay account of the two parties, held: two agreements of one pair come into force one after the other.
select id, agreement_id from relay_account
where company_id = any(:party_ids::uuid[]) and agency_id = any(:party_ids::uuid[]) for update;

-- name: in_force$
-- Whether an agreement gives anything now.
select in_force(:id);

-- name: stands$
-- Whether an agreement that all have accepted is not over: it runs, rests or will begin.
select status in ('ACTIVE', 'SUSPENDED') and (ends_at is null or ends_at > now()) from agreement where id = :id;

-- name: follow!
-- The account follows this agreement from now on.
update relay_account set agreement_id = :id where id = :account_id;
