-- A partner's own identity provider (OpenID Connect), with which its people log in.

create table identity_provider (
  id uuid primary key,
  partner_id uuid not null unique references partner on delete restrict,
  issuer text not null check (issuer ~ '^https?://' and length(issuer) <= 500),
  client_id text not null check (length(client_id) between 1 and 255),
  sealed_secret bytea not null,                                     -- sealed for this row
  required boolean not null default false,                          -- its people log in no other way
  created_at timestamptz not null default now()
);

-- The address decides whose provider is asked, so a domain belongs to one of them.
create table identity_provider_domain (
  domain text primary key check (domain = lower(domain) and domain ~ '^[a-z0-9-]+(\.[a-z0-9-]+)+$'),
  provider_id uuid not null references identity_provider on delete cascade
);
create index identity_provider_domain_by_provider on identity_provider_domain (provider_id);

-- Who a provider's subject is here: addresses are given to somebody else one day, subjects never.
create table identity (
  provider_id uuid not null references identity_provider on delete cascade,
  subject text not null check (length(subject) between 1 and 255),
  member_id uuid not null references member on delete cascade,
  created_at timestamptz not null default now(),
  primary key (provider_id, subject),
  unique (provider_id, member_id)
);
create index identity_by_member on identity (member_id);

-- Logins under way: each is answered once, in the browser in which it began.
create table identity_request (
  state_hash bytea primary key check (length(state_hash) = 32),
  provider_id uuid not null references identity_provider on delete cascade,
  browser_hash bytea not null check (length(browser_hash) = 32),
  target text not null check (length(target) <= 16384),
  expires_at timestamptz not null
);
create index identity_request_by_provider on identity_request (provider_id);
create index identity_request_by_expiry on identity_request (expires_at);

grant select, insert, delete on identity_provider, identity_provider_domain, identity, identity_request to kyoso_app;
grant update (issuer, client_id, sealed_secret, required) on identity_provider to kyoso_app;
