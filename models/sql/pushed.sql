-- name: add!
-- Keeps an authorization request until the person has answered it.
insert into oauth_pushed_request (request_hash, client_id, parameters, expires_at)
values (:request_hash, :client, :parameters, now() + make_interval(secs => :life_seconds));

-- name: find$
-- A request that still waits for its answer, for the client that sent it.
select r.parameters from oauth_pushed_request r join oauth_client c on c.id = r.client_id
where r.request_hash = :request_hash and c.client_id = :client_id and r.used_at is null and r.expires_at > now();

-- name: claim$
-- The one answer to a request; nothing for every other, whatever runs at the same time.
update oauth_pushed_request set used_at = now()
where request_hash = :request_hash and used_at is null and expires_at > now() returning true;

-- name: sweep!
-- Requests whose time has passed.
delete from oauth_pushed_request where expires_at < now();
