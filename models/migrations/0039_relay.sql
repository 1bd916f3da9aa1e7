-- Which slot pays for which hire stands in one place, the slot: a slot that was reserved after the hire paid for it without
-- the hire's knowledge, and nothing came back of it. A reserved one is for the hire of its application that stands.
update slot s set hire_id = a.hire_id from application a
where a.id = s.application_id and s.status = 'RESERVED' and s.hire_id is distinct from a.hire_id;
drop index slot_by_hire;
create unique index slot_by_hire on slot (hire_id);
alter table hire drop column slot_id;

-- Whoever took a choice back, or is rejected anew after a rejection was taken back, may turn to the same agency again: of an
-- invitation, one handover to each agency stands.
alter table handover drop constraint handover_invitation_id_agency_id_key;
create unique index handover_that_stands on handover (invitation_id, agency_id)
  where status not in ('WITHDRAWN', 'REVERSED');
create index handover_by_invitation on handover (invitation_id);
