"""The schema, whole: every word's file, joined."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema import (
    agreement,
    application,
    ats,
    candidate,
    contribution,
    events,
    kpi,
    ledger,
    mutation,
    neighbourhood,
    node,
    outcome,
    partner,
    prefecture,
    query,
    referral,
    relay,
    scalars,
    subscription,
    viewer,
)
from schema import verbs as _verbs

WORDS: tuple[ModuleType, ...] = (
    agreement, application, ats, candidate, contribution, events, kpi, ledger, mutation, neighbourhood, node, outcome, partner,
    prefecture, query, referral, relay, subscription, viewer, *_verbs.WORDS,
)  # fmt: skip


@cache
def schema() -> strawberry.federation.Schema:
    """The federation schema, built once a process."""
    _introduce()
    return strawberry.federation.Schema(
        query=query.Query,
        mutation=mutation.Mutation,
        subscription=subscription.Subscription,
        types=_concrete(),
        federation_version="2.9",
        config=StrawberryConfig(scalar_map=scalars.SCALARS),
    )


def sdl() -> str:
    """The schema as a federation subgraph prints it; `schema/schema.graphql` holds the same text."""
    return schema().as_str() + "\n"


def _introduce() -> None:
    """Words name each other in circles, so their files import one another for the type checker only; here they meet."""
    types = {
        name: value
        for word in WORDS
        for name, value in vars(word).items()
        if hasattr(value, "__strawberry_definition__") or hasattr(value, "__strawberry_enum_definition__")
    }
    for word in WORDS:
        for name, value in types.items():
            vars(word).setdefault(name, value)


def _concrete() -> list[Any]:
    """Types that only an interface leads to: `node` and the entities reach them."""
    return [
        value
        for word in WORDS
        for value in vars(word).values()
        if "__planner_table__" in getattr(value, "__dict__", {}) and value.__module__ == word.__name__
    ]
