-- Authorization requests that a client sent ahead of the person (RFC 9126).

create table oauth_pushed_request (
  request_hash bytea primary key check (length(request_hash) = 32),
  client_id uuid not null references oauth_client on delete cascade,
  parameters jsonb not null check (jsonb_typeof(parameters) = 'object'),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index oauth_pushed_request_by_client on oauth_pushed_request (client_id);
create index oauth_pushed_request_by_expiry on oauth_pushed_request (expires_at);
grant select, insert, delete on oauth_pushed_request to kyoso_app;
grant update (used_at) on oauth_pushed_request to kyoso_app;
