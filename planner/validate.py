"""Whether a document is valid, by graphql-core's own rules in a quicker walk.

graphql-core asks every rule at every node whether it has anything to say there, and hashes whole operations to find
what it knows of them. Here a rule is made and called where it has something to say. Only that a document has no errors
is believed; what is wrong with one is always graphql-core's to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any

from graphql import (
    BREAK,
    SKIP,
    ASTValidationRule,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    TypeInfo,
    ValidationContext,
    Visitor,
    validate,
    visit,
)
from graphql.language.ast import QUERY_DOCUMENT_KEYS
from graphql.language.visitor import EnterLeaveVisitor
from graphql.validation.validate import FragmentNestingVisitor
from graphql.validation.validation_context import VariableUsage, VariableUsageVisitor

MAXIMUM_ERRORS = 10
MAXIMUM_TABLES = 1_000
"""Of who speaks of which kind of node: some twenty for each standing, whose gate is a rule of its own."""
Rules = Collection[type[ASTValidationRule]]
Heard = Callable[..., Any] | None

_WALKED = {
    kind: tuple(key for key in keys if key not in ("name", "alias", "description"))
    for kind, keys in QUERY_DOCUMENT_KEYS.items()
}
"""What of each node is walked: nobody has anything to say of a name."""


def errors(schema: GraphQLSchema, ast: DocumentNode, rules: Rules) -> list[GraphQLError]:
    """What these rules find wrong with a document: the first ten errors, as graphql-core gives them."""
    if _sound(schema, ast, rules):
        return []
    return validate(schema, ast, rules, max_errors=MAXIMUM_ERRORS, allow_empty_selection_sets=False)


class _UnsoundError(Exception):
    """Some rule has found an error."""


def _sound(schema: GraphQLSchema, ast: DocumentNode, rules: Rules) -> bool:
    types = TypeInfo(schema)
    context = _Context(schema, ast, types, _refuse, allow_empty_selection_sets=False)
    fragments = {each.name.value: each for each in ast.definitions if isinstance(each, FragmentDefinitionNode)}
    try:
        if fragments:
            visit(ast, FragmentNestingVisitor(fragments))
        visit(ast, _Walk(types, tuple(rules), lambda rule: rule(context)), _WALKED)
    except (_UnsoundError, GraphQLError, RecursionError):
        return False
    return True


def _refuse(error: GraphQLError) -> None:
    raise _UnsoundError


class _Context(ValidationContext):
    """What rules ask of a document, without hashing an operation where nothing is found by it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._types: TypeInfo = args[2]
        self._lone = not any(isinstance(each, FragmentDefinitionNode) for each in self.document.definitions)
        self._used: dict[int, list[VariableUsage]] = {}

    def get_variable_usages(self, node: Any) -> list[VariableUsage]:
        """The variables in one operation or fragment, which the document keeps alive."""
        if id(node) not in self._used:
            found = VariableUsageVisitor(self._types, node if isinstance(node, FragmentDefinitionNode) else None)
            visit(node, _Walk(self._types, (VariableUsageVisitor,), lambda _: found), _WALKED)
            self._used[id(node)] = found.usages
        return self._used[id(node)]

    def get_recursive_variable_usages(self, operation: OperationDefinitionNode) -> list[VariableUsage]:
        """Those in the fragments it spreads too, where there are any."""
        return self.get_variable_usages(operation) if self._lone else super().get_recursive_variable_usages(operation)

    def get_recursively_referenced_fragments_for_operations(self, operations: Any) -> list[FragmentDefinitionNode]:
        """The fragments that are spread, where there are any."""
        return [] if self._lone else super().get_recursively_referenced_fragments_for_operations(operations)


@lru_cache(MAXIMUM_TABLES)
def _speaking(classes: tuple[type, ...], kind: str) -> tuple[tuple[int, str | None, str | None], ...]:
    """Which of these have methods for a kind of node, its own or else those of every kind, and their names."""

    def named(class_: type, when: str) -> str | None:
        return next((name for name in (f"{when}_{kind}", when) if hasattr(class_, name)), None)

    found = [(place, named(each, "enter"), named(each, "leave")) for place, each in enumerate(classes)]
    return tuple(each for each in found if each[1] or each[2])


class _Walk(Visitor):
    """All that listen, at each node: as graphql-core's ParallelVisitor within its TypeInfoVisitor.

    `make` gives the visitor of a class, when a node comes by of which it has something to say.
    """

    def __init__(self, types: TypeInfo, classes: tuple[type, ...], make: Callable[[Any], Visitor]) -> None:
        super().__init__()
        self._types = types
        self._classes = classes
        self._make = make
        self._there: dict[int, Visitor] = {}
        self._silent: list[Any] = [None] * len(classes)
        self._calls: dict[str, EnterLeaveVisitor] = {}

    def get_enter_leave_for_kind(self, kind: str) -> EnterLeaveVisitor:
        """What happens at nodes of this kind."""
        if kind not in self._calls:
            self._calls[kind] = self._told(kind)
        return self._calls[kind]

    def _visitor(self, place: int) -> Visitor:
        if place not in self._there:
            self._there[place] = self._make(self._classes[place])
        return self._there[place]

    def _told(self, kind: str) -> EnterLeaveVisitor:
        calls: list[tuple[int, Heard, Heard]] = []
        for place, entering, leaving in _speaking(self._classes, kind):
            own = self._visitor(place)
            calls.append(
                (place, getattr(own, entering) if entering else None, getattr(own, leaving) if leaving else None)
            )
        silent = self._silent
        tell = getattr(self._types, f"enter_{kind}", None)
        untell = getattr(self._types, f"leave_{kind}", None)

        def enter(node: Node, *args: Any) -> None:
            if tell is not None:
                tell(node)
            for place, entering, _ in calls:
                if entering is not None and silent[place] is None:
                    action = entering(node, *args)
                    if action is SKIP or action is False:
                        silent[place] = node
                    elif action is BREAK or action is True:
                        silent[place] = BREAK

        def leave(node: Node, *args: Any) -> None:
            for place, _, leaving in calls:
                if silent[place] is node:
                    silent[place] = None
                elif leaving is not None and silent[place] is None:
                    action = leaving(node, *args)
                    if action is BREAK or action is True:
                        silent[place] = BREAK
            if untell is not None:
                untell()

        return EnterLeaveVisitor(enter if calls or tell else None, leave if calls or untell else None)
