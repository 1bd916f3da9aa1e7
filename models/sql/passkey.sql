-- name: add$
-- A new passkey; nothing when it is registered already or its owner has as many as they may.
insert into passkey (id, member_id, credential_id, public_key, name, sign_count, synced, backed_up, transports)
select :id, :member_id, :credential_id, :public_key, :name, :sign_count, :synced, :backed_up, :transports::text[]
where (select count(*) from passkey where member_id = :member_id) < :most
on conflict (credential_id) do nothing returning id;

-- name: of_member
-- A person's passkeys, the oldest first.
select id, member_id, credential_id, public_key, name, sign_count, synced, backed_up, transports, created_at, last_used_at
from passkey where member_id = :member_id order by created_at, id;

-- name: lock^
-- One passkey; two uses of it come one after the other.
select id, member_id, credential_id, public_key, name, sign_count, synced, backed_up, transports, created_at, last_used_at
from passkey where credential_id = :credential_id for no key update;

-- name: used!
-- A use: what the authenticator counts, and whether it is copied.
update passkey set sign_count = :sign_count, backed_up = :backed_up, last_used_at = now() where id = :id;

-- name: remove$
-- Forgets one of a person's passkeys.
delete from passkey where id = :id and member_id = :member_id returning true;
