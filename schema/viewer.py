"""Who is asking (閲覧者)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from planner.declare import computed, embedded, one
from schema.scalars import DateTime

if TYPE_CHECKING:
    from schema.partner import Partner


@strawberry.federation.type(authenticated=True, description="Who is asking (閲覧者). Seen by that login only.")
class Viewer:
    partner: Partner = one("The partner (パートナー) behind the token", where="{row}.id = {viewer.partner}")
    login: str = computed("Name of the person or client that logged in", "{viewer.login}", total=True)
    scopes: list[str] = computed("Scopes of this token", "{viewer.scopes}", total=True, at_most=20)
    token_expires_at: DateTime = computed("The token ends", "{viewer.expires}", total=True)
    throttle: ThrottleStatus = embedded("Cost budget of this client (利用枠)")


@strawberry.type(description="Cost budget (利用枠), a leaking bucket. Seen by the client it belongs to.")
class ThrottleStatus:
    maximum: int = computed("Most that the bucket holds", "{viewer.budget_maximum}", total=True)
    available: int = computed("Left right now", "{viewer.budget_available}", total=True)
    restore_rate: int = computed("Refill per second", "{viewer.budget_restore}", total=True)
