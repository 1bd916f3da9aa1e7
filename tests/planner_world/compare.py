"""The planner's answer beside the judge's."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from planner import Catalogue, InvalidRequestError, Limits, Planner, Request
from tests.planner_world import rows as world
from tests.planner_world.documents import make
from tests.planner_world.judge import Judge
from tests.planner_world.schema import VIEWER_VALUES, schema

POLICIES = {
    "partner": "true",
    "job": "not {row}.hidden or {row}.company_id = {viewer.partner}",
    "candidate": "{row}.partner_id = {viewer.partner} or {row}.alias <> 'plain'",
    "referral": (
        "{row}.company_id = {viewer.partner} or {row}.referrer_id = {viewer.partner} or {row}.status <> 'DRAFT'"
    ),
    "outcome": "not {row}.secret",
    "kinship": "not {row}.secret",
    "mail": "true",
    "figure": "true",
    "around": "true",
}

ANY_COST = Limits(cost=1_000_000_000)


def policy(table: str, standing: Any) -> str | None:
    """The toy world's policy, the same for every standing."""
    return POLICIES.get(table)


@dataclass
class Viewer:
    """A viewer of the toy world."""

    values: dict[str, Any]
    standing: Any = frozenset()


@dataclass
class Context:
    """What finishers and verbs get."""

    calls: list[Any] = field(default_factory=list)
    post_job: Callable[..., Any] | None = None


def viewer(partner: Any) -> Viewer:
    """The viewer who stands for a partner."""
    return Viewer({"partner": partner, "login": "me", "scopes": ["a", "b"], "available": 5})


@dataclass
class World:
    """A filled database and a planner over it."""

    connection: asyncpg.Connection[Any]
    rows: world.Rows
    planner: Planner

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """The one connection."""
        yield self.connection

    async def ask(
        self, text: str, variables: dict[str, Any] | None = None, who: Viewer | None = None, **more: Any
    ) -> tuple[dict[str, Any], int]:
        """Body and number of statements; a refused request answers with errors only."""
        asking = who or viewer(self.rows["partner"][0]["id"])
        try:
            prepared = self.planner.prepare(Request(text, None, variables), asking)
            answer = await self.planner.run(prepared, self.acquire, more.pop("context", Context()), **more)
        except InvalidRequestError as refused:
            return {"errors": [error.formatted for error in refused.errors]}, 0
        return json.loads(answer.body), answer.statements


async def connect(url: str) -> asyncpg.Connection[Any]:
    """A connection as the application has it, as a role that row-level security binds."""
    return await asyncpg.connect(url, server_settings={"timezone": "UTC", "jit": "off"})


async def create(connection: asyncpg.Connection[Any], seed: int, limits: Limits = ANY_COST) -> World:
    """Make the world in an empty database. A random document in some thousands would be refused for its cost."""
    rows = world.world(seed)
    await world.create(connection, rows)
    await connection.execute(
        "do $$ begin if not exists (select 1 from pg_roles where rolname = 'world_reader') then"
        " create role world_reader; end if; end $$;"
        " grant select on all tables in schema public to world_reader; set role world_reader"
    )
    catalogue = await Catalogue.load(connection, schema, viewer=VIEWER_VALUES)
    planner = Planner(
        schema, catalogue, policy=policy, gate=lambda _: None, session={"world.partner_id": "partner"}, limits=limits
    )
    return World(connection, rows, planner)


def same(ours: Any, theirs: Any) -> bool:
    """Equal with key order; numbers as numbers."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    return ours == theirs


def paths(errors: Any) -> set[tuple[Any, ...]]:
    """Where errors are."""
    return {tuple(error["path"] or ()) for error in errors or ()}


def told_alike(body: dict[str, Any], theirs: Any) -> bool:
    """Whether the same places are told of. Below a place that became null, one error is enough: which of several
    the executor tells is chance, and a finisher tells all of its own."""
    ours, wanted = paths(body.get("errors")), paths(theirs)
    return wanted <= ours and all(_below_null(body["data"], path) for path in ours - wanted)


def _below_null(data: Any, path: tuple[Any, ...]) -> bool:
    for step in path[:-1]:
        data = data[step]
        if data is None:
            return True
    return False


async def compare(made: World, source: random.Random, count: int) -> list[str]:
    """So many random documents, each three times; what differs is told."""
    told: list[str] = []
    judges: dict[Any, Judge] = {}
    for _ in range(count):
        document = make(source, made.rows)
        for variables in document.variables:
            partner = source.choice(made.rows["partner"])["id"]
            who = viewer(partner)
            judge = judges.setdefault(partner, Judge(made.rows, who.values))
            result = judge.answer(document.ast, variables)
            body, statements = await made.ask(document.text, variables, who)
            theirs = json.loads(json.dumps(result.data))
            wrong = [error.formatted for error in result.errors or ()]
            if "data" not in body or not same(body["data"], theirs) or not told_alike(body, wrong):
                told.append(
                    f"{document.text}\n{json.dumps(variables)}\nviewer {partner}\nours   {json.dumps(body)[:3000]}\n"
                    f"theirs {json.dumps(theirs)[:3000]}\n{wrong[:3]}"
                )
            elif statements > 2:
                told.append(f"{document.text}\n{statements} statements")
    return told
