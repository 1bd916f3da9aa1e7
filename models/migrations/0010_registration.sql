-- Clients that partners register by themselves (RFC 7591) and look after (RFC 7592).

alter table oauth_client add column registration_hash bytea unique check (length(registration_hash) = 32);
grant update (dpop_bound) on oauth_client to kyoso_app;
