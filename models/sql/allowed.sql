-- name: listed
-- Whom a person has allowed something that they have not taken back: since when, what, and the last token given for it.
with standing as (
  select g.id, g.client_id, g.scope, g.created_at from oauth_grant g
  where g.member_id = :member_id and g.expires_at > now() and (g.revoked_at is null or g.revoked_because = 'the login ended'))
select c.client_id, c.name, min(s.created_at) as since,
  greatest(max(s.created_at), max((select max(t.issued_at) from oauth_refresh_token t where t.grant_id = s.id))) as last_used_at,
  (select array_agg(distinct one) from standing o, unnest(o.scope) one where o.client_id = c.id) as scope
from standing s join oauth_client c on c.id = s.client_id
where c.disabled_at is null group by c.id order by c.name, c.id;

-- name: lock
-- Who is being answered because of one of these grants, without a page, comes first.
select g.id from oauth_grant g join oauth_client c on c.id = g.client_id
where g.member_id = :member_id and c.client_id = :client_id order by g.id for update of g;

-- name: use_up_codes!
-- The codes that an app has not redeemed yet.
update oauth_code o set consumed_at = now()
from oauth_client c where c.id = o.client_id and c.client_id = :client_id
  and o.member_id = :member_id and o.consumed_at is null;

-- name: refuse_devices!
-- The devices that were allowed something and have not asked for it yet.
update oauth_device_request d set granted = null
from oauth_client c where c.id = d.client_id and c.client_id = :client_id
  and d.member_id = :member_id and d.redeemed_at is null;

-- name: end
-- Ends all that a person has allowed an app, what a logout had ended already too, and its tokens in every worker.
with told as (select pg_notify('kyoso_revocation', '')), ended as (
  update oauth_grant g set revoked_at = coalesce(g.revoked_at, now()), revoked_because = :because
  from oauth_client c where c.id = g.client_id and c.client_id = :client_id
    and g.member_id = :member_id and (g.revoked_at is null or g.revoked_because = 'the login ended')
  returning g.id)
insert into oauth_revocation as r (subject, revoked_at, expires_at)
select e.id, clock_timestamp(), clock_timestamp() + make_interval(secs => :keep_seconds) from ended e, told
on conflict (subject) do update set revoked_at = excluded.revoked_at, expires_at = excluded.expires_at
returning subject;
