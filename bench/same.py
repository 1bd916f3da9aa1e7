"""Whether servers give the same answer: nothing is measured before that is shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, cast

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")
FRESH = re.compile(r"(ref|can|evt)_[0-9a-f-]{36}|[0-9a-f]{32}|候補者 \w{4}")
DIGITS = 12


class Different(Exception):  # noqa: N818  (what the bench found)
    """Two servers answer the same question differently: there is nothing to be measured."""


def plain(value: Any, *, peer: bool, fresh: bool = False) -> Any:
    """An answer as it is compared: an instant is an instant however it is written, a number has DIGITS digits.

    `peer`: the name of a referrer is left out, since who may read it is a rule of authorization, which the peers do
    not have. `fresh`: ids, aliases and instants are each time new.
    """
    if isinstance(value, dict):
        found = {name: plain(each, peer=peer, fresh=fresh) for name, each in cast("dict[str, Any]", value).items()}
        if peer and found.get("__typename") == "Referrer":
            found.pop("name", None)
        return dict(sorted(found.items()))
    if isinstance(value, list):
        return [plain(each, peer=peer, fresh=fresh) for each in cast("list[Any]", value)]
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return "an instant" if fresh else datetime.fromisoformat(value).astimezone(UTC).isoformat()
    if isinstance(value, str) and fresh and FRESH.fullmatch(value):
        return "something new"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(f"{value:.{DIGITS}g}")
    return value


def difference(ours: Any, theirs: Any, path: str = "") -> str:
    """The first place at which two answers differ; empty when there is none."""
    found = ""
    if isinstance(ours, dict) and isinstance(theirs, dict) and list(cast(Any, ours)) == list(cast(Any, theirs)):
        mine, other = cast("dict[str, Any]", ours), cast("dict[str, Any]", theirs)
        return next(filter(None, (difference(mine[name], other[name], f"{path}.{name}") for name in mine)), "")
    if isinstance(ours, list) and isinstance(theirs, list) and len(cast(Any, ours)) == len(cast(Any, theirs)):
        pairs = enumerate(zip(cast("list[Any]", ours), cast("list[Any]", theirs), strict=True))
        return next(filter(None, (difference(mine, other, f"{path}[{place}]") for place, (mine, other) in pairs)), "")
    if ours != theirs:
        found = f"at {path} Kyoso answers {str(cast(Any, ours))[:200]}, and the other {str(cast(Any, theirs))[:200]}"
    return found
