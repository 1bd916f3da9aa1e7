-- name: login_of_grant^
-- When and by what the person had proven who they are when they granted this, and the nonce that the app had sent.
select g.auth_time, g.amr, c.nonce from oauth_grant g left join oauth_code c on c.id = g.code_id where g.id = :grant_id;

-- name: claims^
-- What a person may let an app know of them.
select id, name, email, email_verified_at is not null as email_verified from member
where id = :member_id and disabled_at is null;

-- name: granted$
-- Whether a person has allowed a client all this before, and not taken it back: an ended login ends tokens only. Who
-- takes it back waits until this transaction ends, and then ends what came of it too.
select true from oauth_grant
where client_id = :client and member_id = :member_id and scope @> :scope::text[] and expires_at > now()
  and (revoked_at is null or revoked_because = 'the login ended')
limit 1 for share;

-- name: allowed_before
-- Each scope that a person has allowed a client before, and not taken back.
select distinct unnest(scope) as scope from oauth_grant
where client_id = :client and member_id = :member_id and expires_at > now()
  and (revoked_at is null or revoked_because = 'the login ended');

-- name: now$
-- The clock that logins are dated by.
select now();

-- name: carry_codes!
-- Somebody proved anew who they are: what they had begun goes on under the new login.
update oauth_code set session_hash = :fresh where session_hash = :old and member_id = :member_id;

-- name: carry_grants!
-- Somebody proved anew who they are: what grew from their last login goes on under the new one.
update oauth_grant set session_hash = :fresh where session_hash = :old and member_id = :member_id;
