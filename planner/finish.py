"""Completion: nulls where the schema promises none, and values that Python finishes. Most answers never come here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from graphql import GraphQLError

from planner import tree
from planner.errors import INTERNAL
from planner.marks import ARM, MARK, distinct, record_of, variant_of
from planner.tree import Field, Record
from planner.words import Finisher

Path = tuple[str | int, ...]


def promises(fields: Sequence[Field]) -> tuple[bytes, ...]:
    """What an answer in which a promised value is missing would hold, as PostgreSQL spells it; none when all is sure.

    Inside a string its quotes would be escaped, and jsonb has a space there: an answer without these is whole. One
    with them may be, when another object has a key of that name.
    """
    found: dict[bytes, None] = {}
    for each in walk(fields):
        if isinstance(each, tree.Leaf) and each.items:
            found |= {b"[null": None, b",null": None}
        if _unsure(each):
            found[f'"{each.key}":null'.encode()] = None
    return tuple(found)


def marked(fields: Sequence[Field]) -> bool:
    """Whether records of the answer have to tell which variant or arm they are of."""
    return any(not distinct(_records(each)) for each in walk(fields))


def finishing(fields: Sequence[Field]) -> bool:
    """Whether Python finishes some value of the answer."""
    return any(isinstance(each, tree.Finish) for each in walk(fields))


def personal(fields: Sequence[Field]) -> bool:
    """Whether the statement must know the viewer in its session's settings."""
    return any(isinstance(each, tree.Finish) and each.personal for each in walk(fields))


def walk(fields: Sequence[Field]) -> list[Field]:
    """All fields below and among these."""
    found: list[Field] = []
    for each in fields:
        found.append(each)
        for record in _records(each):
            for variant in record.variants:
                found += walk(variant.fields)
        if isinstance(each, (tree.Page, tree.Info)):
            found += walk(each.fields)
    return found


def _records(each: Field) -> Sequence[Record]:
    if isinstance(each, tree.Lookup):
        return [arm.record for arm in each.arms]
    record = getattr(each, "record", None)
    return [record] if isinstance(record, Record) else []


def _unsure(each: Field) -> bool:
    if isinstance(each, tree.Leaf):
        return each.nonnull and not each.sure
    if isinstance(each, (tree.Object, tree.Listed)):
        return each.nonnull and not each.sure
    return False


class _NulledError(Exception):
    """A null in a non-null place, on its way up to the nearest place that may be null."""


@dataclass
class Completion:
    """Completes one answer in place. `errors` are partial errors, `failures` the exceptions behind them."""

    errors: list[GraphQLError] = field(default_factory=list[GraphQLError])
    failures: list[Exception] = field(default_factory=list[Exception])
    _told: set[Path] = field(default_factory=set[Path])

    async def complete(self, fields: Sequence[Field], data: dict[str, Any], context: Any, base: Path = ()) -> Any:
        """The finished and checked data; None when a null reached the top."""
        await self._finish(fields, data, context, base)
        return self.checked(fields, data, base)

    def checked(self, fields: Sequence[Field], data: dict[str, Any], base: Path) -> Any:
        """The data with nulls moved up to where the schema allows them."""
        try:
            self._object(fields, data, base)
        except _NulledError:
            return None
        return data

    async def _finish(self, fields: Sequence[Field], data: dict[str, Any], context: Any, base: Path) -> None:
        places: list[_Place] = []
        _places(fields, data, base, places)
        for finisher in dict.fromkeys(place.field.finisher for place in places):
            own = [place for place in places if place.field.finisher is finisher]
            try:
                values = await finisher([place.value for place in own], context)
                if len(values) != len(own):
                    raise ValueError(f"{finisher.__name__} returned {len(values)} values for {len(own)}")  # pyright: ignore
            except (
                Exception
            ) as failure:  # a finisher's own failure is an error at each of its places, never a silent null
                self.failures.append(failure)
                for place in own:
                    place.container[place.field.key] = None
                    self._tell(place.field, place.path, f"{place.field.name} could not be read; try again later.")
                continue
            for place, value in zip(own, values, strict=True):
                place.container[place.field.key] = _projected(place.field.record, value)

    def _object(self, fields: Sequence[Field], data: dict[str, Any], path: Path) -> None:
        for each in fields:
            data[each.key] = self._value(each, data.get(each.key), (*path, each.key))

    def _value(self, each: Field, value: Any, path: Path) -> Any:
        try:
            if value is not None:
                value = self._inside(each, value, path)
        except _NulledError:
            if each.nonnull:
                raise
            return None
        if value is None and each.nonnull:
            self._tell(each, path, "A value that is promised is missing here.")
            raise _NulledError
        return value

    def _inside(self, each: Field, value: Any, path: Path) -> Any:
        if isinstance(each, tree.Leaf):
            if each.items and None in value:
                self._tell(each, (*path, value.index(None)), "A value that is promised is missing here.")
                raise _NulledError
            return value
        if isinstance(each, tree.Lookup):
            return [self._found(each, item, (*path, place)) for place, item in enumerate(value)]
        if isinstance(each, (tree.Listed, tree.Edges)):
            for place, item in enumerate(value):
                self._record(each.record, item, (*path, place))
            return value
        if isinstance(each, (tree.Page, tree.Info)):
            self._object(each.fields, value, path)
        elif isinstance(each, (tree.Object, tree.Here)) or (isinstance(each, tree.Finish) and each.record is not None):
            self._record(cast("Record", each.record), value, path)
        return value

    def _found(self, each: tree.Lookup, item: dict[str, Any] | None, path: Path) -> Any:
        if item is None:
            return None
        record = record_of(_records(each), item)
        item.pop(ARM, None)
        try:
            self._record(record, item, path)
        except _NulledError:
            return None
        return item

    def _record(self, record: Record, value: dict[str, Any], path: Path) -> None:
        fields = variant_of(record, value).fields
        value.pop(MARK, None)
        self._object(fields, value, path)

    def _tell(self, each: Field, path: Path, message: str) -> None:
        if path not in self._told:
            self._told.add(path)
            nodes = [each.node] if each.node is not None else None
            self.errors.append(GraphQLError(message, nodes, path=list(path), extensions={"code": INTERNAL}))


@dataclass(frozen=True)
class _Place:
    field: tree.Finish
    container: dict[str, Any]
    value: Any
    path: Path

    @property
    def finisher(self) -> Finisher:
        return self.field.finisher


def _places(fields: Sequence[Field], data: dict[str, Any], path: Path, found: list[_Place]) -> None:
    for each in fields:
        value = data.get(each.key)
        here = (*path, each.key)
        if value is None:
            continue
        if isinstance(each, tree.Finish):
            found.append(_Place(each, data, value, here))
        elif isinstance(each, (tree.Page, tree.Info)):
            _places(each.fields, value, here, found)
        elif isinstance(each, (tree.Object, tree.Here)):
            _places(variant_of(each.record, value).fields, value, here, found)
        elif isinstance(each, (tree.Listed, tree.Edges)):
            for place, item in enumerate(value):
                _places(variant_of(each.record, item).fields, item, (*here, place), found)
        elif isinstance(each, tree.Lookup):
            for place, item in enumerate(value):
                if item is not None:
                    record = record_of(_records(each), item)
                    _places(variant_of(record, item).fields, item, (*here, place), found)


def _projected(record: Record | None, value: Any) -> Any:
    if record is None or value is None:
        return value
    made: dict[str, Any] = {}
    for each in record.variants[0].fields:
        if isinstance(each, tree.Member):
            made[each.key] = value.get(each.name)
        elif isinstance(each, tree.TypeName):
            made[each.key] = each.names[""]
    return made
