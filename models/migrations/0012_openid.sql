-- OpenID Connect: what an app is told of a login. Where it asked to be told, its tokens end with that login.

alter table member add column email_verified_at timestamptz;       -- somebody showed that the address is this person's
grant update (email_verified_at) on member to kyoso_app;

alter table oauth_client add column post_logout_redirect_uris text[] not null default '{}'
  check (cardinality(post_logout_redirect_uris) <= 10);
grant update (post_logout_redirect_uris) on oauth_client to kyoso_app;

alter table oauth_code add column nonce text check (length(nonce) between 1 and 255),
  add column session_hash bytea check (length(session_hash) = 32),
  add column auth_time timestamptz,
  add column amr text[];
create index oauth_code_by_session on oauth_code (session_hash) where session_hash is not null;

alter table oauth_grant add column session_hash bytea check (length(session_hash) = 32),
  add column auth_time timestamptz,
  add column amr text[];
create index oauth_grant_by_session on oauth_grant (session_hash) where session_hash is not null;
grant update (session_hash) on oauth_grant, oauth_code to kyoso_app;

-- However a login is ended (logged out, ended from elsewhere, password changed), what grew from it ends in the same
-- transaction and in every worker. A session that merely grew old ends nothing.
create function end_with_login() returns trigger language plpgsql as $$
begin
  update oauth_code c set consumed_at = now()
  from gone where c.session_hash = gone.session_hash and gone.expires_at > now() and c.consumed_at is null;
  with ended as (
    update oauth_grant g set revoked_at = now(), revoked_because = 'the login ended'
    from gone where g.session_hash = gone.session_hash and gone.expires_at > now() and g.revoked_at is null
    returning g.id)
  insert into oauth_revocation as r (subject, revoked_at, expires_at)
  select id, clock_timestamp(), clock_timestamp() + interval '10 minutes' from ended   -- longer than any token lives
  on conflict (subject) do update set revoked_at = excluded.revoked_at, expires_at = excluded.expires_at;
  if found then
    perform pg_notify('kyoso_revocation', '');
  end if;
  return null;
end $$;
create trigger login_session_ended after delete on login_session
  referencing old table as gone for each statement execute function end_with_login();
