-- name: standing^
-- What decides whether a partner may refer to a company (and job, and from a handover), and under which agreement.
select r.kind as referrer_kind, r.affiliation, r.company_id as belongs_to, c.kind as company_kind,
  j.company_id as job_company_id, j.status as job_status, coalesce(j.open_to_network, false) as open_to_network,
  h.agency_id, h.status as handover_status, h.person_id as handover_person_id, a.id as agreement_id, a.kind as agreement_kind
from partner r
left join partner c on c.id = :company_id
left join job j on j.id = :job_id
left join handover h on h.id = :handover_id
left join lateral (
  select g.id, g.kind
  from agreement g
  join agreement_party x on x.agreement_id = g.id and x.partner_id = :referrer_id
  join agreement_party y on y.agreement_id = g.id and y.partner_id = :company_id
  where in_force(g.id)
  order by g.kind = case r.kind when 'COMMUNITY' then 'JOINT_PROJECT' when 'COMPANY' then 'ALLIANCE' else 'SUCCESS_FEE' end desc,
    g.accepted_at
  limit 1
) a on true
where r.id = :referrer_id;

-- name: submit^
-- A candidate kept as `candidate.keep` keeps one, and a referral that waits for them, the mail that asks them, and its
-- event with the wake-up (as `outbox.publish` writes it, without a way of its own); without `event_id` when the referrer
-- made it before. So many mails a day at most, whoever refers: the mails after that wait a day each, and nobody is told why.
with kept as materialized (
  select candidate_id, person_id, sealed_key
  from keep_candidate(:partner_id, :known_person, :email_index, :fresh_person, :fresh_key, :fresh_candidate, :alias, :at)
), items as (
  insert into personal_data (candidate_id, item, addressee_id, partner_id, person_id, sealed, recorded_at)
  select k.candidate_id, i.item, i.addressee_id, :partner_id, k.person_id, i.sealed, :at
  from kept k cross join unnest(:items::text[], :addressees::uuid[], :sealed::bytea[]) as i (item, addressee_id, sealed)
  where k.person_id = :fresh_person
), submitted as (
  insert into referral (id, referrer_id, company_id, job_id, person_id, status, relationship, role, submitted_at, confirm_by, origin_id)
  select :id, :partner_id, :company_id, :job_id, k.person_id, 'SUBMITTED', :relationship, :role, :at, :confirm_by, :origin_id
  from kept k
  on conflict (referrer_id, company_id, person_id) do nothing
  returning id, person_id
), asked as (
  insert into mail (id, kind, company_id, person_id, referral_id, language, status, due_at)
  select :mail_id, 'REFERRAL_CONFIRMATION', :company_id, s.person_id, s.id, :language, 'QUEUED', clock_timestamp() + make_interval(days => (
      select (count(*) / :most_a_day::int)::int from mail m
      where m.person_id = s.person_id and m.kind = 'REFERRAL_CONFIRMATION'
        and (m.status = 'QUEUED' or (m.status = 'SENT' and m.sent_at > clock_timestamp() - interval '1 day'))))
  from submitted s
), told as (
  insert into outcome_event (id, kind, category, occurred_at, recorded_at, reported_by, source, source_event_id,
    company_id, parties, referral_id)
  select :event_id, :event_kind, :category, :at, clock_timestamp(), :reported_by, :source, :source_event_id,
    :company_id, :parties, id
  from submitted
  where pg_current_xact_id() is not null
  returning id
)
select k.candidate_id, k.person_id, k.sealed_key, woken.id as event_id
from kept k left join (
  select told.id from told cross join lateral (select pg_notify('kyoso_outbox', '') where told.id is not null) woken
) woken on true;

-- name: hold^
-- A referral as it stands, held until the transaction ends.
select id, referrer_id, company_id, job_id, person_id, status, confirm_by, origin_id from referral where id = :id for update;

-- name: items_of
-- What of a person a referral gives: what they consented to; before that, what of these items the referrer keeps.
select d.item from personal_data d
where :consent_id::uuid is null and d.partner_id = :referrer_id and d.person_id = :person_id and d.item = any(:items::text[])
  and (d.addressee_id is null or d.addressee_id = :company_id)
union all
select unnest(c.items) from consent c where c.id = :consent_id;

-- name: confirm!
-- The candidate has confirmed, by a consent where there was one to give.
update referral set status = 'CONFIRMED', confirmed_at = :at, closed_at = null, consent_id = coalesce(:consent_id, consent_id)
where id = :id;

-- name: decline!
-- The candidate has said no.
update referral set status = 'DECLINED', closed_at = :at where id = :id;

-- name: expire_waiting
-- Referrals that the candidate left unanswered for too long end.
update referral set status = 'EXPIRED', closed_at = :now
where id in (select id from referral where status = 'SUBMITTED' and confirm_by <= :now
  order by confirm_by limit :most for update skip locked)
returning id;

-- name: cancel_mail!
-- What was not sent yet need not be asked any more.
update mail set status = 'CANCELLED' where referral_id = any(:ids::uuid[]) and kind = 'REFERRAL_CONFIRMATION' and status = 'QUEUED';
