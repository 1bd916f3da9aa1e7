-- A person may ask a company for no mail, and its ATS tells of that whenever it likes: also when their address is known.
alter table candidate add column may_mail boolean not null default true;
