"""The servers that are compared, each a process of its own on a free port, ended with the bench."""

from __future__ import annotations

import asyncio
import socket
import sys
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
START_SECONDS = 180
COST_BUDGET = 1_000_000_000  # the budget is counted for every request, and is never spent
CONNECTIONS = 100_000  # and so are connections: a few clients hold all there are


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it answers, and which process it is."""

    address: str
    pid: int


@asynccontextmanager
async def worker(url: str, master_key: bytes) -> AsyncGenerator[Server]:
    """Kyoso itself with one worker (`bench/variant.py`)."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    told = {
        "KYOSO_DATABASE_URL": url,
        "KYOSO_ISSUER": address,
        "KYOSO_MASTER_KEY": b64encode(master_key).decode(),
        "KYOSO_COST_BUDGET": str(COST_BUDGET),
        "KYOSO_CLIENT_CONNECTIONS": str(CONNECTIONS),
        "KYOSO_LOG_LEVEL": "error",
    }
    # Not `serve` itself, which refuses the superuser as whom the bench comes.
    program = [sys.executable, "-m", "bench.variant", "plain", "1", "public", str(port)]
    async with running(program, told, f"{address}/healthz") as process:
        yield Server(address, process.pid)


@asynccontextmanager
async def plain() -> AsyncGenerator[Server]:
    """The peer of the live events (`bench/plain.py`)."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    async with running([sys.executable, "-m", "bench.plain", str(port)], {}, f"{address}/healthz") as process:
        yield Server(address, process.pid)


@asynccontextmanager
async def running(program: list[str], told: dict[str, str], ready: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A program that is told this environment and no other, from when `ready` answers until the block ends."""
    process = await asyncio.create_subprocess_exec(*program, cwd=ROOT, env=told, stdin=asyncio.subprocess.DEVNULL)
    try:
        await _answers(process, ready)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(process: asyncio.subprocess.Process, ready: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(START_SECONDS * 20):
            if process.returncode is not None:
                raise RuntimeError("a server of the bench ended at once; what it said stands above")
            try:
                if (await client.get(ready)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise RuntimeError(f"a server of the bench did not answer within {START_SECONDS} s")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
