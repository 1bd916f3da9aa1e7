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
select id, account_id, company_id, agency_id, expires_at from slot
where id = any(:slot_ids::uuid[]) and status = 'AVAILABLE' and expires_at <= :now order by account_id, expires_at, id for update;

-- name: lock_accounts_by_id
-- These accounts, held in the order of their ids.
select id, company_id, agency_id, agreement_id, counted, available, reserved, redeemed, expired, debt
from relay_account where id = any(:ids::uuid[]) order by id for update;
