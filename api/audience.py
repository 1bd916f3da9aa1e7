"""Whom an event is for: the subscribers whose partner may see it now, and who asked for its kind and agreement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from api.subscriber import Group
from auth.policy import seers
from models.db import Connection, queries

Share = tuple[UUID, UUID, UUID, str]
"""What flows under an agreement: agreement, giver, receiver, category."""


async def shared(connection: Connection, groups: Iterable[Group]) -> set[Share]:
    """What flows under the agreements that these groups asked for."""
    agreements = list({group.wish.agreement_id for group in groups if group.wish.agreement_id})
    if not agreements:
        return set()
    rows = queries("outbox").shares_of(connection, agreement_ids=agreements)
    return {(row["agreement_id"], row["giver_id"], row["receiver_id"], row["category"]) async for row in rows}


def concerns(group: Group, shares: Iterable[Share]) -> bool:
    """Whether anything of this flows to or from the group's partner under the agreement that the group asked for."""
    return any(
        agreement == group.wish.agreement_id and group.partner_id in (giver, receiver)
        for agreement, giver, receiver, _ in shares
    )


async def wanted_of(connection: Connection, events: Sequence[Any], groups: Sequence[Group]) -> set[tuple[Group, UUID]]:
    """Which events go to whom: wanted by kind and agreement, and visible now by the policy of a read."""
    if not events or not groups:
        return set()
    partners = list({group.partner_id for group in groups})
    visible = await seers(connection, [event["id"] for event in events], partners)
    shares = await shared(connection, groups)
    return {
        (group, event["id"])
        for event in events
        for group in groups
        if (group.partner_id, event["id"]) in visible
        and (group.wish.kinds is None or event["kind"] in group.wish.kinds)
        and (group.wish.agreement_id is None or concerns(group, _of_event(event, shares)))
    }


def _of_event(event: Any, shares: Iterable[Share]) -> Iterable[Share]:
    return (each for each in shares if each[1] == event["company_id"] and each[3] == event["category"])
