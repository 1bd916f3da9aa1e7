-- A partner's own events in their order, and a company's of one kind. A GIN index finds a party's in no order, and the order
-- of all events finds them among everybody's: 5 s for the first page of a partner that has few, among seven million.
alter table outcome_event add constraint outcome_event_parties_check check (cardinality(parties) between 1 and 3);
create index outcome_event_by_first_party on outcome_event ((parties[1]), xid, position);
create index outcome_event_by_second_party on outcome_event ((parties[2]), xid, position) where parties[2] is not null;
create index outcome_event_by_third_party on outcome_event ((parties[3]), xid, position) where parties[3] is not null;
create index outcome_event_by_company_kind on outcome_event (company_id, kind, xid, position);
drop index outcome_event_by_party;
