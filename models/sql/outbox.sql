-- name: publish!
-- Events into the outbox, in this order; the wake-up is delivered at commit and says nothing. The transaction is numbered
-- before the clock is read: see `mark`.
with event as (
  insert into outcome_event (id, kind, category, occurred_at, recorded_at, reported_by, source, source_event_id, stage,
    company_id, parties, referral_id, application_id, handover_id, invitation_id, slot_id, hire_id, corrects_id)
  select id, kind, category, occurred_at, clock_timestamp(), reported_by, source, source_event_id, stage,
    company_id, parties, referral_id, application_id, handover_id, invitation_id, slot_id, hire_id, corrects_id
  from json_to_recordset(:events) as e (id uuid, kind text, category text, occurred_at timestamptz, reported_by uuid,
    source text, source_event_id text, stage text, company_id uuid, parties uuid[], referral_id uuid, application_id uuid,
    handover_id uuid, invitation_id uuid, slot_id uuid, hire_id uuid, corrects_id uuid)
  where pg_current_xact_id() is not null
  returning id
)
select pg_notify('kyoso_outbox', '') from event limit 1;

-- name: head^
-- The newest event behind which nothing can slip in any more.
select e.id, e.xid::text as xid, e.position from outcome_event e
where e.xid < pg_snapshot_xmin(pg_current_snapshot())
order by e.xid desc, e.position desc limit 1;

-- name: after
-- Events after a place, in order, leaving out those whose neighbours may still be uncommitted. `e.xid`, not the text of
-- the same name: as a text '1000' comes before '999', and no index has that order.
select e.id, e.xid::text as xid, e.position, e.kind, e.category, e.company_id from outcome_event e
where (e.xid, e.position) > (:xid::text::xid8, :position) and e.xid < pg_snapshot_xmin(pg_current_snapshot())
order by e.xid, e.position limit :rows;

-- name: shares_of
-- What the agreements named let flow today.
select agreement_id, giver_id, receiver_id, category from agreement_share
where agreement_id = any(:agreement_ids) and granularity = 'FIELDS'
  and starts_on <= (now() at time zone 'Asia/Tokyo')::date
  and (ends_on is null or ends_on >= (now() at time zone 'Asia/Tokyo')::date);

-- name: mark!
-- How far the record has come, unless the last hour has a mark. The order matters: a snapshot tells who may still
-- record an event, then the clock is read, and only then this transaction is numbered, so that whatever was recorded
-- earlier has a lower number. A transaction that has one already makes no mark.
insert into outcome_mark (at, low_xid, low_position, high_xid, high_position)
select clock_timestamp(), pg_snapshot_xmin(pg_current_snapshot()), 0, pg_current_xact_id(), 0
where pg_current_xact_id_if_assigned() is null
  and not exists (select from outcome_mark m where m.at > :now::timestamptz - interval '1 hour' and m.at <= :now)
on conflict do nothing;

-- name: rebuild_marks!
select outcome_mark_rebuild();
