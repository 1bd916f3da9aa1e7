-- Which streaming replicas workers read now (models/replica.py): whoever commits answers when these have replayed it.
-- Unlogged: it is written several times a second, is of no use after a second, and replicas need not know it.

create unlogged table replica_lease (
  replica text primary key,                       -- host, port and database
  ends_at timestamptz not null
) with (fillfactor = 50);

grant select, insert, update on replica_lease to kyoso_app;
