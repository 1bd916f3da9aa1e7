-- Devices that cannot show a login page (RFC 8628). The person's code is short: its digest is keyed, not plain.

create table oauth_device_request (
  id uuid primary key,
  device_hash bytea not null unique check (length(device_hash) = 32),
  user_hash bytea not null unique check (length(user_hash) = 32),
  client_id uuid not null references oauth_client on delete cascade,
  scope text[] not null check (cardinality(scope) > 0),
  dpop_jkt text check (dpop_jkt ~ '^[A-Za-z0-9_-]{43}$'),
  interval_seconds int not null check (interval_seconds between 1 and 60),
  issued_at timestamptz not null default now(),
  expires_at timestamptz not null,
  polled_at timestamptz,
  answered_at timestamptz,
  member_id uuid references member on delete cascade,
  granted text[] check (cardinality(granted) > 0 and granted <@ scope),
  redeemed_at timestamptz,
  constraint oauth_device_request_answer check ((answered_at is null) = (member_id is null)),
  constraint oauth_device_request_granted check (granted is null or answered_at is not null),
  constraint oauth_device_request_redeemed check (redeemed_at is null or granted is not null)
);
create index oauth_device_request_by_client on oauth_device_request (client_id);
create index oauth_device_request_by_member on oauth_device_request (member_id) where member_id is not null;
create index oauth_device_request_by_expiry on oauth_device_request (expires_at);
grant select, insert, delete on oauth_device_request to kyoso_app;
grant update (interval_seconds, polled_at, answered_at, member_id, granted, redeemed_at) on oauth_device_request
  to kyoso_app;

-- One device code, one grant, by structure.
alter table oauth_grant add column device_id uuid unique references oauth_device_request on delete set null;

alter table oauth_client drop constraint oauth_client_grant_types_check;
alter table oauth_client add constraint oauth_client_grant_types_check check (grant_types <@ array[
  'authorization_code', 'refresh_token', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code']);
