-- Deliveries of applicant-tracking systems: when each is to be tried next and what it is about, so that one that came
-- too early is taken up again as soon as its application is known.

alter table ats_delivery
  add column subject text check (length(subject) <= 200),           -- the ATS's own key of the application or candidate
  add column due_at timestamptz not null default now();
drop index ats_delivery_pending;
create index ats_delivery_due on ats_delivery (due_at) where state = 'PENDING';
create index ats_delivery_by_subject on ats_delivery (integration_id, subject) where state <> 'APPLIED';

-- When the newest personal data of a candidate was true, so that an older delivery does not bring an old address back.
alter table ats_candidate add column told_at timestamptz not null default 'epoch';

-- Whom an ATS deleted or anonymised, and which job it deleted (`job …`): what it said before then is not taken in
-- again. An id of theirs, and no more.
create table ats_forgotten (
  company_id uuid not null references partner on delete cascade,
  system text not null,
  external_id text not null,
  forgotten_at timestamptz not null,
  primary key (company_id, system, external_id)
);

-- The newest state that an ATS told of an application, so that an older delivery never overwrites a newer one.
create table ats_application (
  company_id uuid not null references partner on delete cascade,
  system text not null,
  external_id text not null,
  application_id uuid references application on delete restrict,    -- null: deleted there before it was known here
  status text not null check (status in ('ACTIVE', 'HIRED', 'REJECTED', 'WITHDRAWN', 'REINSTATED', 'DELETED')),
  as_of timestamptz not null,
  primary key (company_id, system, external_id)
);
create index ats_application_by_application on ats_application (application_id);

-- By which of an ATS's marks (user id, employee number, address, name) a referrer is known: a keyed hash of each.
create table ats_referrer (
  company_id uuid not null references partner on delete cascade,
  key bytea not null check (length(key) = 32),
  kind text not null check (kind in ('USER', 'EMPLOYEE', 'EMAIL', 'NAME')),
  referrer_id uuid not null references partner on delete cascade,
  primary key (company_id, key)
);
create index ats_referrer_by_referrer on ats_referrer (referrer_id);

grant select, insert, update on ats_application, ats_referrer, ats_forgotten to kyoso_app;
grant delete on ats_candidate to kyoso_app;                         -- a company may forget whom it deleted in its ATS
