-- name: add$
-- Keeps what a device asks for; nothing when another one waits under the same code.
insert into oauth_device_request (id, device_hash, user_hash, client_id, scope, dpop_jkt, interval_seconds, expires_at)
values (:id, :device_hash, :user_hash, :client, :scope, :dpop_jkt, :interval_seconds,
  now() + make_interval(secs => :life_seconds))
on conflict (user_hash) do nothing returning true;

-- name: poll^
-- The request of a device that asks again, the moment noted; one that hurries is told to wait longer from then on.
with found as (
  select d.id, d.polled_at > clock_timestamp() - make_interval(secs => d.interval_seconds) as hurried
  from oauth_device_request d where d.device_hash = :device_hash and d.client_id = :client
  for update)
update oauth_device_request d set polled_at = clock_timestamp(),
  interval_seconds = least(d.interval_seconds + case when f.hurried then :slower_seconds::int else 0 end, 60)
from found f where d.id = f.id
returning d.id, d.member_id, d.granted, d.dpop_jkt, d.expires_at <= now() as expired,
  d.answered_at is not null as answered, d.redeemed_at is not null as redeemed,
  coalesce(f.hurried, false) as hurried;

-- name: waiting^
-- What a device asks the person who types its code.
select c.client_id, d.scope from oauth_device_request d join oauth_client c on c.id = d.client_id
where d.user_hash = :user_hash and d.answered_at is null and d.expires_at > now();

-- name: answer$
-- The one answer of a person: what they allow, or nothing when they refuse.
update oauth_device_request set answered_at = now(), member_id = :member_id, granted = :granted
where user_hash = :user_hash and answered_at is null and expires_at > now() returning true;

-- name: redeem$
-- Opens the grant for the one caller that gets it; nothing for everybody else, whatever runs at the same time.
with claimed as (
  update oauth_device_request set redeemed_at = now()
  where id = :id and redeemed_at is null and granted is not null and expires_at > now()
  returning id, client_id, member_id, granted)
insert into oauth_grant (id, client_id, member_id, device_id, scope, dpop_jkt, expires_at)
select :grant_id, c.client_id, c.member_id, c.id, c.granted, :dpop_jkt, now() + make_interval(secs => :life_seconds)
from claimed c returning id;

-- name: revoke_grant$
-- A device code came twice: what grew from its first use ends.
update oauth_grant set revoked_at = now(), revoked_because = :because
where device_id = :device_id and revoked_at is null returning id;

-- name: sweep!
-- Requests whose second use would no longer tell anything.
delete from oauth_device_request where expires_at < now() - make_interval(secs => :keep_seconds);
