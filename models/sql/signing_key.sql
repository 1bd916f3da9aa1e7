-- name: lock!
-- One worker at a time makes keys.
select pg_advisory_xact_lock(hashtext('kyoso signing keys'));

-- name: found
-- Every key, the newest last.
select kid, public_jwk, sealed, signs_from from signing_key order by signs_from, kid;

-- name: add!
-- A new key pair; the private half is sealed.
insert into signing_key (kid, public_jwk, sealed, signs_from) values (:kid, :public_jwk, :sealed, :signs_from);
