-- name: lock_account^
-- One account, held until the transaction ends: whoever moves slots or counts waits here for its turn.
select id, company_id, agency_id, agreement_id, counted, available, reserved, redeemed, expired, debt
from relay_account where id = :id for update;

-- name: lock_accounts
-- The accounts between these companies and these agencies, pair by pair, held in the order of their ids.
select a.id, a.company_id, a.agency_id, a.agreement_id, a.counted, a.available, a.reserved, a.redeemed, a.expired, a.debt
from relay_account a
join (select distinct * from unnest(:company_ids::uuid[], :agency_ids::uuid[]) as p (company_id, agency_id)) p using (company_id, agency_id)
order by a.id for update of a;

-- name: rule_in_force^
-- What the version that an agreement was in force with at that instant says about slots; none unless it is active now.
select v.handovers_per_slot, v.silence_days, v.slot_months
from version_in_force(:agreement_id, :at) v where v.handovers_per_slot is not null;

-- name: last_rule^
-- What an agreement last said about slots, in force or not: what was earned under it lives on by these terms.
select v.handovers_per_slot, v.silence_days, v.slot_months
from agreement a join agreement_version v on v.id = a.version_id
where a.id = :agreement_id and v.handovers_per_slot is not null;

-- name: post
-- Transfers that were not there before; the trigger moves the balances. One given before is left as it is.
insert into ledger_transfer (id, account_id, company_id, agency_id, kind, unit, amount, debit, credit, occurred_at, posted_at,
  handover_id, slot_id, reverses_id)
select t.id, a.id, a.company_id, a.agency_id, t.kind, t.unit, t.amount, t.debit, t.credit, t.occurred_at, clock_timestamp(),
  t.handover_id, t.slot_id, t.reverses_id
from unnest(:ids::uuid[], :account_ids::uuid[], :kinds::text[], :units::text[], :amounts::bigint[], :debits::text[], :credits::text[],
  :occurred::timestamptz[], :handover_ids::uuid[], :slot_ids::uuid[], :reversed_ids::uuid[]) with ordinality
  as t (id, account_id, kind, unit, amount, debit, credit, occurred_at, handover_id, slot_id, reverses_id, place)
join relay_account a on a.id = t.account_id
order by t.place
on conflict (id) do nothing
returning id;

-- name: transfers_by_id
-- Transfers that stand already, to compare a retry with.
select id, account_id, kind, unit, amount, debit, credit, handover_id, slot_id, reverses_id
from ledger_transfer where id = any(:ids::uuid[]);

-- name: count_of^
-- The transfer that counted this handover, and whether it was taken back.
select c.id, c.account_id, c.amount,
  exists (select from ledger_transfer r where r.reverses_id = c.id and r.unit = 'HANDOVER') as reversed
from ledger_transfer c where c.handover_id = :handover_id and c.kind = 'COUNT';

-- name: add_slot!
-- A slot, good for so many months of the calendar in Japan.
insert into slot (id, account_id, company_id, agency_id, status, earned_at, expires_at)
select :id, a.id, a.company_id, a.agency_id, 'AVAILABLE', :at,
  ((:at at time zone 'Asia/Tokyo') + make_interval(months => :months)) at time zone 'Asia/Tokyo'
from relay_account a where a.id = :account_id;

-- name: newest_free_slot^
-- The free slot earned last, held, and what it took of the counted handovers; nothing if it was given back for leavers.
select s.id, (select t.amount from ledger_transfer t
  where t.slot_id = s.id and t.kind = 'EARN' and t.unit = 'HANDOVER') as handovers
from slot s where s.account_id = :account_id and s.status = 'AVAILABLE'
order by s.earned_at desc, s.id desc limit 1 for update of s;

-- name: move_slot!
-- A slot's new state, and the application and hire that it is for.
update slot set status = :status, application_id = :application_id, hire_id = :hire_id where id = :slot_id;
