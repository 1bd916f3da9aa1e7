-- What the mutation of the bench wrote, by whom it was referred to whom and since when. Nobody else refers from one to
-- the other while the bench runs. Read and taken away by a login that may pass row-level security.

-- name: now$
-- The database's clock.
select clock_timestamp();

-- name: people
-- The people who were referred, and known to nobody before.
select r.person_id from referral r join person p on p.id = r.person_id
where r.referrer_id = :referrer_id and r.company_id = :company_id and r.submitted_at >= :since and p.created_at >= :since;

-- name: rows^
-- How many rows of each table.
select
  (select count(*)::int from referral where person_id = any(:people::uuid[])) as referral,
  (select count(*)::int from person where id = any(:people::uuid[])) as person,
  (select count(*)::int from person_key where person_id = any(:people::uuid[])) as person_key,
  (select count(*)::int from person_email where person_id = any(:people::uuid[])) as person_email,
  (select count(*)::int from candidate where person_id = any(:people::uuid[])) as candidate,
  (select count(*)::int from personal_data where person_id = any(:people::uuid[])) as personal_data,
  (select count(*)::int from mail where person_id = any(:people::uuid[])) as mail,
  (select count(*)::int from outcome_event e join referral r on r.id = e.referral_id
    where r.person_id = any(:people::uuid[])) as outcome_event,
  (select count(*)::int from idempotency_key where verb = 'submit_referral' and created_at >= :since
    and answer ->> 'referral_id' is not null) as idempotency_key;

-- name: remove_unchecked!
-- Until the transaction ends nobody looks for rows that point to those which are taken away: there are none, since all
-- were written just now, and without an index it takes a walk through every event for each.
set local session_replication_role = replica;

-- name: remove_idempotency_key!
delete from idempotency_key k using referral r
where k.verb = 'submit_referral' and k.created_at >= :since and k.answer ->> 'referral_id' = r.id::text
  and r.person_id = any(:people::uuid[]);

-- name: remove_mail!
delete from mail where person_id = any(:people::uuid[]);

-- name: remove_outcome_event!
delete from outcome_event e using referral r
where r.id = e.referral_id and r.person_id = any(:people::uuid[]);

-- name: remove_referral!
delete from referral where person_id = any(:people::uuid[]);

-- name: remove_personal_data!
delete from personal_data where person_id = any(:people::uuid[]);

-- name: remove_candidate!
delete from candidate where person_id = any(:people::uuid[]);

-- name: remove_person_key!
delete from person_key where person_id = any(:people::uuid[]);

-- name: remove_person_email!
delete from person_email where person_id = any(:people::uuid[]);

-- name: remove_person!
delete from person where id = any(:people::uuid[]);

-- name: remove_client!
-- The bench's own client, with whatever it was given.
delete from oauth_client where client_id = :client_id;
