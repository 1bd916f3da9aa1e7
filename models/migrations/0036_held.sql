-- A person is held while they are kept or provided (together with others who do the same), and alone while they are
-- forgotten or erased. Else one partner forgets somebody whom another is keeping in a transaction that is not over: it
-- sees nobody who knows them, and the other finds itself with an applicant whose key is gone. Held as strongly as this
-- and no more, so that rows which merely name the person wait for nobody.

-- As in 0007, but for holding the person.
create or replace function keep_candidate(keeper uuid, known uuid, asked bytea, fresh_person uuid, fresh_key bytea,
  fresh_candidate uuid, fresh_alias text, at timestamptz,
  out candidate_id uuid, out person_id uuid, out sealed_key bytea)
language plpgsql as $$
declare who uuid := known;
begin
  if who is null and asked is not null then
    select c.person_id into who from person_email_claim c where c.partner_id = keeper and c.email_index = asked;
    if who is null then
      select e.person_id into who from person_email e where e.email_index = asked;
    end if;
    if who is null then  -- two partners may bring the same new address at once: the second finds the first's person
      perform pg_advisory_xact_lock(hashtextextended(encode(asked, 'hex'), 0));
      select e.person_id into who from person_email e where e.email_index = asked;
    end if;
  end if;
  if who is null then
    who := fresh_person;
    insert into person (id, created_at) values (who, at);
    insert into person_key (person_id, sealed) values (who, fresh_key);
  else
    perform from person p where p.id = who for share;
  end if;
  person_id := who;
  select k.sealed into sealed_key from person_key k where k.person_id = who;
  if sealed_key is null and known is null then
    raise exception using errcode = 'serialization_failure', message = 'the person was erased meanwhile: try again';
  elsif sealed_key is null then
    return;
  end if;
  if asked is not null then
    if not exists (select from person_email e where e.person_id = who) then
      insert into person_email (email_index, person_id) values (asked, who) on conflict do nothing;
    end if;
    if known is not null and not exists (select from person_email e where e.email_index = asked and e.person_id = who) then
      insert into person_email_claim (partner_id, email_index, person_id) values (keeper, asked, who)
      on conflict (partner_id, email_index) do nothing;
    end if;
  end if;
  candidate_id := candidate_of(keeper, who, fresh_candidate, fresh_alias, at);
  perform set_config('kyoso.partner_id', keeper::text, true);
end $$;

-- As in 0004, but for holding the person first.
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
  delete from ats_candidate where person_id = erased;
  update ats_delivery set sealed = null where person_id = erased;
  update survey set comment_sealed = null where person_id = erased;
  update application set rejection_reason = null, revert_reason = null where person_id = erased;
  update provision set ended_at = now() where person_id = erased and ended_at is null;
  update consent set withdrawn_at = now() where person_id = erased and withdrawn_at is null;
  update mail set status = 'CANCELLED' where person_id = erased and status = 'QUEUED';
  update person set erased_at = coalesce(erased_at, now()) where id = erased;
end $$;

-- As in 0004, but for holding the person before asking who else knows them; and the addresses that the partner claimed
-- for them go here, once they are held.
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
  delete from ats_candidate where person_id = forgotten and company_id = keeper;
  update ats_delivery d set sealed = null from ats_integration i
  where d.person_id = forgotten and i.id = d.integration_id and i.company_id = keeper;
  update survey set comment_sealed = null where person_id = forgotten and company_id = keeper;
  update application set rejection_reason = null, revert_reason = null where person_id = forgotten and company_id = keeper;
  update provision set ended_at = now() where person_id = forgotten and giver_id = keeper and ended_at is null;
  update mail set status = 'CANCELLED' where person_id = forgotten and company_id = keeper and status = 'QUEUED';
end $$;
