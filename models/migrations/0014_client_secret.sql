-- While its programs change over, a client has two secrets, never more; and people see when a client was last used.

alter table oauth_client
  add column secret_rotated_at timestamptz,
  add column previous_secret_hash bytea check (length(previous_secret_hash) = 32),
  add column previous_secret_ends_at timestamptz,
  add column last_used_at timestamptz,
  add constraint oauth_client_previous_secret check (
    (previous_secret_hash is null) = (previous_secret_ends_at is null)
    and (previous_secret_hash is null or secret_rotated_at is not null)
    and (secret_rotated_at is null or secret_hash is not null));
grant update (secret_rotated_at, previous_secret_hash, previous_secret_ends_at, last_used_at) on oauth_client to kyoso_app;
