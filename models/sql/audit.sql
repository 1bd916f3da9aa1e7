-- name: record!
-- One line that is never changed.
insert into audit (action, partner_id, member_id, client_id, grant_id, detail)
values (:action, :partner_id, :member_id, :client_id, :grant_id, :detail::jsonb);
