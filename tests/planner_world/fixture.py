"""The toy world as a fixture: import `toy` and `judge` into a test file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.planner_world.compare import World, connect, create, viewer
from tests.planner_world.judge import Judge

SEED = 1


@pytest.fixture
async def toy(empty_database: str) -> AsyncIterator[World]:
    """A filled world of the test's own."""
    connection = await connect(empty_database)
    try:
        yield await create(connection, SEED)
    finally:
        await connection.close()


@pytest.fixture
def judge(toy: World) -> Judge:
    """The judge of that world, for the first partner."""
    return Judge(toy.rows, viewer(toy.rows["partner"][0]["id"]).values)
