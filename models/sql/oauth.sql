-- name: save_code!
-- A code that was handed to a browser and waits to be redeemed.
insert into oauth_code (id, code_hash, client_id, member_id, redirect_uri, scope, code_challenge, dpop_jkt, expires_at,
  nonce, session_hash, auth_time, amr)
select :id, :code_hash, :client, :member_id, :redirect_uri, :scope, :code_challenge, :dpop_jkt,
  now() + make_interval(secs => :life_seconds), :nonce, s.session_hash, s.auth_time, s.amr
from (values (1)) one left join login_session s on s.session_hash = :session_hash;

-- name: find_code^
-- A code as it stands; what is wrong with it is the caller's to say.
select id, client_id as client, member_id, redirect_uri, scope, code_challenge, dpop_jkt, expires_at <= now() as expired,
  consumed_at is not null as consumed
from oauth_code where code_hash = :code_hash;

-- name: claim_code$
-- Redeems a code for the one caller that gets it; nothing for everybody else, whatever runs at the same time.
update oauth_code set consumed_at = now()
where id = :id and consumed_at is null and expires_at > now() returning id;

-- name: open_grant!
-- What a person granted to a client.
insert into oauth_grant (id, client_id, member_id, code_id, scope, dpop_jkt, expires_at, session_hash, auth_time, amr)
select :id, :client, :member_id, c.id, :scope, :dpop_jkt, now() + make_interval(secs => :life_seconds),
  c.session_hash, c.auth_time, c.amr
from oauth_code c where c.id = :code_id;

-- name: revoke_grant_of_code$
-- A code came twice: what grew from its first use ends.
update oauth_grant set revoked_at = now(), revoked_because = :because
where code_id = :code_id and revoked_at is null returning id;

-- name: revoke_grant$
-- Ends a grant and all that grew from it.
update oauth_grant set revoked_at = now(), revoked_because = :because
where id = :id and revoked_at is null returning id;

-- name: revoke_grants_of_member!
-- Ends all that a person ever granted, and what a logout had ended already: nothing is remembered as allowed.
update oauth_grant set revoked_at = coalesce(revoked_at, now()), revoked_because = :because
where member_id = :member_id and (revoked_at is null or revoked_because = 'the login ended');

-- name: lock_refresh_token^
-- A refresh token, locked with its grant, so that two uses of one family come one after the other. The token's own
-- row is locked too: only then is it read anew after the wait, with the use that came before.
select t.id, t.grant_id, t.expires_at <= now() or g.expires_at <= now() as expired, g.revoked_at is not null as revoked,
  t.used_at is not null as used, t.used_at > now() - make_interval(secs => :grace_seconds) as within_grace,
  g.client_id as client, g.member_id, g.scope, g.dpop_jkt
from oauth_refresh_token t join oauth_grant g on g.id = t.grant_id
where t.token_hash = :token_hash
for update of t, g;

-- name: add_refresh_token!
-- The next token of a family; it never outlives the grant.
insert into oauth_refresh_token (id, token_hash, grant_id, parent_id, expires_at)
select :id, :token_hash, g.id, :parent_id, least(now() + make_interval(secs => :life_seconds), g.expires_at)
from oauth_grant g where g.id = :grant_id;

-- name: use_refresh_token!
-- Marks the moment from which the grace for a lost answer runs.
update oauth_refresh_token set used_at = clock_timestamp() where id = :id and used_at is null;

-- name: child_refresh_token^
-- The token that replaced this one.
select id, used_at is not null as used from oauth_refresh_token where parent_id = :parent_id;

-- name: refresh_token_facts^
-- What introspection and revocation may know about a refresh token.
select t.grant_id, c.client_id, c.partner_id, g.member_id, g.scope, t.issued_at, t.expires_at,
  t.used_at is null and g.revoked_at is null and t.expires_at > now() as active
from oauth_refresh_token t join oauth_grant g on g.id = t.grant_id join oauth_client c on c.id = g.client_id
where t.token_hash = :token_hash;

-- name: revoke_subject!
-- Every access token of this subject is dead, in every worker; of a client or member, every one issued until now.
with told as (select pg_notify('kyoso_revocation', ''))
insert into oauth_revocation as r (subject, revoked_at, expires_at)
select :subject, clock_timestamp(), clock_timestamp() + make_interval(secs => :keep_seconds) from told
on conflict (subject) do update set revoked_at = excluded.revoked_at, expires_at = excluded.expires_at;

-- name: revocations
-- What is dead and could still be presented.
select subject, revoked_at from oauth_revocation where expires_at > now();

-- name: standing^
-- Whether the client, member and grant that a token names still stand, and the name to call its bearer by.
select c.id as client, coalesce(m.name, c.name) as login, p.id as partner_id, p.kind as partner_kind
from oauth_client c
left join member m on m.id = :member_id
left join partner p on p.id = coalesce(m.partner_id, c.partner_id)
where c.client_id = :client_id and c.disabled_at is null
  and (:member_id::uuid is null or (m.id is not null and m.disabled_at is null))
  and (:grant_id::uuid is null or exists (select from oauth_grant g where g.id = :grant_id and g.revoked_at is null))
  and not exists (
    select from oauth_revocation r
    where r.subject in (:token_id, :grant_id)
      or r.subject in (:member_id, c.id) and r.revoked_at >= to_timestamp(:issued_at));

-- name: sweep_codes!
-- Codes whose second use would no longer tell anything.
delete from oauth_code where expires_at < now() - make_interval(secs => :keep_seconds);

-- name: sweep_grants!
-- Grants that ended long ago, with their tokens.
delete from oauth_grant where expires_at < now() - make_interval(secs => :keep_seconds);

-- name: sweep_revocations!
-- Revocations of tokens that have all expired.
delete from oauth_revocation where expires_at < now();
