"""May this token ask for this field? Asked of the document, before anything runs.

Scopes stand on the schema once; what is printed there is what is enforced here: for queries, mutations and
subscriptions, on a field, on the type it returns, and on every concrete type behind an interface.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    ValidationRule,
    get_named_type,
    is_abstract_type,
)

from planner.declare import required_scopes

Standing = frozenset[str]
Required = tuple[tuple[str, ...], ...]

STANDINGS_KEPT = 256


@lru_cache(STANDINGS_KEPT)
def gate(standing: Standing) -> type[ValidationRule]:
    """The rule that refuses each field whose scopes this standing does not hold."""

    class ScopesRule(ValidationRule):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent, field = self.context.get_parent_type(), self.context.get_field_def()
            if parent is None or field is None:
                return
            returned: GraphQLNamedType = get_named_type(field.type)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            asked = [required_scopes(field), *_type_scopes(returned)]
            for concrete in self._concrete(parent):
                own = concrete.fields.get(node.name.value)
                if own is not None:
                    asked.append(required_scopes(own))
            lacking = next((each for each in asked if each and not permits(standing, each)), None)
            if lacking is not None:
                self.report_error(insufficient(node, f"{parent.name}.{node.name.value}", lacking))

        def _concrete(self, parent: GraphQLNamedType) -> Iterable[GraphQLObjectType]:
            if isinstance(parent, GraphQLInterfaceType | GraphQLUnionType):
                return self.context.schema.get_possible_types(parent)
            return ()

    return ScopesRule


def permits(standing: Standing, required: Required) -> bool:
    """Whether all scopes of any one set are held; nothing required is permitted."""
    return not required or any(standing.issuperset(every) for every in required)


def insufficient(node: FieldNode, place: str, required: Required) -> GraphQLError:
    """The refusal: it names the scopes that would do, as RFC 6750 does over HTTP."""
    would_do = " or ".join(" and ".join(every) for every in required)
    return GraphQLError(
        f"{place} needs the scope {would_do}.",
        nodes=node,
        extensions={"code": "INSUFFICIENT_SCOPE", "requiredScopes": [list(every) for every in required]},
    )


def _type_scopes(named: GraphQLNamedType) -> list[Required]:
    # An interface carries none: its fields are asked on each concrete type.
    return [] if is_abstract_type(named) else [required_scopes(named)]
