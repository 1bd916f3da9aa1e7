"""What a document costs that Kyoso has not seen: its planning, and its preparing by PostgreSQL.

Each document is asked twice over one connection; the second asking runs and sends what the first did, so the difference
is what being new costs. In CPU time, since on a busy machine a clock also counts what others do meanwhile.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from statistics import median

import httpx

from bench.cost import Spent, spent
from bench.load import Request
from bench.same import Different
from models.db import Connection

DOCUMENTS = 15
ROOT_FIELD = re.compile(r"(\{\s*)(?:\w+: )?(\w+)\(")


@dataclass(frozen=True, slots=True)
class FirstUse:
    """CPU milliseconds of Kyoso and of PostgreSQL, each the median of some documents."""

    app_ms: float
    database_ms: float


async def first_use(asked: Request, pid: int, watching: Connection) -> FirstUse:
    """Asks the server that is process `pid`. Raises Different when a new document has another answer."""
    app: list[float] = []
    database: list[float] = []
    async with httpx.AsyncClient(timeout=60) as http:
        for number in range(DOCUMENTS):
            document = json.loads(asked.body)
            document["query"] = ROOT_FIELD.sub(rf"\1unseen{number}: \2(", document["query"], count=1)
            seen: list[Spent] = [await spent(pid, watching)]
            for _ in range(2):
                answer = await http.post(asked.url, headers=dict(asked.headers), content=json.dumps(document))
                seen.append(await spent(pid, watching))
                if f"unseen{number}" not in answer.raise_for_status().json()["data"]:
                    raise Different("a document that was not seen before has another answer")
            before, new, known = seen
            app.append((new.app_since(before) - known.app_since(new)) * 1000)
            database.append((new.database_since(before) - known.database_since(new)) * 1000)
    return FirstUse(median(app), median(database))
