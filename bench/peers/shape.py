"""PostGraphile's answers in the shape of everybody else's, to be compared: its names follow the tables."""

from __future__ import annotations

import re
from typing import Any, cast

PREFIXED = re.compile(r"[a-z]+_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def bare(value: Any) -> Any:
    """The same with ids as they stand in the tables: PostGraphile's say no kind."""
    if isinstance(value, dict):
        return {name: bare(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [bare(each) for each in cast("list[Any]", value)]
    found = PREFIXED.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else value


def shaped(query: str, value: Any) -> Any:
    """An answer of PostGraphile to one of the questions, as Kyoso would say it but for the ids."""
    if isinstance(value, list):
        return [shaped(query, each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    found = {name: shaped(query, each) for name, each in cast("dict[str, Any]", value).items()}
    if "kind" in found:
        found["__typename"] = found.pop("kind").capitalize()
    if "person" in found:
        found["candidate"] = next(iter(found.pop("person")["candidates"]["nodes"]), None)
    if "viaId" in found:
        found["via"], found["node"] = {"id": found.pop("viaId")}, found.pop("neighbour")
    if "fromMonth" in found:
        months = {name: found.pop(f"{name}Month")[:7] for name in ("from", "to")}
        found["window"] = {**months, "mature": found.pop("mature")}
        found["interval"] = {name: found.pop(name) for name in ("low", "high")}
    node = found.get("node")
    if query == "Q5" and isinstance(node, dict) and "via" in node:
        return cast("dict[str, Any]", node)  # its edges say nothing of the link
    return found


def settled(answer: Any) -> Any:
    """A neighbourhood in one order, without those who tie for the last places: who of them comes first is free."""
    edges = answer["data"]["neighbourhood"]["edges"]
    edges.sort(key=lambda edge: (edge["distance"], -edge["contributions"], edge["node"]["id"]))
    last = (edges[-1]["distance"], edges[-1]["contributions"])
    answer["data"]["neighbourhood"]["edges"] = [
        edge for edge in edges if (edge["distance"], edge["contributions"]) != last
    ]
    return answer
