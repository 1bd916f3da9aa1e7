"""Kyoso as the bench runs it: `python -m bench.variant plain|unfiltered WORKERS SEARCH_PATH PORT`.

`plain` is what `./kyoso serve` runs, but that it sends no letters, since none of the others does. `unfiltered` also
compiles every plan with policies that let all pass, so that what authorization costs can be seen.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette

from api import courier
from api.cli import serve
from auth import policy
from bench.servers import START_SECONDS
from models import db


def application() -> Starlette:
    """What each worker runs; told by the command line that its parent was given."""
    change, _, search_path, _ = sys.argv[-4:]
    real = db.configuration

    def looking_there(*given: Any, **named: Any) -> dict[str, Any]:
        found = real(*given, **named)
        if search_path != "public":
            found["connections"]["default"]["credentials"]["server_settings"]["search_path"] = search_path
        return found

    async def nothing(_: courier.Courier) -> int:
        return 0

    db.configuration = looking_there
    courier.Courier.send_mail = nothing
    if change == "unfiltered":
        for table in policy.PREDICATES:
            policy.PREDICATES[table] = policy.EVERYONE
    return serve.application()


if __name__ == "__main__":
    uvicorn.run(
        "bench.variant:application",
        factory=True,
        workers=int(sys.argv[2]),
        timeout_worker_healthcheck=START_SECONDS,  # a busy machine is slow to start; nobody here hangs
        port=int(sys.argv[4]),
        proxy_headers=True,
        **serve.SERVER_OPTIONS,
    )
