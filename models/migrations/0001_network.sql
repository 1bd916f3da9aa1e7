-- The network's tables. Conventions: ids are uuid7 made by the application; `…_at` is an instant, `…_on` a day in
-- Japan; stored enum values equal their GraphQL names; every foreign key has an index and says what a delete does;
-- person_id stands on every row about a person, so that a link to a candidate can resolve to the viewer's own row.

do $$ begin
  if not exists (select from pg_roles where rolname = 'kyoso_app') then
    create role kyoso_app nologin noinherit nobypassrls;
  end if;
  execute format('grant kyoso_app to %I', current_user);
end $$;

-- ---------------------------------------------------------------------------------------------------- partner

create table partner (
  id uuid primary key,
  kind text not null check (kind in ('COMPANY', 'SCHOOL', 'AGENCY', 'REFERRER', 'COMMUNITY')),
  name text not null check (length(name) between 1 and 200),       -- public; of a referrer, their alias
  legal_name text check (length(legal_name) between 1 and 200),    -- a referrer's real name, shown by rule only
  sort_name text not null,                                          -- name, kana and width folded: order and prefix search
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  prefecture text not null,
  url text check (url ~ '^https://'),
  joined_at timestamptz not null,
  verified_at timestamptz,
  corporate_number text unique check (corporate_number ~ '^[1-9][0-9]{12}$'),
  school_code text unique check (school_code ~ '^[A-Z0-9]{13}$'),
  school_level text check (school_level in ('UNIVERSITY', 'JUNIOR_COLLEGE', 'TECHNICAL_COLLEGE', 'VOCATIONAL', 'HIGH_SCHOOL', 'OTHER')),
  license_number text unique check (license_number ~ '^[0-9]{2}-[ユム]-[0-9]{6}$'),
  license_kind text check (license_kind in ('PAID', 'FREE')),
  license_expires_on date,
  affiliation text check (affiliation in ('EMPLOYEE', 'ALUMNUS', 'CLIENT')),
  company_id uuid references partner on delete restrict,
  focus text check (focus in ('REGIONAL', 'INDUSTRY')),
  prefectures text[] not null default '{}',
  constraint partner_company_facts check (kind <> 'COMPANY' or corporate_number is not null),
  constraint partner_school_facts check (kind <> 'SCHOOL' or (school_code is not null and school_level is not null)),
  constraint partner_agency_facts check (kind <> 'AGENCY' or (license_number is not null and license_kind is not null and license_expires_on is not null)),
  constraint partner_referrer_facts check (kind <> 'REFERRER' or (affiliation is not null and company_id is not null and legal_name is not null)),
  constraint partner_community_facts check (kind <> 'COMMUNITY' or focus is not null)
);
create index partner_by_name on partner (sort_name text_pattern_ops, id);
create index partner_by_joined on partner (joined_at desc, id desc);
create index partner_by_kind on partner (kind, sort_name, id);
create index partner_by_company on partner (company_id, sort_name, id) where company_id is not null;

create table community_member (
  community_id uuid not null references partner on delete cascade,
  partner_id uuid not null references partner on delete cascade,
  joined_at timestamptz not null,
  primary key (community_id, partner_id)
);
create index community_member_by_partner on community_member (partner_id);

-- -------------------------------------------------------------------------------------------------- agreement

create table agreement (
  id uuid primary key,
  kind text not null check (kind in ('INFORMATION_SHARING', 'SUCCESS_FEE', 'MUTUAL_REFERRAL', 'CAREER_RELAY', 'ALLIANCE', 'JOINT_PROJECT')),
  status text not null check (status in ('OFFERED', 'COUNTERED', 'ACTIVE', 'SUSPENDED', 'TERMINATED')),
  purpose text not null check (length(purpose) between 1 and 1000),
  version_id uuid not null,                                         -- in force, else the latest offered
  offered_at timestamptz not null,
  accepted_at timestamptz,
  ends_at timestamptz,
  suspended_by uuid references partner on delete restrict
);
create index agreement_by_offered on agreement (offered_at desc, id desc);
create index agreement_by_suspender on agreement (suspended_by) where suspended_by is not null;

create table agreement_party (
  agreement_id uuid not null references agreement on delete cascade,
  partner_id uuid not null references partner on delete restrict,
  primary key (agreement_id, partner_id)
);
create index agreement_party_by_partner on agreement_party (partner_id, agreement_id);

create table agreement_version (
  id uuid primary key,
  agreement_id uuid not null references agreement on delete cascade,
  number int not null check (number >= 1),
  proposed_by uuid not null references partner on delete restrict,
  proposed_at timestamptz not null,
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  sharing jsonb not null,                                           -- [{"category": …, "granularity": …}]
  handovers_per_slot int check (handovers_per_slot between 1 and 1000),   -- the relay rule: all three or none
  silence_days int check (silence_days between 1 and 90),
  slot_months int check (slot_months between 1 and 120),
  weight_handover numeric not null default 1 check (weight_handover >= 0),
  weight_hire numeric not null default 10 check (weight_hire >= 0),
  weight_retained numeric not null default 5 check (weight_retained >= 0),
  starts_on date not null,
  ends_on date check (ends_on >= starts_on),
  unique (agreement_id, number),
  constraint agreement_version_relay_whole check (num_nulls(handovers_per_slot, silence_days, slot_months) in (0, 3))
);
create index agreement_version_by_proposer on agreement_version (proposed_by);
alter table agreement add constraint agreement_version_fk foreign key (version_id) references agreement_version
  on delete restrict deferrable initially deferred;
create index agreement_by_version on agreement (version_id);

create table agreement_acceptance (
  version_id uuid not null references agreement_version on delete cascade,
  partner_id uuid not null references partner on delete restrict,
  accepted_at timestamptz not null,
  primary key (version_id, partner_id)
);
create index agreement_acceptance_by_partner on agreement_acceptance (partner_id);

-- What ACTIVE agreements let flow, written by the agreement's verbs in their own transaction: the one place that
-- policies ask. Suspending or ending an agreement deletes its rows, and the flow stops with that commit.
create table agreement_share (
  giver_id uuid not null references partner on delete cascade,
  receiver_id uuid not null references partner on delete cascade,
  category text not null check (category in ('JOBS', 'REFERRALS', 'APPLICATIONS', 'HANDOVERS', 'OUTCOMES', 'PERSONAL', 'SURVEYS', 'COHORTS')),
  granularity text not null check (granularity in ('FIELDS', 'COUNTS_ONLY')),
  agreement_id uuid not null references agreement on delete cascade,
  kind text not null,
  starts_on date not null,
  ends_on date,
  primary key (receiver_id, category, giver_id, agreement_id),
  check (giver_id <> receiver_id)
);
create index agreement_share_by_agreement on agreement_share (agreement_id);
create index agreement_share_by_giver on agreement_share (giver_id, category);

-- Partners who give the viewer records of one category today. A function, so that every policy asks in one way;
-- SQL-language and stable, so that it is inlined into the statement and costs what the bare sub-select costs.
create function shared_with(viewer uuid, asked text) returns setof uuid
language sql stable parallel safe as $$
  select giver_id from agreement_share
  where receiver_id = viewer and category = asked and granularity = 'FIELDS'
    and starts_on <= (now() at time zone 'Asia/Tokyo')::date
    and (ends_on is null or ends_on >= (now() at time zone 'Asia/Tokyo')::date)
$$;

-- -------------------------------------------------------------------------------------------------- candidate

-- The hidden person behind candidates: counting rules, duplicates and erasure only; never exposed.
create table person (
  id uuid primary key,
  created_at timestamptz not null,
  erased_at timestamptz
);
-- Keyed hash (HMAC, network key) of the folded address: the blind index. Hashed addresses remain personal data.
create table person_email (
  email_index bytea primary key check (length(email_index) = 32),
  person_id uuid not null references person on delete cascade
);
create index person_email_by_person on person_email (person_id);
-- The person's own data key, sealed with the master key. Erasing it makes every copy, backups too, unreadable.
create table person_key (
  person_id uuid primary key references person on delete cascade,
  sealed bytea not null
);

create table candidate (
  id uuid primary key,
  partner_id uuid not null references partner on delete restrict,
  person_id uuid not null references person on delete restrict,
  alias text not null,
  created_at timestamptz not null,
  unique (partner_id, person_id)
);
create index candidate_by_person on candidate (person_id);

create table personal_data (
  candidate_id uuid not null references candidate on delete cascade,
  item text not null check (item in ('NAME', 'KANA', 'EMAIL', 'PHONE', 'PREFECTURE', 'RECOMMENDATION')),
  partner_id uuid not null references partner on delete restrict,
  person_id uuid not null references person on delete cascade,
  sealed bytea not null,                                            -- AES-256-GCM, bound to candidate and item
  recorded_at timestamptz not null,
  primary key (candidate_id, item)
);
create index personal_data_by_person on personal_data (person_id);
create index personal_data_by_partner on personal_data (partner_id);

create table consent (
  id uuid primary key,
  person_id uuid not null references person on delete restrict,
  asked_by uuid not null references partner on delete restrict,
  recipient_id uuid not null references partner on delete restrict,
  purpose text not null,
  items text[] not null check (cardinality(items) between 1 and 10),
  text_version text not null,
  language text not null check (language in ('JA', 'EN')),
  given_at timestamptz not null,
  withdrawn_at timestamptz
);
create index consent_by_person on consent (person_id, given_at);
create index consent_by_asker on consent (asked_by, given_at);
create index consent_by_recipient on consent (recipient_id, given_at);

-- One record per consent, receiver and set of items, written in the transaction in which the provision starts:
-- the legal record (第三者提供記録) and, as long as it has not ended, the grant itself.
create table provision (
  id uuid primary key,
  consent_id uuid not null references consent on delete restrict,
  agreement_id uuid references agreement on delete restrict,
  person_id uuid not null references person on delete restrict,
  giver_id uuid not null references partner on delete restrict,
  receiver_id uuid not null references partner on delete restrict,
  giver_candidate_id uuid not null references candidate on delete restrict,
  receiver_candidate_id uuid not null references candidate on delete restrict,
  items text[] not null check (cardinality(items) between 1 and 10),
  provided_at timestamptz not null,
  ended_at timestamptz,
  unique (consent_id, receiver_id, items)
);
create index provision_by_giver on provision (giver_id, provided_at);
create index provision_by_receiver on provision (receiver_id, provided_at);
create index provision_by_person on provision (person_id, provided_at);
create index provision_by_giver_candidate on provision (giver_candidate_id);
create index provision_by_receiver_candidate on provision (receiver_candidate_id);
create index provision_by_agreement on provision (agreement_id);

-- ------------------------------------------------------------------------------------------- job, and the flow

create table job (
  id uuid primary key,
  company_id uuid not null references partner on delete restrict,
  title text not null check (length(title) between 1 and 200),
  requirements text not null default '' check (length(requirements) <= 10000),
  challenge text check (length(challenge) <= 2000),
  openings int not null default 1 check (openings between 0 and 10000),
  prefecture text not null,
  status text not null check (status in ('DRAFT', 'OPEN', 'CLOSED')),
  external_id text,
  opened_at timestamptz not null,
  closed_at timestamptz,
  open_to_network boolean not null default false,
  unique (company_id, external_id)
);
create index job_by_company on job (company_id, opened_at desc, id desc);
create index job_by_opened on job (opened_at desc, id desc);

create table relay_invitation (
  id uuid primary key,
  company_id uuid not null references partner on delete restrict,
  person_id uuid not null references person on delete restrict,
  application_id uuid unique,                                       -- null: came by the company URL, unmatched so far
  status text not null check (status in ('QUEUED', 'SENT', 'BOUNCED', 'OPENED', 'REGISTERED', 'EXPIRED')),
  waiting_for text check (waiting_for in ('EMAIL', 'AGENCY', 'COMPANY')), -- why it is not on its way (no address, no agency, company to confirm)
  rejected_at timestamptz not null,                                 -- start event of its cohort
  sent_at timestamptz,
  opened_at timestamptz,
  expires_at timestamptz not null,
  revoked_at timestamptz,                                           -- the rejection was taken back
  company_confirm_by timestamptz,                                   -- company URL, unmatched: asked until then
  company_confirmed_at timestamptz
);
create index relay_invitation_by_company on relay_invitation (company_id, rejected_at);
create index relay_invitation_by_person on relay_invitation (person_id);

create table handover (
  id uuid primary key,
  invitation_id uuid not null references relay_invitation on delete restrict,
  application_id uuid,
  company_id uuid not null references partner on delete restrict,
  agency_id uuid not null references partner on delete restrict,
  person_id uuid not null references person on delete restrict,
  agreement_id uuid not null references agreement on delete restrict,
  consent_id uuid not null references consent on delete restrict,
  status text not null check (status in ('REGISTERED', 'ACCEPTED', 'DECLINED', 'WITHDRAWN', 'REVERSED')),
  registered_at timestamptz not null,
  answer_by timestamptz not null,
  decided_at timestamptz,
  by_silence boolean not null default false,
  decline_reason text check (decline_reason in ('UNREACHABLE', 'ALREADY_ACTIVE', 'OUTSIDE_LICENSE')),
  counted boolean not null default false,
  counted_at timestamptz,
  placement_id uuid,                                                -- the hire it grew into, inside the network
  placed_outside_on date,                                           -- or the start day of work outside it
  placed_at timestamptz,
  unique (invitation_id, agency_id)
);
create index handover_by_company on handover (company_id, registered_at desc, id desc);
create index handover_by_agency on handover (agency_id, registered_at desc, id desc);
create index handover_by_application on handover (application_id);
create index handover_by_person on handover (person_id, agency_id, counted_at);
create index handover_by_agreement on handover (agreement_id);
create index handover_by_consent on handover (consent_id);
create index handover_by_placement on handover (placement_id);
create index handover_waiting on handover (answer_by) where status = 'REGISTERED';

create table referral (
  id uuid primary key,
  referrer_id uuid not null references partner on delete restrict,
  company_id uuid not null references partner on delete restrict,
  job_id uuid references job on delete restrict,
  person_id uuid not null references person on delete restrict,
  status text not null check (status in ('SUBMITTED', 'CONFIRMED', 'DECLINED', 'IN_SELECTION', 'HIRED', 'CLOSED', 'EXPIRED')),
  relationship text check (relationship in ('COLLEAGUE', 'FORMER_COLLEAGUE', 'FRIEND', 'TEACHER', 'CLIENT', 'OTHER')),
  role text not null default 'REFERRED' check (role in ('REFERRED', 'RELAYED', 'PLACED', 'HOSTED', 'HIRED_THROUGH')),
  submitted_at timestamptz not null,
  confirmed_at timestamptz,
  closed_at timestamptz,
  confirm_by timestamptz,
  origin_id uuid references handover on delete restrict,            -- the handover it grew from: the loop closes
  consent_id uuid references consent on delete restrict,
  unique (referrer_id, company_id, person_id)
);
create index referral_by_referrer on referral (referrer_id, submitted_at desc, id desc);
create index referral_by_company on referral (company_id, submitted_at desc, id desc);
create index referral_by_job on referral (job_id, submitted_at desc, id desc);
create index referral_by_person on referral (person_id);
create index referral_by_origin on referral (origin_id) where origin_id is not null;
create index referral_by_consent on referral (consent_id) where consent_id is not null;

create table application (
  id uuid primary key,
  company_id uuid not null references partner on delete restrict,
  job_id uuid references job on delete restrict,
  person_id uuid not null references person on delete restrict,
  referral_id uuid unique references referral on delete restrict,
  route text not null check (route in ('DIRECT', 'EMPLOYEE_REFERRAL', 'PERSONAL_REFERRAL', 'PARTNER_REFERRAL', 'AGENCY', 'RELAY', 'SCHOOL', 'COMMUNITY', 'MEDIA')),
  stage text not null check (stage in ('APPLIED', 'SCREENING', 'TEST', 'INTERVIEW', 'FINAL_INTERVIEW', 'OFFER', 'OFFER_ACCEPTED')),
  status text not null check (status in ('ACTIVE', 'HIRED', 'REJECTED', 'WITHDRAWN')),
  external_id text,
  received_at timestamptz not null,
  decided_at timestamptz,
  rejection_reason text check (length(rejection_reason) <= 2000),
  hire_id uuid,
  unique (company_id, external_id)
);
create index application_by_company on application (company_id, received_at desc, id desc);
create index application_by_company_decided on application (company_id, decided_at desc, id desc);
create index application_by_job on application (job_id, received_at desc, id desc);
create index application_by_person on application (person_id);
create index application_by_hire on application (hire_id);
alter table relay_invitation add foreign key (application_id) references application on delete restrict;
alter table handover add foreign key (application_id) references application on delete restrict;

-- ------------------------------------------------------------------------------------------------ relay ledger

-- Balances in hundredths of a slot, and whole handovers. Written only by the trigger below, so that a balance is the
-- sum of its transfers by construction; the checks are what makes "never negative" true whatever runs at once.
create table relay_account (
  id uuid primary key,
  company_id uuid not null references partner on delete restrict,
  agency_id uuid not null references partner on delete restrict,
  agreement_id uuid references agreement on delete restrict,        -- the relay agreement it follows now
  opened_at timestamptz not null,
  counted bigint not null default 0 check (counted >= 0),
  available bigint not null default 0 check (available >= 0),
  reserved bigint not null default 0 check (reserved >= 0),
  redeemed bigint not null default 0 check (redeemed >= 0),
  expired bigint not null default 0 check (expired >= 0),
  debt bigint not null default 0 check (debt >= 0),
  balance_at timestamptz not null,
  unique (company_id, agency_id)
);
create index relay_account_by_agency on relay_account (agency_id);
create index relay_account_by_agreement on relay_account (agreement_id);

create table slot (
  id uuid primary key,
  account_id uuid not null references relay_account on delete restrict,
  company_id uuid not null references partner on delete restrict,   -- of the account: what policies ask
  agency_id uuid not null references partner on delete restrict,
  status text not null check (status in ('AVAILABLE', 'RESERVED', 'REDEEMED', 'EXPIRED', 'REVERSED')),
  earned_at timestamptz not null,
  expires_at timestamptz not null,
  application_id uuid references application on delete restrict,
  hire_id uuid,
  noticed_days int,                                                 -- expiry notice sent: 60, then 30
  constraint slot_reserved_for check (status not in ('RESERVED', 'REDEEMED') or application_id is not null)
);
create index slot_by_account on slot (account_id, expires_at, id);
create index slot_by_account_earned on slot (account_id, earned_at desc, id desc);
create unique index slot_by_application on slot (application_id) where status in ('RESERVED', 'REDEEMED');
create index slot_by_hire on slot (hire_id);
create index slot_expiring on slot (expires_at) where status = 'AVAILABLE';
create index slot_by_company on slot (company_id);
create index slot_by_agency on slot (agency_id);

create table ledger_transfer (
  id uuid primary key,                                              -- from the caller: a retry is the same transfer
  account_id uuid not null references relay_account on delete restrict,
  company_id uuid not null references partner on delete restrict,
  agency_id uuid not null references partner on delete restrict,
  kind text not null check (kind in ('COUNT', 'EARN', 'RESERVE', 'REDEEM', 'RELEASE', 'EXPIRE', 'RESTORE', 'REVERSE')),
  unit text not null check (unit in ('HANDOVER', 'SLOT')),
  amount bigint not null check (amount > 0),                        -- hundredths, of a handover too: 100 is one
  debit text not null check (debit in ('OUTSIDE', 'COUNTED', 'AVAILABLE', 'RESERVED', 'REDEEMED', 'EXPIRED', 'DEBT')),
  credit text not null check (credit in ('OUTSIDE', 'COUNTED', 'AVAILABLE', 'RESERVED', 'REDEEMED', 'EXPIRED', 'DEBT')),
  occurred_at timestamptz not null,
  posted_at timestamptz not null,
  handover_id uuid references handover on delete restrict,
  slot_id uuid references slot on delete restrict,
  reverses_id uuid references ledger_transfer on delete restrict,
  check (debit <> credit),
  constraint ledger_transfer_pockets check (
    (unit = 'HANDOVER' and debit in ('OUTSIDE', 'COUNTED', 'DEBT') and credit in ('OUTSIDE', 'COUNTED', 'DEBT'))
    or (unit = 'SLOT' and debit in ('OUTSIDE', 'AVAILABLE', 'RESERVED', 'REDEEMED', 'EXPIRED') and credit in ('OUTSIDE', 'AVAILABLE', 'RESERVED', 'REDEEMED', 'EXPIRED')))
);
create index ledger_transfer_by_account on ledger_transfer (account_id, posted_at desc, id desc);
create index ledger_transfer_by_handover on ledger_transfer (handover_id);
create index ledger_transfer_by_slot on ledger_transfer (slot_id);
create index ledger_transfer_by_reversed on ledger_transfer (reverses_id);
create index ledger_transfer_by_company on ledger_transfer (company_id);
create index ledger_transfer_by_agency on ledger_transfer (agency_id);

create function post_transfer() returns trigger
language plpgsql security definer set search_path = pg_catalog, public as $$
begin
  update relay_account set
    counted   = counted   + new.amount * ((new.credit = 'COUNTED')::int   - (new.debit = 'COUNTED')::int),
    available = available + new.amount * ((new.credit = 'AVAILABLE')::int - (new.debit = 'AVAILABLE')::int),
    reserved  = reserved  + new.amount * ((new.credit = 'RESERVED')::int  - (new.debit = 'RESERVED')::int),
    redeemed  = redeemed  + new.amount * ((new.credit = 'REDEEMED')::int  - (new.debit = 'REDEEMED')::int),
    expired   = expired   + new.amount * ((new.credit = 'EXPIRED')::int   - (new.debit = 'EXPIRED')::int),
    debt      = debt      + new.amount * ((new.credit = 'DEBT')::int      - (new.debit = 'DEBT')::int),
    balance_at = greatest(balance_at, new.posted_at)
  where id = new.account_id;
  return null;
end $$;
create trigger ledger_transfer_posted after insert on ledger_transfer for each row execute function post_transfer();

-- ------------------------------------------------------------------------------------- outcome, contribution

create table hire (
  id uuid primary key,
  company_id uuid not null references partner on delete restrict,
  application_id uuid not null references application on delete restrict,
  person_id uuid not null references person on delete restrict,
  route text not null,
  decided_at timestamptz not null,
  starts_on date not null,
  slot_id uuid references slot on delete restrict,
  handover_id uuid references handover on delete restrict,          -- the handover it grew from
  reverted_at timestamptz
);
create index hire_by_company on hire (company_id, decided_at desc, id desc);
create index hire_by_application on hire (application_id);
create index hire_by_person on hire (person_id);
create index hire_by_slot on hire (slot_id);
create index hire_by_handover on hire (handover_id);
alter table application add foreign key (hire_id) references hire on delete restrict;
alter table handover add foreign key (placement_id) references hire on delete restrict;
alter table slot add foreign key (hire_id) references hire on delete restrict;

create table retention_check (
  hire_id uuid not null references hire on delete cascade,
  day int not null check (day in (30, 90, 180, 365)),
  status text not null check (status in ('EMPLOYED', 'LEFT', 'LEFT_BY_COMPANY', 'UNKNOWN')),
  checked_at timestamptz not null,
  primary key (hire_id, day)
);

-- Append-only facts; also the outbox: readers take rows whose xid lies below the snapshot's oldest running one, in
-- (xid, position) order, so that a slow writer's row never slips in behind a cursor.
create table outcome_event (
  id uuid primary key,
  xid xid8 not null default pg_current_xact_id(),
  position bigint generated always as identity,
  kind text not null check (kind in ('REFERRAL_SUBMITTED', 'REFERRAL_CONFIRMED', 'REFERRAL_DECLINED', 'APPLICATION_RECEIVED', 'STAGE_CHANGED', 'HIRED', 'REJECTED',
    'WITHDRAWN', 'REJECTION_REVERTED', 'HIRE_REVERTED', 'RELAY_INVITED', 'RELAY_OPENED', 'RELAY_REGISTERED', 'RELAY_ACCEPTED', 'RELAY_DECLINED', 'PLACED',
    'SLOT_EARNED', 'SLOT_MOVED', 'RETENTION_CHECKED')),
  category text not null check (category in ('REFERRALS', 'APPLICATIONS', 'HANDOVERS', 'OUTCOMES')), -- under which it is shared
  occurred_at timestamptz not null,
  recorded_at timestamptz not null,
  reported_by uuid not null references partner on delete restrict,
  source text not null check (source in ('API', 'ATS', 'IMPORT', 'CANDIDATE', 'SYSTEM')),
  source_event_id text,
  stage text,
  company_id uuid not null references partner on delete restrict,
  parties uuid[] not null,                                          -- partners whose own event it is, the company among them
  referral_id uuid references referral on delete restrict,
  application_id uuid references application on delete restrict,
  handover_id uuid references handover on delete restrict,
  invitation_id uuid references relay_invitation on delete restrict,
  slot_id uuid references slot on delete restrict,
  hire_id uuid references hire on delete restrict,
  corrects_id uuid references outcome_event on delete restrict
);
create index outcome_event_in_order on outcome_event (xid, position);
create index outcome_event_by_company on outcome_event (company_id, xid, position);
create index outcome_event_by_party on outcome_event using gin (parties);
create index outcome_event_by_referral on outcome_event (referral_id, xid, position) where referral_id is not null;
create index outcome_event_by_application on outcome_event (application_id, xid, position) where application_id is not null;
create index outcome_event_by_handover on outcome_event (handover_id, xid, position) where handover_id is not null;
create index outcome_event_by_hire on outcome_event (hire_id) where hire_id is not null;
create index outcome_event_by_source on outcome_event (company_id, source_event_id) where source_event_id is not null;

create table contribution (
  id uuid primary key,
  contributor_id uuid not null references partner on delete restrict,
  company_id uuid not null references partner on delete restrict,
  hire_id uuid not null references hire on delete restrict,
  role text not null check (role in ('REFERRED', 'EDUCATED', 'RELAYED', 'PLACED', 'HOSTED', 'HIRED_THROUGH')),
  share numeric(7, 6) not null check (share > 0 and share <= 1),    -- LINEAR
  occurred_at timestamptz not null,
  unique (hire_id, contributor_id, role)
);
create index contribution_by_contributor on contribution (contributor_id, occurred_at desc, id desc);
create index contribution_by_company on contribution (company_id, occurred_at desc, id desc);
create index contribution_by_hire on contribution (hire_id, occurred_at, id);
create index contribution_by_occurred on contribution (occurred_at desc, id desc);

create table contribution_evidence (
  contribution_id uuid not null references contribution on delete cascade,
  event_id uuid not null references outcome_event on delete restrict,
  primary key (contribution_id, event_id)
);
create index contribution_evidence_by_event on contribution_evidence (event_id);

-- How many contributions one partner made to one company, by role: the graph as weights, kept in the writing
-- transaction. Whether a viewer may see a contribution depends on its two ends only, so walks need nothing finer.
create table contribution_link (
  contributor_id uuid not null references partner on delete cascade,
  company_id uuid not null references partner on delete cascade,
  role text not null,
  contributions int not null check (contributions >= 0),
  primary key (contributor_id, company_id, role)
);
create index contribution_link_out on contribution_link (contributor_id, contributions desc, company_id);
create index contribution_link_in on contribution_link (company_id, contributions desc, contributor_id);

create table survey (
  id uuid primary key,
  application_id uuid not null unique references application on delete restrict,
  company_id uuid not null references partner on delete restrict,
  person_id uuid not null references person on delete restrict,
  stage text not null,
  score int check (score between 1 and 5),
  comment_sealed bytea,
  sent_at timestamptz not null,
  answered_at timestamptz
);
create index survey_by_company on survey (company_id);
create index survey_by_person on survey (person_id);

-- Figures by month (Japan) of the start event. `measure` is a KPI's name or a step of the relay funnel
-- (RELAY_SENT, RELAY_OPENED, RELAY_REGISTERED, RELAY_ACCEPTED, RELAY_PLACED; counts in the numerator).
create table kpi_month (
  partner_id uuid not null references partner on delete cascade,
  measure text not null,
  month date not null check (extract(day from month) = 1),
  numerator numeric not null default 0,
  denominator numeric not null default 0,
  revision int not null default 1,
  as_of timestamptz not null,
  primary key (partner_id, measure, month)
);
-- The network's totals, spread over shards so that no writer waits for all others at one row.
create table kpi_network_month (
  measure text not null,
  month date not null check (extract(day from month) = 1),
  shard smallint not null check (shard between 0 and 15),
  numerator numeric not null default 0,
  denominator numeric not null default 0,
  revision int not null default 1,
  as_of timestamptz not null,
  primary key (measure, month, shard)
);

-- ---------------------------------------------------------------------------------------- mail, ats, idempotency

create table rejection_mail (
  id uuid primary key,
  company_id uuid not null references partner on delete cascade,
  language text not null check (language in ('JA', 'EN')),
  subject text not null check (length(subject) between 1 and 200),
  body text not null check (length(body) between 1 and 20000),
  saved_at timestamptz not null,
  unique (company_id, language)
);

-- Mail to be sent. It names its subject and nobody: the courier decrypts the address when it sends.
create table mail (
  id uuid primary key,
  kind text not null check (kind in ('REJECTION', 'RELAY_LINK', 'REFERRAL_CONFIRMATION', 'SURVEY', 'COMPANY_CONFIRMATION', 'SLOT_NOTICE')),
  company_id uuid not null references partner on delete cascade,
  person_id uuid references person on delete cascade,
  invitation_id uuid references relay_invitation on delete cascade,
  referral_id uuid references referral on delete cascade,
  survey_id uuid references survey on delete cascade,
  slot_id uuid references slot on delete cascade,
  language text not null check (language in ('JA', 'EN')),
  status text not null check (status in ('QUEUED', 'SENT', 'FAILED', 'CANCELLED')),
  attempts int not null default 0,
  due_at timestamptz not null,
  sent_at timestamptz,
  failure text
);
create index mail_due on mail (due_at) where status = 'QUEUED';
create index mail_by_company on mail (company_id);
create index mail_by_person on mail (person_id);
create index mail_by_invitation on mail (invitation_id);
create index mail_by_referral on mail (referral_id);
create index mail_by_survey on mail (survey_id);
create index mail_by_slot on mail (slot_id);

create table ats_integration (
  id uuid primary key,
  company_id uuid not null references partner on delete cascade,
  system text not null check (system in ('GREENHOUSE', 'CSV')),
  secret_sealed bytea not null,
  connected_at timestamptz not null,
  last_delivery_at timestamptz,
  unique (company_id, system)
);

-- One delivery as it came, encrypted, before it is applied; after 30 days reduced to its non-personal part.
create table ats_delivery (
  id uuid primary key,
  integration_id uuid not null references ats_integration on delete cascade,
  event_id text not null,
  action text not null,
  sealed bytea,
  person_id uuid references person on delete set null,              -- whom erasure must reach
  received_at timestamptz not null,
  state text not null check (state in ('PENDING', 'APPLIED', 'IGNORED', 'FAILED')),
  attempts int not null default 0,
  applied_at timestamptz,
  failure text,
  unique (integration_id, event_id)
);
create index ats_delivery_pending on ats_delivery (received_at) where state = 'PENDING';
create index ats_delivery_open on ats_delivery (integration_id, state) where state in ('PENDING', 'FAILED');
create index ats_delivery_aged on ats_delivery (received_at) where sealed is not null;
create index ats_delivery_by_person on ats_delivery (person_id);

-- What an ATS calls a thing, and what it is here. Candidates merge there and change ids: applications are the key.
create table ats_candidate (
  company_id uuid not null references partner on delete cascade,
  system text not null,
  external_id text not null,
  person_id uuid not null references person on delete cascade,
  primary key (company_id, system, external_id)
);
create index ats_candidate_by_person on ats_candidate (person_id);

create table idempotency_key (
  client_id text not null,
  client_mutation_id text not null check (length(client_mutation_id) between 1 and 200),
  verb text not null,
  input_hash bytea not null,
  answer jsonb not null,                                            -- ids only: the selection is read anew
  created_at timestamptz not null,
  primary key (client_id, client_mutation_id)
);

create index idempotency_key_by_age on idempotency_key (created_at);

-- ---------------------------------------------------------------------------------------------- who may do what

alter table personal_data enable row level security;
alter table personal_data force row level security;
-- The viewer stands in a transaction-local setting; without one, nothing is visible.
create policy personal_data_read on personal_data for select using (
  partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
  or exists (
    select from provision v
    where v.giver_candidate_id = personal_data.candidate_id and v.ended_at is null
      and v.receiver_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
      and personal_data.item = any (v.items)));
create policy personal_data_insert on personal_data for insert
  with check (partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid);
create policy personal_data_update on personal_data for update
  using (partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid)
  with check (partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid);
create policy personal_data_erase on personal_data for delete
  using (partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid);

-- Erasure (消去): the key first, then every sealed row and every trace in the blind index, whoever owns them.
create function erase_person(erased uuid) returns void
language plpgsql security definer set search_path = pg_catalog, public as $$
declare owner uuid;
begin
  for owner in select distinct c.partner_id from candidate c where c.person_id = erased loop
    perform set_config('kyoso.partner_id', owner::text, true);
    delete from personal_data d where d.person_id = erased and d.partner_id = owner;
  end loop;
  perform set_config('kyoso.partner_id', '', true);
  delete from person_key where person_id = erased;
  delete from person_email where person_id = erased;
  delete from ats_candidate where person_id = erased;
  update ats_delivery set sealed = null where person_id = erased;
  update survey set comment_sealed = null where person_id = erased;
  update provision set ended_at = now() where person_id = erased and ended_at is null;
  update consent set withdrawn_at = now() where person_id = erased and withdrawn_at is null;
  update mail set status = 'CANCELLED' where person_id = erased and status = 'QUEUED';
  update person set erased_at = coalesce(erased_at, now()) where id = erased;
end $$;
revoke all on function erase_person(uuid) from public;
revoke all on function post_transfer() from public;
grant execute on function erase_person(uuid) to kyoso_app;

grant usage on schema public to kyoso_app;
grant select, insert on all tables in schema public to kyoso_app;
-- Append-only for the application, in so many words: ledger_transfer, outcome_event, contribution_evidence.
-- Balances (relay_account) move by the trigger alone; the application may only change the agreement that it follows.
grant update on partner, agreement, candidate, personal_data, job, relay_invitation, handover, referral, application,
  slot, hire, retention_check, contribution_link, survey, kpi_month, kpi_network_month, rejection_mail, mail, ats_integration, ats_delivery, ats_candidate
  to kyoso_app;
grant update (agreement_id) on relay_account to kyoso_app;
grant update (answer) on idempotency_key to kyoso_app;
grant update (withdrawn_at) on consent to kyoso_app;
grant update (ended_at) on provision to kyoso_app;
grant update (person_id) on person_email to kyoso_app;
grant delete on agreement_share, personal_data, community_member, idempotency_key to kyoso_app;

-- Names folded for order and prefix search: width and case by NFKC and lower, katakana as hiragana.
create function fold_name(name text) returns text
language sql immutable parallel safe as $$
  select translate(lower(normalize(name, NFKC)),
    'ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユョヨラリルレロヮワヰヱヲンヴヵヶ',
    'ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろゎわゐゑをんゔゕゖ')
$$;

-- The hire at the end of a path, as a row that leads to it; who may see the hire decides the policy.
create function hire_path(sought uuid) returns table (hire_id uuid)
language sql stable parallel safe as $$ select id from hire where id = sought $$;
