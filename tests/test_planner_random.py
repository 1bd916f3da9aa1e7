"""Random documents, compiled and executed, answer alike."""

from __future__ import annotations

import random
from typing import Any

from graphql import OperationDefinitionNode, parse
from graphql.execution.values import get_variable_values

from planner.codec import read_global_id
from planner.coerce import Quickly, UnclearError
from tests.planner_world.compare import World, compare
from tests.planner_world.documents import make
from tests.planner_world.fixture import SEED, toy  # noqa: F401

DOCUMENTS = 250


async def test_random_documents_answer_as_the_executor_does(toy: World) -> None:  # noqa: F811
    """proof 2.15: the suite's share of the documents; `python -m tests.random_documents --count 10000` has the rest."""
    told = await compare(toy, random.Random(SEED), DOCUMENTS)
    assert told == []
    assert toy.planner.compiled > DOCUMENTS


async def test_the_generator_repeats_itself_by_seed_and_varies_the_variables(toy: World) -> None:  # noqa: F811
    once, again = (make(random.Random(7), toy.rows) for _ in range(2))
    assert (once.text, once.variables) == (again.text, again.variables)
    many = [make(random.Random(seed), toy.rows) for seed in range(40)]
    assert len({each.text for each in many}) == 40
    assert any(each.variables[0] != each.variables[1] for each in many)
    assert all(parse(each.text) for each in many)
    assert read_global_id("par_") is None


async def test_quick_coercion_says_what_graphql_core_says(toy: World) -> None:  # noqa: F811
    schema = toy.planner.catalogue.schema
    source, quick = random.Random(3), 0
    junk = (None, True, 1, 1.5, "x", [], [None], {}, {"statuses": "OPEN"}, {"unknown": 1}, 2**31, ["OPEN", 7])
    for _ in range(60):
        made = make(source, toy.rows)
        (definition,) = [each for each in made.ast.definitions if isinstance(each, OperationDefinitionNode)]
        definitions = definition.variable_definitions or ()
        quickly = Quickly(schema, definitions)
        for variables in [*made.variables, *({**made.variables[0], **_one(made.variables[0], each)} for each in junk)]:
            slowly = get_variable_values(schema, definitions, dict(variables))
            try:
                taken = quickly(variables)
            except UnclearError:
                continue
            quick += 1
            assert not isinstance(slowly, list)
            assert taken == slowly.coerced
    assert quick > 100


def _one(variables: dict[str, Any], value: Any) -> dict[str, Any]:
    return dict.fromkeys(list(variables)[-1:], value)
