-- name: add$
-- A secret that was shown to work; nothing when there is one already.
insert into totp (member_id, sealed, last_step) values (:member_id, :sealed, :step)
on conflict (member_id) do nothing returning true;

-- name: sealed$
-- A person's secret, sealed.
select sealed from totp where member_id = :member_id;

-- name: use_step$
-- Uses up a step for the one caller who comes first, whatever runs beside it.
update totp set last_step = :step where member_id = :member_id and last_step < :step returning true;

-- name: remove$
-- Forgets a person's app.
delete from totp where member_id = :member_id returning true;

-- name: add_recovery_codes!
-- A person's new recovery codes.
insert into recovery_code (member_id, code_hash) select :member_id, unnest(:code_hashes::bytea[]);

-- name: forget_recovery_codes!
-- All recovery codes of a person.
delete from recovery_code where member_id = :member_id;

-- name: use_recovery_code$
-- Uses up one code for the one caller who comes first.
delete from recovery_code where member_id = :member_id and code_hash = :code_hash returning true;
