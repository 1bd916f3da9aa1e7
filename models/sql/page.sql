-- name: invitation^
-- What the page of a personal URL says before anything is held or changed.
select i.id, i.company_id, i.person_id, i.application_id, i.status, i.waiting_for, i.rejected_at, i.sent_at, i.opened_at, i.expires_at,
  i.revoked_at, i.company_confirm_by, i.company_confirmed_at, c.name as company,
  (i.expires_at <= now() or i.revoked_at is not null or i.status = 'EXPIRED') as dead, p.erased_at is not null as erased,
  exists (select from provision v where v.person_id = i.person_id) as provided,
  array(select e.email_index from person_email e where e.person_id = i.person_id) as addresses,
  (select k.id from candidate k where k.partner_id = i.company_id and k.person_id = i.person_id) as candidate_id
from relay_invitation i join partner c on c.id = i.company_id join person p on p.id = i.person_id
where i.id = :id;

-- name: company^
-- A company by its slug.
select id, name from partner where slug = :slug and kind = 'COMPANY';

-- name: confirmation^
-- What a company is asked about a registration through its own URL.
select i.id, i.company_id, i.person_id, i.rejected_at as came_at, i.company_confirm_by, i.company_confirmed_at, c.name as company,
  i.company_confirm_by <= now() as over
from relay_invitation i join partner c on c.id = i.company_id
where i.id = :id and i.application_id is null and i.revoked_at is null;

-- name: referral^
-- What a candidate is asked about a referral: by whom, to whom, for which job. Their referrer's name is theirs to know.
select r.id, r.person_id, r.referrer_id, r.company_id, r.consent_id, r.status, r.confirm_by, c.name as company,
  coalesce(p.legal_name, p.name) as referrer, j.title as job, r.confirm_by <= now() as over,
  array(select e.email_index from person_email e where e.person_id = r.person_id) as addresses,
  (select k.id from candidate k where k.partner_id = r.referrer_id and k.person_id = r.person_id) as candidate_id
from referral r join partner c on c.id = r.company_id join partner p on p.id = r.referrer_id left join job j on j.id = r.job_id
where r.id = :id;

-- name: survey^
-- What a candidate is asked about a selection.
select s.id, s.answered_at, c.name as company
from survey s join partner c on c.id = s.company_id join person p on p.id = s.person_id and p.erased_at is null
where s.id = :id;

-- name: person^
-- Whose page it is: the whole of it, for letters to these addresses, or the part of it that one partner gave.
select p.id, p.erased_at is not null as erased, c.partner_id as given_by,
  array(select e.email_index from person_email e where e.person_id = p.id) as addresses
from (
  select :id::uuid as person_id, null::uuid as partner_id
  union all select person_id, partner_id from candidate where id = :candidate_id
) c join person p on p.id = c.person_id;
