-- name: colleagues
-- Everybody who may log in for a partner.
select m.id, m.name, m.email, m.role, m.created_at,
  exists (select from totp t where t.member_id = m.id) or exists (select from passkey k where k.member_id = m.id)
    as second_factor
from member m where m.partner_id = :partner_id and m.disabled_at is null order by m.name, m.id;

-- name: lock_administrators
-- The administrators of a partner; changes to them come one after the other. Locked in one order, so that two never
-- wait for each other.
select id from member where partner_id = :partner_id and role = 'ADMIN' and disabled_at is null order by id for update;

-- name: change_role$
-- Another role for one of a partner's people.
update member set role = :role
where id = :id and partner_id = :partner_id and disabled_at is null and role <> :role returning true;

-- name: end_access$
-- Ends the access of one of a partner's people.
update member set disabled_at = now()
where id = :id and partner_id = :partner_id and disabled_at is null returning true;

-- name: lock$
-- One of a partner's people, to be changed by one at a time.
select true from member where id = :id and partner_id = :partner_id and disabled_at is null for no key update;

-- name: queue_letter!
-- The letter that tells somebody that their second factor was taken away, to be sent at once.
insert into mail (id, kind, company_id, member_id, language, status, due_at)
values (:id, 'FACTORS_RESET', :partner_id, :member_id, :language, 'QUEUED', now());
