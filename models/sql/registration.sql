-- name: add_handover!
-- One rejected candidate, registered with one agency.
insert into handover (id, invitation_id, application_id, company_id, agency_id, person_id, agreement_id, consent_id, status, registered_at, answer_by)
values (:id, :invitation_id, :application_id, :company_id, :agency_id, :person_id, :agreement_id, :consent_id, 'REGISTERED', :at, :answer_by);

-- name: add_relayed_referral$
-- The rejecting company's referral to a partner company, confirmed by the candidate's own tick; null if there was one before.
insert into referral (id, referrer_id, company_id, person_id, status, role, submitted_at, confirmed_at, consent_id)
values (:id, :referrer_id, :company_id, :person_id, 'CONFIRMED', 'RELAYED', :at, :at, :consent_id)
on conflict (referrer_id, company_id, person_id) do nothing
returning id;

-- name: agencies_to_choose
-- Agencies that may help a candidate of this company, by name; chosen: this invitation led there, and it stands.
select o.id, o.name, o.detail, o.agreement_id, o.silence_days,
  exists (select from handover h where h.invitation_id = :invitation_id and h.agency_id = o.id
    and h.status not in ('WITHDRAWN', 'REVERSED')) as chosen
from relay_agencies(:company_id, :at) o order by o.sort_name, o.id;

-- name: companies_to_choose
-- Partner companies that may like to meet a candidate of this company, by name.
select o.id, o.name, o.detail, o.agreement_id, o.silence_days,
  exists (select from referral r where r.referrer_id = :company_id and r.company_id = o.id and r.person_id = :person_id) as chosen
from relay_companies(:company_id, :at) o order by o.sort_name, o.id;
