"""The tables that the bench touches, as Tortoise models."""

from __future__ import annotations

from tortoise import Model, fields
from tortoise.contrib.postgres.fields import ArrayField

from models.db import uuid7


class Partner(Model):
    id = fields.UUIDField(primary_key=True)
    kind = fields.TextField()
    name = fields.TextField()
    slug = fields.TextField()
    prefecture = fields.TextField()
    url = fields.TextField(null=True)
    joined_at = fields.DatetimeField()
    corporate_number = fields.TextField(null=True)
    license_number = fields.TextField(null=True)
    license_expires_on = fields.DateField(null=True)


class Hire(Model):
    id = fields.UUIDField(primary_key=True)
    decided_at = fields.DatetimeField()
    starts_on = fields.DateField()


class Job(Model):
    id = fields.UUIDField(primary_key=True)
    company_id = fields.UUIDField()
    title = fields.TextField()
    status = fields.TextField()
    open_to_network = fields.BooleanField()


class Application(Model):
    id = fields.UUIDField(primary_key=True)
    referral_id = fields.UUIDField(null=True)
    hire_id = fields.UUIDField(null=True)
    stage = fields.TextField()
    status = fields.TextField()
    received_at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)


class Contribution(Model):
    id = fields.UUIDField(primary_key=True)
    contributor_id = fields.UUIDField()
    company_id = fields.UUIDField()
    hire_id = fields.UUIDField()
    role = fields.TextField()
    share = fields.DecimalField(7, 6)
    occurred_at = fields.DatetimeField()


class Candidate(Model):
    id = fields.UUIDField(primary_key=True, default=uuid7)
    partner_id = fields.UUIDField()
    person_id = fields.UUIDField()
    alias = fields.TextField()
    created_at = fields.DatetimeField()


class Referral(Model):
    id = fields.UUIDField(primary_key=True, default=uuid7)
    referrer_id = fields.UUIDField()
    company_id = fields.UUIDField()
    job_id = fields.UUIDField(null=True)
    person_id = fields.UUIDField()
    status = fields.TextField()
    relationship = fields.TextField(null=True)
    submitted_at = fields.DatetimeField()
    confirmed_at = fields.DatetimeField(null=True)
    confirm_by = fields.DatetimeField(null=True)


class KpiMonth(Model):
    partner_id = fields.UUIDField(primary_key=True)
    measure = fields.TextField()
    month = fields.DateField()
    numerator = fields.DecimalField(38, 6)
    denominator = fields.DecimalField(38, 6)

    class Meta:
        table = "kpi_month"


class Person(Model):
    id = fields.UUIDField(primary_key=True, default=uuid7)
    created_at = fields.DatetimeField()


class PersonKey(Model):
    person_id = fields.UUIDField(primary_key=True)
    sealed = fields.BinaryField()

    class Meta:
        table = "person_key"


class PersonEmail(Model):
    email_index = fields.BinaryField(primary_key=True)
    person_id = fields.UUIDField()

    class Meta:
        table = "person_email"


class PersonalData(Model):
    candidate_id = fields.UUIDField(primary_key=True)
    item = fields.TextField()
    partner_id = fields.UUIDField()
    person_id = fields.UUIDField()
    sealed = fields.BinaryField()
    recorded_at = fields.DatetimeField()

    class Meta:
        table = "personal_data"


class Mail(Model):
    id = fields.UUIDField(primary_key=True, default=uuid7)
    kind = fields.TextField()
    company_id = fields.UUIDField()
    person_id = fields.UUIDField()
    referral_id = fields.UUIDField()
    language = fields.TextField()
    status = fields.TextField()
    due_at = fields.DatetimeField()


class OutcomeEvent(Model):
    id = fields.UUIDField(primary_key=True, default=uuid7)
    kind = fields.TextField()
    category = fields.TextField()
    occurred_at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()
    reported_by = fields.UUIDField()
    source = fields.TextField()
    company_id = fields.UUIDField()
    parties = ArrayField("uuid")
    referral_id = fields.UUIDField()

    class Meta:
        table = "outcome_event"


class IdempotencyKey(Model):
    client_id = fields.TextField(primary_key=True)
    client_mutation_id = fields.TextField()
    verb = fields.TextField()
    input_hash = fields.BinaryField()
    answer = fields.JSONField()
    created_at = fields.DatetimeField()

    class Meta:
        table = "idempotency_key"
