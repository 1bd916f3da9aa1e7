-- News of a placement is a provision (第三者提供): it has a record, which is the grant, as every other one has. A consent
-- alone lets nobody read anything.
drop function may_tell(uuid, uuid, uuid);

-- What was told so far gets its record now, as of the moment at which it was told: by an event, or, where the consent came
-- after it, by the link from the handover, which the company could follow from then on.
insert into provision (id, consent_id, person_id, giver_id, receiver_id, giver_candidate_id, receiver_candidate_id, items,
  provided_at, ended_at)
select distinct on (c.id) gen_random_uuid(), c.id, c.person_id, c.asked_by, c.recipient_id, g.id, r.id, c.items,
  t.told_at, c.withdrawn_at
from handover h
join consent c on c.person_id = h.person_id and c.asked_by = h.agency_id and c.recipient_id = h.company_id
  and 'OUTCOME' = any (c.items)
join candidate g on g.person_id = c.person_id and g.partner_id = c.asked_by
join candidate r on r.person_id = c.person_id and r.partner_id = c.recipient_id
cross join lateral (select coalesce(
  (select min(e.recorded_at) from outcome_event e
  where e.handover_id = h.id and e.kind = 'PLACED' and e.parties @> array[h.company_id] and e.recorded_at >= c.given_at),
  case when h.placement_id is not null then greatest(h.placed_at, c.given_at) end) as told_at) t
where t.told_at is not null and (c.withdrawn_at is null or c.withdrawn_at > t.told_at)
order by c.id, t.told_at
on conflict (consent_id, receiver_id, items) do nothing;
