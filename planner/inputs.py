"""Arguments, filter members, and the making of a field: the small print under the words of `declare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.federation.schema_directives import Cost, ListSize
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField
from strawberry.types.unset import UNSET

from planner import words
from planner.words import Predicate, Way, Word

Scopes = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Arg:
    """One argument of a field; made by `arg`."""

    annotation: Any
    description: str
    default: Any
    word: words.Argument


def arg(
    annotation: Any,
    description: str,
    *,
    default: Any = UNSET,
    where: Predicate | None = None,
    of: str | None = None,
    among: tuple[int, int] | None = None,
) -> Arg:
    """An argument of a field. With `where` it is a predicate, applied when the value is neither absent nor null.

    `of` is needed for an `ID`: the table whose global id it is. An id of anything else matches no row. `among` is the
    least and most that a number may be; others are refused.
    """
    return Arg(annotation, description, default, words.Argument(where, of, among))


def where(description: str, sql: Predicate, *, of: str | None = None, ways: Sequence[Way] = ()) -> Any:
    """A member of a filter input: `where("Any of these", "{row}.status = any({value})")`. For a member that is an
    input itself, a mapping from its members to SQL; see `within`. `of` as for `arg`. `ways` take the place of those of
    a list, where this member is given."""
    word = words.Argument(sql, of, ways=tuple(ways))
    return strawberry.field(description=description, default=UNSET, metadata={"planner": word})


def within(sql: str) -> dict[str, str]:
    """The predicates of a range input {from, to}: from ≤ x < to. `sql` is the column, such as `{row}.submitted_at`."""
    return {"from": f"{sql} >= {{value}}", "to": f"{sql} < {{value}}"}


def argument_words(args: Mapping[str, Arg] | None) -> dict[str, words.Argument]:
    """What the planner keeps of declared arguments."""
    return {name: each.word for name, each in (args or {}).items()}


def field(
    word: Word,
    description: str,
    *,
    name: str | None = None,
    args: Mapping[str, Arg] | None = None,
    scopes: Scopes = (),
    authenticated: bool = False,
    deprecated: str | None = None,
    directives: Sequence[object] = (),
) -> Any:
    """A Strawberry field that no resolver answers: its word, its arguments, and the directives that print."""
    printed = list(directives)
    if word.at_most is not None:
        printed.append(
            ListSize(
                assumed_size=word.at_most,
                slicing_arguments=UNSET,
                sized_fields=UNSET,
                require_one_slicing_argument=UNSET,
            )
        )
    if word.cost:
        printed.append(Cost(weight=word.cost))
    made: StrawberryField = strawberry.federation.field(
        name=name,
        description=description,
        metadata={"planner": word},
        requires_scopes=scopes,
        authenticated=authenticated,
        deprecation_reason=deprecated,
        directives=printed,
    )
    made.arguments = [_printed(argument, each) for argument, each in (args or {}).items()]
    return made


def _printed(name: str, each: Arg) -> StrawberryArgument:
    given = each.annotation
    return StrawberryArgument(
        python_name=name,
        graphql_name=name,
        type_annotation=given if isinstance(given, StrawberryAnnotation) else StrawberryAnnotation(given),
        description=each.description,
        default=each.default,
    )
