-- Whether an agreement gives anything is asked of the version in force, and of nothing else: "active and not over" let
-- provisions start, and partners be shown, before the first day that the parties had agreed upon (figures: 0047).

-- Whether an agreement is in force now. It keeps its plan, wherever it is asked (as in 0020).
create function in_force(agreement uuid) returns boolean
language plpgsql stable parallel safe as $$
begin
  return exists (select from version_in_force(agreement, now()));
end
$$;

-- As in 0037, under agreements in force.
drop policy personal_data_read on personal_data;
create policy personal_data_read on personal_data for select using (
  partner_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
  or ((addressee_id is null or addressee_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid)
    and exists (
      select from provision v
      where v.giver_candidate_id = personal_data.candidate_id and v.ended_at is null
        and v.receiver_id = nullif(current_setting('kyoso.partner_id', true), '')::uuid
        and case personal_data.item when 'KANA' then 'NAME' else personal_data.item end = any (v.items)
        and (v.agreement_id is null or in_force(v.agreement_id)))));
