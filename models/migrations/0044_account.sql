-- What people see of their own logins.

alter table login_session add column browser text check (length(browser) between 1 and 60);  -- "Chrome · Windows"
