-- name: add_default!
-- A company's first rejection mail in one language, unless it has one.
insert into rejection_mail (id, company_id, language, subject, body, saved_at)
values (:id, :company_id, :language, :subject, :body, :at) on conflict (company_id, language) do nothing;

-- name: save$
-- A company's rejection mail in one language, new or in place of the former.
insert into rejection_mail (id, company_id, language, subject, body, saved_at)
values (:id, :company_id, :language, :subject, :body, :at)
on conflict (company_id, language) do update set subject = excluded.subject, body = excluded.body, saved_at = excluded.saved_at
returning id;
