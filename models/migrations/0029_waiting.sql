-- What the clock looks for each minute, in every worker: without an index it read all referrals, agreements and slots there are.
create index referral_waiting on referral (confirm_by) where status = 'SUBMITTED';
create index agreement_ending on agreement (ends_at) where status in ('ACTIVE', 'SUSPENDED');
create index slot_reserved on slot (id) where status = 'RESERVED';
