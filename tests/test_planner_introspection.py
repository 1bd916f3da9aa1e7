"""What the schema tells of itself: counted before it is told, and charged like any other question."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import (
    ExecutionResult,
    GraphQLNamedType,
    GraphQLObjectType,
    execute_sync,
    get_introspection_query,
    introspection_types,
    parse,
)

from models.db import unit_of_work
from planner import Request
from planner.codec import is_plural, named, type_of
from schema.build import schema
from tests import builders
from tests.conversation import conversation
from tests.served import Served, running, serving

__all__ = ["running"]

SCHEMA = schema()._schema  # pyright: ignore[reportPrivateUsage]
DOCUMENTS, LONGEST_CHARACTERS = 100, 2_500
EVERYTHING = {
    "specified_by_url": True,
    "directive_is_repeatable": True,
    "schema_description": True,
    "input_value_deprecation": True,
    "experimental_directive_deprecation": True,
    "one_of": True,
}
TOOLS: dict[str, dict[str, Any]] = {
    "graphql-core, Apollo, Relay": {},
    "GraphiQL": {"schema_description": True, "input_value_deprecation": True},
    "all there is": EVERYTHING,
    "seven types deep": {**EVERYTHING, "type_depth": 7},
    "names alone": {"descriptions": False},
}
LAID_OUT = """fragment Laid on __Type { kind name description fields(includeDeprecated: true) { name description
  args { name description defaultValue type { ...Deep } } type { ...Deep } } inputFields { name type { ...Deep } }
  enumValues { name description } interfaces { ...Deep } possibleTypes { ...Deep } }
  fragment Deep on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }"""


def again(asked: str, times: int) -> str:
    """The same field under so many aliases."""
    return " ".join(f"a{number}: {asked}" for number in range(times))


MANIFOLD = (
    f"{{ viewer {{ login }} {again('__schema { ...Types }', 8)} }}"
    f" fragment Types on __Schema {{ {again('types { ...Laid }', 8)} }} {LAID_OUT}"
)
TOO_MUCH = {
    "aliases of aliases": MANIFOLD,
    "one operation of several": f"query Small {{ viewer {{ login }} }} query Large {MANIFOLD}",
    "fields of the types of fields": f"""{{ __schema {{ types {{ fields {{ type {{ ofType {{
      {again("fields { name description type { kind name ofType { name kind } } }", 20)} }} }} }} }} }} }}""",
    "lists of lists": f"""{{ __schema {{ {again("directives { ...Where }", 99)} }} }}
      fragment Where on __Directive {{ {again("locations", 99)} }}""",
    "one name ever again": f"{{ __schema {{ types {{ fields {{ {again('name', 195)} }} }} }} }}",
    "the printed schema again and again": f"{{ {again('_service { sdl }', 10)} }}",
}


@pytest.fixture
async def company(served: Served) -> UUID:
    async with unit_of_work() as connection:
        return await builders.company(connection)


@contextmanager
def watched() -> Iterator[list[float]]:
    """The longest time, in seconds, for which the event loop served nobody."""
    longest = [0.0]
    loop = asyncio.get_running_loop()

    async def beat() -> None:
        while True:
            began = loop.time()
            await asyncio.sleep(0.005)
            longest[0] = max(longest[0], loop.time() - began)

    beating = asyncio.create_task(beat())
    try:
        yield longest
    finally:
        beating.cancel()


def values(answer: Any) -> int:
    """The keys and items of an answer."""
    inside = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ()  # pyright: ignore
    return sum(1 + values(each) for each in inside)  # pyright: ignore


def by_the_judge(text: str, variables: dict[str, Any] | None = None) -> ExecutionResult:
    return execute_sync(SCHEMA, parse(text), variable_values=variables)


async def test_what_multiplies_is_refused_before_it_runs(
    served: Served, company: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over every way that leads to the planner; others are served meanwhile."""
    monkeypatch.setattr("planner.fallback.execute", None)
    token = await served.token(company)
    for name, text in TOO_MUCH.items():
        asked = {"query": text, "operationName": "Large" if "query Large" in text else None}
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/graphql-response+json"}
        with watched() as longest:
            answers = [
                await served.http.post("/graphql", json=asked, headers=headers),
                await served.http.post("/graphql", json=asked, headers=headers | {"Accept": "text/event-stream"}),
                await served.http.get(
                    "/graphql", params={key: value for key, value in asked.items() if value}, headers=headers
                ),
            ]
        assert longest[0] < 1, name
        for answer in answers:
            assert answer.json()["errors"][0]["extensions"]["code"] == "TOO_COSTLY", (name, answer.text[:200])
            assert "data" not in answer.json()
        async with conversation(served, token) as talk:
            await talk.send(id="1", type="subscribe", payload=asked)
            refused = await talk.said()
            assert refused["type"] == "error"
            assert refused["payload"][0]["extensions"]["code"] == "TOO_COSTLY", name
    assert served.statements == []
    left = (await served.ask(company, "{ viewer { throttle { maximum available } } }"))["viewer"]["throttle"]
    assert left["available"] > left["maximum"] - 10


async def test_what_nests_or_stands_where_it_may_not_is_refused(served: Served, company: UUID) -> None:
    token = await served.token(company)
    deep = "name"
    for _ in range(4):
        deep = f"name fields {{ type {{ {deep} }} }}"
    for text in (
        f"{{ __schema {{ types {{ {deep} }} }} }}",
        "subscription { __schema { types { name } } }",
        "subscription { outcomeEvents { __schema { types { name } } } }",
        "mutation { __schema { types { name } } }",
        "{ viewer { __schema { types { name } } } }",
    ):
        answer = await served.post(text, token)
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST"), text


@pytest.mark.parametrize("tool", TOOLS)
async def test_tools_read_the_schema_again_and_again(served: Served, company: UUID, tool: str) -> None:
    """Ten times in no time, within the budget that a client has where nothing is set."""
    token, text = await served.token(company), get_introspection_query(**TOOLS[tool])
    expected = orjson.dumps({"data": by_the_judge(text).data})
    for _ in range(10):
        answer = await served.post(text, token)
        assert answer.status_code == 200, answer.text
        assert answer.content == expected


async def test_the_schema_costs_its_values_out_of_the_budget(database: str, tmp_path: Path) -> None:
    text = get_introspection_query(**EVERYTHING)
    counted = values(by_the_judge(text).data)
    async with serving(database, tmp_path, cost_budget=counted // 10 + 100) as served:
        async with unit_of_work() as connection:
            company = await builders.company(connection)
        token = await served.token(company)
        assert (await served.post(text, token)).status_code == 200
        refused = await served.post(text, token)
        assert refused.status_code == 429
        assert f"This costs {counted};" in refused.text


async def test_random_documents_are_told_what_graphql_core_tells_and_cost_what_they_say(
    database: str, tmp_path: Path
) -> None:
    source = random.Random(1)
    async with serving(database, tmp_path, cost_budget=1_000_000_000) as served:
        async with unit_of_work() as connection:
            company = await builders.company(connection)
        token, planner = await served.token(company), served.app.state.endpoint.planner
        for _ in range(DOCUMENTS):
            made = Made(source)
            expected = by_the_judge(made.text, made.variables)
            assert expected.errors is None, made.text
            answer = await served.post(made.text, token, made.variables)
            assert answer.content == orjson.dumps({"data": expected.data}), made.text
            prepared = planner.prepare(Request(made.text, None, made.variables), builders.viewer(company))
            assert prepared.cost == values(expected.data), made.text


@dataclass
class Made:
    """A random document that asks the schema of itself, with its variables."""

    source: random.Random
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    text: str = ""

    def __post_init__(self) -> None:
        while not 0 < len(self.text) < LONGEST_CHARACTERS:
            self.variables.clear()
            self.make()

    def make(self) -> None:
        parts = [self.root(f"r{number}") for number in range(self.source.randrange(1, 4))]
        types = {name: "String!" if isinstance(value, str) else "Boolean!" for name, value in self.variables.items()}
        head = ", ".join(f"${name}: {type_}" for name, type_ in types.items())
        self.text = f"query Q{f'({head})' if head else ''} {{ {' '.join(parts)} }}"

    def root(self, alias: str) -> str:
        if self.source.random() < 0.5:
            return f"{alias}: __schema {self.selection(introspection_types['__Schema'], 0, 0)}"
        names = [*SCHEMA.type_map, "Nothing"]
        name = self.value(self.source.choice(names))
        return f"{alias}: __type(name: {name}) {self.selection(introspection_types['__Type'], 0, 0)}"

    def value(self, given: str | bool) -> str:
        if self.source.random() < 0.5:
            return json.dumps(given)
        name = f"v{len(self.variables)}"
        self.variables[name] = given
        return f"${name}"

    def selection(self, type_: GraphQLNamedType, lists: int, depth: int) -> str:
        assert isinstance(type_, GraphQLObjectType)
        parts = ["__typename"]
        for number in range(self.source.randrange(1, 5)):
            name = self.source.choice(list(type_.fields))
            asked = type_.fields[name]
            base = named(type_of(asked))
            below = lists + (name in ("fields", "interfaces", "possibleTypes", "inputFields"))
            # Strawberry's own `isOneOf` fails for lists and non-nulls.
            if name == "isOneOf" or below > 2 or (depth > 7 and isinstance(base, GraphQLObjectType)):
                continue
            text = f"k{number}: {name}"
            if "includeDeprecated" in asked.args and self.source.random() < 0.5:
                text += f"(includeDeprecated: {self.value(self.source.random() < 0.5)})"
            if self.source.random() < 0.15:
                text += f" @{self.source.choice(('skip', 'include'))}(if: {self.value(self.source.random() < 0.5)})"
            if isinstance(base, GraphQLObjectType):
                text += " " + self.selection(base, below, depth + 1)
            parts.append(f"... on {type_.name} {{ {text} }}" if self.source.random() < 0.2 else text)
            if is_plural(type_of(asked)) and self.source.random() < 0.1:
                parts.append(text.replace(f"k{number}:", f"again{number}:", 1))
        return "{ " + " ".join(parts) + " }"
