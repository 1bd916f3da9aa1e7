-- Guards against whoever can make the application's role run a statement of their own.

-- PostgreSQL looks into temporary tables first unless they are named last: a temporary `person_email` with a trigger
-- would otherwise be met by the owner's functions, and its trigger would run as the owner.
do $$ declare each regprocedure; begin
  for each in select p.oid from pg_proc p where p.prosecdef and p.pronamespace = 'public'::regnamespace loop
    execute format('alter function %s set search_path = pg_catalog, public, pg_temp', each);
  end loop;
end $$;

-- An account begins empty: balances move by transfers alone.
revoke insert on relay_account from kyoso_app;
grant insert (id, company_id, agency_id, agreement_id, opened_at, balance_at) on relay_account to kyoso_app;

-- What a person took back, and whom the network forgot, never comes back to life.
create function stays_ended() returns trigger language plpgsql as $$
begin
  raise exception using errcode = 'check_violation', message = format('what has ended in %I stays ended', tg_table_name);
end $$;
create trigger consent_stays_withdrawn before update on consent for each row
  when (old.withdrawn_at is not null and new.withdrawn_at is distinct from old.withdrawn_at) execute function stays_ended();
create trigger provision_stays_ended before update on provision for each row
  when (old.ended_at is not null and new.ended_at is distinct from old.ended_at) execute function stays_ended();
create trigger person_stays_erased before update on person for each row
  when (old.erased_at is not null and new.erased_at is distinct from old.erased_at) execute function stays_ended();
