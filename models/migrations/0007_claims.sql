-- Claims: a further address that one partner says is somebody's finds them for that partner alone. Were it the
-- person's at once, a partner could give anybody its own mailbox, and read there what is the person's to read.

create table person_email_claim (
  partner_id uuid not null references partner on delete cascade,
  email_index bytea not null check (length(email_index) = 32),
  person_id uuid not null references person_key on delete cascade,   -- erased with the key
  primary key (partner_id, email_index)
);
create index person_email_claim_by_person on person_email_claim (person_id);
grant select, insert, update, delete on person_email_claim to kyoso_app;

-- As before, but for the addresses: the first that anybody tells is the person's, any other is this partner's claim.
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
  person_id := who;
  select k.sealed into sealed_key from person_key k where k.person_id = who;
  if sealed_key is null and known is null then
    raise exception using errcode = 'serialization_failure', message = 'the person was erased meanwhile: try again';
  end if;
  perform set_config('kyoso.partner_id', keeper::text, true);
end $$;
