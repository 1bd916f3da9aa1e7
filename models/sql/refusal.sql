-- name: is_client$
-- Whether there is, or was, a client of this name.
select exists (select from oauth_client where client_id = :client_id);
