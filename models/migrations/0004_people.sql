-- People: finding the person behind an address whatever runs at once, forgetting one partner's copy, and personal data
-- that stops flowing with the agreement too.

-- Why an agreement is suspended or ended, as its other parties are told.
alter table agreement add column reason text check (length(reason) between 1 and 1000);
-- Why a decision was taken back; never shown to anybody but the company.
alter table application add column revert_reason text check (length(revert_reason) between 1 and 1000);

-- Merging locks both persons first, so that nobody becomes a candidate of one who is about to vanish.
grant update (erased_at) on person to kyoso_app;

-- The candidate of one partner for one person, made when there was none.
create function candidate_of(keeper uuid, whose uuid, fresh uuid, fresh_alias text, at timestamptz) returns uuid
language plpgsql as $$
declare found_id uuid;
begin
  select c.id into found_id from candidate c where c.partner_id = keeper and c.person_id = whose;
  if found_id is null then
    insert into candidate (id, partner_id, person_id, alias, created_at)
    values (fresh, keeper, whose, fresh_alias, at)
    on conflict (partner_id, person_id) do nothing returning id into found_id;
  end if;
  if found_id is null then  -- somebody else's insert won, and this statement waited for its commit
    select c.id into found_id from candidate c where c.partner_id = keeper and c.person_id = whose;
  end if;
  return found_id;
end $$;

-- A partner's candidate, in one round trip: `known` is the person, else the address's blind index finds them, else a
-- new person is made. An address that belongs to somebody else already stays theirs. Leaves the keeper as the viewer
-- of personal data until the transaction ends; sealed_key is null when the person was erased.
create function keep_candidate(keeper uuid, known uuid, asked bytea, fresh_person uuid, fresh_key bytea,
  fresh_candidate uuid, fresh_alias text, at timestamptz,
  out candidate_id uuid, out person_id uuid, out sealed_key bytea)
language plpgsql as $$
declare who uuid := known;
begin
  if who is null and asked is not null then
    select e.person_id into who from person_email e where e.email_index = asked;
    if who is null then  -- two partners may bring the same new address at once: the second finds the first's person
      perform pg_advisory_xact_lock(hashtextextended(encode(asked, 'hex'), 0));
      select e.person_id into who from person_email e where e.email_index = asked;
    end if;
  end if;
  if who is null then
    who := fresh_person;
    insert into person (id, created_at) values (who, at);
    insert into person_key (person_id, sealed) values (who, fresh_key);
  end if;
  if asked is not null then
    insert into person_email (email_index, person_id) values (asked, who) on conflict do nothing;
  end if;
  candidate_id := candidate_of(keeper, who, fresh_candidate, fresh_alias, at);
  person_id := who;
  select k.sealed into sealed_key from person_key k where k.person_id = who;
  if sealed_key is null and known is null then
    raise exception using errcode = 'serialization_failure', message = 'the person was erased meanwhile: try again';
  end if;
  perform set_config('kyoso.partner_id', keeper::text, true);
end $$;

-- What a receiver sees ends with the consent (ended_at) and, at once, with the agreement that the provision rests on.
-- Kana is a spelling of the name: whoever may have the one may have the other.
drop policy personal_data_read on personal_data;
create policy personal_data_read on personal_data for select using (
  partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
  or exists (
    select from provision v left join agreement a on a.id = v.agreement_id
    where v.giver_candidate_id = personal_data.candidate_id and v.ended_at is null
      and v.receiver_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
      and case personal_data.item when 'KANA' then 'NAME' else personal_data.item end = any (v.items)
      and (v.agreement_id is null or (a.status = 'ACTIVE' and (a.ends_at is null or a.ends_at > now())))));

-- Erasure (消去) of a person everywhere: the key first, then every sealed row, every trace in the blind index and
-- every free text in which somebody may have named them, whoever owns it.
create or replace function erase_person(erased uuid) returns void
language plpgsql security definer set search_path = pg_catalog, public as $$
declare owner uuid;
begin
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

-- A company and its employees who refer: they are its own house, and no other partner.
create function house_of(keeper uuid) returns setof uuid
language sql stable parallel safe as $$
  select keeper union all select p.id from partner p where p.company_id = keeper and p.affiliation = 'EMPLOYEE'
$$;

-- One partner forgets a person (deleted or anonymised in its ATS): its copy goes and what it gave stops flowing. Others
-- keep what the person gave them; when nobody else knows the person, they are erased.
create function forget_candidate(keeper uuid, forgotten uuid) returns void
language plpgsql security definer set search_path = pg_catalog, public as $$
declare owner uuid;
begin
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
  delete from ats_candidate where person_id = forgotten and company_id = keeper;
  update ats_delivery d set sealed = null from ats_integration i
  where d.person_id = forgotten and i.id = d.integration_id and i.company_id = keeper;
  update survey set comment_sealed = null where person_id = forgotten and company_id = keeper;
  update application set rejection_reason = null, revert_reason = null where person_id = forgotten and company_id = keeper;
  update provision set ended_at = now() where person_id = forgotten and giver_id = keeper and ended_at is null;
  update mail set status = 'CANCELLED' where person_id = forgotten and company_id = keeper and status = 'QUEUED';
end $$;
revoke all on function forget_candidate(uuid, uuid) from public;
grant execute on function forget_candidate(uuid, uuid) to kyoso_app;
