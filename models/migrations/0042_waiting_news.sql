-- Erasing a person reaches what ATSs said of them that is not applied yet, and names nobody until it is. Else it would be
-- tried again later, or replayed, and they would be there anew.

-- What waits, or failed, of one person's applications and of their candidates there loses its personal part and is not
-- applied any more: one company's, or everybody's. What is being applied at this moment is left to fail: their key is gone.
create function ignore_deliveries(whom uuid, only_of uuid) returns void
language sql as $$
  update ats_delivery d set sealed = null, state = 'IGNORED', failure = null, applied_at = now()
  where d.id in (
    select w.id
    from (
      select c.company_id, 'candidate:' || c.external_id as subject from ats_candidate c where c.person_id = whom
      union all
      select a.company_id, 'application:' || a.external_id from application a where a.person_id = whom
    ) s
    join ats_integration i on i.company_id = s.company_id
    join ats_delivery w on w.integration_id = i.id and w.subject = s.subject and w.state in ('PENDING', 'FAILED')
    where only_of is null or s.company_id = only_of
    for no key update of w skip locked)
$$;

-- As in 0036, but for these.
create or replace function erase_person(erased uuid) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare owner uuid;
begin
  perform from person where id = erased for no key update;
  delete from person_key where person_id = erased;
  for owner in select c.partner_id from candidate c where c.person_id = erased loop
    perform set_config('kyoso.partner_id', owner::text, true);
    delete from personal_data d where d.person_id = erased and d.partner_id = owner;
  end loop;
  perform set_config('kyoso.partner_id', '', true);
  delete from person_email where person_id = erased;
  perform ignore_deliveries(erased, null);
  delete from ats_candidate where person_id = erased;
  update ats_delivery set sealed = null where person_id = erased;
  update survey set comment_sealed = null where person_id = erased;
  update application set rejection_reason = null, revert_reason = null where person_id = erased;
  update provision set ended_at = now() where person_id = erased and ended_at is null;
  update consent set withdrawn_at = now() where person_id = erased and withdrawn_at is null;
  update mail set status = 'CANCELLED' where person_id = erased and status = 'QUEUED';
  update person set erased_at = coalesce(erased_at, now()) where id = erased;
end $$;

-- As in 0036, but for these.
create or replace function forget_candidate(keeper uuid, forgotten uuid) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare owner uuid;
begin
  perform from person where id = forgotten for no key update;
  if not exists (
    select from candidate c where c.person_id = forgotten and c.partner_id not in (select house_of(keeper))
  ) then
    perform erase_person(forgotten);
    return;
  end if;
  for owner in select house_of(keeper) loop
    perform set_config('kyoso.partner_id', owner::text, true);
    delete from personal_data d where d.person_id = forgotten and d.partner_id = owner;
  end loop;
  perform set_config('kyoso.partner_id', '', true);
  delete from person_email_claim where person_id = forgotten and partner_id in (select house_of(keeper));
  perform ignore_deliveries(forgotten, keeper);
  delete from ats_candidate where person_id = forgotten and company_id = keeper;
  update ats_delivery d set sealed = null from ats_integration i
  where d.person_id = forgotten and i.id = d.integration_id and i.company_id = keeper;
  update survey set comment_sealed = null where person_id = forgotten and company_id = keeper;
  update application set rejection_reason = null, revert_reason = null where person_id = forgotten and company_id = keeper;
  update provision set ended_at = now() where person_id = forgotten and giver_id = keeper and ended_at is null;
  update mail set status = 'CANCELLED' where person_id = forgotten and company_id = keeper and status = 'QUEUED';
end $$;
