-- When and by what a person proved who they are, for each browser session (OpenID's auth_time and amr, RFC 8176).

alter table login_session add column auth_time timestamptz;
update login_session set auth_time = created_at;
alter table login_session alter column auth_time set default now(), alter column auth_time set not null;
alter table login_session add column amr text[] not null default '{pwd}';
alter table login_session alter column amr drop default, add check (cardinality(amr) between 1 and 8);
