-- name: post_job$
-- A job; one with a known id of the company's ATS is brought up to date instead.
insert into job (id, company_id, title, requirements, challenge, openings, prefecture, status, external_id, opened_at, closed_at, open_to_network)
values (:id, :company_id, :title, coalesce(:requirements, ''), :challenge, coalesce(:openings, 1), :prefecture, :status, :external_id, :at::timestamptz,
  case :status::text when 'CLOSED' then :at::timestamptz end, :open_to_network)
on conflict (company_id, external_id) do update set title = excluded.title, requirements = coalesce(:requirements, job.requirements),
  challenge = coalesce(:challenge, job.challenge), openings = coalesce(:openings, job.openings), prefecture = excluded.prefecture, status = excluded.status,
  closed_at = case when excluded.status = 'CLOSED' then coalesce(job.closed_at, excluded.closed_at) end
returning id;

-- name: update_job$
-- Changes a job; what is left out stays.
update job set title = coalesce(:title, title), requirements = coalesce(:requirements, requirements),
  challenge = coalesce(:challenge, challenge), openings = coalesce(:openings, openings), status = coalesce(:status::text, status),
  closed_at = case coalesce(:status::text, status) when 'CLOSED' then coalesce(closed_at, :at::timestamptz) end
where id = :id and company_id = :by
returning id;

-- name: job_company$
-- Whose job it is.
select company_id from job where id = :id;
