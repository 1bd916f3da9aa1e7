-- Tokens that only the holder of a key can use (RFC 9449). A key is named by its thumbprint (RFC 7638).

alter table oauth_client add column dpop_bound boolean not null default false;   -- never gets a bearer token
alter table oauth_code add column dpop_jkt text check (dpop_jkt ~ '^[A-Za-z0-9_-]{43}$');
alter table oauth_grant add column dpop_jkt text check (dpop_jkt ~ '^[A-Za-z0-9_-]{43}$');  -- of a public client
