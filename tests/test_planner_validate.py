"""A document is valid for the planner when it is for graphql-core, and its errors are graphql-core's."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from graphql import DocumentNode, GraphQLError, parse, specified_rules, validate

from planner import validate as quick
from tests.planner_world.documents import make
from tests.planner_world.judge import JUDGE_SCHEMA
from tests.planner_world.rows import world

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\.\.\.|[\w@$-]+|\S')
DOCUMENTS = 25
BROKEN = """
{ jobs(first: 1) { totalCount } } type T { a: Int }
subscription { nothing { id } } query B { jobs(first: 1) { totalCount } }
query A { jobs(first: 1) { totalCount } } query A { jobs(first: 1) { totalCount } }
{ jobs(first: 1) { totalCount } } query B { jobs(first: 1) { totalCount } }
subscription { __typename }
query ($a: Nobody) { jobs(first: $a) { totalCount } }
{ ...F } fragment F on Status { x }
query ($a: Job) { jobs(first: $a) { totalCount } }
{ jobs(first: 1) }
{ jobs(first: 1) { totalCount { a } } }
{ jobs(first: 1) { nothing } }
{ ...F } fragment F on Query { jobs(first: 1) { totalCount } } fragment F on Query { jobs(first: 1) { totalCount } }
{ ...F }
{ jobs(first: 1) { totalCount } } fragment F on Query { jobs(first: 1) { totalCount } }
{ jobs(first: 1) { ... on Company { id } } }
{ jobs(first: 1) { ...F } } fragment F on JobConnection { totalCount ...G } fragment G on JobConnection { ...F }
query ($a: Int!, $a: Int!) { jobs(first: $a) { totalCount } }
{ jobs(first: $a) { totalCount } }
{ jobs(first: 1) { ...F } } fragment F on JobConnection { edges { node { referrals(first: $a) { totalCount } } } }
query ($a: Int!) { jobs(first: 1) { totalCount } }
{ jobs(first: 1) @nothing { totalCount } }
{ jobs(first: 1) { totalCount @key(fields: "id") } }
{ jobs(first: 1) @skip(if: true) @skip(if: true) { totalCount } }
{ jobs(first: 1, nothing: 2) { totalCount } }
{ jobs(first: 1) { totalCount @skip(unless: true) } }
{ jobs(first: 1, first: 2) { totalCount } }
{ jobs(first: "1") { totalCount } }
{ jobs(first: 1, filter: {nothing: 1}) { totalCount } }
{ jobs { totalCount } }
{ jobs(first: 1) { totalCount @skip } }
query ($a: Int) { jobs(first: $a) { totalCount } }
query ($a: Int = 1.5) { jobs(first: $a) { totalCount } }
{ jobs(first: 1) { a: totalCount a: edges { cursor } } }
{ jobs(first: 1) { totalCount } jobs(first: 2) { totalCount } }
{ jobs(first: 1, filter: {statuses: [OPEN], statuses: [OPEN]}) { totalCount } }
{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }
""".strip().splitlines()
MUTE = {
    "DeferStreamDirectiveOnRootField", "DeferStreamDirectiveOnValidOperationsRule", "DeferStreamDirectiveLabel",
    "StreamDirectiveOnListField", "KnownOperationTypesRule",
}  # fmt: skip
"""Directives of which they speak are not offered, and refused as unknown; the schema has all types of operation."""


def _slow(ast: DocumentNode, rules: Any = specified_rules) -> list[GraphQLError]:
    return validate(JUDGE_SCHEMA, ast, rules, max_errors=10, allow_empty_selection_sets=False)


def test_a_valid_document_is_believed_without_graphql_cores_own_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "validate", None)  # and so would fail
    source, rows = random.Random(1), world(1)
    for _ in range(DOCUMENTS):
        assert quick.errors(JUDGE_SCHEMA, make(source, rows, sets=0).ast, specified_rules) == []


def test_every_rule_finds_what_it_finds_in_graphql_cores_walk() -> None:
    heard: set[str] = set()
    for ast in map(parse, BROKEN):
        assert quick.errors(JUDGE_SCHEMA, ast, specified_rules) == _slow(ast) != []
        for rule in specified_rules:
            alone = _slow(ast, [rule])
            assert quick.errors(JUDGE_SCHEMA, ast, [rule]) == alone, rule.__name__
            heard |= {rule.__name__} if alone else set()
    assert {rule.__name__ for rule in specified_rules} - heard == MUTE


def test_what_chance_breaks_has_the_same_errors() -> None:
    source, rows = random.Random(2), world(1)
    refused = 0
    for _ in range(DOCUMENTS):
        tokens = TOKEN.findall(make(source, rows, sets=0).text)
        place = source.randrange(len(tokens))
        tokens[place : place + source.choice((0, 1, 1))] = source.choice(([], [source.choice(tokens)], ["nothing"]))
        try:
            ast = parse(" ".join(tokens))
        except GraphQLError:
            continue
        told = _slow(ast)
        refused += bool(told)
        assert quick.errors(JUDGE_SCHEMA, ast, specified_rules) == told
    assert refused > 5


def test_fragments_that_nest_too_deep_are_refused_alike() -> None:
    text = "{ ...F0 } " + " ".join(
        f"fragment F{n} on Query {{ ... on Query {{ ...F{n + 1} }} }}" for n in range(600)
    ) + " fragment F600 on Query { jobs(first: 1) { totalCount } }"  # fmt: skip
    ast = parse(text)
    assert quick.errors(JUDGE_SCHEMA, ast, specified_rules) == _slow(ast) != []
