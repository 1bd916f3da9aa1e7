"""What the schema tells of itself: counted before it is told, and charged like any other question."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import (
    ExecutionResult,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    execute_sync,
    get_introspection_query,
    introspection_types,
    parse,
)

from models.db import unit_of_work
from planner import Catalogue, Planner, Request
from planner.codec import is_plural, named, type_of
from schema.build import schema
from tests import builders
from tests.conversation import conversation
from tests.planner_world.compare import World, policy, viewer
from tests.planner_world.fixture import toy  # noqa: F401
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


async def test_every_type_says_whether_it_takes_one_of_its_members(served: Served, company: UUID) -> None:
    """A list has no members, and says so, as everything does that is no input."""
    told = "kind isOneOf ofType { kind isOneOf ofType { kind isOneOf } }"
    text = f"{{ __schema {{ types {{ {told} fields {{ type {{ {told} }} args {{ type {{ {told} }} }} }} }} }} }}"
    answer = (await served.post(text, await served.token(company))).json()
    assert "errors" not in answer
    assert {(each["kind"] == "INPUT_OBJECT", each["isOneOf"]) for each in kinds(answer)} == {
        (True, False),
        (False, None),
    }


def kinds(answer: Any) -> Iterator[dict[str, Any]]:
    """Every type in an answer that tells its kind."""
    if isinstance(answer, dict) and "kind" in answer:
        yield answer  # pyright: ignore[reportUnknownVariableType]
    inside = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ()  # pyright: ignore
    for each in inside:  # pyright: ignore[reportUnknownVariableType]
        yield from kinds(each)


async def test_what_multiplies_is_refused_before_it_runs(
    served: Served, company: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over every way that leads to the planner; others are served meanwhile."""
    monkeypatch.setattr("planner.introspection.execute_sync", None)
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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What graphql-core was asked: for each time, the thread in which."""
    found: list[int] = []

    def note(*given: Any, **more: Any) -> ExecutionResult:
        found.append(threading.get_ident())
        return execute_sync(*given, **more)

    monkeypatch.setattr("planner.introspection.execute_sync", note)
    return found


async def test_the_same_is_asked_once_for_all(served: Served, company: UUID, asked: list[int]) -> None:
    """By many at once, by others with other scopes, and beside other fields, each of which is read anew."""
    text = "query One { viewer { scopes } __schema { types { name } } } query Two { __schema { queryType { name } } }"
    scopes = (("network:read",), ("agreements:read", "network:read"))
    headers = [{"Authorization": f"Bearer {await served.token(company, each)}"} for each in scopes]

    async def ask(operation: str, of: int) -> Any:
        body = {"query": text, "operationName": operation}
        return (await served.http.post("/graphql", json=body, headers=headers[of])).json()["data"]

    answers = await asyncio.gather(*(ask("One", of) for of in (0, 0, 1, 0, 1)))
    assert [tuple(each["viewer"]["scopes"]) for each in answers] == [scopes[of] for of in (0, 0, 1, 0, 1)]
    types = by_the_judge("{ __schema { types { name } } }").data
    assert all({"__schema": each["__schema"]} == types for each in answers)
    assert len(asked) == 1
    for of in (0, 1):
        assert await ask("Two", of) == {"__schema": {"queryType": {"name": "Query"}}}
    assert len(asked) == 2


async def test_others_are_served_while_graphql_core_answers(
    served: Served, company: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = threading.Event()

    def slow(*given: Any, **more: Any) -> ExecutionResult:
        assert going.wait(60)
        return execute_sync(*given, **more)

    monkeypatch.setattr("planner.introspection.execute_sync", slow)
    token = await served.token(company)
    asking = asyncio.create_task(served.post("{ __schema { queryType { name } } }", token))
    for _ in range(3):
        assert (await served.ask(company, "{ viewer { login } }"))["viewer"]["login"]
    assert not asking.done()
    going.set()
    assert (await asking).json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}


OLD = build_schema("""
type Query { now: Int old: Int @deprecated }
enum Word { NEW OLD @deprecated }
""")
OLDER = """query ($old: Boolean!, $name: String!, $skip: Boolean!) {
  word: __type(name: "Word") { enumValues(includeDeprecated: $old) { name } }
  named: __type(name: $name) { name fields(includeDeprecated: $old) { name @skip(if: $skip) isDeprecated } } }"""


async def test_each_set_of_values_has_an_answer_of_its_own(toy: World, asked: list[int]) -> None:  # noqa: F811
    catalogue = await Catalogue.load(toy.connection, OLD, viewer={})
    planner = toy.planner = Planner(OLD, catalogue, policy=lambda *_: None, gate=lambda _: None)
    sets = [
        {"old": old, "name": name, "skip": skip}
        for old in (False, True)
        for skip in (False, True)
        for name in ("Query", "Word", "Nothing")
    ]
    for _ in range(2):
        for given in sets:
            expected = execute_sync(OLD, parse(OLDER), variable_values=given).data
            assert await toy.ask(OLDER, given) == ({"data": expected}, 0)
            cost = planner.prepare(Request(OLDER, None, given), viewer(toy.rows["partner"][0]["id"])).cost
            assert cost == values(expected)
    assert len(asked) == len(sets)
    for number in range(50):
        assert (await toy.ask(OLDER, {**sets[0], "name": f"Made{number}"}))[0]["data"]["named"] is None
    assert len(asked) == len(sets)
    refused = await toy.ask('query ($n: String = "Word") { __type(name: $n) { name } }', {"n": None})
    assert refused[0]["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_what_is_resolved_is_not_kept(toy: World, asked: list[int]) -> None:  # noqa: F811
    text = "{ x: __typename clock viewer { login } a: __schema { queryType { name } } }"
    bodies = [(await toy.ask(text))[0]["data"] for _ in range(2)]
    assert [list(each) for each in bodies] == [["x", "clock", "viewer", "a"]] * 2
    assert len(asked) == 1


async def test_kept_answers_count_in_the_cache(toy: World, asked: list[int]) -> None:  # noqa: F811
    """Byte by byte, within its bound; one that is larger than answers are kept is asked for again."""
    text = "{ __schema { types { name description fields { name } } } }"
    size = len(orjson.dumps((await toy.ask(text))[0]["data"]["__schema"]))
    planner = toy.planner
    limits = replace(planner.limits, cache_bytes=10 * size, told_bytes=2 * size)
    planner = toy.planner = Planner(
        planner.schema, planner.catalogue, policy=policy, gate=lambda _: None, limits=limits
    )
    who = viewer(toy.rows["partner"][0]["id"])
    planner.prepare(Request(text), who)
    before = planner.cache.weight
    for _ in range(2):
        await toy.ask(text)
        assert planner.cache.weight == before + size
    for number in range(20):
        await toy.ask(text.replace("__schema", f"a{number}: __schema"))
        assert size < planner.cache.weight <= 10 * size
    asked.clear()
    large = "{ a: " + text[2:-1] + "b: " + text[2:-1] + "c: " + text[2:]
    for _ in range(2):
        await toy.ask(large)
        assert planner.cache.weight <= 10 * size
    assert len(asked) == 2


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
