-- Which slot pays for which hire stands in one place, the slot: a slot that was reserved after the hire paid for it without
-- the hire's knowledge, and nothing came back of it. A reserved one is for the hire of its application that stands.
update slot s set hire_id = a.hire_id from application a
where a.id = s.application_id and s.status = 'RESERVED' and s.hire_id is distinct from a.hire_id;
drop index slot_by_hire;
create unique index slot_by_hire on slot (hire_id);
alter table hire drop column slot_id;
