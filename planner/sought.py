"""What a lookup seeks: ids and representations, sorted once into the keys and places of each arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from planner.codec import key_value, read_global_id, read_key, spelled

Group = tuple[str, str]
"""What one arm answers: a type and the key that it is sought by; of ids, their prefix and nothing."""
Keys = Mapping[str, tuple[str, ...]]
"""The keys that each type declares, in the order in which they are tried."""
Sorted = Mapping[Group, tuple[list[int], list[str]]]
"""The places, from 1, and the texts of each group."""


class Several(list[Any]):
    """A list of ids or representations out of a variable. What was sorted stays with it for the other arms."""

    __slots__ = ("found",)
    found: Sorted


def represented(asked: Sequence[Any], keys: Keys) -> Sorted:
    """Representations by their type and the first of its keys that they carry; what has neither is left out."""
    return _once(asked, lambda: _represented(asked, keys))


def identified(asked: Sequence[Any]) -> Sorted:
    """Global ids by their prefix; what cannot be one is left out."""
    return _once(asked, lambda: _identified(asked))


def _once(asked: Sequence[Any], sort: Callable[[], Sorted]) -> Sorted:
    if not isinstance(asked, Several):
        return sort()
    if not hasattr(asked, "found"):
        asked.found = sort()
    return asked.found


def _represented(asked: Sequence[Any], keys: Keys) -> Sorted:
    found: dict[Group, tuple[list[int], list[str]]] = {}
    for place, each in enumerate(asked, 1):
        if not isinstance(each, dict):
            continue
        told = cast("dict[str, Any]", each)
        name = told.get("__typename")
        for key in keys.get(name, ()) if isinstance(name, str) else ():
            text = told.get(key)
            if isinstance(text, str):
                _add(found, (str(name), key), place, text)
                break
    return found


def _identified(asked: Sequence[Any]) -> Sorted:
    found: dict[Group, tuple[list[int], list[str]]] = {}
    for place, each in enumerate(asked, 1):
        parts = read_global_id(each) if isinstance(each, str) else None
        if parts is not None:
            _add(found, (parts[0], ""), place, each)
    return found


def _add(found: dict[Group, tuple[list[int], list[str]]], group: Group, place: int, text: str) -> None:
    held = found.get(group)
    if held is None:
        held = found[group] = ([], [])
    held[0].append(place)
    held[1].append(text)


@dataclass(frozen=True)
class Sought:
    """One arm's part of what is asked. `keys`: for representations, what their types declare."""

    group: Group
    keys: Keys | None = field(default=None, compare=False, repr=False)

    def of(self, asked: Sequence[Any]) -> tuple[list[int], list[str]]:
        """Places and texts."""
        found = identified(asked) if self.keys is None else represented(asked, self.keys)
        return found.get(self.group, ([], []))


@dataclass(frozen=True)
class Places:
    """Encodes what is asked to the places of one arm, as one text: numbers need no quotes, and asyncpg asks of every
    member of an array whether it is an array itself."""

    sought: Sought
    type = "text::int[]"

    def __call__(self, value: Any) -> str:
        return f"{{{','.join(map(str, self.sought.of(value)[0]))}}}"


@dataclass(frozen=True)
class KeysOf:
    """Encodes what is asked to the keys of one arm, null for what cannot be one. UUIDs go as one text too."""

    sought: Sought
    prefix: str | None
    key_type: str

    @property
    def type(self) -> str:
        """The SQL type of what it gives."""
        return "text::uuid[]" if self.key_type == "uuid" else f"{self.key_type}[]"

    def __call__(self, value: Any) -> Any:
        by_id = self.sought.group[1] in ("", "id")
        texts = self.sought.of(value)[1]
        if self.key_type == "uuid":
            match = spelled(self.prefix if by_id else None)
            return f"{{{','.join([found[1] if (found := match(text)) else 'null' for text in texts])}}}"
        if by_id:
            return [read_key(text, self.prefix, self.key_type) for text in texts]
        return [None if "\0" in text else key_value(text, self.key_type) for text in texts]
