-- name: factors^
-- What a person has set up besides the password.
select exists (select from totp where member_id = :member_id) as app,
  (select count(*) from passkey where member_id = :member_id) as passkeys,
  (select count(*) from recovery_code where member_id = :member_id) as recovery_codes;

-- name: forget_unneeded_codes!
-- The recovery codes of a person who has no second factor any more.
delete from recovery_code where member_id = :member_id
  and not exists (select from totp where member_id = :member_id)
  and not exists (select from passkey where member_id = :member_id);

-- name: forget!
-- Every second factor of a person. Who proves one of them just then comes first.
with app as (delete from totp where member_id = :member_id),
  keys as (delete from passkey where member_id = :member_id)
delete from recovery_code where member_id = :member_id;
