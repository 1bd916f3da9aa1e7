"""Policies on one parent's page: what the parent settles for all its rows is asked once, not of every row.

A policy is mostly an OR: the company's own rows, or those of companies that share with the viewer. On the page of one
company both are the same for every row. PostgreSQL cannot know that, takes the OR for rare, and then reads and sorts
everything the parent has for fifty rows. Said apart, each arm is a walk along the index in the order asked, or none.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"'(?:[^']|'')*'|[()]|\b(?:or|case)\b", re.IGNORECASE)


def arms(policy: str, column: str, key: str) -> tuple[str, ...]:
    """The policy as conditions that exclude each other, on rows whose `column` holds the `key` of their parent.

    The first names no row at all. None when the parent settles nothing.
    """
    mine, parents = re.compile(rf"\{{row\}}\.{re.escape(column)}\b"), f"{{parent}}.{key}"
    settled: list[str] = []
    rest: list[str] = []
    for each in alternatives(policy):
        said = mine.sub(parents, each)
        if "{row}" in said:
            rest.append(each)
        else:
            settled.append(said)
    if not settled:
        return ()
    if not rest:
        return (_either(settled),)
    return _either(settled), f"({_either(settled)}) is not true and ({_either(rest)})"


def alternatives(policy: str) -> list[str]:
    """The parts of an OR; the condition itself when it is none, or is not plainly one."""
    text = policy.strip()
    cuts: list[tuple[int, int]] = []
    depth = 0
    for found in _TOKEN.finditer(text):
        token = found.group().lower()
        if token == ")":
            depth -= 1
            if depth == 0 and found.end() == len(text) and text[0] == "(" and _closes(text):
                return alternatives(text[1:-1])
        elif token == "(":
            depth += 1
        elif depth == 0 and token == "case":
            return [text]  # an OR in it is not ours to cut
        elif depth == 0 and token == "or":
            cuts.append(found.span())
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(text)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _closes(text: str) -> bool:
    """Whether the first bracket of a text is closed by its last."""
    depth = 0
    for found in _TOKEN.finditer(text):
        depth += {"(": 1, ")": -1}.get(found.group(), 0)
        if depth == 0:
            return found.end() == len(text)
    return False


def _either(conditions: list[str]) -> str:
    return " or ".join(f"({each})" for each in conditions)
