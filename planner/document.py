"""Documents: parsed and validated once per text; variables reduced to the shape that can change a statement."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationRule,
    Visitor,
    parse,
    specified_rules,
    type_from_ast,  # pyright: ignore[reportUnknownVariableType]
    visit,
)
from graphql.execution.values import get_variable_values
from graphql.language.ast import QUERY_DOCUMENT_KEYS

from planner.catalog import Catalogue
from planner.codec import is_plural, named, read_global_id, type_of
from planner.coerce import Quickly, UnclearError
from planner.errors import BAD_REQUEST, TOO_LARGE, InvalidRequestError, RequestError
from planner.limits import MAXIMUM_ROWS_PER_PAGE, Limits, bucket
from planner.sought import represented
from planner.validate import errors

Shaper = Callable[[Any], Hashable]
MAXIMUM_VARIABLE_ERRORS = 5
_HOLDING = ("definitions", "variable_definitions", "selection_set", "selections", "directives")
_COUNTED = {kind: tuple(key for key in keys if key in _HOLDING) for kind, keys in QUERY_DOCUMENT_KEYS.items()}
"""What of each node may hold a field or a directive."""


@dataclass
class Question:
    """One operation of a document: what shaping its variables needs, and what was already made for it: plans, and what
    it is told of the schema."""

    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    shapers: Mapping[str, Shaper]
    quickly: Quickly
    plans: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict[Hashable, Any])

    def alone(self, nodes: tuple[FieldNode, ...]) -> DocumentNode:
        """The operation with these root fields only, out of whatever fragments they stand in, and all fragments."""
        node = replace(self.node, selection_set=SelectionSetNode(selections=nodes))
        return DocumentNode(definitions=(node, *self.fragments.values()))


@dataclass
class Document:
    """A valid document. `admitted` are the standings whose gate has passed it."""

    text: str
    ast: DocumentNode
    questions: Mapping[str, Question]
    admitted: set[Hashable] = field(default_factory=set[Hashable])

    def question(self, name: str | None) -> Question:
        """The operation asked for. Raises RequestError when the name does not pick exactly one."""
        if name is not None and name in self.questions:
            return self.questions[name]
        if name is None and len(self.questions) == 1:
            return next(iter(self.questions.values()))
        if name is None:
            raise RequestError(BAD_REQUEST, "The document has several operations; give `operationName`.")
        raise RequestError(BAD_REQUEST, f"The document has no operation named {name!r}.")


def read(text: str, limits: Limits) -> DocumentNode:
    """Parse a text within the limits. Raises GraphQLError."""
    if len(text) > limits.characters:
        raise RequestError(TOO_LARGE, f"A document may have {limits.characters} characters at most.")
    ast = parse(text, max_tokens=limits.tokens, allow_empty_selection_sets=False)
    counts = _Counts()
    visit(ast, counts, _COUNTED)
    if counts.aliases > limits.aliases:
        raise RequestError(TOO_LARGE, f"A document may have {limits.aliases} aliases at most.")
    if counts.directives > limits.directives:
        raise RequestError(TOO_LARGE, f"A document may have {limits.directives} directives at most.")
    return ast


def checked(
    schema: GraphQLSchema, ast: DocumentNode, gate: type[ValidationRule] | None, known: bool
) -> list[GraphQLError]:
    """What is wrong with a document for a standing; a document known to be valid is only asked of the gate."""
    rules: list[Any] = [] if known else list(specified_rules)
    if gate is not None:
        rules.append(gate)
    return errors(schema, ast, rules)


def document(catalogue: Catalogue, text: str, ast: DocumentNode) -> Document:
    """A document whose operations are ready to be asked."""
    schema = catalogue.schema
    fragments = {each.name.value: each for each in ast.definitions if isinstance(each, FragmentDefinitionNode)}
    questions: dict[str, Question] = {}
    for node in ast.definitions:
        if isinstance(node, OperationDefinitionNode):
            shapers = {
                each.variable.name.value: shaper(type_from_ast(schema, each.type), catalogue)
                for each in node.variable_definitions or ()
            }
            quickly = Quickly(schema, node.variable_definitions or ())
            questions[node.name.value if node.name else ""] = Question(node, fragments, shapers, quickly)
    if not questions:
        raise RequestError(BAD_REQUEST, "The document has no operation.")
    return Document(text, ast, questions)


def coerced(schema: GraphQLSchema, question: Question, given: Mapping[str, Any]) -> dict[str, Any]:
    """The variables by their declared types. Raises InvalidRequestError listing what is wrong."""
    definitions = question.node.variable_definitions
    if not definitions:
        return {}
    try:
        return question.quickly(given)
    except UnclearError:
        pass
    found = get_variable_values(schema, definitions, dict(given), max_errors=MAXIMUM_VARIABLE_ERRORS)
    if isinstance(found, list):
        raise InvalidRequestError(found)
    return found.coerced


def shape(question: Question, variables: Mapping[str, Any]) -> dict[str, Hashable]:
    """What of the variables can change the statement: absent ones are missing, null is None."""
    shapers = question.shapers
    return {name: None if value is None else shapers[name](value) for name, value in variables.items()}


def shaper(type_: Any, catalogue: Catalogue) -> Shaper:
    """How a variable of this declared type is reduced. Driven by the type, never by the look of a value: a caller
    must not be able to mint keys."""
    base = named(type_)
    if base.name == "_Any":
        return lambda value: tuple(sorted(represented(value, catalogue.keys)))
    if base.name == "ID":
        known = catalogue.by_prefix
        if is_plural(type_):
            return lambda value: tuple(sorted({_prefix(each, known) for each in value}))
        return lambda value: _prefix(value, known)
    if isinstance(base, GraphQLInputObjectType) and not is_plural(type_):
        members = {name: shaper(type_of(member), catalogue) for name, member in base.fields.items()}
        return lambda value: _members(value, members)
    if not is_plural(type_) and isinstance(base, GraphQLEnumType):
        ordering = any(not isinstance(each.value, str) or each.value != name for name, each in base.values.items())
        return _name if ordering else _set
    if not is_plural(type_) and base.name == "Boolean":
        return bool
    if not is_plural(type_) and base.name == "Int":
        return _bucket
    return _set


def _set(value: Any) -> Hashable:
    return True


def _name(value: Any) -> Hashable:
    return value.name


def _bucket(value: int) -> Hashable:
    return bucket(value) if 1 <= value <= MAXIMUM_ROWS_PER_PAGE else True


def _prefix(value: str, known: Container[str]) -> str:
    parts = read_global_id(value)
    return parts[0] if parts is not None and parts[0] in known else "?"


def _members(value: Mapping[str, Any], members: Mapping[str, Shaper]) -> Hashable:
    return tuple(
        (name, inner(value[name]) if isinstance(value[name], dict) else True)
        for name, inner in members.items()
        if value.get(name) is not None
    )


class _Counts(Visitor):
    """Counts what repetition could abuse."""

    def __init__(self) -> None:
        super().__init__()
        self.aliases = 0
        self.directives = 0

    def enter_field(self, node: FieldNode, *_args: Any) -> None:
        """Count a field's alias."""
        self.aliases += node.alias is not None

    def enter_directive(self, _node: DirectiveNode, *_args: Any) -> None:
        """Count a directive."""
        self.directives += 1
