-- People who log in, the clients that act for partners, what was granted to whom, and what was said about it.
-- Of every secret that leaves the house (client secret, code, refresh token, session) only the SHA-256 stays.

create table member (
  id uuid primary key,
  partner_id uuid not null references partner on delete restrict,
  email text not null unique check (email = lower(email) and length(email) between 3 and 254),
  name text not null check (length(name) between 1 and 100),
  password_hash text not null check (password_hash like '$argon2id$%'),
  role text not null check (role in ('ADMIN', 'RECRUITER', 'ANALYST', 'DEVELOPER')),
  created_at timestamptz not null default now(),
  disabled_at timestamptz
);
create index member_by_partner on member (partner_id);

create table login_session (
  session_hash bytea primary key check (length(session_hash) = 32),
  member_id uuid not null references member on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index login_session_by_member on login_session (member_id);
create index login_session_by_expiry on login_session (expires_at);

-- Failed logins per account and per address. The key is a keyed hash: neither can be read back from it.
create table login_attempt (
  key bytea primary key check (length(key) = 32),
  attempts int not null check (attempts > 0),
  window_started_at timestamptz not null
);
create index login_attempt_by_window on login_attempt (window_started_at);

-- kind: PARTNER acts for one partner and its people; OPERATOR is the platform's own back office, which is no partner;
-- PRODUCT is one of the product's own pages, open to the people of every partner.
create table oauth_client (
  id uuid primary key,
  client_id text not null unique check (client_id ~ '^[A-Za-z0-9_-]{3,64}$'),
  kind text not null check (kind in ('PARTNER', 'OPERATOR', 'PRODUCT')),
  partner_id uuid references partner on delete restrict,
  name text not null check (length(name) between 1 and 100),
  auth_method text not null check (auth_method in ('client_secret_basic', 'none')),
  secret_hash bytea check (length(secret_hash) = 32),
  redirect_uris text[] not null default '{}' check (cardinality(redirect_uris) <= 10),
  grant_types text[] not null check (grant_types <@ array['authorization_code', 'refresh_token', 'client_credentials']),
  scope text[] not null check (cardinality(scope) between 1 and 50),
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  constraint oauth_client_owner check ((kind = 'PARTNER') = (partner_id is not null)),
  constraint oauth_client_secret check ((auth_method = 'none') = (secret_hash is null)),
  constraint oauth_client_public check (auth_method <> 'none' or not 'client_credentials' = any (grant_types)),
  constraint oauth_client_redirect check (not 'authorization_code' = any (grant_types) or cardinality(redirect_uris) > 0),
  constraint oauth_client_operator check (kind = 'OPERATOR' or not 'network:admin' = any (scope))
);
create index oauth_client_by_partner on oauth_client (partner_id) where partner_id is not null;

create table oauth_code (
  id uuid primary key,
  code_hash bytea not null unique check (length(code_hash) = 32),
  client_id uuid not null references oauth_client on delete cascade,
  member_id uuid not null references member on delete cascade,
  redirect_uri text not null,
  scope text[] not null check (cardinality(scope) > 0),
  code_challenge text not null check (code_challenge ~ '^[A-Za-z0-9_-]{43}$'),  -- S256, always
  issued_at timestamptz not null default now(),
  expires_at timestamptz not null,
  consumed_at timestamptz
);
create index oauth_code_by_client on oauth_code (client_id);
create index oauth_code_by_member on oauth_code (member_id);
create index oauth_code_by_expiry on oauth_code (expires_at);

-- What one person granted to one client: the family of every token that grew from it.
create table oauth_grant (
  id uuid primary key,
  client_id uuid not null references oauth_client on delete cascade,
  member_id uuid not null references member on delete cascade,
  code_id uuid unique references oauth_code on delete set null,     -- one code, one grant, by structure
  scope text[] not null check (cardinality(scope) > 0),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_because text,
  constraint oauth_grant_revocation check ((revoked_at is null) = (revoked_because is null))
);
create index oauth_grant_by_client on oauth_grant (client_id);
create index oauth_grant_by_member on oauth_grant (member_id);
create index oauth_grant_by_expiry on oauth_grant (expires_at);

create table oauth_refresh_token (
  id uuid primary key,
  token_hash bytea not null unique check (length(token_hash) = 32),
  grant_id uuid not null references oauth_grant on delete cascade,
  parent_id uuid unique references oauth_refresh_token on delete cascade,  -- one child at most: a lineage, not a tree
  issued_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index oauth_refresh_token_by_grant on oauth_refresh_token (grant_id);

-- Access tokens issued up to revoked_at that name this subject (a token, grant, client or member) are dead. A row is
-- needed only as long as such a token could still live.
create table oauth_revocation (
  subject uuid primary key,
  revoked_at timestamptz not null,
  expires_at timestamptz not null
);
create index oauth_revocation_by_expiry on oauth_revocation (expires_at);

create table signing_key (
  kid text primary key,
  public_jwk jsonb not null,
  sealed bytea not null,                                            -- AES-256-GCM under the master key, bound to kid
  created_at timestamptz not null default now(),
  signs_from timestamptz not null
);

-- No foreign keys: a line outlives whatever it speaks of.
create table audit (
  position bigint generated always as identity primary key,
  at timestamptz not null default now(),
  action text not null check (action ~ '^[a-z]+(\.[a-z_]+)+$'),
  partner_id uuid,
  member_id uuid,
  client_id text check (length(client_id) <= 200),
  grant_id uuid,
  detail jsonb not null default '{}'
);
create index audit_by_partner on audit (partner_id, position);

grant select, insert on member, login_session, login_attempt, oauth_client, oauth_code, oauth_grant,
  oauth_refresh_token, oauth_revocation, signing_key, audit to kyoso_app;
grant update (name, password_hash, role, disabled_at) on member to kyoso_app;
grant update (attempts, window_started_at) on login_attempt to kyoso_app;
grant update (name, secret_hash, redirect_uris, grant_types, scope, disabled_at) on oauth_client to kyoso_app;
grant update (consumed_at) on oauth_code to kyoso_app;
grant update (revoked_at, revoked_because) on oauth_grant to kyoso_app;
grant update (used_at) on oauth_refresh_token to kyoso_app;
grant update (revoked_at, expires_at) on oauth_revocation to kyoso_app;
grant delete on login_session, login_attempt, oauth_code, oauth_grant, oauth_revocation to kyoso_app;
