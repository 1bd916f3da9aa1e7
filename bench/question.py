"""The eight questions, and how each server is asked them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.load import SERIAL, Request
from bench.subject import Subject

QUERIES = ("Q1", "Q2", "Q3", "Q4a", "Q4b", "Q5", "Q6", "Q7")
WRITING = "Q7"
RAW = "Q4a"
"""The same question as Q4b, to servers that find the rows themselves where the rollup should be."""

POSTGRAPHILE = frozenset(("Q1", "Q2", "Q3", "Q4a", "Q4b", "Q5"))
MERCURIUS = frozenset(("Q1", "Q2", "Q3", "Q4a", "Q4b", "Q5"))
JSON = ("Content-Type", "application/json")


def answers(kind: str, query: str) -> bool:
    """Whether a server of that kind can be asked this."""
    return query in {"P": POSTGRAPHILE, "M": MERCURIUS}.get(kind, QUERIES)


def request(kind: str, query: str, address: str, subject: Subject, token: str = "") -> Request:
    """How a server of that kind (Kyoso, L, N, S, P, M) is asked. `token` is Kyoso's alone."""
    if kind == "L":
        return _by_hand(query, address, subject)
    folder = "peers/postgraphile" if kind == "P" else "queries"
    text = (Path(__file__).parent / folder / f"{_file(query)}.graphql").read_text(encoding="utf-8")
    body = json.dumps({"query": text, "variables": _variables(kind, query, subject)}, ensure_ascii=False).encode()
    headers = (JSON, ("Authorization", f"Bearer {token}")) if token else (JSON,)
    return Request(f"{address}/graphql", "POST", headers, body)


def _by_hand(query: str, address: str, subject: Subject) -> Request:
    name = _file(query).lower()
    if query in ("Q6", "Q7"):
        return Request(f"{address}/{name}", "POST", (JSON,), json.dumps(_variables("L", query, subject)).encode())
    months = f"&first={subject.first}&last={subject.last}" if name == "q4" else ""
    return Request(f"{address}/{name}?of={subject.id}{months}")


def _file(query: str) -> str:
    return query.rstrip("ab")


def _variables(kind: str, query: str, subject: Subject) -> dict[str, Any]:
    if kind == "P":
        if _file(query) == "Q4":
            return {"of": str(subject.id), "first": str(subject.first), "last": str(subject.last)}
        return {"of": str(subject.id)}
    if query == "Q6":
        return {"representations": subject.representations}
    if query == "Q7":
        given = {"companyId": f"par_{subject.company_id}", "jobId": f"job_{subject.job_id}", "relationship": "FRIEND"}
        given |= {"name": "試験 太郎", "email": f"{SERIAL}@bench.example", "clientMutationId": SERIAL}
        return {"input": given}
    asked: dict[str, Any] = {"of": f"par_{subject.id}"}
    if _file(query) == "Q4":
        asked |= {"from": f"{subject.first:%Y-%m}", "to": f"{subject.last:%Y-%m}"}
    return asked
