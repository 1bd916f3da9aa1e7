"""Root fields that no plan can hold go to graphql-core, and are laid beside the rest."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import orjson
from graphql import (
    ExecutionResult,
    execute,  # pyright: ignore[reportUnknownVariableType]
)

from planner.arguments import Run
from planner.introspection import Part
from planner.plan import Plan
from planner.run import Acquire, Answer

if TYPE_CHECKING:
    from planner.engine import Planner, Prepared


async def answer(planner: Planner, prepared: Prepared, plan: Plan, acquire: Acquire, run: Run, context: Any) -> Answer:
    """The answer of an operation some of whose root fields are not planned."""
    planned = await planner.runner.query(plan, acquire, run, context)
    parts = [Part(orjson.loads(planned.body)["data"], planned.errors)]
    if prepared.told is not None:
        asked = (prepared.told, prepared.document, prepared.question, plan.introspected, prepared.given)
        parts.append(await planner.introspection.part(*asked))
    if plan.fallback:
        parts.append(await _resolved(planner, prepared, plan, context))
    errors = [error for part in parts for error in part.errors]
    data: dict[str, Any] | None = {}
    for part in parts:
        data = None if data is None or part.data is None else {**data, **part.data}
    whole: dict[str, Any] = {"data": None if data is None else {key: data[key] for key in plan.order}}
    if errors:
        whole["errors"] = [error.formatted for error in errors]
    return Answer(orjson.dumps(whole), tuple(errors), planned.failures, planned.statements)


async def _resolved(planner: Planner, prepared: Prepared, plan: Plan, context: Any) -> Part:
    document = prepared.question.alone(plan.fallback)
    variables = dict(prepared.given)
    result = execute(planner.catalogue.schema, document, context_value=context, variable_values=variables)
    if isawaitable(result):
        result = await result
    assert isinstance(result, ExecutionResult)
    return Part(result.data, tuple(result.errors or ()))
