-- name: lease!
-- Makes known that somebody reads this replica for so many seconds from now.
insert into replica_lease (replica, ends_at)
values (:replica, clock_timestamp() + make_interval(secs => :seconds))
on conflict (replica) do update set ends_at = greatest(replica_lease.ends_at, excluded.ends_at);

-- name: leased
-- The replicas that somebody reads now, and for how many seconds at most.
select replica, extract(epoch from ends_at - clock_timestamp())::float8 as seconds
from replica_lease where ends_at > clock_timestamp();

-- name: written$
-- How far the primary has written: every commit that was answered lies before.
select (pg_current_wal_flush_lsn() - '0/0')::bigint;

-- name: replayed$
-- How far this replica has replayed; nothing where it is no replica.
select case when pg_is_in_recovery() then (pg_last_wal_replay_lsn() - '0/0')::bigint end;

-- name: commits_are_written$
-- Whether a commit that is answered lies in the log already.
select current_setting('synchronous_commit') <> 'off';
