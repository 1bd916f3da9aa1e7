"""How indexes find the rows of root lists, whose policies are an OR that none of them serves.

The policy is asked of each row all the same: a way can leave out, but never show.
"""

from __future__ import annotations

from auth.policy import VIEWER
from models.outbox import CATEGORIES, CATEGORY
from planner.words import Way

FEW_KINDS, FEW_EVENTS = 6, 1000
"""Up to so many kinds are walked one by one with each giver; a company has few events that has less than so many."""


def _givers(category: str) -> str:
    """Who shares this with the viewer; never the viewer itself."""
    return f"select distinct g as giver from shared_with({VIEWER}, '{category}') g"


_EVENT_GIVERS = f"unnest('{{{','.join(CATEGORIES)}}}'::text[]) c cross join lateral shared_with({VIEWER}, c) g"
_OWN_EVENTS = tuple(f"{{row}}.parties[{place}] = {VIEWER}" for place in (1, 2, 3))
_GIVEN_EVENTS = f"{{row}}.company_id = {{each}}.giver and not {{row}}.parties @> array[{VIEWER}]"
_KINDS = f"(values {', '.join(map(str, CATEGORY.items()))}) k (kind, category)"


def _along(company: str) -> str:
    """Whether events of one company, where one is asked for, are found by walking along all of them: most are seen by
    itself and by those with whom it shares. Anybody else sees those to which it is a party, and finds them among its
    own, unless the company has few.
    """
    counted = f"select from outcome_event e where e.company_id = {company} limit {FEW_EVENTS}"
    few = f"(select count(*) < {FEW_EVENTS} from ({counted}) e)"
    shared = f"exists (select from {_EVENT_GIVERS} where g = {company})"
    return f"({company} is not null and ({company} = {VIEWER} or {shared} or {few}))"


EVENTS = (*map(Way, _OWN_EVENTS), Way(_GIVEN_EVENTS, each=f"select distinct g as giver from {_EVENT_GIVERS}"))
EVENTS_OF_COMPANY = (
    *(Way(f"{own} and not {_along('{value}')}") for own in _OWN_EVENTS),
    Way("{row}.company_id = {each}.giver", each=f"select {{value}} as giver where {_along('{value}')}"),
)
EVENTS_UNDER_AGREEMENT = (
    Way(
        "{row}.company_id = {each}.giver and {row}.kind = {each}.kind",
        each=f"select distinct s.giver_id as giver, k.kind from agreement_share s join {_KINDS} using (category) "
        f"where s.agreement_id = {{value}} and s.granularity = 'FIELDS' and {VIEWER} in (s.giver_id, s.receiver_id) "
        "and coalesce(k.kind = any({filter.kinds}), true)",
    ),
)
_ALONG = _along("{filter.companyId}")
_ONE_OF_GIVERS = f"not {_ALONG} and coalesce(g = {{filter.companyId}}, true)"
EVENTS_BY_KIND = (
    *(Way(f"{own} and not {_ALONG}") for own in _OWN_EVENTS),
    Way(
        f"{{row}}.company_id = {{each}}.giver and {{row}}.kind = {{each}}.kind "
        f"and ({_ALONG} or not {{row}}.parties @> array[{VIEWER}])",
        each=f"select {{filter.companyId}} as giver, k.kind from unnest({{value}}) k (kind) where {_ALONG} "
        f"union select g, k.kind from {_KINDS} cross join lateral shared_with({VIEWER}, k.category) g "
        f"where {_ONE_OF_GIVERS} and k.kind = any({{value}}) and cardinality({{value}}) <= {FEW_KINDS}",
    ),
    Way(
        _GIVEN_EVENTS,
        each=f"select distinct g as giver from {_EVENT_GIVERS} "
        f"where {_ONE_OF_GIVERS} and cardinality({{value}}) > {FEW_KINDS}",
    ),
)
"""Where kinds are asked for, of all companies or of one: kind by kind those that a company shares, and none of a category
that nobody does; of many kinds there is soon one that is asked for."""

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
