"""Arguments: while compiling, what is given; while running, where its value is found."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from uuid import UUID

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    value_from_ast,  # pyright: ignore[reportUnknownVariableType]
)

from planner.codec import named, plain, read_cursor, read_key, type_of
from planner.errors import BAD_PAGE, BAD_VALUE, RequestError
from planner.limits import MAXIMUM_ROWS_PER_PAGE

Shape = Mapping[str, Hashable]
"""What compiling may know of the variables; see `document.shape`."""


class Run(NamedTuple):
    """The values of one execution."""

    variables: Mapping[str, Any]
    viewer: Mapping[str, Any]
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Constant:
    """A literal of the document. Compared by its spelling, since lists and mappings cannot be hashed."""

    value: Any
    spelling: str = ""

    def read(self, run: Run) -> Any:
        """The value."""
        return self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.spelling == other.spelling

    def __hash__(self) -> int:
        return hash(self.spelling)


@dataclass(frozen=True)
class Variable:
    """A variable, or a member of one."""

    path: tuple[str, ...]

    def read(self, run: Run) -> Any:
        """The coerced value; None when absent."""
        value: Any = run.variables
        for name in self.path:
            if value is None:
                return None
            value = value.get(name)
        return value


@dataclass(frozen=True)
class Together:
    """A literal list with variables in it."""

    parts: tuple[Ref, ...]

    def read(self, run: Run) -> Any:
        """The values, in order."""
        return [part.read(run) for part in self.parts]


@dataclass(frozen=True)
class ViewerValue:
    """A named value of the viewer."""

    name: str

    def read(self, run: Run) -> Any:
        """The value; None when the viewer has none."""
        return run.viewer.get(self.name)


@dataclass(frozen=True)
class RowValue:
    """A column of the row that a verb or an event handed over."""

    name: str

    def read(self, run: Run) -> Any:
        """The value; None when the row leaves it out."""
        return run.row.get(self.name)


Ref = Constant | Variable | Together | ViewerValue | RowValue
NULL = Constant(None, "null")


@dataclass(frozen=True)
class Fields:
    """An input object: its members that are given."""

    members: Mapping[str, Given]


Given = Ref | Fields


@dataclass(frozen=True)
class Bind:
    """One parameter: where its value is, how it is encoded, and the SQL type it is written with."""

    ref: Ref
    type: str
    encode: Callable[[Any], Any] = plain

    def read(self, run: Run) -> Any:
        """The value for asyncpg. Raises RequestError when the request's value is refused."""
        value = self.ref.read(run)
        return None if value is None else self.encode(value)


def given(node: ValueNode | None, type_: Any, default: Any, shape: Shape) -> Given | None:
    """What an argument or member holds; None when it is absent or null, which mean the same everywhere."""
    if isinstance(node, VariableNode):
        name = node.name.value
        if name in shape:
            return None if shape[name] is None else _variable((name,), named(type_), shape[name])
        node = None
    if node is None:
        return None if default is Undefined or default is None else _constant(default, type_)
    base = named(type_)
    if isinstance(node, ObjectValueNode) and isinstance(base, GraphQLInputObjectType):
        return _members({each.name.value: each.value for each in node.fields}, base, shape)
    if isinstance(node, ListValueNode) and any(isinstance(each, VariableNode) for each in node.values):
        parts = [given(each, base, Undefined, shape) for each in node.values]
        return Together(tuple(part for part in parts if part is not None and not isinstance(part, Fields)))
    return _constant(value_from_ast(node, type_, {}), type_)


def _members(nodes: Mapping[str, ValueNode], base: GraphQLInputObjectType, shape: Shape) -> Fields:
    found: dict[str, Given] = {}
    for name, member in base.fields.items():
        value = given(nodes.get(name), type_of(member), member.default_value, shape)
        if value is not None:
            found[name] = value
    return Fields(found)


def _variable(path: tuple[str, ...], base: Any, shape: Hashable) -> Given:
    if isinstance(base, GraphQLInputObjectType) and isinstance(shape, tuple):
        members = cast("tuple[tuple[str, Hashable], ...]", shape)
        types = {name: named(type_of(base.fields[name])) for name, _ in members}
        return Fields({name: _variable((*path, name), types[name], each) for name, each in members})
    return Variable(path)


def _constant(value: Any, type_: Any) -> Given | None:
    if value is None or value is Undefined:
        return None
    base = named(type_)
    if isinstance(base, GraphQLInputObjectType) and isinstance(value, dict):
        held = cast("dict[str, Any]", value)
        members = {name: _constant(each, type_of(base.fields[name])) for name, each in held.items()}
        return Fields({name: each for name, each in members.items() if each is not None})
    return Constant(value, repr(value))


def order_name(node: ValueNode | None, argument: GraphQLArgument, shape: Shape) -> str:
    """The member that an `orderBy` names: known while compiling, since it is part of the shape."""
    value = given(node, type_of(argument), argument.default_value, shape)
    if isinstance(value, Variable):
        return str(shape[value.path[0]])
    assert isinstance(value, Constant)
    base = named(type_of(argument))
    assert isinstance(base, GraphQLEnumType)
    return value.value if isinstance(value.value, str) else value.value.name


UNMATCHED: Mapping[str, str] = {"uuid": str(UUID(int=0)), "text": ""}
"""A key that no row has. An id of another kind was still given: as null it would be taken for one that was left out."""


@dataclass(frozen=True)
class KeyOf:
    """Encodes global ids of one table to its keys; single ids of anything else to a key that no row has."""

    prefix: str | None
    type: str

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list):
            keys = [read_key(each, self.prefix, self.type) for each in value]  # pyright: ignore
            return [each for each in keys if each is not None]
        key = read_key(value, self.prefix, self.type)
        return UNMATCHED.get(self.type) if key is None else key


@dataclass(frozen=True)
class Among:
    """Lets a number through as it is. Raises RequestError(BAD_VALUE) for one outside its bounds."""

    name: str
    least: int
    most: int

    def __call__(self, value: Any) -> Any:
        if not self.least <= value <= self.most:
            raise RequestError(BAD_VALUE, f"`{self.name}` must be {self.least} to {self.most}; {value} was asked.")
        return value


@dataclass(frozen=True)
class Piece:
    """Encodes a cursor to the text of one of its columns."""

    order: str
    position: int
    count: int

    def __call__(self, value: Any) -> str:
        return read_cursor(value, self.order, self.count)[self.position]


def page_rows(value: Any) -> int:
    """A page size. Raises RequestError(BAD_PAGE) outside 1 to 100."""
    if not 1 <= value <= MAXIMUM_ROWS_PER_PAGE:
        raise RequestError(BAD_PAGE, f"`first` must be 1 to {MAXIMUM_ROWS_PER_PAGE}; {value} was asked.")
    return value


@dataclass(frozen=True)
class Length:
    """Encodes a list to its length, up to a maximum."""

    most: int

    def __call__(self, value: Any) -> int:
        if len(value) > self.most:
            raise RequestError(BAD_VALUE, f"At most {self.most} in one request; {len(value)} were asked.")
        return len(value)
