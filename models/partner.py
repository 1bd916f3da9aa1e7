"""Partners (パートナー): companies, schools, agencies, referrers and communities."""

from __future__ import annotations

from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from models.db import uuid7


class Partner(Model):
    """Any organisation or referrer on the network; `kind` says which, the other columns are that kind's facts."""

    id: UUID = fields.UUIDField(primary_key=True, default=uuid7)
    kind = fields.CharField(max_length=20)
    name = fields.CharField(max_length=200)
    legal_name: str | None = fields.CharField(max_length=200, null=True)
    sort_name = fields.TextField()
    slug = fields.CharField(max_length=63, unique=True)
    prefecture = fields.CharField(max_length=20)
    url: str | None = fields.TextField(null=True)
    joined_at = fields.DatetimeField()
    verified_at = fields.DatetimeField(null=True)
    corporate_number: str | None = fields.CharField(max_length=13, null=True, unique=True)
    school_code: str | None = fields.CharField(max_length=13, null=True, unique=True)
    school_level: str | None = fields.CharField(max_length=20, null=True)
    license_number: str | None = fields.CharField(max_length=12, null=True, unique=True)
    license_kind: str | None = fields.CharField(max_length=4, null=True)
    license_expires_on = fields.DateField(null=True)
    affiliation: str | None = fields.CharField(max_length=10, null=True)
    company_id: UUID | None = fields.UUIDField(null=True)
    focus: str | None = fields.CharField(max_length=10, null=True)

    class Meta:
        table = "partner"
