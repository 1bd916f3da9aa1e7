-- Whether a person lets one partner tell another what became of them: news from the agency's side is a provision of its
-- own, asked by who tells, and a consent to other items is none to news.
create function may_tell(teller uuid, told uuid, whom uuid) returns boolean
language sql stable parallel safe as $$
  select exists (
    select from consent c
    where c.person_id = whom and c.asked_by = teller and c.recipient_id = told and c.withdrawn_at is null
      and 'OUTCOME' = any (c.items))
$$;
