-- name: first_use$
-- Notes that something was presented; nothing when it was before, or is at this moment.
insert into used_once (key, expires_at) values (:key, now() + make_interval(secs => :keep_seconds))
on conflict (key) do nothing returning true;

-- name: sweep!
-- What could no longer be presented anyway.
delete from used_once where expires_at < now();
