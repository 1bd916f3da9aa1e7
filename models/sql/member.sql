-- name: add_member!
-- A person who logs in for one partner.
insert into member (id, partner_id, email, name, password_hash, role)
values (:id, :partner_id, :email, :name, :password_hash, :role);

-- name: member_by_email^
-- The person with this address, unless their access was ended.
select m.id, m.partner_id, m.name, m.role, p.name as partner_name, p.kind as partner_kind
from member m join partner p on p.id = m.partner_id
where m.email = :email and m.disabled_at is null;

-- name: password_by_email^
-- What a password for this address is held against, unless their access was ended.
select id, password_hash from member where email = :email and disabled_at is null;

-- name: lock_with_password^
-- The person with this id, if this is still their password and their access was not ended; nothing of both changes now.
select m.id, m.partner_id, m.name, m.role, p.name as partner_name, p.kind as partner_kind
from member m join partner p on p.id = m.partner_id
where m.id = :id and m.password_hash = :password_hash and m.disabled_at is null for no key update of m;

-- name: lock!
-- Who changes a person comes one after the other.
select from member where id = :id for no key update;

-- name: member_by_session^
-- The person behind a login session that has not ended, and how they proved it.
select m.id, m.partner_id, m.name, m.role, p.name as partner_name, p.kind as partner_kind, m.email, s.auth_time, s.amr
from login_session s join member m on m.id = s.member_id join partner p on p.id = m.partner_id
where s.session_hash = :session_hash and s.expires_at > now() and m.disabled_at is null;

-- name: active_member^
-- The person with this id, unless their access was ended.
select m.id, m.partner_id, m.name, m.role, p.name as partner_name, p.kind as partner_kind
from member m join partner p on p.id = m.partner_id
where m.id = :id and m.disabled_at is null;

-- name: change_password_hash!
-- The same password under newer hashing parameters, or a new one.
update member set password_hash = :password_hash where id = :id;

-- name: open_session!
-- A new login session.
insert into login_session (session_hash, member_id, amr, auth_time, browser, expires_at)
values (:session_hash, :member_id, :amr::text[], least(now(), :auth_time::timestamptz), :browser,
  now() + make_interval(secs => :life_seconds));

-- name: close_session$
-- Ends a login session; whose it was.
delete from login_session where session_hash = :session_hash returning member_id;

-- name: close_sessions!
-- Ends all login sessions of a person.
delete from login_session where member_id = :member_id;

-- name: sweep_sessions!
-- Sessions that have ended.
delete from login_session where expires_at < now();

-- name: sessions
-- Where a person is logged in, the newest first.
select session_hash, browser, created_at, expires_at from login_session
where member_id = :member_id and expires_at > now() order by created_at desc, session_hash;

-- name: close_one$
-- Ends one session of a person; nothing when it is not theirs.
delete from login_session where member_id = :member_id and session_hash = :session_hash returning true;

-- name: close_others
-- Ends every session of a person but the one they ask from.
delete from login_session where member_id = :member_id and session_hash <> :session_hash returning true;
