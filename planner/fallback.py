"""Root fields that no plan can hold (introspection, `_service`) go to graphql-core, and are laid beside the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
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
        pruned(prepared, frozenset(plan.fallback)),
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


def pruned(prepared: Prepared, keys: frozenset[str]) -> DocumentNode:
    """The operation with these root fields only, and all fragments: a fragment may hold root fields of both sorts."""
    fragments = prepared.question.fragments
    node = prepared.question.node
    node = replace(node, selection_set=_kept(node.selection_set, keys, fragments))
    return DocumentNode(definitions=(node, *fragments.values()))


def _kept(
    selections: SelectionSetNode, keys: frozenset[str], fragments: Mapping[str, FragmentDefinitionNode]
) -> SelectionSetNode:
    kept: list[Any] = []
    for each in selections.selections:
        if isinstance(each, FieldNode):
            if (each.alias or each.name).value in keys:
                kept.append(each)
        elif isinstance(each, InlineFragmentNode):
            kept.append(replace(each, selection_set=_kept(each.selection_set, keys, fragments)))
        elif isinstance(each, FragmentSpreadNode):
            fragment = fragments[each.name.value]
            kept.append(
                InlineFragmentNode(
                    type_condition=fragment.type_condition,
                    directives=each.directives,
                    selection_set=_kept(fragment.selection_set, keys, fragments),
                )
            )
    return SelectionSetNode(selections=tuple(kept))
