-- What the DataLoaders ask for, and what the mutation writes.

-- name: partners
-- Partners by their ids.
select id, kind, name, slug, prefecture, url, joined_at, corporate_number, license_number, license_expires_on
from partner where id = any(:ids::uuid[]);

-- name: hires
-- Hires by their ids.
select id, decided_at, starts_on from hire where id = any(:ids::uuid[]);

-- name: jobs
-- Jobs by their ids.
select id, title from job where id = any(:ids::uuid[]);

-- name: applications
-- Applications by their ids.
select id, referral_id, hire_id, stage, status, received_at, decided_at from application where id = any(:ids::uuid[]);

-- name: contributions
-- Contributions by their ids.
select id, contributor_id, company_id, hire_id, role, share, occurred_at from contribution where id = any(:ids::uuid[]);

-- name: candidates
-- Candidates of partners for persons, pair by pair.
select c.id, c.partner_id, c.person_id, c.alias
from unnest(:partners::uuid[], :people::uuid[]) as asked (partner_id, person_id) join candidate c using (partner_id, person_id);

-- name: of_referrals
-- The applications of referrals.
select id, referral_id, hire_id, stage, status, received_at, decided_at from application where referral_id = any(:ids::uuid[]);

-- name: links
-- The twenty heaviest neighbours of each of these partners, both ways together.
select c.id as centre_id, l.neighbour_id, l.contributions, array_remove(array[case when l.educated > 0 then 'EDUCATED' end,
  case when l.hired_through > 0 then 'HIRED_THROUGH' end, case when l.hosted > 0 then 'HOSTED' end,
  case when l.placed > 0 then 'PLACED' end, case when l.referred > 0 then 'REFERRED' end,
  case when l.relayed > 0 then 'RELAYED' end], null) as roles
from unnest(:ids::uuid[]) as c (id) cross join lateral (
  select k.neighbour_id, sum(k.contributions)::int as contributions, sum(k.educated) as educated,
    sum(k.hired_through) as hired_through, sum(k.hosted) as hosted, sum(k.placed) as placed, sum(k.referred) as referred,
    sum(k.relayed) as relayed
  from (
    select o.company_id as neighbour_id, o.* from contribution_link o where o.contributor_id = c.id and o.contributions > 0
    union all
    select i.contributor_id, i.* from contribution_link i where i.company_id = c.id and i.contributions > 0
  ) k
  where (:viewer::uuid in (c.id, k.neighbour_id) or k.company_id = any(:sharing::uuid[]))
  group by 1 order by 2 desc, 1 limit 20
) l
order by 1, 3 desc, 2;

-- name: contributions_to
-- The newest contributions to a company's hires.
select id, contributor_id, company_id, hire_id, role, share, occurred_at
from contribution where company_id = :company_id order by occurred_at desc, id desc limit :first;

-- name: referrals_to
-- The newest referrals to a company.
select id, referrer_id, company_id, job_id, person_id, status, submitted_at, confirmed_at
from referral where company_id = :company_id order by submitted_at desc, id desc limit :first;

-- name: months
-- What was counted for a partner, by month.
select measure, month, numerator, denominator from kpi_month
where partner_id = :partner_id and measure = any(:measures::text[]) and month between :first and :last;

-- name: claim!
-- The key of a call.
insert into idempotency_key (client_id, client_mutation_id, verb, input_hash, answer, created_at)
values (:client, :key, 'submit_referral', :hash, '{}', :at);

-- name: answer!
-- What the call led to.
update idempotency_key set answer = jsonb_build_object('referral_id', :referral_id::uuid, 'event_id', :event_id::uuid)
where client_id = :client and client_mutation_id = :key;

-- name: open_job^
-- A job to which anybody may refer.
select id from job where id = :id and company_id = :company_id and status = 'OPEN' and open_to_network;

-- name: person_of$
-- Whose address it is.
select person_id from person_email where email_index = :email_index;

-- name: add_person!
-- A person.
insert into person (id, created_at) values (:id, :at);

-- name: add_key!
-- Their key.
insert into person_key (person_id, sealed) values (:id, :sealed);

-- name: add_email!
-- Their address.
insert into person_email (email_index, person_id) values (:email_index, :id);

-- name: add_candidate!
-- The person as the partner's candidate.
insert into candidate (id, partner_id, person_id, alias, created_at) values (:id, :partner_id, :person_id, :alias, :at);

-- name: add_items!
-- Their personal data.
insert into personal_data (candidate_id, item, partner_id, person_id, sealed, recorded_at)
select :candidate_id, i.item, :partner_id, :person_id, i.sealed, :at from unnest(:items::text[], :sealed::bytea[]) as i (item, sealed);

-- name: submit^
-- The referral.
insert into referral (id, referrer_id, company_id, job_id, person_id, status, relationship, submitted_at, confirm_by)
values (:id, :referrer_id, :company_id, :job_id, :person_id, 'SUBMITTED', :relationship, :at, :confirm_by)
returning id, company_id, job_id, person_id, status, submitted_at, confirmed_at;

-- name: ask!
-- The mail that asks the candidate.
insert into mail (id, kind, company_id, person_id, referral_id, language, status, due_at)
values (:id, 'REFERRAL_CONFIRMATION', :company_id, :person_id, :referral_id, 'JA', 'QUEUED', :at);

-- name: tell^
-- The event.
insert into outcome_event (id, kind, category, occurred_at, recorded_at, reported_by, source, company_id, parties, referral_id)
values (:id, 'REFERRAL_SUBMITTED', 'REFERRALS', :at, :at, :by, 'API', :company_id, :parties, :referral_id)
returning id, kind, occurred_at;
