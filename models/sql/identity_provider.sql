-- name: put^
-- The provider of a partner: named, or named anew.
insert into identity_provider as p (id, partner_id, issuer, client_id, sealed_secret, required)
values (:id, :partner_id, :issuer, :client_id, :sealed_secret, :required)
on conflict (partner_id) do update set
  issuer = excluded.issuer, client_id = excluded.client_id, required = excluded.required
returning p.id;

-- name: put_secret!
-- The secret, sealed for the row that it stands in.
update identity_provider set sealed_secret = :sealed_secret where id = :id;

-- name: forget_of_other_issuer!
-- Another issuer's subjects are other people.
delete from identity i using identity_provider p
where p.id = i.provider_id and p.partner_id = :partner_id and p.issuer <> :issuer;

-- name: drop_domains!
-- Before the domains are named anew.
delete from identity_provider_domain where provider_id = :provider_id;

-- name: add_domain!
-- People with addresses of this domain log in there.
insert into identity_provider_domain (domain, provider_id) values (:domain, :provider_id);

-- name: by_domain^
-- The provider that people with addresses of this domain log in with.
select p.id, p.partner_id, p.issuer, p.client_id, p.sealed_secret, p.required,
  (select array_agg(d.domain order by d.domain) from identity_provider_domain d where d.provider_id = p.id) as domains
from identity_provider p join identity_provider_domain of on of.provider_id = p.id where of.domain = :domain;

-- name: by_id^
-- The provider of this id.
select p.id, p.partner_id, p.issuer, p.client_id, p.sealed_secret, p.required,
  (select array_agg(d.domain order by d.domain) from identity_provider_domain d where d.provider_id = p.id) as domains
from identity_provider p where p.id = :id;

-- name: by_partner^
-- The provider of a partner.
select p.id, p.partner_id, p.issuer, p.client_id, p.sealed_secret, p.required,
  (select array_agg(d.domain order by d.domain) from identity_provider_domain d where d.provider_id = p.id) as domains
from identity_provider p where p.partner_id = :partner_id;

-- name: is_required$
-- Whether the people of a partner log in with its provider and in no other way.
select exists (select from identity_provider where partner_id = :partner_id and required);

-- name: remove$
-- A partner has no provider any more.
delete from identity_provider where partner_id = :partner_id returning id;

-- name: close_sessions
-- From now on the provider is the only way in: whoever came another way comes again.
delete from login_session s using member m
where m.id = s.member_id and m.partner_id = :partner_id and not 'fed' = any (s.amr) returning s.member_id;

-- name: begin!
-- A login that was sent to the provider and waits to come back.
insert into identity_request (state_hash, provider_id, browser_hash, target, expires_at)
values (:state_hash, :provider_id, :browser_hash, :target, now() + make_interval(secs => :life_seconds));

-- name: finish^
-- A login that came back: once, from this provider, to the browser in which it began.
delete from identity_request
where state_hash = :state_hash and provider_id = :provider_id and browser_hash = :browser_hash and expires_at > now()
returning target;

-- name: sweep!
-- Logins that never came back.
delete from identity_request where expires_at < now();

-- name: linked^
-- Whom this subject has logged in as before, whatever became of them.
select member_id from identity where provider_id = :provider_id and subject = :subject;

-- name: link$
-- A subject's first login: the person of the partner with this address, unless somebody else is linked with them.
insert into identity (provider_id, subject, member_id)
select :provider_id, :subject, m.id from member m
where m.email = :email and m.partner_id = :partner_id and m.disabled_at is null
on conflict do nothing returning member_id;

-- name: address_verified!
-- The provider says that this address is this person's.
update member set email_verified_at = now() where id = :member_id and email = :email and email_verified_at is null;
