"""Marks: how Python tells of which variant an object of the answer is, where its keys alone do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.tree import Record, Variant

MARK = "#"
ARM = "##"
"""Keys of the variant's and the lookup arm's number. No GraphQL name holds such a sign, and no text can: inside a
string its quotes would be escaped."""


def distinct(records: Sequence[Record]) -> bool:
    """Whether every variant of these has other keys than all the others: then none needs a mark."""
    keys = [variant.keys for record in records for variant in record.variants]
    return len(set(keys)) == len(keys)


def variant_of(record: Record, value: Mapping[str, Any]) -> Variant:
    """The variant that an object is of."""
    if MARK in value:
        number: int = value[MARK]
        return record.variants[number]
    if len(record.variants) == 1:
        return record.variants[0]
    keys = frozenset(value) - {ARM}
    return next(each for each in record.variants if each.keys == keys)


def record_of(records: Sequence[Record], value: Mapping[str, Any]) -> Record:
    """The record, one for each arm of a lookup, that an object is of."""
    if ARM in value:
        number: int = value[ARM]
        return records[number]
    keys = frozenset(value) - {MARK}
    return next(each for each in records if any(variant.keys == keys for variant in each.variants))
