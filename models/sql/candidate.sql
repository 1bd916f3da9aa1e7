-- name: keep
-- Candidates of partners and the keys of the people behind them; who is new is made, with their items.
with kept as materialized (
  select w.place, w.partner_id, w.fresh_person, w.at, k.candidate_id, k.person_id, k.sealed_key
  from json_to_recordset(:people) as w (place int, partner_id uuid, known_person uuid, email_index bytea, fresh_person uuid,
    fresh_key bytea, fresh_candidate uuid, alias text, at timestamptz)
  cross join lateral keep_candidate(w.partner_id, w.known_person, w.email_index, w.fresh_person, w.fresh_key, w.fresh_candidate,
    w.alias, w.at) k
), written as (
  insert into personal_data (candidate_id, item, addressee_id, partner_id, person_id, sealed, recorded_at)
  select k.candidate_id, i.item, i.addressee_id, k.partner_id, k.person_id, i.sealed, k.at
  from kept k
  join unnest(:of::uuid[], :items::text[], :addressees::uuid[], :sealed::bytea[]) as i (person_id, item, addressee_id, sealed)
    on i.person_id = k.person_id and i.person_id = k.fresh_person
)
select place, candidate_id, person_id, sealed_key from kept;

-- name: keep_items!
-- Sealed items of candidates whose person is known: new ones are added, known ones replaced.
insert into personal_data (candidate_id, item, addressee_id, partner_id, person_id, sealed, recorded_at)
select i.candidate_id, i.item, i.addressee_id, i.partner_id, i.person_id, i.sealed, i.at
from json_to_recordset(:items) as i (candidate_id uuid, item text, addressee_id uuid, partner_id uuid, person_id uuid,
  sealed bytea, at timestamptz)
on conflict (candidate_id, item, addressee_id) do update set sealed = excluded.sealed, recorded_at = excluded.recorded_at;

-- name: view_as!
-- Who is looking at personal data until the transaction ends.
select set_config('kyoso.partner_id', :partner_id::uuid::text, true);

-- name: items_of
-- Sealed items that a partner may open for these of its candidates: its own copy first, then what was provided.
select c.id as candidate_id, d.candidate_id as source_id, d.person_id, d.item, d.addressee_id, d.sealed, k.sealed as sealed_key
from candidate c
cross join lateral (
  select o.candidate_id, o.person_id, o.item, o.addressee_id, o.sealed, o.recorded_at, 0 as rank
  from personal_data o where o.candidate_id = c.id
  union all
  select g.candidate_id, g.person_id, g.item, g.addressee_id, g.sealed, g.recorded_at, 1
  from provision v join personal_data g on g.candidate_id = v.giver_candidate_id
  where v.receiver_candidate_id = c.id and v.ended_at is null
) d
join person_key k on k.person_id = d.person_id
where c.partner_id = :partner_id
  and (c.id = any(:candidate_ids::uuid[]) or c.person_id = :person_id)
order by c.id, d.rank, d.recorded_at desc, d.item;

-- name: is_address_of$
-- Whether an address is the person's own, and no mere claim of a partner.
select exists (select from person_email where email_index = :email_index and person_id = :person_id);

-- name: candidate_of$
-- One partner's candidate for a person.
select id from candidate where partner_id = :partner_id and person_id = :person_id;

-- name: erase!
-- Erases a person everywhere, and what ATSs told of them until now counts no more, whenever it is applied.
with told as (
  insert into ats_forgotten (company_id, system, external_id, forgotten_at)
  select company_id, system, external_id, clock_timestamp() from ats_candidate where person_id = :person_id
  on conflict (company_id, system, external_id) do update
  set forgotten_at = greatest(ats_forgotten.forgotten_at, excluded.forgotten_at)
)
select erase_person(:person_id);

-- name: forget!
-- One partner forgets a person, and by which further addresses it knew them; nobody else knowing them, they are erased.
select forget_candidate(:partner_id, :person_id);

-- name: lock_people
-- Nobody becomes a candidate of these persons, nor brings a new address for them, until the transaction ends.
select p.id from person p where p.id = any(:person_ids::uuid[]) and p.erased_at is null order by p.id for update;

-- name: knows_alone^
-- Whether two persons may become one on this partner's word: nobody else knows the one who goes; and either they
-- never gave an address, or nobody else knows the one who stays either.
select
  (select id from candidate where partner_id = :partner_id and person_id = :keep) as keep_candidate,
  (select id from candidate where partner_id = :partner_id and person_id = :drop) as drop_candidate,
  not exists (select from candidate where person_id = :drop and partner_id not in (select house_of(:partner_id)))
  and not exists (select from consent where person_id = :drop)
  and (not exists (select from person_email where person_id = :drop)
    or not exists (select from candidate where person_id = :keep and partner_id not in (select house_of(:partner_id)))) as alone;

-- name: hand_over_referrals
-- Referrals of one person are of the other from now on, unless the referrer recommended that one too.
update referral r set person_id = :keep where r.person_id = :drop and not exists (
  select from referral o where o.referrer_id = r.referrer_id and o.company_id = r.company_id and o.person_id = :keep)
returning r.referrer_id;

-- name: hand_over_rows!
-- Everything that stands under one person stands under the other from now on, but for personal data. Their addresses
-- become this partner's claims, unless the other has none.
with a as (update application set person_id = :keep where person_id = :drop),
  b as (update relay_invitation set person_id = :keep where person_id = :drop),
  c as (update hire set person_id = :keep where person_id = :drop),
  d as (update survey set person_id = :keep where person_id = :drop),
  e as (update mail set person_id = :keep where person_id = :drop),
  f as (update ats_candidate set person_id = :keep where person_id = :drop),
  g as (update ats_delivery set person_id = :keep where person_id = :drop),
  h as (update person_email_claim set person_id = :keep where person_id = :drop),
  j as (
    update candidate k set may_mail = false from candidate d
    where k.partner_id = :partner_id and k.person_id = :keep and d.partner_id = :partner_id and d.person_id = :drop and not d.may_mail
  ),
  i as (
    insert into person_email_claim (partner_id, email_index, person_id)
    select :partner_id, e.email_index, :keep from person_email e
    where e.person_id = :drop and exists (select from person_email k where k.person_id = :keep)
    on conflict (partner_id, email_index) do nothing
  )
update person_email set person_id = :keep
where person_id = :drop and not exists (select from person_email k where k.person_id = :keep);

-- name: drop_items!
-- Some items of a candidate's personal data go; row-level security keeps this to the viewer's own.
delete from personal_data d using candidate c
where c.id = d.candidate_id and c.partner_id = :company_id and c.person_id = :person_id and d.item = any(:items::text[]);
