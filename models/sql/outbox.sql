-- name: publish!
-- One event into the outbox; the wake-up is delivered at commit and says nothing.
with event as (
  insert into outcome_event (id, kind, category, occurred_at, recorded_at, reported_by, source, source_event_id, stage,
    company_id, parties, referral_id, application_id, handover_id, invitation_id, slot_id, hire_id, corrects_id)
  values (:id, :kind, :category, :occurred_at, clock_timestamp(), :reported_by, :source, :source_event_id, :stage,
    :company_id, :parties, :referral_id, :application_id, :handover_id, :invitation_id, :slot_id, :hire_id, :corrects_id)
  returning id
)
select pg_notify('kyoso_outbox', '') from event;
