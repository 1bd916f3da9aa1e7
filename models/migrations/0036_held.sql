-- A person is held while they are kept or provided (together with others who do the same), and alone while they are
-- forgotten or erased. Else one partner forgets somebody whom another is keeping in a transaction that is not over: it
-- sees nobody who knows them, and the other finds itself with an applicant whose key is gone. Held as strongly as this
-- and no more, so that rows which merely name the person wait for nobody.

-- Corrected addresses: where one house alone knows a person, and they consented to nothing, what it says now is their
-- address is theirs, and the one before nobody's. Were it a claim, a slip of the hand would stay the person's own address
-- for good, and the stranger who has that mailbox could have their page's URL sent there.
grant update (email_index) on person_email to kyoso_app;

-- As in 0007, but for both. Who is found by an address is asked for anew once they are held: it may be corrected meanwhile.
create or replace function keep_candidate(keeper uuid, known uuid, asked bytea, fresh_person uuid, fresh_key bytea,
  fresh_candidate uuid, fresh_alias text, at timestamptz,
  out candidate_id uuid, out person_id uuid, out sealed_key bytea)
language plpgsql as $$
declare who uuid := known; claimed boolean := false; told boolean;
begin
  if who is null and asked is not null then
    select c.person_id into who from person_email_claim c where c.partner_id = keeper and c.email_index = asked;
    claimed := who is not null;
    if who is null then
      select e.person_id into who from person_email e where e.email_index = asked;
    end if;
    if who is null then  -- two partners may bring the same new address at once: the second finds the first's person
      perform pg_advisory_xact_lock(hashtextextended(encode(asked, 'hex'), 0));
      select e.person_id into who from person_email e where e.email_index = asked;
    end if;
  end if;
  told := known is not null and asked is not null
    and not exists (select from person_email e where e.email_index = asked and e.person_id = who);
  if who is null then
    who := fresh_person;
    insert into person (id, created_at) values (who, at);
    insert into person_key (person_id, sealed) values (who, fresh_key);
  elsif told then
    perform pg_advisory_xact_lock(hashtextextended(encode(asked, 'hex'), 0));
    perform from person p where p.id = who for no key update;
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
  if known is null and who <> fresh_person and not claimed
    and not exists (select from person_email e where e.email_index = asked and e.person_id = who) then
    raise exception using errcode = 'serialization_failure', message = 'the address was corrected meanwhile: try again';
  end if;
  if asked is not null and not exists (select from person_email e where e.person_id = who) then
    insert into person_email (email_index, person_id) values (asked, who) on conflict do nothing;
  end if;
  if told and not exists (select from person_email e where e.email_index = asked)
    and not exists (select from person_email_claim c
      where c.partner_id = keeper and c.email_index = asked and c.person_id <> who)
    and not exists (select from candidate c where c.person_id = who and c.partner_id not in (select house_of(keeper)))
    and not exists (select from consent c where c.person_id = who) then
    update person_email e set email_index = asked where e.person_id = who;
  elsif told and not exists (select from person_email e where e.email_index = asked and e.person_id = who) then
    insert into person_email_claim (partner_id, email_index, person_id) values (keeper, asked, who)
    on conflict (partner_id, email_index) do nothing;
  end if;
  candidate_id := candidate_of(keeper, who, fresh_candidate, fresh_alias, at);
  perform set_config('kyoso.partner_id', keeper::text, true);
end $$;

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

-- As in 0004, but for holding the person first, and for what waits.
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

-- As in 0004, but for holding the person before asking who else knows them, and for what waits; and the addresses that the
-- partner claimed for them go here, once they are held.
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
