"""How indexes find the rows of root lists, whose policies are an OR that none of them serves.

The policy is asked of each row all the same: a way can leave out, but never show.
"""

from __future__ import annotations

from auth.policy import VIEWER
from models.outbox import CATEGORIES, CATEGORY
from planner.words import Way


def _givers(category: str) -> str:
    """Who shares this with the viewer; never the viewer itself."""
    return f"select distinct g as giver from shared_with({VIEWER}, '{category}') g"


_OWN_EVENTS = tuple(Way(f"{{row}}.parties[{place}] = {VIEWER}") for place in (1, 2, 3))
_GIVEN_EVENTS = f"{{row}}.company_id = {{each}}.giver and not {{row}}.parties @> array[{VIEWER}]"

EVENTS = (
    *_OWN_EVENTS,
    Way(
        _GIVEN_EVENTS,
        each=f"select distinct g as giver from unnest('{{{','.join(CATEGORIES)}}}'::text[]) c "
        f"cross join lateral shared_with({VIEWER}, c) g",
    ),
)
EVENTS_BY_KIND = (
    *_OWN_EVENTS,
    Way(
        f"{_GIVEN_EVENTS} and {{row}}.kind = {{each}}.kind",
        each="select distinct g as giver, k.kind from unnest({value}) k (kind) "
        f"join (values {', '.join(map(str, CATEGORY.items()))}) c (kind, category) using (kind) "
        f"cross join lateral shared_with({VIEWER}, c.category) g",
    ),
)
"""Where kinds are asked for: those that a company shares, and none of a category that nobody does."""

REFERRALS = (
    Way(f"{{row}}.company_id = {VIEWER}"),
    Way(f"{{row}}.referrer_id = {VIEWER} and {{row}}.company_id <> {VIEWER}"),
    Way(f"{{row}}.company_id = {{each}}.giver and {{row}}.referrer_id <> {VIEWER}", each=_givers("REFERRALS")),
)
APPLICATIONS = (
    Way(f"{{row}}.company_id = {VIEWER}"),
    Way("{row}.company_id = {each}.giver", each=_givers("APPLICATIONS")),
)
CONTRIBUTIONS = (
    Way(f"{{row}}.contributor_id = {VIEWER}"),
    Way(f"{{row}}.company_id = {VIEWER} and {{row}}.contributor_id <> {VIEWER}"),
    Way(f"{{row}}.company_id = {{each}}.giver and {{row}}.contributor_id <> {VIEWER}", each=_givers("OUTCOMES")),
)
