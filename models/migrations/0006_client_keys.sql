-- Clients that prove themselves with a key of their own (RFC 7523), and what may be presented only once.

alter table oauth_client
  add column jwks jsonb check (jsonb_typeof(jwks) = 'array' and jsonb_array_length(jwks) between 1 and 10),
  drop constraint oauth_client_auth_method_check,
  drop constraint oauth_client_secret,
  add constraint oauth_client_auth_method_check check (auth_method in ('client_secret_basic', 'private_key_jwt', 'none')),
  add constraint oauth_client_secret check ((auth_method = 'client_secret_basic') = (secret_hash is not null)),
  add constraint oauth_client_keys check ((auth_method = 'private_key_jwt') = (jwks is not null));
grant update (jwks) on oauth_client to kyoso_app;

-- Unlogged, so that noting a proof waits for no disk. After a crash it is empty: what was used before could
-- then be presented once more, within its own short life.
create unlogged table used_once (
  key bytea primary key check (length(key) = 32),
  expires_at timestamptz not null
);
create index used_once_by_expiry on used_once (expires_at);
grant select, insert, delete on used_once to kyoso_app;
