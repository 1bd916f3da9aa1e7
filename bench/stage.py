"""Who takes part: every server of a run, each a process of its own, started when it is first needed."""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import npm, raw
from bench.servers import COST_BUDGET, Server, free_port, running
from bench.subject import Subject
from models import db

KYOSO, LIMIT = "Kyoso", "L"
UNFILTERED, TWO_WORKERS, PGBOUNCER = "unfiltered", "two workers", "pgbouncer"
OURS = (KYOSO, UNFILTERED, TWO_WORKERS, PGBOUNCER)
PEERS = ("N", "S", "P", "M")
"""Strawberry as one would first write it, Strawberry with DataLoaders, PostGraphile, mercurius."""
NODE = ("P", "M")
PYTHON = {"N": "naive", "S": "batched"}
SCRIPTS = {"P": "postgraphile.mjs", "M": "mercurius.mjs"}
VARIANTS = {
    KYOSO: ["plain", "1"],
    TWO_WORKERS: ["plain", "2"],
    UNFILTERED: ["unfiltered", "1"],
    PGBOUNCER: ["plain", "1"],
}
FOLDER = Path(__file__).with_name("peers")


@dataclass
class Stage:
    """The servers of one run over one database. `pooled_url` leads to it too, through pgbouncer."""

    url: str
    master_key: bytes
    subject: Subject
    data_dir: Path
    stack: AsyncExitStack
    pooled_url: str | None = None

    def __post_init__(self) -> None:
        self._running: dict[tuple[str, bool], Server] = {}
        self._starting = asyncio.Lock()

    async def server(self, kind: str, *, from_rows: bool = False) -> Server:
        """The server of that kind, started when it does not run yet. `from_rows`: finds rows where the rollup is."""
        async with self._starting:
            if (kind, from_rows) not in self._running:
                self._running[kind, from_rows] = await self._start(kind, raw.SEARCHED if from_rows else "public")
            return self._running[kind, from_rows]

    @property
    def servers(self) -> dict[str, Server]:
        """What runs, without those that look at raw rows."""
        return {kind: server for (kind, from_rows), server in self._running.items() if not from_rows}

    async def _start(self, kind: str, search_path: str) -> Server:
        port = str(free_port())
        address = f"http://127.0.0.1:{port}"
        viewer = str(self.subject.id)
        words = {
            LIMIT: ["-m", "bench.limit", viewer, search_path, port],
            **{name: ["-m", "bench.variant", *how, search_path, port] for name, how in VARIANTS.items()},
            **{name: ["-m", "bench.peers.serve", peer, viewer, search_path, port] for name, peer in PYTHON.items()},
        }
        if kind in NODE:
            program = [str(npm.node()), str(FOLDER / SCRIPTS[kind]), viewer, port]
            told = {**self._for_node(search_path), "NODE_ENV": "production"}
        else:
            program, told = [sys.executable, *words[kind]], self._for_python(kind, address)
        ready = f"{address}/q1?of={viewer}" if kind == LIMIT else f"{address}/healthz"
        process = await self.stack.enter_async_context(running(program, told, ready))
        return Server(address, process.pid)

    def _for_python(self, kind: str, address: str) -> dict[str, str]:
        pooled = {"KYOSO_DIRECT_DATABASE_URL": self.url} if kind == PGBOUNCER else {}
        return pooled | {
            "KYOSO_DATABASE_URL": (self.pooled_url or self.url) if pooled else self.url,
            "KYOSO_ISSUER": address,
            "KYOSO_MASTER_KEY": b64encode(self.master_key).decode(),
            "KYOSO_COST_BUDGET": str(COST_BUDGET),
            "KYOSO_LOG_LEVEL": "error",
            "KYOSO_DATA_DIR": str(self.data_dir),
        }

    def _for_node(self, search_path: str) -> dict[str, str]:
        known = db.credentials(self.url)
        told = {"PGHOST": known["host"], "PGPORT": str(known["port"]), "PGUSER": known["user"]}
        told |= {
            "PGDATABASE": known["database"],
            "PGOPTIONS": f"-c search_path={search_path.replace(' ', '')} -c jit=off",
        }
        return told | ({"PGPASSWORD": known["password"]} if known["password"] else {})
