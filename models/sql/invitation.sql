-- name: lock^
-- An invitation, held.
select id, company_id, person_id, application_id, status, waiting_for, rejected_at, sent_at, opened_at, expires_at, revoked_at,
  company_confirm_by, company_confirmed_at
from relay_invitation where id = :id for update;
