"""Random documents, compiled and executed, answer alike."""

from __future__ import annotations

import random

from graphql import parse

from planner.codec import read_global_id
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
