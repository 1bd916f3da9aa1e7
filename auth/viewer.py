"""Who is asking (閲覧者)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from auth.confined import ONE_AGREEMENT
from auth.scopes import IDENTITY_SCOPES, expand

OPERATOR_KIND = "OPERATOR"
NOBODY = UUID(int=0)
"""The partner id of the platform's operator, who is no partner: no row carries it, so no row is theirs."""


@dataclass(frozen=True)
class Viewer:
    """One verified token: the partner it speaks for and what it may ask for.

    `kind` is the partner's kind, or OPERATOR_KIND with `partner_id` NOBODY; `login` the name of the person or client
    (show it, never log it); `member_id` is None when a program acts for itself; `scopes` stand as granted;
    `agreement_id` is the one agreement that the token is confined to, if it is.
    """

    partner_id: UUID
    kind: str
    login: str
    client_id: str
    scopes: frozenset[str]
    expires_at: datetime
    member_id: UUID | None
    token_id: str
    agreement_id: UUID | None = None

    @cached_property
    def caller(self) -> str:
        """The client and, where a person acts through it, that person: whose budgets and idempotency keys these are.

        One product's client serves people of many partners, who must neither spend nor block each other's.
        """
        return f"{self.client_id} {self.member_id}" if self.member_id else self.client_id

    @cached_property
    def standing(self) -> frozenset[str]:
        """What decides whether a field may be asked for: the scopes with all that they imply, but for who one is."""
        granted = expand(self.scopes) - IDENTITY_SCOPES
        return granted | {ONE_AGREEMENT} if self.agreement_id else granted

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """What statements may ask about them, by name."""
        return {
            "partner": self.partner_id,
            "agreement": self.agreement_id,
            "login": self.login,
            "scopes": sorted(self.scopes),
            "expires": self.expires_at,
        }
