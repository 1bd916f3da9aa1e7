-- name: count$
-- One more attempt under this key; how many there were in the current window, this one included.
insert into login_attempt as a (key, attempts, window_started_at) values (:key, 1, now())
on conflict (key) do update set
  attempts = case when a.window_started_at < now() - make_interval(secs => :window_seconds) then 1 else a.attempts + 1 end,
  window_started_at = case when a.window_started_at < now() - make_interval(secs => :window_seconds) then now()
    else a.window_started_at end
returning attempts;

-- name: forgive!
-- A right password clears what was counted against the account.
delete from login_attempt where key = :key;

-- name: take_back!
-- One attempt fewer against an address: the people of an office share it, and most of them know their password.
update login_attempt set attempts = attempts - 1 where key = :key and attempts > 1;

-- name: sweep!
-- Attempts whose window has passed.
delete from login_attempt where window_started_at < now() - make_interval(secs => :window_seconds);
