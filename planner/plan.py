"""A plan: everything about an operation that does not change from one run to the next."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLObjectType, OperationType

from planner import finish, tree, words
from planner.arguments import Bind, Run
from planner.catalog import Catalogue
from planner.cost import MUTATION_COST, Cost, cost
from planner.declare import word_of
from planner.document import Question
from planner.errors import TOO_LARGE, DeclarationError, RequestError
from planner.limits import Limits
from planner.select import Selector
from planner.spot import Policy, Spot
from planner.tree import Field
from planner.words import Act, Event
from planner.write import Writer

BYTES_PER_BIND = 400
BYTES_PER_FIELD = 600
BYTES_PER_PLAN = 2_000


@dataclass(frozen=True)
class Plan:
    """One statement and what becomes of its answer.

    `promises`: what an answer would hold that lacks a promised value. `marked`: its records tell their variants.
    `finishing`: Python finishes some of its values.
    `personal`: it runs in a transaction with the session's settings. `fallback`, `introspected`: root fields left to
    graphql-core, those by which the schema tells of itself apart; their cost is not in `cost`.
    """

    sql: str
    binds: tuple[Bind, ...]
    fields: tuple[Field, ...]
    cost: Cost
    promises: tuple[bytes, ...] = ()
    marked: bool = False
    finishing: bool = False
    personal: bool = False
    fallback: tuple[FieldNode, ...] = ()
    introspected: tuple[FieldNode, ...] = ()
    order: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """About how many bytes it keeps in memory."""
        fields = len(finish.walk(self.fields))
        return BYTES_PER_PLAN + 2 * len(self.sql) + BYTES_PER_BIND * len(self.binds) + BYTES_PER_FIELD * fields

    def values(self, run: Run) -> list[Any]:
        """The values of its parameters. Raises RequestError for one that is refused."""
        return [bind.read(run) for bind in self.binds]


@dataclass(frozen=True)
class Step:
    """One mutation field: its verb, and the plan of its payload. Without a verb it is `__typename`."""

    key: str
    node: FieldNode
    nonnull: bool
    verb: words.Verb | None
    field: Any
    payload: Plan | None


@dataclass(frozen=True)
class Steps:
    """A mutation: its fields, in the order they run."""

    steps: tuple[Step, ...]
    cost: Cost

    @property
    def weight(self) -> int:
        """About how many bytes it keeps in memory."""
        return BYTES_PER_PLAN + sum(each.payload.weight for each in self.steps if each.payload is not None)


class Compiler:
    """Makes plans for one standing."""

    def __init__(self, catalogue: Catalogue, policy: Policy, limits: Limits) -> None:
        self.catalogue = catalogue
        self.policy = policy
        self.limits = limits

    def compile(self, question: Question, shape: Mapping[str, Hashable]) -> Plan | Steps:
        """The plan of an operation. Raises RequestError when a limit is passed."""
        selector = Selector(self.catalogue, self.policy, question.fragments, shape, self.limits)
        schema, node = self.catalogue.schema, question.node
        if node.operation == OperationType.MUTATION:
            assert schema.mutation_type is not None
            return self._mutation(selector, schema.mutation_type, question)
        if node.operation == OperationType.SUBSCRIPTION:
            assert schema.subscription_type is not None
            return self._subscription(selector, schema.subscription_type, question)
        assert schema.query_type is not None
        root = schema.query_type
        operation = selector.operation(root, node)
        order = tuple(selector.roots(root, node))
        left = {"fallback": operation.fallback, "introspected": operation.introspected}
        return self._plan(operation.fields, **left, order=order)

    def _plan(self, fields: Sequence[Field], **more: Any) -> Plan:
        promises, finishing = finish.promises(fields), finish.finishing(fields)
        marked = bool(promises or finishing) and finish.marked(fields)
        writer = Writer(marked)
        parts = [f"'\"{each.key}\":' || coalesce(to_json({_root(writer, each)})::text, 'null')" for each in fields]
        # Bytes as they are sent: a text would be decoded on the way here only to be encoded again.
        text = "'{\"data\":{' || " + " || ',' || ".join(parts) + " || '}}'"
        sql, binds = writer.finished(f"select convert_to({text}, 'UTF8')")
        if len(sql.encode()) > self.limits.statement_bytes:
            raise RequestError(TOO_LARGE, "This operation makes too long a statement; ask for less at once.")
        if len(binds) > self.limits.binds:
            raise RequestError(TOO_LARGE, f"An operation may carry {self.limits.binds} values at most.")
        return Plan(
            sql if fields else "",
            binds,
            tuple(fields),
            cost(fields).folded(),
            promises,
            marked,
            finishing,
            finish.personal(fields),
            **more,
        )

    def _mutation(self, selector: Selector, root: GraphQLObjectType, question: Question) -> Steps:
        steps: list[Step] = []
        for key, nodes in selector.roots(root, question.node).items():
            name = nodes[0].name.value
            if name == "__typename":
                steps.append(Step(key, nodes[0], True, None, None, None))
                continue
            field = self._field(selector, root, key, nodes, Act)
            word = word_of(root.fields[name])
            assert isinstance(word, Act)
            steps.append(Step(key, nodes[0], field.nonnull, word.verb, root.fields[name], self._plan([field])))
        parts = tuple(each.payload.cost for each in steps if each.payload is not None)
        return Steps(tuple(steps), Cost(MUTATION_COST * len(parts), parts))

    def _subscription(self, selector: Selector, root: GraphQLObjectType, question: Question) -> Plan:
        ((key, nodes),) = selector.roots(root, question.node).items()
        return self._plan([self._field(selector, root, key, nodes, Event)])

    def _field(
        self, selector: Selector, root: GraphQLObjectType, key: str, nodes: list[FieldNode], kind: type[words.Word]
    ) -> Field:
        name = nodes[0].name.value
        if not isinstance(word_of(root.fields[name]), kind):
            raise DeclarationError(f"{root.name}.{name} has no word of its root: verb() or subscribed()")
        return selector.field(root, key, nodes, Spot({}), 1)


def _root(writer: Writer, field: Field) -> str:
    text = writer.value(field, {}, None)
    return f"({text})" if isinstance(field, tree.Leaf) else text
