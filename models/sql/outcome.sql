-- name: before_hire^
-- What a hire of this application will move: the slot reserved for it, and the handover it grew from.
select r.origin_id as handover_id,
  (select s.id from slot s where s.application_id = a.id and s.status = 'RESERVED') as slot_id
from application a left join referral r on r.id = a.referral_id where a.id = :application_id;

-- name: reserved_slot$
-- The slot that is reserved for an application.
select id from slot where application_id = :application_id and status = 'RESERVED';

-- name: link_slot!
-- A reserved slot's hire.
update slot set hire_id = :hire_id where id = :slot_id;

-- name: started$
-- Whether a hire's first working day has come in Japan.
select starts_on <= (:at::timestamptz at time zone 'Asia/Tokyo')::date from hire where id = :hire_id;

-- name: hire^
-- Whose hire it is, and which slot paid for it; not held.
select h.company_id, s.id as slot_id from hire h left join slot s on s.hire_id = h.id where h.id = :id;

-- name: hire_on_day^
-- A held hire with the answer of that day so far, whether another day's cannot be true beside the new one, and whether
-- its slot was redeemed and partly given back. Whoever has left is not employed later, and left in one way.
select h.application_id, s.id as slot_id, h.starts_on, h.reverted_at, s.status = 'REDEEMED' as redeemed,
  (select c.status from retention_check c where c.hire_id = h.id and c.day = :day) as known,
  exists (select from retention_check c
    where c.hire_id = h.id and c.day <> :day and c.status <> :status and 'UNKNOWN' not in (c.status, :status)
      and not (c.day < :day and c.status = 'EMPLOYED' or c.day > :day and :status = 'EMPLOYED')) as contradicted,
  exists (select from ledger_transfer t where t.slot_id = s.id and t.kind = 'RESTORE') as restored
from hire h left join slot s on s.hire_id = h.id where h.id = :id;

-- name: record_retention!
-- The answer of one day; a later one corrects it.
insert into retention_check (hire_id, day, status, checked_at) values (:hire_id, :day, :status, :at)
on conflict (hire_id, day) do update set status = excluded.status, checked_at = excluded.checked_at;

-- name: person_of$
-- Who applied.
select person_id from application where id = :application_id;

-- name: add_survey$
-- The survey of an application's decision, unless it was asked before; one whose mail was cancelled is asked anew.
insert into survey as s (id, application_id, company_id, person_id, stage, decision)
select :id, a.id, a.company_id, a.person_id, a.stage, a.status from application a where a.id = :application_id
on conflict (application_id) do update set stage = excluded.stage, decision = excluded.decision
where s.sent_at is null and not exists (select from mail m where m.survey_id = s.id and m.status = 'QUEUED')
returning id;

-- name: queue_survey!
-- The mail that asks, in the language in which its person consented last.
insert into mail (id, kind, company_id, person_id, survey_id, language, status, due_at)
select :id, 'SURVEY', s.company_id, s.person_id, s.id,
  coalesce((select c.language from consent c where c.person_id = s.person_id order by c.given_at desc, c.id desc limit 1), 'JA'),
  'QUEUED', :due
from survey s where s.id = :survey_id;

-- name: cancel_survey!
-- The decision was taken back: nobody asks about it.
update mail m set status = 'CANCELLED' from survey s
where s.application_id = :application_id and m.survey_id = s.id and m.status = 'QUEUED';

-- name: survey_sent!
-- The letter is out.
update survey set sent_at = clock_timestamp() where id = :id and sent_at is null;

-- name: answer_survey$
-- The answer, given once. Whoever answers has the letter, noted or not; an erased person's words are kept no more.
with asked as (
  select p.id from survey s join person p on p.id = s.person_id where s.id = :id and p.erased_at is null for share of p
)
update survey set score = :score, comment_sealed = :comment_sealed, answered_at = clock_timestamp(),
  sent_at = coalesce(sent_at, clock_timestamp())
from asked where survey.id = :id and answered_at is null returning survey.id;

-- name: decision_known$
-- Whether this very decision is on record.
select exists (select from outcome_event where application_id = :application_id and kind = :kind and occurred_at = :at);
