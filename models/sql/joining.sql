-- name: is_colleague$
-- Whether this address logs in for the partner.
select exists (select from member where partner_id = :partner_id and email = :email and disabled_at is null);

-- name: add!
-- A new invitation.
insert into joining (id, partner_id, email, role, invited_by, expires_at)
values (:id, :partner_id, :email, :role, :invited_by, now() + make_interval(secs => :life_seconds));

-- name: forget!
-- An earlier invitation of the same address.
delete from joining where partner_id = :partner_id and email = :email;

-- name: queue_letter!
-- The letter with the link, to be sent at once.
insert into mail (id, kind, company_id, joining_id, language, status, due_at)
values (:id, 'JOINING', :partner_id, :joining_id, :language, 'QUEUED', now());

-- name: standing
-- A partner's invitations that stand, the newest first.
select j.id, j.partner_id, p.name as partner_name, j.email, j.role, j.expires_at
from joining j join partner p on p.id = j.partner_id
where j.partner_id = :partner_id and j.expires_at > now() order by j.created_at desc, j.id;

-- name: find^
-- One invitation that stands; two uses of it come one after the other.
select j.id, j.partner_id, p.name as partner_name, j.email, j.role, j.expires_at
from joining j join partner p on p.id = j.partner_id
where j.id = :id and j.expires_at > now() for update of j;

-- name: withdraw$
-- Ends an invitation of a partner.
delete from joining where id = :id and partner_id = :partner_id returning true;

-- name: member_of^
-- Whom an address belongs to, and whether their access has ended.
select id, partner_id, disabled_at is not null as ended from member where email = :email for update;

-- name: bring_back!
-- Somebody whose access had ended is back.
update member set disabled_at = null, name = :name, role = :role, password_hash = :password_hash where id = :id;

-- name: verify_address!
-- Whoever used the link has the mailbox.
update member set email_verified_at = now() where id = :id;

-- name: sweep!
-- Invitations whose time is over, with their letters.
delete from joining where expires_at < now();
