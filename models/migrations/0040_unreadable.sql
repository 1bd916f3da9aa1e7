-- What came without an id was named by the hash of its content, which anybody can make who guesses it: whoever could read
-- the ids could tell whether an address of theirs had applied. From now on the hash has a key. Of earlier ones, all that
-- look like a hash are hashed again with a salt that is thrown away: still each another, the same in both tables, and
-- nobody's to make. So a row or a body of that time is not known by its id when it comes again; what it tells is.
do $$
declare salt bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
begin
  update ats_delivery set event_id = encode(sha256(salt || convert_to(event_id, 'UTF8')), 'hex')
  where event_id ~ '^[0-9a-f]{64}$';
  update outcome_event set source_event_id = encode(sha256(salt || convert_to(source_event_id, 'UTF8')), 'hex')
  where source in ('ATS', 'IMPORT') and source_event_id ~ '^[0-9a-f]{64}$';
end $$;
