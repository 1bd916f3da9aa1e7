-- What people see of their own logins, and the letter to somebody whose second factor was taken away.

alter table login_session add column browser text check (length(browser) between 1 and 60);  -- "Chrome · Windows"

alter table mail add column member_id uuid references member on delete cascade;
create index mail_by_member on mail (member_id) where member_id is not null;
alter table mail drop constraint mail_kind_check, add constraint mail_kind_check check (kind in (
  'REJECTION', 'RELAY_LINK', 'REFERRAL_CONFIRMATION', 'SURVEY', 'COMPANY_CONFIRMATION', 'SLOT_NOTICE', 'JOINING',
  'FACTORS_RESET'));
