-- name: lock^
-- An invitation, held.
select id, company_id, person_id, application_id, status, waiting_for, rejected_at, sent_at, opened_at, expires_at, revoked_at,
  company_confirm_by, company_confirmed_at
from relay_invitation where id = :id for update;

-- name: find^
-- An invitation as it stands, not held.
select id, company_id, person_id, application_id, status, waiting_for, rejected_at, sent_at, opened_at, expires_at, revoked_at,
  company_confirm_by, company_confirmed_at
from relay_invitation where id = :id;

-- name: rejected_application^
-- An application that was rejected, and when.
select id, company_id, person_id, decided_at from application where id = :application_id and status = 'REJECTED';

-- name: invite$
-- One invitation per rejected application; a rejection said anew starts its invitation anew.
insert into relay_invitation (id, company_id, person_id, application_id, status, waiting_for, rejected_at, expires_at)
values (:id, :company_id, :person_id, :application_id, 'QUEUED', :waiting_for, :rejected_at, :expires_at)
on conflict (application_id) do update set status = 'QUEUED', waiting_for = excluded.waiting_for, rejected_at = excluded.rejected_at,
  expires_at = excluded.expires_at, sent_at = null, opened_at = null, revoked_at = null
where relay_invitation.revoked_at is not null
returning id;

-- name: of_application$
-- The invitation of an application.
select id from relay_invitation where application_id = :application_id;

-- name: invite_unmatched!
-- An invitation that came by the company URL and found no rejection: the company is asked.
insert into relay_invitation (id, company_id, person_id, status, waiting_for, rejected_at, expires_at, company_confirm_by)
values (:id, :company_id, :person_id, 'QUEUED', 'COMPANY', :at, :expires_at, :confirm_by);

-- name: latest_rejection$
-- The application of this person that this company rejected last, within the life of a URL.
select id from application
where company_id = :company_id and person_id = :person_id and status = 'REJECTED' and decided_at > :since
order by decided_at desc, id desc limit 1;

-- name: open_unmatched$
-- The unmatched invitation of this person that still runs, if there is one.
select id from relay_invitation
where company_id = :company_id and person_id = :person_id and application_id is null and revoked_at is null and expires_at > :at
order by rejected_at desc limit 1;

-- name: reach^
-- Whether the viewer of personal data keeps an address of this person, or was provided with one, and may write there.
select coalesce(bool_or(
    exists (select from personal_data d where d.candidate_id = c.id and d.item = 'EMAIL')
    or exists (
      select from provision v join personal_data g on g.candidate_id = v.giver_candidate_id and g.item = 'EMAIL'
      where v.receiver_candidate_id = c.id and v.ended_at is null)), false) as has_address,
  coalesce(bool_and(c.may_mail), true) as may_mail
from candidate c where c.partner_id = :company_id and c.person_id = :person_id;

-- name: allow
-- Whether a company may write to these persons from now on; those of whom that is new.
update candidate c set may_mail = a.may_mail
from unnest(:person_ids::uuid[], :may::boolean[]) as a (person_id, may_mail)
where c.partner_id = :company_id and c.person_id = a.person_id and c.may_mail <> a.may_mail
returning c.person_id, c.may_mail;

-- name: cancel_mails_to!
-- A company's mails to these persons that wait are not sent; an invitation that one was to bring waits for an address.
with cancelled as (
  update mail set status = 'CANCELLED'
  where company_id = :company_id and person_id = any(:person_ids::uuid[]) and status = 'QUEUED'
    and kind in ('REJECTION', 'RELAY_LINK', 'SURVEY')
  returning invitation_id, kind
)
update relay_invitation i set waiting_for = 'EMAIL' from cancelled c
where i.id = c.invitation_id and c.kind = 'REJECTION' and i.status = 'QUEUED';

-- name: anybody_to_choose$
-- Whether the page would list anybody: an agency or a partner company.
select exists (select from relay_agencies(:company_id, :at)) or exists (select from relay_companies(:company_id, :at));

-- name: address_known!
-- An invitation that waited for an address waits no more.
update relay_invitation set waiting_for = null where id = :id and waiting_for = 'EMAIL';

-- name: waiting_for_address
-- Invitations of these persons that wait for an address.
select id, person_id from relay_invitation
where company_id = :company_id and person_id = any(:person_ids::uuid[]) and waiting_for = 'EMAIL' and revoked_at is null and expires_at > :at
order by id for update;

-- name: wait_for!
-- What an invitation waits for; null when nothing holds it.
update relay_invitation set waiting_for = :waiting_for where id = :id;

-- name: queue!
-- A mail to be sent; it names its subject and nobody.
insert into mail (id, kind, company_id, person_id, invitation_id, language, status, due_at)
values (:id, :kind, :company_id, :person_id, :invitation_id, :language, 'QUEUED', :at);

-- name: links_lately^
-- Whether the URL of this invitation waits or was sent since then, and how many URLs went to this person in a day.
select coalesce(bool_or(invitation_id = :invitation_id and (status = 'QUEUED' or (status = 'SENT' and sent_at > :since))), false) as again,
  count(*) filter (where status = 'QUEUED' or (status = 'SENT' and sent_at > :day)) as today
from mail where person_id = :person_id and kind = 'RELAY_LINK';

-- name: mark_sent!
-- The mail with the URL went out; the URL lives from then.
update relay_invitation set status = case when status = 'QUEUED' then 'SENT' else status end, sent_at = :at, expires_at = :expires_at
where id = :id;

-- name: mark_bounced!
-- The mail could not be delivered.
update relay_invitation set status = 'BOUNCED' where id = :id and status in ('QUEUED', 'SENT');

-- name: mark_opened!
-- The candidate pressed Continue for the first time.
update relay_invitation set status = 'OPENED', opened_at = :at where id = :id;

-- name: mark_registered!
-- The candidate registered somewhere through this invitation.
update relay_invitation set status = 'REGISTERED' where id = :id;

-- name: revoke!
-- The rejection was taken back: the URL is dead.
update relay_invitation set revoked_at = :at where id = :id and revoked_at is null;

-- name: cancel_mails!
-- Mails about this invitation that wait are not sent.
update mail set status = 'CANCELLED' where invitation_id = :id and status = 'QUEUED';

-- name: confirm!
-- The company says that this person was rejected.
update relay_invitation set company_confirmed_at = :at, waiting_for = null where id = :id;

-- name: expire_due
-- URLs past their last day that nobody registered through.
update relay_invitation set status = 'EXPIRED'
where id in (
  select id from relay_invitation where expires_at <= :now and status in ('QUEUED', 'SENT', 'BOUNCED', 'OPENED')
  order by expires_at limit :most for update skip locked)
returning id;
