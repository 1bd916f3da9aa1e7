-- name: free_slot^
-- The free slot that expires first, or the one asked for if it is free, held.
select id, expires_at from slot
where account_id = :account_id and status = 'AVAILABLE' and expires_at > :at and (:slot_id::uuid is null or id = :slot_id)
order by expires_at, id limit 1 for update;

-- name: account_of_slot$
-- Which account a slot belongs to.
select account_id from slot where id = :slot_id;

-- name: lock_slot^
-- One slot, held.
select id, account_id, company_id, agency_id, status, expires_at, application_id, hire_id from slot where id = :slot_id for update;

-- name: due_slots
-- Free slots past their day, oldest first within each account.
select id, account_id from slot where status = 'AVAILABLE' and expires_at <= :now order by expires_at, id limit :most;

-- name: lock_due_slots
-- Which of these slots are still free and past their day, their accounts being held.
select id, account_id, company_id, agency_id, status, expires_at, application_id, hire_id from slot
where id = any(:slot_ids::uuid[]) and status = 'AVAILABLE' and expires_at <= :now order by account_id, expires_at, id for update;

-- name: lock_accounts_by_id
-- These accounts, held in the order of their ids.
select id, company_id, agency_id, agreement_id, counted, available, reserved, redeemed, expired, debt
from relay_account where id = any(:ids::uuid[]) order by id for update;

-- name: application_for_slot^
-- An application, held, with the hire it ended in, and who brought it.
select a.id, a.company_id, a.status, a.route, a.hire_id, r.referrer_id
from application a left join referral r on r.id = a.referral_id where a.id = :id for update of a;

-- name: hire_for_slot^
-- The hire of an application that stands.
select id, starts_on, starts_on <= (:at::timestamptz at time zone 'Asia/Tokyo')::date as started
from hire where application_id = :application_id and reverted_at is null order by decided_at desc limit 1;

-- name: started_hires
-- Slots reserved for a hire whose first day has come in Japan.
select s.id, s.account_id, s.application_id, h.id as hire_id
from slot s join hire h on h.application_id = s.application_id and h.reverted_at is null
where s.status = 'RESERVED' and h.starts_on <= (:now::timestamptz at time zone 'Asia/Tokyo')::date
order by s.id limit :most;

-- name: hold_hire!
-- A hire, held: what hangs on it is read after this, or it could be out of date.
select from hire where id = :hire_id for no key update;

-- name: left_first^
-- The earliest day on which a hire had left, and how; nothing as long as no day says so.
select day, status from retention_check where hire_id = :hire_id and status in ('LEFT', 'LEFT_BY_COMPANY') order by day limit 1;

-- name: restored$
-- Hundredths of a slot that came back so far.
select coalesce(sum(amount), 0)::bigint from ledger_transfer where slot_id = :slot_id and kind = 'RESTORE';

-- name: notify_expiring
-- Free slots that expire within so many days, the last of them whole as it is in Japan, but not so soon that a later notice
-- is due (`after`), and were not announced that late yet; announced from now on. One that never had so many days has the
-- last notice alone.
update slot set noticed_days = :days
where id in (
  select id from slot
  where status = 'AVAILABLE'
    and case when :last then expires_at > :after
      else expires_at >= ((:after::timestamptz at time zone 'Asia/Tokyo')::date + 1)::timestamp at time zone 'Asia/Tokyo' end
    and expires_at < ((:until::timestamptz at time zone 'Asia/Tokyo')::date + 1)::timestamp at time zone 'Asia/Tokyo'
    and (noticed_days is null or noticed_days > :days)
    and (:last or earned_at <= expires_at - make_interval(days => :days))
  order by expires_at limit :most for update skip locked)
returning id;

-- name: queue_notice!
-- The notice that slots expire soon: one for all of an agency that expire on the same day, so none where one waits.
insert into mail (id, kind, company_id, slot_id, language, status, due_at)
select :id, 'SLOT_NOTICE', s.company_id, s.id, 'JA', 'QUEUED', :at from slot s
where s.id = :slot_id and not exists (
  select from mail m join slot o on o.id = m.slot_id
  where m.status = 'QUEUED' and o.company_id = s.company_id and o.agency_id = s.agency_id
    and (o.expires_at at time zone 'Asia/Tokyo')::date = (s.expires_at at time zone 'Asia/Tokyo')::date);
