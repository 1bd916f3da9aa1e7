"""Random documents both ways, compiled and executed: `python -m tests.random_documents --count N --seed S`."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from api import postgres as embedded
from tests.planner_world.compare import compare, connect, create

DOCUMENTS_PER_WORLD = 250


async def run(url: str, count: int, seed: int) -> list[str]:
    """What differs, over as many worlds as the documents need."""
    told: list[str] = []
    for number in range(0, count, DOCUMENTS_PER_WORLD):
        connection = await connect(url)
        await connection.execute(
            "drop schema public cascade; create schema public; grant usage on schema public to public"
        )
        made = await create(connection, seed + number)
        told += await compare(made, random.Random(seed + number), min(DOCUMENTS_PER_WORLD, count - number))
        await connection.close()
    return told


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000, help="documents, each sent three times")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3, help="differences to print")
    asked = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="kyoso-documents-", dir="/tmp"))
    given = os.environ.get("KYOSO_TEST_DATABASE_URL")
    server = None if given else embedded.start(directory / "postgres", embedded.FORGETFUL)
    try:
        told = asyncio.run(run(given or server.url(), asked.count, asked.seed))
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(directory)
    print("\n\n".join(told[: asked.show]))
    print(f"{asked.count} documents, each three times: {len(told)} differ")
    sys.exit(1 if told else 0)


if __name__ == "__main__":
    main()
