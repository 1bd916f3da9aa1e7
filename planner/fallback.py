"""Root fields that no plan can hold (introspection, `_service`) go to graphql-core, and are laid beside the rest."""

from __future__ import annotations

from dataclasses import replace
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    SelectionSetNode,
    execute,  # pyright: ignore[reportUnknownVariableType]
)

from planner.arguments import Run
from planner.plan import Plan
from planner.run import Acquire, Answer

if TYPE_CHECKING:
    from planner.engine import Planner, Prepared


async def answer(planner: Planner, prepared: Prepared, plan: Plan, acquire: Acquire, run: Run, context: Any) -> Answer:
    """The answer of an operation some of whose root fields are not planned."""
    planned = await planner.runner.query(plan, acquire, run, context)
    result = execute(
        planner.catalogue.schema,
        _alone(prepared, plan.fallback + plan.introspected),
        context_value=context,
        variable_values=dict(prepared.given),
    )
    if isawaitable(result):
        result = await result
    assert isinstance(result, ExecutionResult)
    first = orjson.loads(planned.body)
    errors = [*planned.errors, *(result.errors or ())]
    whole: dict[str, Any] = {"data": None}
    if first["data"] is not None and result.data is not None:
        both = {**first["data"], **result.data}
        whole["data"] = {key: both[key] for key in plan.order}
    if errors:
        whole["errors"] = [error.formatted for error in errors]
    return Answer(orjson.dumps(whole), tuple(errors), planned.failures, planned.statements)


def _alone(prepared: Prepared, nodes: tuple[FieldNode, ...]) -> DocumentNode:
    """The operation with these root fields only, out of whatever fragments they stand in, and all fragments."""
    alone = replace(prepared.question.node, selection_set=SelectionSetNode(selections=nodes))
    return DocumentNode(definitions=(alone, *prepared.question.fragments.values()))
