-- name: lock!
-- One registration of a partner at a time; taken before the count, which then sees those that it waited for.
select pg_advisory_xact_lock(hashtextextended('oauth_client ' || :partner_id::uuid, 0));

-- name: count$
-- How many clients a partner has.
select count(*) from oauth_client where partner_id = :partner_id and disabled_at is null;

-- name: registered$
-- The client that this registration token looks after, unless its access was ended.
select client_id from oauth_client
where client_id = :client_id and registration_hash = :registration_hash and disabled_at is null;

-- name: change!
-- What a client says of itself, anew.
update oauth_client set name = :name, redirect_uris = :redirect_uris, grant_types = :grant_types, scope = :scope,
  jwks = :jwks, dpop_bound = :dpop_bound
where client_id = :client_id;

-- name: remove!
-- Ends a client; its row stays, for the record.
update oauth_client set disabled_at = now() where client_id = :client_id and disabled_at is null;
