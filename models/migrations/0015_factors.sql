-- What people prove themselves with besides the password: an app's codes, passkeys, and codes on paper for when both are lost.

create table totp (
  member_id uuid primary key references member on delete cascade,
  sealed bytea not null,                                            -- the shared secret, bound to its person
  last_step bigint not null,                                        -- no code of this step or an earlier one is good again
  created_at timestamptz not null default now()
);

create table recovery_code (
  member_id uuid not null references member on delete cascade,
  code_hash bytea not null check (length(code_hash) = 32),          -- keyed: a copy of this table opens nothing
  primary key (member_id, code_hash)
);

create table passkey (
  id uuid primary key,
  member_id uuid not null references member on delete cascade,
  credential_id bytea not null unique check (length(credential_id) between 1 and 1023),
  public_key bytea not null check (length(public_key) between 1 and 2048),
  name text not null check (length(name) between 1 and 60),
  sign_count bigint not null check (sign_count >= 0),
  synced boolean not null,                                          -- made to be copied between devices, for good
  backed_up boolean not null,
  transports text[] not null check (cardinality(transports) <= 8),
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  constraint passkey_backup check (synced or not backed_up)
);
create index passkey_by_member on passkey (member_id);

grant select, insert, delete on totp, recovery_code, passkey to kyoso_app;
grant update (last_step) on totp to kyoso_app;
grant update (sign_count, backed_up, last_used_at) on passkey to kyoso_app;
