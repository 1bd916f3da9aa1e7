-- name: consent$
-- What a person allows; nothing when they were erased.
insert into consent (id, person_id, asked_by, recipient_id, purpose, items, text_version, language, given_at)
select :id, p.id, :asked_by, :recipient_id, :purpose, :items::text[], :text_version, :language, :at
from person p where p.id = :person_id and p.erased_at is null
returning id;

-- name: hold_agreement!
-- Nobody ends or suspends an agreement before the provision that rests on it is written. What it gives is asked after
-- this, or it could be out of date.
select from agreement where id = :agreement_id for share;

-- name: lock_consent^
-- A consent as it stands, held until the transaction ends, as its person is, with what a provision under it needs.
select c.person_id, c.recipient_id, c.items, c.withdrawn_at is not null or p.erased_at is not null as withdrawn,
  exists (select from candidate g where g.partner_id = :giver_id and g.person_id = c.person_id) as giver_knows,
  :agreement_id::uuid is null or (in_force(:agreement_id)
    and 2 = (select count(*) from agreement_party t
      where t.agreement_id = :agreement_id and t.partner_id in (:giver_id, :receiver_id))) as agreed
from consent c join person p on p.id = c.person_id where c.id = :consent_id
for share;

-- name: provide^
-- Starts a provision: the record of it, and the receiver's own candidate. Nothing when it was provided before.
insert into provision (id, consent_id, agreement_id, person_id, giver_id, receiver_id, giver_candidate_id,
  receiver_candidate_id, items, provided_at)
select :id, c.id, :agreement_id, c.person_id, :giver_id, :receiver_id, g.id,
  candidate_of(:receiver_id, c.person_id, :fresh_candidate, :alias, :at), c.items, :at
from consent c join candidate g on g.partner_id = :giver_id and g.person_id = c.person_id
where c.id = :consent_id
on conflict (consent_id, receiver_id, items) do nothing
returning id, receiver_candidate_id;

-- name: provision_of^
-- The provision that a consent started.
select p.id, p.receiver_candidate_id from provision p join consent c on c.id = p.consent_id and c.items = p.items
where p.consent_id = :consent_id and p.receiver_id = :receiver_id;

-- name: withdraw
-- Ends one consent of a person, or all, with every provision that rests on them.
with ended as (
  update consent set withdrawn_at = :at
  where person_id = :person_id and (:consent_id::uuid is null or id = :consent_id) and withdrawn_at is null
  returning id
), stopped as (
  update provision set ended_at = :at where consent_id in (select id from ended) and ended_at is null
)
select id from ended order by id;

-- name: records
-- What was provided about a person, to whom and when (提供記録), and what they allowed of which nothing was provided so far;
-- newest first.
select c.id as consent_id, coalesce(p.giver_id, c.asked_by) as giver_id, g.name as giver, r.id as receiver_id, r.name as receiver,
  c.purpose, coalesce(p.items, c.items) as items, c.given_at, p.provided_at, coalesce(p.ended_at, c.withdrawn_at) as ended_at
from consent c left join provision p on p.consent_id = c.id
join partner g on g.id = coalesce(p.giver_id, c.asked_by) join partner r on r.id = coalesce(p.receiver_id, c.recipient_id)
where c.person_id = :person_id
order by coalesce(p.provided_at, c.given_at) desc, c.id desc, p.id desc;
