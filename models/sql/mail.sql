-- name: claim^
-- The mail that is due longest, lent to whoever sends it: not sent by then, it is due again.
with next as (
  select id from mail where status = 'QUEUED' and due_at <= now() order by due_at, id limit 1 for update skip locked
)
update mail m set attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => :lease_seconds)
from next where m.id = next.id
returning m.id, m.kind, m.company_id, m.person_id, m.invitation_id, m.referral_id, m.survey_id, m.slot_id, m.joining_id,
  m.language, m.attempts;

-- name: wait_a_day$
-- Puts a mail off by a day, as if it had not been tried, when so many went to its person since yesterday.
update mail set due_at = clock_timestamp() + interval '1 day', attempts = attempts - 1
where id = :id and status = 'QUEUED' and :most <= (
  select count(*) from mail o
  where o.person_id = :person_id and o.status = 'SENT' and o.sent_at > clock_timestamp() - interval '1 day')
returning id;

-- name: stands$
-- A mail is still to be sent, and lent to nobody since.
select true from mail where id = :id and status = 'QUEUED' and attempts = :attempts;

-- name: facts^
-- What a letter says besides the addressee's own data: who writes, and about what.
select c.name as company, c.slug, c.url, coalesce(r.referrer_id, m.company_id) as keeper_id,
  coalesce(rp.legal_name, rp.name) as referrer, rj.title as referred_job, r.confirm_by,
  i.expires_at as url_until, i.waiting_for = 'AGENCY' as no_agency, i.company_confirm_by, i.rejected_at,
  aj.title as job, a.status as application_status, s.expires_at as slot_until, ag.name as agency,
  (select count(*) from slot o
    where o.company_id = s.company_id and o.agency_id = s.agency_id and (o.status = 'AVAILABLE' or o.id = s.id)
      and (o.expires_at at time zone 'Asia/Tokyo')::date = (s.expires_at at time zone 'Asia/Tokyo')::date) as slots,
  coalesce(jo.email, me.email) as addressee, me.name as called, jo.expires_at as joining_until,
  coalesce((select k.may_mail from candidate k
    where k.partner_id = coalesce(r.referrer_id, m.company_id) and k.person_id = m.person_id), true) as may_mail
from mail m join partner c on c.id = m.company_id
left join referral r on r.id = m.referral_id left join partner rp on rp.id = r.referrer_id left join job rj on rj.id = r.job_id
left join relay_invitation i on i.id = m.invitation_id
left join survey v on v.id = m.survey_id
left join application a on a.id = coalesce(i.application_id, v.application_id) left join job aj on aj.id = a.job_id
left join slot s on s.id = m.slot_id left join partner ag on ag.id = s.agency_id
left join joining jo on jo.id = m.joining_id
left join member me on me.id = m.member_id and me.disabled_at is null
where m.id = :id;

-- name: staff
-- Who reads a company's mail: its people who work with candidates.
select email from member where partner_id = :company_id and role in ('ADMIN', 'RECRUITER') and disabled_at is null order by email;

-- name: sent$
-- A mail is out, unless it was cancelled meanwhile.
update mail set status = 'SENT', sent_at = clock_timestamp(), failure = null where id = :id and status = 'QUEUED' returning true;

-- name: failed!
-- A mail that could not be sent: tried again later, or given up.
update mail set status = :status, failure = :failure, due_at = :due_at where id = :id and status = 'QUEUED';

-- name: of_person
-- Every mail that was written to a person, by one company or by all, for the files that erasure must reach.
select id from mail where person_id = :person_id and (:company_id::uuid is null or company_id = :company_id) order by id;

-- name: rejection_words^
-- The company's own rejection mail in one language.
select subject, body from rejection_mail where company_id = :company_id and language = :language;
