-- name: add_client!
-- A program that may ask for tokens.
insert into oauth_client (id, client_id, kind, partner_id, name, auth_method, secret_hash, jwks, dpop_bound,
  registration_hash, redirect_uris, post_logout_redirect_uris, grant_types, scope)
values (:id, :client_id, :kind, :partner_id, :name, :auth_method, :secret_hash, :jwks, :dpop_bound,
  :registration_hash, :redirect_uris, :post_logout_redirect_uris, :grant_types, :scope);

-- name: put_product_client!
-- One of the product's own pages: created, or brought up to date.
insert into oauth_client as c (id, client_id, kind, name, auth_method, redirect_uris, grant_types, scope)
values (:id, :client_id, 'PRODUCT', :name, 'none', :redirect_uris, '{authorization_code,refresh_token}', :scope)
on conflict (client_id) do update set name = excluded.name, redirect_uris = excluded.redirect_uris, scope = excluded.scope
where (c.name, c.redirect_uris, c.scope) is distinct from (excluded.name, excluded.redirect_uris, excluded.scope);

-- name: client_by_client_id^
-- The client of this name, unless its access was ended; else a row of nobody's, which takes as long to find.
select c.id is not null as known, coalesce(c.id, gen_random_uuid()) as id, coalesce(c.client_id, :client_id) as client_id,
  coalesce(c.kind, 'PARTNER') as kind, c.partner_id, p.kind as partner_kind, coalesce(c.name, 'nobody') as name,
  coalesce(c.auth_method, 'none') as auth_method, c.secret_hash, c.jwks, coalesce(c.dpop_bound, false) as dpop_bound,
  coalesce(c.redirect_uris, '{}') as redirect_uris, coalesce(c.post_logout_redirect_uris, '{}') as post_logout_redirect_uris,
  coalesce(c.grant_types, '{client_credentials}') as grant_types, coalesce(c.scope, '{network:read}') as scope,
  case when c.previous_secret_ends_at > now() then c.previous_secret_hash end as previous_secret_hash,
  coalesce(c.last_used_at > now() - make_interval(secs => :lately_seconds), false) as used_lately
from (values (1)) one
left join oauth_client c on c.client_id = :client_id and c.disabled_at is null
left join partner p on p.id = c.partner_id;

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
update oauth_client set name = :name, redirect_uris = :redirect_uris,
  post_logout_redirect_uris = :post_logout_redirect_uris, grant_types = :grant_types, scope = :scope, jwks = :jwks, dpop_bound = :dpop_bound
where client_id = :client_id;

-- name: remove!
-- Ends a client; its row stays, for the record.
update oauth_client set disabled_at = now() where client_id = :client_id and disabled_at is null;

-- name: listed
-- The clients of a partner, or the operator's own, the newest first.
select client_id, name, auth_method, grant_types, redirect_uris, scope, dpop_bound, created_at, last_used_at,
  case when secret_hash is not null then coalesce(secret_rotated_at, created_at) end as secret_made_at,
  case when previous_secret_ends_at > now() then previous_secret_ends_at end as previous_ends_at
from oauth_client
where partner_id is not distinct from :partner_id::uuid and kind <> 'PRODUCT' and disabled_at is null
order by created_at desc, id desc;

-- name: rotate$
-- A new secret beside the one before; nothing for a client that has no secret, or two.
update oauth_client set secret_hash = :secret_hash, secret_rotated_at = now(), previous_secret_hash = secret_hash,
  previous_secret_ends_at = now() + make_interval(secs => :overlap_seconds)
where client_id = :client_id and secret_hash is not null and disabled_at is null
  and coalesce(previous_secret_ends_at <= now(), true)
returning client_id;

-- name: end_previous$
-- The secret before opens no more.
update oauth_client set previous_secret_hash = null, previous_secret_ends_at = null
where client_id = :client_id and previous_secret_ends_at > now() and disabled_at is null
returning client_id;

-- name: note_use!
-- That a client was given a token, once in a while; nobody waits for whoever is noting it already.
update oauth_client set last_used_at = now()
where id = (
  select id from oauth_client
  where id = :id and coalesce(last_used_at < now() - make_interval(secs => :every_seconds), true)
  for no key update skip locked);
