-- name: claim$
-- True when the key is new, and taken now with the ids that the verb led to. A concurrent claim of the same key waits
-- for this transaction to end.
insert into idempotency_key (client_id, client_mutation_id, verb, input_hash, answer, created_at)
values (:client_id, :client_mutation_id, :verb, :input_hash, :answer::text::jsonb, now())
on conflict do nothing
returning true;

-- name: find^
-- What a key was used for, and the ids it led to.
select verb, input_hash, answer from idempotency_key
where client_id = :client_id and client_mutation_id = :client_mutation_id;

-- name: sweep!
-- Forgets keys older than any client retries.
delete from idempotency_key where created_at < :before;
