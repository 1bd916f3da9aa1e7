-- A recommendation (推薦文) is written to one company, and no other reads it: who refers one person to two companies writes
-- two. Other items are for whoever the person allows.
alter table personal_data add column addressee_id uuid references partner on delete restrict;

-- Whose the recommendations are that were written before: the company's to which the referral went that brought them. One
-- that no referral brought stays with its writer. For the moment the owner sees all rows, which are forced to be hidden.
alter table personal_data no force row level security;
update personal_data d set addressee_id = coalesce(
  (select r.company_id from referral r
  where r.referrer_id = d.partner_id and r.person_id = d.person_id and r.submitted_at <= d.recorded_at
  order by r.submitted_at desc, r.id desc limit 1), d.partner_id)
where d.item = 'RECOMMENDATION';
alter table personal_data force row level security;

alter table personal_data
  add constraint personal_data_addressed check ((item = 'RECOMMENDATION') = (addressee_id is not null)),
  drop constraint personal_data_pkey,
  add constraint personal_data_each_once unique nulls not distinct (candidate_id, item, addressee_id);
create index personal_data_by_addressee on personal_data (addressee_id) where addressee_id is not null;

-- As in 0004, but for whose eyes it is.
drop policy personal_data_read on personal_data;
create policy personal_data_read on personal_data for select using (
  partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
  or ((addressee_id is null or addressee_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid)
    and exists (
      select from provision v left join agreement a on a.id = v.agreement_id
      where v.giver_candidate_id = personal_data.candidate_id and v.ended_at is null
        and v.receiver_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
        and case personal_data.item when 'KANA' then 'NAME' else personal_data.item end = any (v.items)
        and (v.agreement_id is null or (a.status = 'ACTIVE' and (a.ends_at is null or a.ends_at > now()))))));
