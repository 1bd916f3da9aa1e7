-- What came of the referrals that a company's candidates confirmed is counted from the index alone. Rows that wait for
-- their candidate are not in it, and a referral is written again at its hire at most.
create index referral_by_company_confirmed on referral (company_id, confirmed_at) include (hired_at) where confirmed_at is not null;
