-- Corrected addresses: where one house alone knows a person, and they consented to nothing, what it says now is their
-- address is theirs, and the one before nobody's. Were it a claim, a slip of the hand would stay the person's own address
-- for good, and the stranger who has that mailbox could have their page's URL sent there.
grant update (email_index) on person_email to kyoso_app;

-- As in 0036, but for that. Who is found by an address is asked for anew once they are held: it may be corrected meanwhile.
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
