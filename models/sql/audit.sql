-- name: record!
-- One line that is never changed.
insert into audit (action, partner_id, member_id, client_id, grant_id, detail)
values (:action, :partner_id, :member_id, :client_id, :grant_id, :detail::jsonb);

-- name: lines
-- The newest lines, the newest first; of one partner, client or kind of action where that is named.
select a.position, a.at, a.action, p.slug as partner, a.member_id, a.client_id, a.grant_id, a.detail
from audit a left join partner p on p.id = a.partner_id
where (:partner::text is null or p.slug = :partner)
  and (:client_id::text is null or a.client_id = :client_id)
  and (:action::text is null or a.action = :action or starts_with(a.action, :action || '.'))
order by a.position desc limit :most;
