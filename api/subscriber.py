"""Who hears of events: subscribers, in groups of those who are told the same bytes."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from api.outlet import TOO_SLOW, Outlet
from api.place import Place
from planner import Bound
from schema.act import read_id


class Wish(NamedTuple):
    """What a subscription asks to hear. An id of anything else names no agreement, and nothing is shared under it."""

    kinds: frozenset[str] | None
    agreement_id: UUID | None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Wish:
        """The filters among the field's arguments."""
        kinds: Sequence[Any] | None = given.get("kinds")
        agreement: str | None = given.get("agreement")
        return cls(
            None if kinds is None else frozenset(getattr(name, "name", name) for name in kinds),
            None if agreement is None else read_id("agr", agreement) or UUID(int=0),
        )


class Group:
    """Subscribers for whom every event is decided, read and written once.

    `key` holds whatever decides what they see: the plan with its values, the partner, the scopes and the filters. What
    `bound`, that of its first member, answers is right for all.
    """

    def __init__(self, key: Hashable, bound: Bound, partner_id: UUID, wish: Wish) -> None:
        self.key, self.bound, self.partner_id, self.wish = key, bound, partner_id, wish
        self.members: set[Subscriber] = set()
        self.flows = False
        """Whether the agreement that was asked for gave this partner anything when it was last looked at."""
        self.due: deque[tuple[Sequence[Place], Sequence[Subscriber]]] = deque()
        """What was taken and is not yet handed out: which events, and who was a member then."""
        self.serving: asyncio.Task[None] | None = None
        self.marking: asyncio.Task[None] | None = None


class Subscriber:
    """One live subscription. `place` is the last that it was told of.

    Until it is `live` it is told of the past, and `missed` is the last that happened meanwhile.
    """

    __slots__ = ("ending", "group", "heard_at", "live", "missed", "outlet", "place", "silence")

    def __init__(self, group: Group, outlet: Outlet, place: Place, silence: float) -> None:
        self.group, self.outlet, self.place, self.silence = group, outlet, place, silence
        self.live = False
        self.missed: Place | None = None
        self.heard_at = -math.inf
        """When it was last told of anything, in the event loop's clock."""
        self.ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The code with which the server ends it."""

    def tell(self, place: Place, body: bytes, now: float) -> None:
        """Hands over one answer, or ends the subscription of a reader that does not keep up. Never waits."""
        if self.ending.done():
            return
        if not self.live:
            self.missed = place
        # A cursor may come from a faster worker: what it knows of is not told again.
        elif self.place.reaches(place):
            return
        elif self.outlet.put(body):
            self.place, self.heard_at = place, now
        else:
            self.end(TOO_SLOW)

    def tell_past(self, place: Place, body: bytes, now: float) -> None:
        """Hands over one answer of the past to a reader that is ready for it."""
        self.outlet.write(body)
        self.place, self.heard_at = place, now

    def silent(self, now: float) -> bool:
        """Whether it is due a bookmark."""
        return self.live and not self.ending.done() and now - self.heard_at >= self.silence

    def mark(self, place: Place, body: bytes, now: float) -> None:
        """Hands over a bookmark: nothing up to `place` was missed."""
        if self.outlet.put(body):
            self.place, self.heard_at = place, now

    def end(self, code: str) -> None:
        """Ends the subscription after what it was already given."""
        if not self.ending.done():
            self.ending.set_result(code)
