-- People whom an administrator asks to log in for their partner: one open invitation per address, ended by its use.

create table joining (
  id uuid primary key,
  partner_id uuid not null references partner on delete cascade,
  email text not null check (email = lower(email) and length(email) between 3 and 254),
  role text not null check (role in ('ADMIN', 'RECRUITER', 'ANALYST', 'DEVELOPER')),
  invited_by uuid not null references member on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  unique (partner_id, email)
);
create index joining_by_inviter on joining (invited_by);
grant select, insert, delete on joining to kyoso_app;
grant update (expires_at) on joining to kyoso_app;                  -- which lets it lock a row

alter table mail add column joining_id uuid references joining on delete cascade;
create index mail_by_joining on mail (joining_id) where joining_id is not null;
alter table mail drop constraint mail_kind_check, add constraint mail_kind_check check (kind in (
  'REJECTION', 'RELAY_LINK', 'REFERRAL_CONFIRMATION', 'SURVEY', 'COMPANY_CONFIRMATION', 'SLOT_NOTICE', 'JOINING'));
