-- name: migrations_applied
-- The names of the applied migrations, in their order.
select name from tortoise_migrations order by id;

-- name: has_database$
-- Whether the server has a database of this name.
select exists (select from pg_database where datname = :name);

-- name: columns
-- The columns of one table: whether each may be null, and whether it has a default.
select attname as name, not attnotnull as nullable, atthasdef as has_default
from pg_attribute
where attrelid = to_regclass(:table) and attnum > 0 and not attisdropped;
