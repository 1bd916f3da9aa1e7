-- name: redirect_uris
-- Where codes are sent, of every client whose access has not been ended.
select distinct unnest(redirect_uris) as uri from oauth_client where disabled_at is null;
